"""Checks that texts are UTF-8, and shows arbitrary values in texts."""

from __future__ import annotations

from typing import Protocol, cast

from actors.errors.names import name_alone, plain_text

_SHOWN_CHARACTERS = 80
_MANY_BITS = 1_000


class FailureLike(Protocol):
    """A failure as it is recorded or as it is displayed."""

    @property
    def type(self) -> str: ...
    @property
    def message(self) -> str: ...


def is_utf8(text: str) -> bool:
    """Report whether the text can be written as UTF-8: it contains no half of a surrogate pair."""
    try:
        str.encode(text)
    except UnicodeEncodeError:
        return False
    return True


def failure_in_words(failure: FailureLike) -> str:
    """Return the type and the text of a failure, or only the type if the text is empty. The names of builtin types are
    given without a module."""
    name = failure.type.removeprefix("builtins.")
    return f"{name}: {failure.message}" if failure.message else name


def shown(value: object) -> str:
    """Return a short text for a value in a message. Never raises."""
    if issubclass(type(value), int) and (bits := int.bit_length(cast("int", value))) > _MANY_BITS:
        return f"an int of {bits} bits"
    try:
        text = plain_text(repr(value), _SHOWN_CHARACTERS + 1)
    except BaseException as error:  # a user's class may raise anything, and an int inside may be too long to write
        text = f"something whose repr raises {name_alone(type(error))}"
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
