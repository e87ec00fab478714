"""Retry policies."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TypeAlias

import attrs

from actors.values.arguments import (
    Seconds,
    checked_count,
    checked_errors,
    checked_number,
    checked_seconds,
    checked_truth,
    one_of,
)


class Exhausted(enum.Enum):
    """The consequence of the last failed attempt: the engine pauses the invocation, or the failure becomes its outcome."""

    PAUSE = "pause"
    FAIL = "fail"


ErrorClasses: TypeAlias = type[BaseException] | Sequence[type[BaseException]]
"""One class of exceptions or several, as ``except`` takes them."""


def _max_attempts(value: int | None) -> int | None:
    return None if value is None else checked_count(value, "max_attempts")


def _initial_delay(value: Seconds) -> float:
    return checked_seconds(value, "initial_delay", is_above_zero=True)


def _factor(value: float) -> float:
    return checked_number(value, "factor")


def _max_delay(value: Seconds) -> float:
    return checked_seconds(value, "max_delay", is_above_zero=True)


def _on_exhausted(value: str | Exhausted) -> Exhausted:
    return one_of(Exhausted, value, "on_exhausted")


def _fail_fast(value: bool | None) -> bool | None:
    return None if value is None else checked_truth(value, "fail_fast")


def _terminal(value: ErrorClasses) -> tuple[type[BaseException], ...]:
    return checked_errors(value, "terminal")


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often to try, and how long to wait between tries; delays in seconds or as timedeltas.

    The n-th delay is ``initial_delay * factor ** (n - 1)``, at most ``max_delay``; a random part of it, between half and all, is
    used ("equal jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), so that work that failed
    together is not retried together. ``max_attempts`` includes the first; None means no limit. ``terminal`` is a class of
    exceptions, or several, that are not retried, in addition to ``TerminalError``.

    An error that a step raises may ask for a longer delay, of at most a day: by an attribute ``retry_after``, in seconds or as a timedelta, or by the
    header ``Retry-After`` of its ``response``, which the errors of httpx, requests, openai and anthropic have. Then the next try begins after
    that delay and up to a tenth more, also beyond ``max_delay``.

    With ``fail_fast``, errors that show a mistake in the code are not retried either, because every attempt would raise them
    again: an unknown name or module, a missing attribute of a module or class, a call whose arguments do not fit the function, a
    ``NotImplementedError``. Such an error is the outcome at once, independent of ``on_exhausted``. None leaves the choice to the
    runtime: ``playhead dev`` fails fast, so that a typing error is reported at once. ``playhead serve`` does not: the invocation
    is paused in the end, and continues where it stopped when it is resumed on corrected code. A failed one would be lost.

    Raises :class:`actors.InvalidArgumentError` for invalid options.

    ::

        @step(retry=actors.RetryPolicy(max_attempts=5, on_exhausted="fail", terminal=ValueError))
        async def charge(amount: int) -> str: ...
    """

    max_attempts: int | None = attrs.field(default=10, converter=_max_attempts)
    initial_delay: float = attrs.field(default=0.1, converter=_initial_delay)
    factor: float = attrs.field(default=2.0, converter=_factor)
    max_delay: float = attrs.field(default=60.0, converter=_max_delay)
    on_exhausted: Exhausted = attrs.field(default=Exhausted.PAUSE, converter=_on_exhausted)
    terminal: tuple[type[BaseException], ...] = attrs.field(default=(), converter=_terminal)
    fail_fast: bool | None = attrs.field(default=None, converter=_fail_fast)


DEFAULT_RETRY = RetryPolicy()
"""Ten attempts within about forty seconds, then paused."""


def delay_seconds(policy: RetryPolicy, failed_attempts: int, jitter: float, retry_after: float | None = None) -> float:
    """Return the delay after this number of failures, in seconds; ``jitter`` in [0, 1) selects from the upper half.

    It is not shorter than ``retry_after``, the delay that the error asks for. Then the jitter adds up to a tenth of it.
    """
    exponent = min(max(failed_attempts - 1, 0), 1000)  # factor ** 1000 is practically infinite, and still a float
    try:
        full = min(policy.max_delay, policy.initial_delay * policy.factor**exponent)
    except OverflowError:
        full = policy.max_delay
    delay = full * (0.5 + jitter / 2)
    return delay if retry_after is None else max(delay, retry_after * (1 + jitter / 10))


def is_exhausted(policy: RetryPolicy, failed_attempts: int) -> bool:
    """Report whether no further attempt is allowed."""
    return policy.max_attempts is not None and failed_attempts >= policy.max_attempts
