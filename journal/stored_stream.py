"""What is kept of one object, as it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from journal.events import Recorded


@attrs.define
class StoredStream:
    """What is kept of an object: a snapshot of it as of event ``snapshot_at``, and the events behind that; up to event
    ``trimmed`` the stream is cut off."""

    last: int
    trimmed: int
    snapshot_at: int
    snapshot: bytes | None
    events: list[Recorded]
