"""Checks arguments of this package's own functions where they enter: durations, dates, counts, names, texts and classes of
errors.

A value that passes can be recorded, stored as a key, kept by a timer and shown by every reader. Code after the entry points need
not check again, and a mistake is reported at the line that makes it. Every message names the parameter.
"""

from __future__ import annotations

import datetime
import enum
import math
from typing import Any, TypeAlias, TypeGuard, TypeVar

from actors.errors import ErrorCode, InvalidArgumentError, LimitExceededError, bases_of
from actors.values.texts import is_utf8, shown

E = TypeVar("E", bound=enum.Enum)
T = TypeVar("T")

Seconds: TypeAlias = float | datetime.timedelta
"""A duration."""

Instant: TypeAlias = float | datetime.datetime
"""A date: seconds since 1970 UTC, or a datetime with a zone."""

MAX_SECONDS = 1e10
"""The longest delay, timeout or retention: three centuries. Added to any present date it is still a date."""

MAX_COUNT = 2**63 - 1
"""The largest number that every part of the journal can store."""

MAX_WORDS = 4_096
"""The longest reason or name of a step, in characters."""

MAX_NAME = 256
"""The longest name of a signal or a patch, in characters."""

PATH_STEPS = (".", "..")
"""Names that HTTP clients and browsers remove from a path before they send it, also if written as ``%2E`` (RFC 3986, section
5.2.4)."""

_LONE_SURROGATE = "it contains half of a surrogate pair, as file names that are not UTF-8 do"


def is_a(value: object, kind: type[T]) -> TypeGuard[T]:
    """Like ``isinstance``, but without asking the value for its ``__class__``, which a user's class may define to return or raise
    anything."""
    return issubclass(type(value), kind)


def checked_seconds(value: Seconds, name: str, *, is_above_zero: bool = False, at_most: float = MAX_SECONDS) -> float:
    """The duration in seconds. Raises :class:`InvalidArgumentError` unless it is finite, not negative, and within the limit.

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
    """The date in seconds since 1970 UTC. Raises :class:`InvalidArgumentError` unless it is a finite date.

    Every date before 1970 is in the past and counts as 1970.
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
    """The number as a float. Raises :class:`InvalidArgumentError` unless it is finite, positive and within these bounds."""
    number = _number(value)
    if number > 0 and at_least <= number <= at_most and math.isfinite(number):
        return number
    least = f", at least {at_least:g}" if at_least else ""
    most = ", finite" if at_most == math.inf else f", at most {at_most:.0f}"
    raise _refusal(name, value, f"a number above 0{least}{most}")


def checked_count(value: object, name: str, *, at_least: int = 1, at_most: int = MAX_COUNT) -> int:
    """The number unchanged. Raises :class:`InvalidArgumentError` unless it is an int within these bounds."""
    if is_a(value, int) and type(value) is not bool:
        exact = int.__int__(value)
        if at_least <= exact <= at_most:
            return exact
    raise _refusal(name, value, f"a whole number from {at_least} to {at_most}")


def checked_truth(value: object, name: str) -> bool:
    """The value unchanged. Raises :class:`InvalidArgumentError` unless it is True or False."""
    if is_a(value, bool):
        return value
    raise _refusal(name, value, "True or False")


def checked_text(value: object, name: str, at_most: int = MAX_WORDS) -> str:
    """The text as a plain ``str``. Raises :class:`InvalidArgumentError` if it is not a text or cannot be written as UTF-8, and
    :class:`LimitExceededError` if it is too long.

    A subclass (``numpy.str_``, an enum of texts) counts as its text, because the codecs of the journal accept only ``str``.
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
    """The same for a text that is part of a path: not empty, and none of :data:`PATH_STEPS`."""
    text = checked_text(value, name, at_most)
    if not text:
        raise _refusal(name, text, "at least one character")
    if text in PATH_STEPS:
        raise _refusal(name, text, "another name: HTTP clients treat this one as a relative path")
    return text


def checked_point(value: str | None, name: str) -> str:
    """The step from which a restart begins; None means the beginning and is returned as an empty text. An empty text is probably
    an unset variable, and restarting from the beginning would repeat what was to be kept: it raises
    :class:`InvalidArgumentError`."""
    if value is None:
        return ""
    text = checked_text(value, name)
    if not text.strip():
        raise _refusal(name, value, "a step's name or path, or 'end'; leave it out to begin at the beginning")
    return text


def seconds_or_none(value: Seconds | None, name: str) -> float | None:
    """As :func:`checked_seconds`, for an optional parameter."""
    return None if value is None else checked_seconds(value, name)


def count_or_none(value: int | None, name: str, *, at_least: int = 1, at_most: int = MAX_COUNT) -> int | None:
    """As :func:`checked_count`, for an optional parameter."""
    return None if value is None else checked_count(value, name, at_least=at_least, at_most=at_most)


def text_or_none(value: str | None, name: str, at_most: int = MAX_WORDS) -> str | None:
    """As :func:`checked_text`, for an optional parameter."""
    return None if value is None else checked_text(value, name, at_most)


def checked_errors(value: Any, name: str) -> tuple[type[BaseException], ...]:
    """Classes of errors as ``except`` takes them: one, or a tuple. Raises :class:`InvalidArgumentError`."""
    kinds = tuple(value) if issubclass(type(value), (tuple, list, set, frozenset)) else (value,)
    for kind in kinds:
        if not (is_a(kind, type) and BaseException in bases_of(kind)):
            raise _refusal(name, kind, "a class of exceptions, or a tuple of them, as 'except' takes")
    return kinds


def one_of(kind: type[E], value: str | E, name: str) -> E:
    """The member of the enum. Raises :class:`InvalidArgumentError`."""
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(repr(member.value) for member in kind)
        raise _refusal(name, value, f"one of {known}") from None


def _number(value: object) -> float:
    """The value as a float; NaN, which every check refuses, if it is not a number or too large for a float."""
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
