"""When to try again."""

from __future__ import annotations

import enum

import attrs


class Exhausted(enum.Enum):
    """What follows the last attempt: the invocation is held for a person, or the failure is the outcome."""

    PAUSE = "pause"
    FAIL = "fail"


def _positive(_: object, field: attrs.Attribute[float], value: float) -> None:
    if not value > 0:
        raise ValueError(f"{field.name} is {value!r}, expected a number above 0")


def _at_least_one(_: object, field: attrs.Attribute[int], value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"{field.name} is {value!r}, expected at least 1, or None for no limit")


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often to try, and how long to wait in between; delays in seconds.

    The n-th wait is ``initial_delay * factor ** (n - 1)``, at most ``max_delay``, and of that a random part between half
    and all ("equal jitter", https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), so that what failed
    together does not come back together. ``max_attempts`` counts the first one; None: for ever. ``terminal`` are exception
    types that are not worth a second attempt, besides ``TerminalError``.

    ::

        @step(retry=actors.RetryPolicy(max_attempts=5, on_exhausted="fail"))
        async def charge(amount: int) -> str: ...
    """

    max_attempts: int | None = attrs.field(default=10, validator=_at_least_one)
    initial_delay: float = attrs.field(default=0.1, validator=_positive)
    factor: float = attrs.field(default=2.0, validator=_positive)
    max_delay: float = attrs.field(default=60.0, validator=_positive)
    on_exhausted: Exhausted = attrs.field(default=Exhausted.PAUSE, converter=Exhausted)
    terminal: tuple[type[BaseException], ...] = ()


DEFAULT_RETRY = RetryPolicy()
"""Ten attempts within about forty seconds, then paused."""


def delay_seconds(policy: RetryPolicy, failed_attempts: int, jitter: float) -> float:
    """How long to wait after this many failures; ``jitter`` in [0, 1) picks from the upper half."""
    assert failed_attempts >= 1
    exponent = min(failed_attempts - 1, 1000)  # factor ** 1000 is as good as for ever, and still a float
    try:
        full = min(policy.max_delay, policy.initial_delay * policy.factor**exponent)
    except OverflowError:
        full = policy.max_delay
    return full * (0.5 + jitter / 2)


def is_exhausted(policy: RetryPolicy, failed_attempts: int) -> bool:
    """Whether there is no further attempt."""
    return policy.max_attempts is not None and failed_attempts >= policy.max_attempts
