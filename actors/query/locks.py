"""Reads locks from their objects: who has each, and who waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core.locks import LOCK, HeldLock
from actors.query.objects import object_names
from actors.values import codec_for
from actors.values.arguments import MAX_COUNT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot

_HOLD = codec_for(HeldLock)


@attrs.frozen(kw_only=True)
class LockPlace:
    """The place of an invocation in the queue of a lock: the first has it."""

    lock: str
    place: int
    hold: HeldLock


def each_lock_place(snapshot: JournalSnapshot) -> Iterator[LockPlace]:
    """Yield the places in the queues of all locks, by lock and place."""
    for name in object_names(snapshot, LOCK, None, MAX_COUNT):
        stored = snapshot.stored_object(LOCK, name.key)
        queue = sorted((int(number), data) for number, data in stored.map_items(snapshot.view, "holds", ""))
        for place, (_, data) in enumerate(queue, 1):
            yield LockPlace(lock=name.key, place=place, hold=_HOLD.decode(data))
