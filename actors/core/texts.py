"""Whether a text can be written as UTF-8, and values in texts, whatever they are."""

from __future__ import annotations

from actors.core.errors import plain_text

_SHOWN_CHARACTERS = 80
_MANY_BITS = 1_000


def is_utf8(text: str) -> bool:
    """Whether the text can be written as UTF-8: it has no half of a surrogate pair."""
    try:
        str.encode(text)
    except UnicodeEncodeError:
        return False
    return True


def shown(value: object) -> str:
    """A value in a message: short, and never an error of its own."""
    if isinstance(value, int) and value.bit_length() > _MANY_BITS:
        return f"an int of {value.bit_length()} bits"
    try:
        text = plain_text(repr(value), _SHOWN_CHARACTERS + 1)
    except Exception as error:  # the mistake of a user's class, or an int that is too long to write, somewhere inside
        text = f"something whose repr raises {type(error).__name__}"
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
