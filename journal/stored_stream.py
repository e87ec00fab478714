"""The stored form of one object, as it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from journal.events import Recorded


@attrs.define
class StoredStream:
    """The stored stream of an object: a snapshot as of event ``snapshot_at``, and the events after it. Events up to
    ``trimmed`` have been removed."""

    last: int
    trimmed: int
    snapshot_at: int
    snapshot: bytes | None
    events: list[Recorded]
