"""The options of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from actors.errors import InvalidArgumentError
from actors.values.arguments import MAX_WORDS, Seconds, checked_name, checked_seconds, is_a, one_of
from actors.values.loops import EventLoop
from actors.values.retries import RetryPolicy
from actors.values.texts import shown

Redactor: TypeAlias = Callable[[str, Any], Any]
"""A function that returns the value to record for an argument, given the name of its parameter and its value as plain JSON data."""


@attrs.frozen(kw_only=True)
class StepOptions:
    """The options of a step; see :func:`step`."""

    name: str | None = None
    aliases: tuple[str, ...] = ()
    retry: RetryPolicy | None = None
    timeout: float | None = None
    at_most_once: bool = False
    loop: EventLoop = EventLoop.TRIO
    redact: tuple[str, ...] = ()
    redactors: tuple[Redactor, ...] = ()


def step_options(
    *,
    name: str | None = None,
    aliases: Sequence[str] = (),
    retry: RetryPolicy | None = None,
    timeout: Seconds | None = None,
    at_most_once: bool = False,
    loop: Literal["trio", "asyncio"] = "trio",
    redact: Sequence[str] | Redactor = (),
) -> StepOptions:
    """Check the options that a user gives. Raises :class:`InvalidArgumentError` or :class:`LimitExceededError`."""
    if retry is not None and not is_a(retry, RetryPolicy):
        raise InvalidArgumentError(f"retry is {shown(retry)}, expected a RetryPolicy", path="retry")
    if isinstance(aliases, str):
        raise InvalidArgumentError(f"aliases is {aliases!r}, expected a tuple of names: ({aliases!r},)", path="aliases")
    if isinstance(redact, str):
        raise InvalidArgumentError(
            f"redact is {redact!r}, expected a tuple of parameters: ({redact!r},)", path="redact"
        )
    return StepOptions(
        name=None if name is None else checked_name(name, "name", MAX_WORDS),
        aliases=tuple(checked_name(alias, "aliases", MAX_WORDS) for alias in aliases) if aliases else (),
        retry=retry,
        timeout=None if timeout is None else checked_seconds(timeout, "timeout"),
        at_most_once=at_most_once,
        loop=EventLoop.TRIO if loop == "trio" else one_of(EventLoop, loop, "loop"),
        redact=tuple(checked_name(each, "redact") for each in redact) if redact and not callable(redact) else (),
        redactors=(redact,) if callable(redact) else (),
    )
