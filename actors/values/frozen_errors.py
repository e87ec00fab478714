"""Terminal errors that are frozen data classes can be raised everywhere.

``contextlib``, ``trio`` and ``add_note`` assign to ``__traceback__`` and its like while an error passes through them. A frozen data
class forbids that, so a ``FrozenInstanceError`` takes the place of the error (python/cpython#99856). Frozen classes of attrs
permit these attributes. The data classes of users' terminal errors are given the same exception here; their fields stay frozen.
"""

from __future__ import annotations

import functools
from collections import deque
from types import FunctionType
from typing import TYPE_CHECKING, Any

from actors.errors import TerminalError, bases_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SET_BY_RAISING = frozenset({"__cause__", "__context__", "__notes__", "__suppress_context__", "__traceback__"})
_GENERATED_IN = "<string>"
"""The file that the code of a method is from if ``dataclasses`` wrote it."""

# What Python itself keeps of a class, whatever its metaclass answers.
_class_dict_of: Callable[[type], Mapping[str, Any]] = vars(type)["__dict__"].__get__


def permit_raising(kind: type[TerminalError]) -> None:
    """Let instances of the class, and of its bases, have what a raise assigns."""
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
    """Do so for every class of terminal errors that is defined by now."""
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
