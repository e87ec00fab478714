"""Errors that misbehave in every way that a class allows: each entry makes one that a handler or a step may raise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import actors

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_UTF8 = "caf\udce9.txt"
"""What ``os.listdir`` gives for a name that is not UTF-8."""


def refuse(*_: object, **__: object) -> NoReturn:
    """A method of the user's that raises, and not even an ``Exception``."""
    raise SystemExit("refused")


def _raising(*names: str, base: type[BaseException] = Exception) -> type[BaseException]:
    """A class of errors with methods that raise."""
    return type(f"Raises_{names[0].strip('_')}", (base,), dict.fromkeys(names, refuse))


def _reading(name: str, base: type[BaseException] = Exception) -> type[BaseException]:
    """A class of errors with an attribute that raises when it is read."""
    return type(f"Reads_{name.strip('_')}", (base,), {name: property(refuse, lambda *_: None)})


def _carrying(base: type[BaseException] = actors.TerminalError, **attributes: object) -> BaseException:
    error = type("Carries", (base,), {})("carried")
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


def _named(kind: object) -> BaseException:
    error = actors.TerminalError("named")
    error.type = kind  # type: ignore[assignment]
    return error


class Text(str):
    """A text that cannot be looked at."""

    encode = __getitem__ = __len__ = __str__ = __eq__ = __hash__ = __format__ = __add__ = refuse  # type: ignore[assignment]


class Unasked(type):
    """Classes that cannot be asked whether an object, or another class, is one of them."""

    __instancecheck__ = __subclasscheck__ = refuse


class _Says(Exception):
    def __init__(self, said: object) -> None:
        super().__init__()
        self.said = said

    def __str__(self) -> str:
        return self.said  # type: ignore[return-value]


class _Meta(type):
    """A class of classes with nothing in it that can be asked."""

    __module__ = property(refuse)
    __name__ = property(refuse)
    __mro__ = property(refuse)
    __getattribute__ = __instancecheck__ = __subclasses__ = __eq__ = __hash__ = __repr__ = __call__ = refuse  # type: ignore[assignment]


_MUTE: dict[str, Any] = {
    base.__name__: type.__call__(_Meta, "Mute", (base,), {"__module__": __name__})
    for base in (Exception, actors.TerminalError)
}
"""Kept for good, as classes are. In a dictionary, because whoever looks through a module would look at them."""


def _mute(base: str) -> BaseException:
    error: BaseException = Exception.__new__(_MUTE[base])
    return error


class _SaysItHoldsItself(ExceptionGroup[Exception]):
    @property
    def exceptions(self) -> Any:
        return (self,)


def _cyclic() -> BaseException:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__context__ = other, one
    return one


def nested_group(depth: int) -> ExceptionGroup[Exception]:
    """As deep as it is asked for."""
    group = ExceptionGroup("deep", [ValueError("at the bottom")])
    for _ in range(depth):
        group = ExceptionGroup("deep", [group])
    return group


def doubling_group(depth: int) -> ExceptionGroup[Exception]:
    """Few objects, and as many ways to the bottom as two to the power of ``depth``."""
    group = ExceptionGroup("doubled", [ValueError("at the bottom")])
    for _ in range(depth):
        group = ExceptionGroup("doubled", [group, group])
    return group


def _with_notes(notes: object) -> BaseException:
    error = ValueError("noted")
    error.__notes__ = notes  # type: ignore[assignment]
    return error


ERRORS: dict[str, Callable[[], BaseException]] = {
    "text raises": _raising("__str__", "__repr__"),
    "text raises in a terminal one": _raising("__str__", "__repr__", base=actors.TerminalError),
    "equality and hash raise": _raising("__eq__", "__hash__", "__bool__"),
    "attributes raise": _raising("__getattribute__"),
    "attributes of a terminal one raise": _raising("__getattribute__", base=actors.TerminalError),
    "class raises": _reading("__class__"),
    "class of a terminal one raises": _reading("__class__", actors.TerminalError),
    "traceback raises": _reading("__traceback__"),
    "cause raises": _reading("__cause__"),
    "notes raise": _reading("__notes__"),
    "details raise": _reading("details", actors.TerminalError),
    "reason raises": _reading("reason", actors.CancelledError),
    "class cannot be asked": lambda: _mute("Exception"),
    "class of a terminal one cannot be asked": lambda: _mute("TerminalError"),
    "text is no text": lambda: _Says(404),
    "text cannot be looked at": lambda: _Says(Text("x")),
    "text is not UTF-8": lambda: ValueError(NOT_UTF8),
    "text of a terminal one is not UTF-8": lambda: actors.TerminalError(NOT_UTF8),
    "text is long": lambda: ValueError("x" * 1_000_000),
    "text is an integer beyond the digits": lambda: ValueError(10**5000),
    "type is a number": lambda: _carrying(type=404),
    "type is a class": lambda: _carrying(type=ValueError),
    "type is not UTF-8": lambda: _carrying(type=NOT_UTF8),
    "type cannot be looked at": lambda: _carrying(type=Text("x")),
    "type of one of ours is a number": lambda: _named(404),
    "type of one of ours cannot be looked at": lambda: _named(Text("x")),
    "type is long": lambda: _carrying(type="x" * 1_000_000),
    "message is a number": lambda: _carrying(message=404),
    "details are a class": lambda: _carrying(details=ValueError),
    "details are no number": lambda: _carrying(details={"rate": math.nan}),
    "details are not UTF-8": lambda: _carrying(details=NOT_UTF8),
    "details are an integer beyond the digits": lambda: _carrying(details=10**5000),
    "module is a number": lambda: type("Odd", (actors.TerminalError,), {"__module__": 404})(),
    "module is not UTF-8": lambda: type("Odd", (Exception,), {"__module__": NOT_UTF8})(),
    "name is not UTF-8": lambda: type("Odd", (Exception,), {"__qualname__": NOT_UTF8})(),
    "reason is not UTF-8": lambda: actors.CancelledError(NOT_UTF8),
    "reason is a number": lambda: _carrying(actors.CancelledError, reason=404),
    "reason is a class": lambda: _carrying(actors.CancelledError, reason=ValueError),
    "reason cannot be looked at": lambda: _carrying(actors.CancelledError, reason=Text("x")),
    "reason is long": lambda: actors.CancelledError("x" * 1_000_000),
    "causes lead back": _cyclic,
    "group says that it holds itself": lambda: _SaysItHoldsItself("g", [ValueError("x")]),
    "group is deep": lambda: nested_group(3_000),
    "group doubles": lambda: doubling_group(60),
    "group is wide": lambda: ExceptionGroup("wide", [ValueError(str(n)) for n in range(10_000)]),
    "group with a cancel": lambda: BaseExceptionGroup("g", [actors.CancelledError(NOT_UTF8), ValueError("x")]),
    "group of a cancel and a terminal one": lambda: BaseExceptionGroup(
        "g", [actors.CancelledError("enough"), actors.TerminalError("x")]
    ),
    "group of terminal ones": lambda: ExceptionGroup("g", [actors.TerminalError("x"), _carrying(type=404)]),
    "notes are no list": lambda: _with_notes(404),
    "notes are not texts": lambda: _with_notes([404, NOT_UTF8, Text("x")]),
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
    "generator exit": GeneratorExit,
    "stop": StopIteration,
    "stop async": StopAsyncIteration,
    "own cancel of a scope": actors.Cancelled,
    "memory": MemoryError,
    "recursion": RecursionError,
}
"""By what is wrong with them."""


CANCELS = frozenset(
    {
        "group of a cancel and a terminal one",
        "reason raises",
        "reason is not UTF-8",
        "reason is a number",
        "reason is a class",
        "reason cannot be looked at",
        "reason is long",
    }
)
"""Those that end an invocation as cancelled, also where nobody has cancelled it."""
