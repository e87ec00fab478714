"""An object as it is stored: the events of its log, and what they add up to."""

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
    """The object as the last of its stored events left it, None if there is none. Raises ``Damaged``.

    It costs its last snapshot and the events after it, whatever the age of the object.
    """
    stored = load_stream(rows, partition, stream, read_head(rows, partition, stream) if head is None else head)
    return None if stored is None else fold(stream, stored)
