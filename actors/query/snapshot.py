"""The only reader of stored data: a journal as of one moment.

::

    SQL    HTTP and Client (local)    CLI and Client (offline)    fsck    checks    a start that looks for old classes
      └───────────┴───────────────────────────┴──────────────────────┴───────┴──────────────────────┘
                                         JournalSnapshot
                                              │  get, scan
          a view of a running journal, or a store opened for reading (journal.kv.store.Readable)

**Promise.** Everything that is read through one snapshot is one state: what every commit that had returned by then left, of all
partitions together, and nothing that a crash could still take back. A commit is in it whole or not at all, rows, indexes and events
alike, so a row never names an event that is not there.

**During a commit** a reader does not wait and delays no other. The view is taken between two flushes (``RocksStore.view``); from
then on it shows that state, however many commits return meanwhile, for as long as it is open. It keeps what has been
overwritten since from being cleaned up, so it is opened for one answer and closed with it (:func:`open_snapshot`).

**Now or then.** The state of an object is folded from its last snapshot and the events after it. As of an earlier event ``n`` it is
folded from the last snapshot before ``n``; fields that are collections are read from their rows as they are now, with those put back
that the events after ``n`` have changed. What was purged raises ``NotFoundError``; an event that is missing
without having been purged raises ``Damaged``.

**Cost of a read**: opening a view, about 0.1 ms while commits are being flushed. An invocation by id, one row. An object, one head,
one snapshot, and the events since, which the engine bounds. A list, one row and one index entry for each invocation given. An
object as of event ``n``, the events between a snapshot and ``n``, and for its maps all events after ``n``.

The engine reads its own objects ahead of the disk, which nothing here may see; the two share ``actors.rows`` and no more. A reader
with an interface for every purpose (rows by page, rows by iterator, counted rows, rows as they were) was tried and dropped: what
differs is only the ``Readable`` below, which may count (``sql.budget.CountedRows``) or put changes over others (``LayeredRows``).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import chain
from typing import TYPE_CHECKING

import attrs

from actors.core.decide import unknown_invocation
from actors.model.limit_info import limit_info
from actors.query.stored_object import StoredObject
from actors.rows.objects import load_state
from actors.rows.spent import spent_of_budget, spent_under
from actors.system.code import read_code
from actors.system.registry import registry_stream
from actors.system.registry_rows import deployments_of, gates_of, limits_of, tokens_of
from journal import invocation_keys, keys
from journal.ids import StreamId, stream_of, stream_of_invocation
from journal.log.outputs import read_whole_output
from journal.log.streams import read_events, read_head
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from actors.core.deployments import Deployments
    from actors.core.gates import Gates
    from actors.core.limits import Limit
    from actors.core.state import ObjectState
    from actors.core.tokens import TokenRecord
    from actors.model.limit_info import LimitInfo
    from actors.model.service_info import ServiceInfo
    from actors.values.amounts import Amounts
    from actors.values.snapshot import Snapshot
    from journal.events import Recorded
    from journal.ids import InvocationId
    from journal.kv.store import Readable
    from journal.log.protocol import Journal
    from journal.output import OutputRun

_FIRST_PAGE = 32
_LARGEST_PAGE = 256


@asynccontextmanager
async def open_snapshot(journal: Journal, *, services: Sequence[ServiceInfo] = ()) -> AsyncIterator[JournalSnapshot]:
    """Open a snapshot of a running journal as of now, for the block. ``services`` are the served classes."""
    async with journal.view() as view:
        yield JournalSnapshot(view=view, partitions=journal.partitions, now=journal.clock.now(), services=services)


@attrs.frozen(kw_only=True)
class JournalSnapshot:
    """A journal as of one moment. ``now`` is that moment, wall seconds. ``services`` are the classes that are served.

    Any thread may read it, one at a time. Every method raises ``CorruptRecord`` or ``Damaged`` where bytes cannot be read.
    """

    view: Readable
    partitions: int
    now: float
    services: Sequence[ServiceInfo] = ()

    # Rows.

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a key, or None."""
        return self.view.get(key)

    def rows(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Return all rows in ``[start, stop)`` in order, or from the end with ``reverse``."""
        return chain.from_iterable(self.pages(start, stop, reverse=reverse))

    def pages(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield the rows in ``[start, stop)`` in pages that are read as needed. The first pages are small: a caller who
        wants ten rows should not read hundreds.
        """
        page_size = _FIRST_PAGE
        while True:
            page = self.view.scan(start, stop, limit=page_size, reverse=reverse)
            yield page
            if len(page) < page_size:
                return
            start, stop = (start, page[-1][0]) if reverse else (page[-1][0] + b"\x00", stop)
            page_size = min(page_size * 4, _LARGEST_PAGE)

    def first(self, start: bytes, stop: bytes) -> tuple[bytes, bytes] | None:
        """Return the first row of ``[start, stop)``, or None."""
        found = self.view.scan(start, stop, limit=1)
        return found[0] if found else None

    def rows_under(self, prefix: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Return all rows whose keys begin with the prefix."""
        return self.rows(prefix, keys.after_prefix(prefix), reverse=reverse)

    def partition_of(self, stream: StreamId) -> int:
        """Return the partition of an object."""
        return stream % self.partitions

    # Invocations.

    def invocation(self, of: InvocationId) -> InvocationRow:
        """Return the row of an invocation. Raises :class:`actors.NotFoundError`."""
        row = self.find_invocation(of)
        if row is None:
            raise unknown_invocation(of)
        return row

    def find_invocation(self, of: InvocationId) -> InvocationRow | None:
        """Return the row of an invocation, or None if it does not exist."""
        data = self.get(invocation_keys.invocation(self.partition_of(stream_of_invocation(of)), of))
        return None if data is None else decode_row(InvocationRow, data)

    def spent_of_budget(self, of: InvocationId) -> Amounts:
        """Return what an invocation and those that it has called have spent of its budget; nothing if it has none."""
        return spent_of_budget([self.view] * self.partitions, of)

    def output(self, of: InvocationId, after: int = 0) -> Iterator[OutputRun]:
        """Yield the runs of an invocation's output that end after position ``after``."""
        return read_whole_output(self.view, self.partition_of(stream_of_invocation(of)), of, after)

    # Objects.

    def object(self, stream: StreamId) -> ObjectState | None:
        """Return the state of an object, or None if it does not exist."""
        return load_state(self.view, self.partition_of(stream), stream)

    def stored_object(self, service: str, key: str) -> StoredObject:
        """Return a reader of a keyed object: its state now and after any of its events, its items, its events."""
        return self.stored_stream(stream_of(service, key), f"{service}/{key}")

    def stored_stream(self, stream: StreamId, name: str = "") -> StoredObject:
        """Return a reader of the object with this stream. ``name`` is what errors call it."""
        partition = self.partition_of(stream)
        head = read_head(self.view, partition, stream)
        return StoredObject(self.view, name or f"object {stream:016x}", partition, stream, head)

    def last_event(self, stream: StreamId) -> int:
        """Return the number of the last event of an object, 0 if there is none."""
        return read_head(self.view, self.partition_of(stream), stream).last

    def events(self, stream: StreamId, first: int, last: int) -> list[Recorded]:
        """Return the events of an object from number ``first`` to ``last``, both included."""
        return read_events(self.view, self.partition_of(stream), stream, first, last)

    def streams(self) -> Iterator[StreamId]:
        """Yield the streams of all objects."""
        for partition in range(self.partitions):
            for key, _ in self.rows_under(keys.heads(partition)):
                yield StreamId(keys.stream_of_head(key))

    # The registry.

    def deployments(self) -> Deployments:
        """Return the registered deployments."""
        return deployments_of(self.object(registry_stream()))

    def gates(self) -> Gates:
        """Return the closed gates."""
        return gates_of(self.object(registry_stream()))

    def limits(self) -> tuple[Limit, ...]:
        """Return the limits."""
        return limits_of(self.object(registry_stream()))

    def tokens(self) -> tuple[TokenRecord, ...]:
        """Return the named tokens of the cluster, oldest first."""
        return tokens_of(self.object(registry_stream()))

    def limit_infos(self) -> list[LimitInfo]:
        """Return the limits in their public form, with what was spent under their budgets."""
        readers = [self.view] * self.partitions
        return [
            limit_info(limit, spent=None if limit.budget is None else spent_under(readers, limit.scope, limit.life))
            for limit in self.limits()
        ]

    def code(self, deployment: str) -> Snapshot:
        """Return the code of a deployment. Raises :class:`actors.errors.BrokenDeploymentError`."""
        return read_code(self.view, self.partitions, deployment)
