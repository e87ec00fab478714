"""The public record of a limit of concurrency, and the options with which it is set."""

from __future__ import annotations

from typing import Annotated

import attrs
import msgspec

from actors.core.limits import Limit, LimitChange, checked_limit_scope
from actors.model.verb_options import ReasonText, checked_reason
from actors.values.arguments import MAX_COUNT, checked_count, checked_text
from journal.fields import described, moment


def _scope(value: str) -> str:
    return checked_limit_scope(checked_text(value, "scope"))


def _concurrency(value: int) -> int:
    return checked_count(value, "concurrency")


@attrs.frozen(kw_only=True)
class LimitOptions:
    """A limit to set: at most ``concurrency`` invocations of ``scope`` run at once."""

    scope: Annotated[
        str,
        msgspec.Meta(
            description="The scope that it counts: everything, service:NAME, handler:NAME/HANDLER, key:NAME/KEY or tag:NAME=VALUE."
        ),
    ] = attrs.field(converter=_scope)
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT, description="How many of them may run at once.")] = (
        attrs.field(converter=_concurrency)
    )
    reason: ReasonText = attrs.field(default="", converter=checked_reason)


@attrs.frozen(kw_only=True)
class LimitInfo:
    """A limit: at most ``concurrency`` invocations of ``scope`` run at once. ``running`` and ``waiting`` are as of now, in the
    process that runs the invocations."""

    name: Annotated[str, described("its name")]
    scope: Annotated[
        str, described("the scope that it counts: everything, or service:, handler:, key: or tag: and a name")
    ]
    concurrency: Annotated[int, described("how many invocations of the scope may run at once")]
    since: Annotated[float, moment("when it was set")]
    by: Annotated[str, described("the principal who set it")]
    reason: Annotated[str, described("the reason given")] = ""
    running: int = 0
    waiting: int = 0


@attrs.frozen(kw_only=True)
class LimitAnswer:
    """The result of setting or deleting a limit: whether it changed anything, and the limit before and after."""

    name: str
    changed: bool
    before: LimitInfo | None = None
    after: LimitInfo | None = None


def limit_info(limit: Limit, *, running: int = 0, waiting: int = 0) -> LimitInfo:
    """Convert a limit to its public form."""
    return LimitInfo(
        name=limit.name,
        scope=limit.scope,
        concurrency=limit.concurrency,
        since=limit.since,
        by=limit.by,
        reason=limit.reason,
        running=running,
        waiting=waiting,
    )


def limit_answer(name: str, change: LimitChange) -> LimitAnswer:
    """Convert the change of a limit to its public form."""
    before, after = change.before, change.after
    return LimitAnswer(
        name=name,
        changed=change.changed,
        before=None if before is None else limit_info(before),
        after=None if after is None else limit_info(after),
    )
