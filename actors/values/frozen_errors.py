"""Makes terminal errors that are frozen data classes raisable everywhere.

``contextlib``, ``trio`` and ``add_note`` assign to ``__traceback__`` and similar attributes while an error passes through them. A
frozen data class forbids that, so a ``FrozenInstanceError`` replaces the error (python/cpython#99856). attrs exempts these
attributes in its frozen classes. Users' terminal errors that are data classes get the same exemption here; their fields stay
frozen.
"""

from __future__ import annotations

import functools
from collections import deque
from types import FunctionType
from typing import TYPE_CHECKING, Any

from actors.errors import TerminalError
from actors.errors.names import bases_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SET_BY_RAISING = frozenset({"__cause__", "__context__", "__notes__", "__suppress_context__", "__traceback__"})
_GENERATED_IN = "<string>"
"""The file name in the code of a method that ``dataclasses`` generated."""

# Python's own data about a class, read without calling its metaclass.
_class_dict_of: Callable[[type], Mapping[str, Any]] = vars(type)["__dict__"].__get__


def permit_raising(kind: type[TerminalError]) -> None:
    """Let a raise assign to the error's ``__traceback__`` and similar attributes, for the class and its bases."""
    for base in bases_of(kind):
        own = _class_dict_of(base)
        frozen = own.get("__setattr__")
        if (
            "__dataclass_params__" in own
            and type(frozen) is FunctionType
            and frozen.__code__.co_filename == _GENERATED_IN
        ):
            type.__setattr__(base, "__setattr__", _permitting(frozen))


def permit_raising_all() -> None:
    """Call :func:`permit_raising` for every class of terminal errors defined so far."""
    waiting: deque[type[TerminalError]] = deque([TerminalError])
    while waiting:
        kind = waiting.popleft()
        waiting += type.__subclasses__(kind)
        permit_raising(kind)


def _permitting(frozen: Callable[[Any, str, Any], None]) -> Callable[[Any, str, Any], None]:
    @functools.wraps(frozen)
    def permitting(self: Any, name: str, value: Any) -> None:
        if name in _SET_BY_RAISING:
            BaseException.__setattr__(self, name, value)
        else:
            frozen(self, name, value)

    return permitting
