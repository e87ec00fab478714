"""Whether a text can be written as UTF-8, and values in texts, whatever they are."""

from __future__ import annotations

from typing import Protocol

from actors.core.errors import plain_text

_SHOWN_CHARACTERS = 80
_MANY_BITS = 1_000


class _Failure(Protocol):
    """A failure as it is recorded, or as it is shown."""

    @property
    def type(self) -> str: ...
    @property
    def message(self) -> str: ...


def is_utf8(text: str) -> bool:
    """Whether the text can be written as UTF-8: it has no half of a surrogate pair."""
    try:
        str.encode(text)
    except UnicodeEncodeError:
        return False
    return True


def failure_in_words(failure: _Failure) -> str:
    """The type of a failure and its text, or the type alone if it has none. Types that are built into Python go without a module."""
    name = failure.type.removeprefix("builtins.")
    return f"{name}: {failure.message}" if failure.message else name


def shown(value: object) -> str:
    """A value in a message: short, and never an error of its own."""
    if isinstance(value, int) and value.bit_length() > _MANY_BITS:
        return f"an int of {value.bit_length()} bits"
    try:
        text = plain_text(repr(value), _SHOWN_CHARACTERS + 1)
    except Exception as error:  # the mistake of a user's class, or an int that is too long to write, somewhere inside
        text = f"something whose repr raises {type(error).__name__}"
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
