"""Checks the arguments of this package's functions where they enter: durations, times, counts, names, texts and classes
of errors.

A value that passes can be recorded, stored as a key, kept by a timer and shown by every reader. Code after the entry
points need not check again, and a mistake is reported at the line that makes it. Every message names the parameter.
"""

from __future__ import annotations

import datetime
import enum
import math
from typing import Any, TypeAlias, TypeGuard, TypeVar

from actors.errors import ErrorCode, InvalidArgumentError, LimitExceededError
from actors.errors.names import bases_of
from actors.values.texts import is_utf8, shown

E = TypeVar("E", bound=enum.Enum)
T = TypeVar("T")

Seconds: TypeAlias = float | datetime.timedelta
"""A duration: seconds, or a timedelta."""

Instant: TypeAlias = float | datetime.datetime
"""A point in time: seconds since 1970 UTC, or a datetime with a zone."""

MAX_SECONDS = 1e10
"""The longest delay, timeout or retention: three centuries. Added to any present time, it gives a valid time."""

MAX_COUNT = 2**63 - 1
"""The largest number that every part of the journal can store."""

MAX_WORDS = 4_096
"""The greatest length of a reason or of a step's name, in characters."""

MAX_NAME = 256
"""The greatest length of the name of a signal or a patch, in characters."""

PATH_STEPS = (".", "..")
"""Names that HTTP clients and browsers remove from a path before they send it, also if written as ``%2E`` (RFC 3986, section
5.2.4)."""

_LONE_SURROGATE = "it contains half of a surrogate pair, as file names that are not UTF-8 do"


def is_a(value: object, kind: type[T]) -> TypeGuard[T]:
    """Report whether the value is an instance of the class, like ``isinstance``, but without reading the value's
    ``__class__``, which a user's class may define to return or raise anything."""
    return issubclass(type(value), kind)


def checked_seconds(value: Seconds, name: str, *, is_above_zero: bool = False, at_most: float = MAX_SECONDS) -> float:
    """Return the duration in seconds. Raises :class:`InvalidArgumentError` unless it is finite, not negative, and at
    most ``at_most``.

    Infinity is refused too: an optional duration is omitted to mean "without a limit".
    """
    number = datetime.timedelta.total_seconds(value) if is_a(value, datetime.timedelta) else _number(value)
    is_long_enough = number > 0 if is_above_zero else number >= 0
    if is_long_enough and number <= at_most and math.isfinite(number):
        return number
    sign = "positive" if is_above_zero else "non-negative"
    bound = ", finite number of seconds" if at_most == math.inf else f" number of seconds of at most {at_most:.0f}"
    raise _refusal(name, value, f"a {sign}{bound}, or a timedelta")


def checked_instant(value: Instant, name: str) -> float:
    """Return the time in seconds since 1970 UTC. Raises :class:`InvalidArgumentError` unless it is finite, and has a
    zone if it is a datetime.

    Every time before 1970 is in the past and counts as 1970.
    """
    if is_a(value, datetime.datetime):
        if value.utcoffset() is None:
            raise _refusal(name, value, "a datetime with a zone: datetime.now(timezone.utc) and the like")
        number = value.timestamp()
    else:
        number = _number(value)
    if not math.isfinite(number):
        raise _refusal(name, value, "a finite number of seconds since 1970 UTC, or a datetime with a zone")
    return max(number, 0.0)


def checked_number(value: float, name: str, *, at_least: float = 0.0, at_most: float = math.inf) -> float:
    """Return the number as a float. Raises :class:`InvalidArgumentError` unless it is finite, positive and within these
    bounds."""
    number = _number(value)
    if number > 0 and at_least <= number <= at_most and math.isfinite(number):
        return number
    least = f", at least {at_least:g}" if at_least else ""
    most = ", finite" if at_most == math.inf else f", at most {at_most:.0f}"
    raise _refusal(name, value, f"a number above 0{least}{most}")


def checked_count(value: object, name: str, *, at_least: int = 1, at_most: int = MAX_COUNT) -> int:
    """Return the number unchanged. Raises :class:`InvalidArgumentError` unless it is an int within these bounds."""
    if is_a(value, int) and type(value) is not bool:
        exact = int.__int__(value)
        if at_least <= exact <= at_most:
            return exact
    raise _refusal(name, value, f"a whole number from {at_least} to {at_most}")


def checked_truth(value: object, name: str) -> bool:
    """Return the value unchanged. Raises :class:`InvalidArgumentError` unless it is True or False."""
    if is_a(value, bool):
        return value
    raise _refusal(name, value, "True or False")


def checked_text(value: object, name: str, at_most: int = MAX_WORDS) -> str:
    """Return the text as a plain ``str``. Raises :class:`InvalidArgumentError` if the value is not a text or cannot be
    written as UTF-8, and :class:`LimitExceededError` if it is too long.

    A subclass (``numpy.str_``, an enum of texts) counts as its text, because the codecs of the journal accept only
    ``str``.
    """
    if not is_a(value, str):
        raise _refusal(name, value, "text")
    text = value if type(value) is str else str.__str__(value)
    if len(text) > at_most:
        raise LimitExceededError(
            f"{name} has {len(text)} characters, the limit is {at_most}",
            limit=name,
            maximum=at_most,
            found=len(text),
            code=ErrorCode.TOO_LARGE,
        )
    if not text.isascii() and not is_utf8(text):
        raise _refusal(name, text, f"text in UTF-8; {_LONE_SURROGATE}")
    return text


def checked_name(value: object, name: str, at_most: int = MAX_NAME) -> str:
    """Return a text that becomes part of a path. Raises as :func:`checked_text` does, and :class:`InvalidArgumentError`
    if the text is empty or one of :data:`PATH_STEPS`."""
    if type(value) is str and 0 < len(value) <= at_most and value.isascii() and value not in PATH_STEPS:
        return value  # nearly always; what follows says what is wrong
    text = checked_text(value, name, at_most)
    if not text:
        raise _refusal(name, text, "at least one character")
    if text in PATH_STEPS:
        raise _refusal(name, text, "another name: HTTP clients treat this one as a relative path")
    return text


def checked_title(value: object, name: str, at_most: int = MAX_NAME) -> str:
    """Return the name of something that people list and type. Raises as :func:`checked_name` does, and
    :class:`InvalidArgumentError` if it has characters that are not printable."""
    text = checked_name(value, name, at_most)
    if not text.isprintable():
        raise _refusal(name, text, "printable characters")
    return text


def checked_point(value: str | None, name: str) -> str:
    """Return the step from which a restart begins; an empty text, given as None, means the beginning.

    An empty text that is given as such is probably an unset variable, and a restart from the beginning would repeat
    work that was to be kept: it raises :class:`InvalidArgumentError`.
    """
    if value is None:
        return ""
    text = checked_text(value, name)
    if not text.strip():
        raise _refusal(name, value, "a step's name or path, or 'end'; leave it out to begin at the beginning")
    return text


def seconds_or_none(value: Seconds | None, name: str) -> float | None:
    """Return None for None, else as :func:`checked_seconds`."""
    return None if value is None else checked_seconds(value, name)


def count_or_none(value: int | None, name: str, *, at_least: int = 1, at_most: int = MAX_COUNT) -> int | None:
    """Return None for None, else as :func:`checked_count`."""
    return None if value is None else checked_count(value, name, at_least=at_least, at_most=at_most)


def text_or_none(value: str | None, name: str, at_most: int = MAX_WORDS) -> str | None:
    """Return None for None, else as :func:`checked_text`."""
    return None if value is None else checked_text(value, name, at_most)


def checked_errors(value: Any, name: str) -> tuple[type[BaseException], ...]:
    """Return classes of exceptions as a tuple, given one class or several, as ``except`` takes them. Raises
    :class:`InvalidArgumentError`."""
    kinds = tuple(value) if issubclass(type(value), (tuple, list, set, frozenset)) else (value,)
    for kind in kinds:
        if not (is_a(kind, type) and BaseException in bases_of(kind)):
            raise _refusal(name, kind, "a class of exceptions, or a tuple of them, as 'except' takes")
    return kinds


def one_of(kind: type[E], value: str | E, name: str) -> E:
    """Return the member of the enum with this value. Raises :class:`InvalidArgumentError`."""
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(repr(member.value) for member in kind)
        raise _refusal(name, value, f"one of {known}") from None


def _number(value: object) -> float:
    """Return the value as a float. If it is not a number or too large for a float, return NaN, which every check
    refuses."""
    if type(value) is bool:
        return math.nan
    try:
        if is_a(value, int):
            return float(int.__int__(value))
        return float.__float__(value) if is_a(value, float) else math.nan
    except OverflowError:
        return math.nan


def _refusal(name: str, value: object, expected: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"{name} is {shown(value)}, expected {expected}", path=name)
