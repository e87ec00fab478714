"""The stored form of an object: its events and the state that they add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.fold import fold
from journal.log.streams import load_stream, read_head

if TYPE_CHECKING:
    from actors.core.state import ObjectState
    from journal.ids import StreamId
    from journal.kv.store import Readable
    from journal.rows import StreamHead


def load_state(rows: Readable, partition: int, stream: StreamId, head: StreamHead | None = None) -> ObjectState | None:
    """Return the state after the last stored event; None if there is none. Raises ``Damaged``.

    The cost is the last snapshot and the events after it, and does not grow with the object's age.
    """
    stored = load_stream(rows, partition, stream, read_head(rows, partition, stream) if head is None else head)
    return None if stored is None else fold(stream, stored)
