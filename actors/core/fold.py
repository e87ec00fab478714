"""Builds an object's state from its stored stream. This module or the journal checks every byte that is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.evolve import evolve
from actors.core.snapshots import decode_snapshot
from actors.core.transitions import IllegalEvent
from journal.errors import Damaged

if TYPE_CHECKING:
    from actors.core.state import ObjectState
    from journal.events import Recorded
    from journal.ids import StreamId
    from journal.stored_stream import StoredStream


def fold(stream: StreamId, stored: StoredStream) -> ObjectState:
    """Return the state after the stored snapshot and events. Raises ``Damaged``."""
    state: ObjectState | None = None
    if stored.snapshot is not None:
        state = decode_snapshot(stream, stored.snapshot_at, stored.snapshot)
    for recorded in stored.events:
        state = advance(stream, state, recorded)
    if state is None:
        raise Damaged(stream, stored.last, "the stream has a head but no events")
    return state


def advance(stream: StreamId, state: ObjectState | None, recorded: Recorded) -> ObjectState:
    """Return the state after one more stored event. Raises ``Damaged`` if the event cannot follow those before it."""
    try:
        return evolve(state, recorded.number, recorded.stamp, recorded.event)
    except IllegalEvent as error:
        raise Damaged(stream, recorded.number, str(error)) from error
