"""The public record of a limit, and the options with which it is set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import attrs
import msgspec

from actors.errors import InvalidArgumentError
from actors.model.verb_options import ReasonText, checked_reason
from actors.values.amounts import checked_budget
from actors.values.arguments import MAX_COUNT, Seconds, checked_seconds, count_or_none
from journal.fields import described, moment

if TYPE_CHECKING:
    from actors.core.limits import Limit, LimitChange
    from actors.values.amounts import Amount, Amounts


MAX_RATE = 10_000
"""The highest rate of a limit. Each start within the period is a row on disk."""

MIN_PERIOD = 0.001
"""The shortest period of a rate, in seconds: the clock does not distinguish shorter periods."""

MAX_PERIOD = 31 * 24 * 3600.0
"""The longest period of a rate, in seconds."""


def _concurrency(value: int | None) -> int | None:
    return count_or_none(value, "concurrency")


def _rate(value: int | None) -> int | None:
    return count_or_none(value, "rate", at_most=MAX_RATE)


def _period(value: Seconds) -> float:
    seconds = checked_seconds(value, "period", is_above_zero=True, at_most=MAX_PERIOD)
    if seconds < MIN_PERIOD:
        raise InvalidArgumentError(f"period is {seconds!r} seconds; the least is {MIN_PERIOD}", path="$.period")
    return seconds


def _budget(value: Mapping[str, Amount] | None) -> Amounts | None:
    return checked_budget(value)


@attrs.frozen(kw_only=True)
class LimitOptions:
    """The bounds of a limit: how many invocations of its scope run at once, how many start in a period, and how much they may spend. A limit
    without bounds permits everything; it exempts one key or value from the limit of each."""

    concurrency: (
        Annotated[
            int, msgspec.Meta(ge=1, le=MAX_COUNT, description="How many invocations of the scope may run at once.")
        ]
        | None
    ) = attrs.field(default=None, converter=_concurrency)
    rate: (
        Annotated[
            int,
            msgspec.Meta(ge=1, le=MAX_RATE, description="How many invocations of the scope may start in any period."),
        ]
        | None
    ) = attrs.field(default=None, converter=_rate)
    period: Annotated[
        float, msgspec.Meta(ge=MIN_PERIOD, le=MAX_PERIOD, description="The period of the rate, in seconds.")
    ] = attrs.field(default=60.0, converter=_period)
    budget: (
        Annotated[
            Mapping[str, int | str],
            msgspec.Meta(
                description="The amounts that they may spend, by the name of the quantity: integers, or decimals as texts."
            ),
        ]
        | None
    ) = attrs.field(default=None, converter=_budget)
    reason: ReasonText = attrs.field(default="", converter=checked_reason)


@attrs.frozen(kw_only=True)
class LimitInfo:
    """A limit: at most ``concurrency`` invocations of ``scope`` run at once, at most ``rate`` start in any ``period`` of seconds, and together
    they spend at most the ``budget``. ``spent`` has the amounts spent since the budget was set. ``running`` and ``waiting`` are as of now, in the process
    that was asked. In a cluster each node counts what runs and starts on it, so ``concurrency`` and ``rate`` hold for each node on its own, and
    ``node`` is the one that was asked; a budget holds for all nodes together."""

    scope: Annotated[
        str, described("the invocations that it counts: everything, or service:, handler:, key: or tag: and a name")
    ]
    concurrency: Annotated[int | None, described("how many invocations of the scope may run at once")]
    rate: Annotated[int | None, described("how many invocations of the scope may start in any period")] = None
    period: Annotated[float, described("the period of the rate, in seconds")] = 60.0
    since: Annotated[float, moment("when it was set")]
    by: Annotated[str, described("the principal who set it")]
    reason: Annotated[str, described("the reason given")] = ""
    budget: Annotated[
        dict[str, str] | None, described("the amounts that they may spend, by the name of the quantity")
    ] = None
    spent: Annotated[dict[str, str], described("the amounts that they have spent since the budget was set")] = (
        attrs.field(factory=dict)
    )
    running: int = 0
    waiting: int = 0
    node: Annotated[
        str,
        described("the node that was asked; each node of a cluster permits the concurrency and the rate on its own"),
    ] = ""


@attrs.frozen(kw_only=True)
class LimitAnswer:
    """The result of setting or deleting a limit: whether it changed anything, and the limit before and after."""

    scope: str
    changed: bool
    before: LimitInfo | None = None
    after: LimitInfo | None = None


def limit_info(
    limit: Limit, *, running: int = 0, waiting: int = 0, spent: Mapping[str, str] | None = None, node: str = ""
) -> LimitInfo:
    """Convert a limit to its public form."""
    return LimitInfo(
        scope=limit.scope,
        concurrency=limit.concurrency,
        rate=limit.rate,
        period=limit.period,
        since=limit.since,
        by=limit.by,
        reason=limit.reason,
        budget=limit.budget,
        spent=dict(spent or {}),
        running=running,
        waiting=waiting,
        node=node,
    )


def limit_answer(scope: str, change: LimitChange, before: LimitInfo | None, after: LimitInfo | None) -> LimitAnswer:
    """Convert the change of a limit to its public form. ``before`` and ``after`` it the limit had these figures."""
    return LimitAnswer(
        scope=scope,
        changed=change.changed,
        before=None if change.before is None else _with_figures(change.before, before),
        after=None if change.after is None else _with_figures(change.after, after),
    )


def _with_figures(limit: Limit, found: LimitInfo | None) -> LimitInfo:
    if found is None:
        return limit_info(limit)
    return limit_info(limit, running=found.running, waiting=found.waiting, spent=found.spent, node=found.node)
