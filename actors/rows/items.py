"""The items of an object's ``Log`` and ``Map`` fields, as an attempt sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal import keys
from journal.errors import Damaged
from journal.kv.store import scan_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from actors.core.state import ObjectState
    from journal.ids import InvocationId, StreamId
    from journal.kv.store import Readable


class ObjectItems:
    """The items of one object's ``Log`` and ``Map`` fields, as an attempt that starts now sees them.

    A shared handler also reads the recorded changes of the running exclusive handler, unless that handler is atomic.
    """

    def __init__(
        self, rows: Readable, partition: int, stream: StreamId, state: ObjectState, beside: InvocationId | None = None
    ) -> None:
        self._rows = rows
        self._partition = partition
        self._stream = stream
        self._lengths = dict(state.lengths)
        self._maps = state.maps
        self._ahead_logs: Mapping[str, Sequence[bytes]] = {}
        self._ahead_maps: Mapping[str, Mapping[str, bytes | None]] = {}
        if beside is not None:
            changes = state.invocations[beside].changes
            self._ahead_logs = {name: list(items) for name, items in changes.logs.items()}
            self._ahead_maps = {name: dict(items) for name, items in changes.maps.items()}
            self._maps = self._maps | self._ahead_maps.keys()
            for name, items in self._ahead_logs.items():
                self._lengths[name] = self._lengths.get(name, 0) + len(items)

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the stored items of all fields, each with its key after the part that names the object."""
        prefix = keys.items_of_object(self._partition, self._stream)
        for key, value in scan_all(self._rows, prefix, keys.after_prefix(prefix)):
            yield key[len(prefix) :], value

    def log_lengths(self) -> Mapping[str, int]:
        return self._lengths

    def map_names(self) -> AbstractSet[str]:
        return self._maps

    def log_items(self, field: str, start: int, stop: int) -> Sequence[bytes]:
        ahead = self._ahead_logs.get(field, ())
        stored = self._lengths.get(field, 0) - len(ahead)
        found = self._stored_items(field, start, min(stop, stored))
        found += ahead[max(0, start - stored) : max(0, stop - stored)]
        return found

    def map_item(self, field: str, key: bytes) -> bytes | None:
        ahead = self._ahead_maps.get(field)
        if ahead is not None and key.decode() in ahead:
            return ahead[key.decode()]
        return self._rows.get(keys.map_item(self._partition, self._stream, field, key))

    def map_items(self, field: str) -> Iterator[tuple[bytes, bytes]]:
        prefix = keys.items(self._partition, self._stream, field)
        stored = scan_all(self._rows, prefix, keys.after_prefix(prefix))
        found: dict[bytes, bytes | None] = {key[len(prefix) :]: value for key, value in stored}
        found.update((key.encode(), value) for key, value in self._ahead_maps.get(field, {}).items())
        return ((key, value) for key, value in found.items() if value is not None)

    def _stored_items(self, field: str, start: int, stop: int) -> list[bytes]:
        if start >= stop:
            return []
        first = keys.log_item(self._partition, self._stream, field, start)
        if stop - start == 1:
            data = self._rows.get(first)
            found = [] if data is None else [data]
        else:
            behind = keys.log_item(self._partition, self._stream, field, stop)
            found = [data for _, data in scan_all(self._rows, first, behind)]
        if len(found) != stop - start:
            raise Damaged(self._stream, 0, f"{field}: only {len(found)} of the items {start} to {stop - 1} are stored")
        return found


def writer_beside(state: ObjectState) -> InvocationId | None:
    """Return the running exclusive handler whose recorded changes a shared handler sees; None if there is none or it is
    atomic."""
    holder = state.holder
    return holder if holder is not None and not state.invocations[holder].atomic else None
