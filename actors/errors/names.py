"""Names of classes, read with Python's own descriptors: a user's metaclass cannot change them."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable


_NAME_CHARACTERS = 4_096
_DEPLOYMENT = re.compile(r"\Adep_[0-9a-f]{16}\.")


def plain_text(text: object, characters: int) -> str:
    """The text, made encodable and cut to this length. Raises ``TypeError`` if it is not a text."""
    if not issubclass(type(text), str):
        raise TypeError("not a text")
    # A subclass of str may override its methods; these are str's own.
    exact = str.__str__(cast("str", text))
    return exact[:characters].encode("utf-8", "backslashreplace").decode()[:characters]


instance_dict_of: Callable[[BaseException], dict[str, Any]] = vars(BaseException)["__dict__"].__get__
"""The real attributes of an error, even if its class overrides attribute access."""


# Python's own data about a class. A user's metaclass may return anything for these.
_module_in = vars(type)["__module__"].__get__


_qualname_in = vars(type)["__qualname__"].__get__


bases_of: Callable[[type], tuple[type, ...]] = vars(type)["__mro__"].__get__
"""The class and its bases, in method resolution order."""


def module_of(kind: type) -> str:
    """The module name of a class; ``?`` if it is not a text."""
    module = _module_in(kind)
    return plain_text(module, _NAME_CHARACTERS) if issubclass(type(module), str) else "?"


def qualname_of(kind: type) -> str:
    """A class's name within its module."""
    return plain_text(_qualname_in(kind), _NAME_CHARACTERS)


def name_alone(kind: type) -> str:
    """The name of a class, for messages. Never raises."""
    return qualname_of(kind).rpartition(".")[2]


def is_built_in(kind: type) -> bool:
    """Whether the class is one of this package."""
    return module_of(kind).partition(".")[0] == "actors"


def is_ours(kind: type) -> bool:
    """Whether the class is one of this package or of the journal."""
    return module_of(kind).partition(".")[0] in {"actors", "journal"}


def type_name(kind: type) -> str:
    """The recorded name of an error's type: the name in the application, whichever deployment the class is from. Never raises."""
    return f"{_DEPLOYMENT.sub('', module_of(kind))}.{qualname_of(kind)}"


@functools.lru_cache(maxsize=256)
def deployment_of_module(name: str) -> str:
    """The deployment that a module was loaded for; empty if it was imported normally."""
    found = _DEPLOYMENT.match(name)
    return "" if found is None else found.group()[:-1]
