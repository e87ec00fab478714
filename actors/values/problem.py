"""The error for a value that does not fit its type."""

from __future__ import annotations

from typing import Any

from actors.errors import ActorError
from actors.errors.names import name_alone, plain_text
from actors.values.arguments import MAX_WORDS
from actors.values.texts import shown


class ValueProblem(ActorError):
    """A value does not fit a type. ``path`` is the path to the part that does not fit (``$`` is the whole value),
    ``problem`` the reason. The caller knows whose mistake it is, and raises its own error from this one."""

    def __init__(self, problem: str, path: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.problem = problem
        self.path = path


class Misfit(Exception):
    """A value does not fit a type, inside this package: the path grows from the inside out while the error passes the
    containers."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = ""

    def under(self, step: str) -> Misfit:
        """Put a step in front of the path, and return the error. ``step`` is ``.name`` or ``[index]``."""
        self.path = step + self.path
        return self


def expected(name: str, value: object) -> Misfit:
    """Return the error for a value that is not of the type with this name."""
    return Misfit(f"expected {name}, found {show(value)}")


def reason_of(error: BaseException) -> str:
    """Return the message of another library's or a user's error on one line, or the name of its class if it has none."""
    try:
        said = plain_text(str(error), MAX_WORDS)
    except BaseException:  # the methods of an error are user code and may raise anything
        said = ""
    return " ".join(said.split()) or name_alone(type(error))


def under_key(key: object) -> str:
    """Return the step of a path to an item of a dictionary."""
    return f"[{shown(key)}]"


def show(value: object) -> str:
    """Return a text for a value in a message, with its type."""
    return f"{shown(value)} ({name_alone(type(value))})"


def name_of(kind: Any) -> str:
    """Return the name of a type in a message, as it was written."""
    if isinstance(kind, type) and not getattr(kind, "__args__", ()):
        return "None" if kind is type(None) else kind.__qualname__
    return str(kind).replace("typing.", "")
