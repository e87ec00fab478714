"""What has changed in a runtime since a position, as it becomes durable: for pages and lists that show it live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.system.registry import registry_stream
from actors.values.names import is_system
from journal import keys
from journal.events import OutcomeKind, Status, Target
from journal.ids import InvocationId, object_prefix, stream_of_invocation
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from journal.log.protocol import Journal

MAX_CHANGES = 500
"""Invocations that one answer names."""


@attrs.frozen(kw_only=True)
class ChangedInvocation:
    """An invocation whose listing has changed: it is new, or its status, error, deployment or end are other than before.

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
    """What has changed up to ``position``, which asks for later changes.

    ``objects`` says, by what the ids of an object's invocations begin with, the number of the last event of its log.
    ``gone`` are invocations that were purged. ``registry``: gates or deployments have changed. Unless ``is_complete``, more has
    changed than is named here: read again what you show.
    """

    position: int
    is_complete: bool
    invocations: tuple[ChangedInvocation, ...] = ()
    gone: tuple[InvocationId, ...] = ()
    objects: dict[str, int] = attrs.field(factory=dict)
    registry: bool = False


def changes_since(journal: Journal, after: int | None) -> ChangeSet:
    """What has changed behind a position; None: nothing yet, from now on."""
    if after is None:
        return ChangeSet(position=journal.changes.look(), is_complete=True)
    changed = journal.changes.since(after, limit=MAX_CHANGES)
    invocations: list[ChangedInvocation] = []
    gone: list[InvocationId] = []
    for of in changed.invocations:
        data = journal.get(keys.invocation(stream_of_invocation(of) % journal.partitions, of))
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
