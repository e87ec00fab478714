"""The changes of a runtime since a position, as they become durable, for pages and lists that show it live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.system.registry import registry_stream
from actors.values.names import is_system
from journal import invocation_keys
from journal.events import OutcomeKind, Status, Target
from journal.ids import InvocationId, object_prefix, stream_of_invocation
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from journal.log.protocol import Journal

MAX_CHANGES = 500
"""The number of invocations in one answer, at most."""

SAMPLE = 100
"""The number of invocations in an answer that does not list all: its reader reads again what it shows, and needs no more of them."""


@attrs.frozen(kw_only=True)
class ChangedInvocation:
    """An invocation that is new, or whose status, error, deployment or end has changed.

    Times are wall seconds.
    """

    id: InvocationId
    target: Target
    status: Status
    created_at: float
    outcome: OutcomeKind | None = None
    completed_at: float | None = None


@attrs.frozen(kw_only=True)
class ChangeSet:
    """The changes up to ``position``, which requests later changes.

    ``objects`` maps the prefix of an object's invocation ids to the number of the last event in its log. ``gone`` are
    purged invocations. ``registry`` says that gates or deployments have changed. Unless ``is_complete``, more has
    changed than is listed: reload everything that is displayed.
    """

    position: int
    is_complete: bool
    invocations: tuple[ChangedInvocation, ...] = ()
    gone: tuple[InvocationId, ...] = ()
    objects: dict[str, int] = attrs.field(factory=dict)
    registry: bool = False


def changes_since(journal: Journal, after: int | None) -> ChangeSet:
    """Return the changes after a position; None returns no changes and the current position."""
    if after is None:
        return ChangeSet(position=journal.changes.look(), is_complete=True)
    changed = journal.changes.since(after, limit=MAX_CHANGES)
    invocations: list[ChangedInvocation] = []
    gone: list[InvocationId] = []
    listed = changed.invocations if changed.is_complete else changed.invocations[-SAMPLE:]
    for of in listed:
        data = journal.get(invocation_keys.invocation(stream_of_invocation(of) % journal.partitions, of))
        row = None if data is None else decode_row(InvocationRow, data)
        if row is None:
            gone.append(of)
        elif not is_system(row.target.service):
            outcome = None if row.outcome is None else row.outcome.kind
            invocations.append(
                ChangedInvocation(
                    id=row.invocation_id,
                    target=row.target,
                    status=row.status,
                    created_at=row.created_at,
                    outcome=outcome,
                    completed_at=row.completed_at,
                )
            )
    return ChangeSet(
        position=changed.position,
        is_complete=changed.is_complete,
        invocations=tuple(invocations),
        gone=tuple(gone),
        objects={object_prefix(stream): last for stream, last in changed.streams.items()},
        registry=registry_stream() in changed.streams,
    )
