"""The error for a value that does not fit its type."""

from __future__ import annotations

from typing import Any

from actors.errors import ActorError, name_alone, plain_text
from actors.values.arguments import MAX_WORDS
from actors.values.texts import shown


class ValueProblem(ActorError):
    """A value does not fit a type. ``path`` is its place (``$`` is the whole value), ``problem`` the reason. The caller knows
    whose mistake it is, and raises its own error from this one."""

    def __init__(self, problem: str, path: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.problem = problem
        self.path = path


class Misfit(Exception):
    """The same error inside this package: its path grows from the inside out while it passes the containers."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = ""

    def under(self, step: str) -> Misfit:
        """The same error as seen from the container; ``step`` is ``.name`` or ``[index]``."""
        self.path = step + self.path
        return self


def expected(name: str, value: object) -> Misfit:
    """The error for a value of another type than the one with this name."""
    return Misfit(f"expected {name}, found {show(value)}")


def reason_of(error: BaseException) -> str:
    """The message of an error from other code, on one line."""
    try:
        said = plain_text(str(error), MAX_WORDS)
    except BaseException:  # the methods of an error are user code and may raise anything
        said = ""
    return " ".join(said.split()) or name_alone(type(error))


def under_key(key: object) -> str:
    """The path step to an item of a dictionary."""
    return f"[{shown(key)}]"


def show(value: object) -> str:
    """A value in a message, with its type."""
    return f"{shown(value)} ({name_alone(type(value))})"


def name_of(kind: Any) -> str:
    """A type in a message, as it was written."""
    if isinstance(kind, type) and not getattr(kind, "__args__", ()):
        return "None" if kind is type(None) else kind.__qualname__
    return str(kind).replace("typing.", "")
