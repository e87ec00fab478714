"""Derives the items of ``Log`` and ``Map`` fields from the events of their object or, if those are purged, checks their number."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from actors.core import effects as f
from actors.core.evolve import evolve
from actors.core.react import react
from actors.core.transitions import IllegalEvent
from actors.rows.index import index_items, rewind_items
from journal import events as e
from journal import keys
from journal.errors import Damaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from actors.core.state import ObjectState
    from journal.events import Recorded
    from journal.ids import StreamId


def is_whole(history: Sequence[Recorded], state: ObjectState) -> bool:
    """Report whether the history holds every event that the object ever had."""
    return len(history) == state.version and not any(isinstance(recorded.event, e.Erased) for recorded in history)


def items_after(partition: int, stream: StreamId, history: Iterable[Recorded]) -> dict[bytes, bytes]:
    """Return the rows of an object's items, derived from all of its events. Raises ``Damaged``."""
    rows: dict[bytes, bytes | None] = {}
    state: ObjectState | None = None
    for recorded in history:
        try:
            for effect in react(state, recorded.event):
                if isinstance(effect, f.WriteItems):
                    index_items(rows, partition, stream, effect)
                elif isinstance(effect, f.RewindItems):
                    rewind_items(rows, partition, stream, effect)
            state = evolve(state, recorded.number, recorded.stamp, recorded.event)
        except (IllegalEvent, LookupError) as error:  # react looks up state that evolve has not checked yet
            raise Damaged(stream, recorded.number, str(error)) from error
    return {key: value for key, value in rows.items() if value is not None}


def wrongs_of_logs(item_keys: Iterable[bytes], state: ObjectState) -> Iterator[str]:
    """Yield the places where a log lacks items that its length requires. Missing items of a map cannot be detected."""
    counted: Counter[str] = Counter()
    for key in item_keys:
        field, _ = keys.field_of_item(key)
        length = state.lengths.get(field)
        if length is None:
            continue
        if keys.index_of_item(key) < length:
            counted[field] += 1
        else:
            yield f"{field} has {length} items according to its events, but also one at index {keys.index_of_item(key)}"
    for field, length in state.lengths.items():
        if counted[field] != length:
            yield f"{field} has {length} items according to its events, but only {counted[field]} are stored"
