"""Completes a batch with the rows that follow from its events, and keeps the data that depends on commits: snapshots, audit, counts.

Invariant: the events are the truth. If a row of an object cannot be derived from them, the events are written all the same, and
the object is blamed (``Faults``).
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from actors.core.snapshots import encode_snapshot
from actors.core.state import existing
from actors.engine.index import index_invocation, index_name, index_owing
from actors.rows.audit import AuditTrail
from actors.rows.counters import counter_key, encode_number, group_of_success, load_counts
from actors.rows.pauses import index_paused
from journal import invocation_keys, keys

if TYPE_CHECKING:
    from actors.engine.batch import CommitBatch, PendingAppend
    from actors.engine.faults import Faults
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.notices import Notices
    from actors.engine.object_cache import ObjectCache
    from actors.engine.outputs import Outputs
    from actors.rows.counters import Counts, Group
    from actors.rows.index import IndexedState
    from actors.rows.layers import LayeredRows
    from journal.ids import InvocationId
    from journal.log.protocol import Append, Journal

SNAPSHOT_EVENTS = 128
"""The number of events after the last snapshot at which a new one is due; later if the snapshot is larger than they are."""


class Sealer:
    """The sealed batches of one processor, from their last row to their commit."""

    def __init__(
        self,
        journal: Journal,
        partition: int,
        cache: ObjectCache,
        rows: LayeredRows,
        outputs: Outputs,
        faults: Faults,
        notices: Notices,
    ) -> None:
        self._partition = partition
        self._cache = cache
        self._rows = rows
        self._outputs = outputs
        self._faults = faults
        self._notices = notices
        self._trail = self._next_trail = AuditTrail(journal, partition)
        self._counts = StoredCounts(journal, partition)

    def complete(self, sealed: CommitBatch) -> None:
        """Add the rows that follow from the events of the batch, and the snapshots that are due."""
        for pending_append in sealed.pending_appends.values():
            try:
                if pending_append.outputs or pending_append.loaded.outputs:
                    self._outputs.seal(sealed, pending_append)
                self._complete_append(sealed, pending_append)
            except BaseException as error:
                # The events are the truth and are written; the index rows can be rebuilt from them (``doctor``).
                sealed.forgo_rewriting(pending_append, error)
                self._faults.blame(pending_append.loaded, None, error, is_whole=True)
        for found in sealed.row_pauses.values():
            index_paused(
                sealed.rows, sealed.known, sealed.counts, self._partition, found.stored, found.row, found.before
            )
            found.batch = None
        for (service, handler, deployment, _), number in sealed.succeeded.items():
            group = group_of_success(service, handler, deployment)
            sealed.counts[group] = sealed.counts.get(group, 0) + number
        if self._notices.rules:
            for row in sealed.rows_of_ended():
                sealed.messages += self._notices.at_end(row)

    def appends(self, sealed: CommitBatch) -> list[Append]:
        """The commit for the journal, with the audit rows chained to the durable ones and the counts added to the
        durable counts."""
        if sealed.counts:
            rows, known = self._counts.rows_after(sealed.counts)
            sealed.rows.update(rows)
            sealed.known.update(known)
        if not sealed.audit:
            return sealed.appends({})
        self._next_trail = copy(self._trail)
        return sealed.appends(dict(map(self._next_trail.extend, sealed.audit)))

    def settle(self, sealed: CommitBatch) -> None:
        """Update the snapshots, the audit trail and the counts: the commit is durable."""
        if sealed.audit:
            self._trail = self._next_trail
        if sealed.counts:
            self._counts.settle(sealed.counts)
        for pending_append in sealed.pending_appends.values():
            loaded = pending_append.loaded
            loaded.pending_appends -= 1
            if not pending_append.remove:
                loaded.durable = pending_append.expected + pending_append.events.count
                if loaded.pending_appends:
                    loaded.recent.drop_until(loaded.durable)
                else:
                    loaded.recent.parts.clear()
            state = loaded.state
            if (state is None or state.key is None) and loaded.is_over and loaded.is_idle:
                self._cache.forget(loaded.stream)
            else:
                self._cache.weigh(loaded)
        for found in sealed.row_pauses.values():
            found.settle()
            del self._cache.row_pauses[found.stream]
        self._rows.layers.pop()  # the journal has these rows now

    def _complete_append(self, sealed: CommitBatch, pending_append: PendingAppend) -> None:
        loaded, partition = pending_append.loaded, self._partition
        touched, resumed, owed = pending_append.touched, pending_append.resumed, loaded.owing_on_disk
        # The batch has only turns of the object, so it waits for a step, or for others, as before.
        owes_as_before = not touched and (pending_append.has_turns if owed else bool(resumed) and owed is False)
        if resumed:
            touched = touched | resumed
        listed = {of: loaded.listings.get(of) for of in touched} if self._notices.rules else None
        for invocation_id in touched:
            index_invocation(sealed.rows, sealed.new, sealed.counts, partition, loaded, invocation_id)
        if listed is not None:
            self._report(sealed, loaded, listed)
        if loaded.ended:
            loaded.ended.clear()
        if pending_append.expected == 0 and loaded.state is not None:
            index_name(sealed.rows, partition, loaded.state, there=True)
        if pending_append.remove or (pending_append.may_be_empty and self._is_empty(loaded)):
            index_name(sealed.rows, partition, existing(loaded.state), there=False)
            pending_append.remove = True
            loaded.vanish()
            return
        if not owes_as_before and (owed is not False or loaded.state is None or loaded.state.invocations):
            index_owing(sealed.rows, partition, loaded)
        events = loaded.events_since_snapshot = loaded.events_since_snapshot + pending_append.events.count
        size = loaded.bytes_since_snapshot = loaded.bytes_since_snapshot + pending_append.events.size
        trimmed, covered = pending_append.trim_to, pending_append.covered
        if ((trimmed or covered) and max(trimmed, covered) > loaded.snapshot_at) or (
            events >= SNAPSHOT_EVENTS and size >= loaded.snapshot_bytes
        ):
            self._take_snapshot(loaded, pending_append)
        if trimmed > loaded.trimmed:
            loaded.trimmed = trimmed

    def _report(
        self, sealed: CommitBatch, loaded: LoadedObject, listed: dict[InvocationId, IndexedState | None]
    ) -> None:
        """Add the messages about open invocations whose rows have changed; ``listed`` are the rows before."""
        for invocation_id, before in listed.items():
            after = loaded.listings.get(invocation_id)
            if after is not None and after is not before:
                state = existing(loaded.state)
                invocation = state.invocations[invocation_id]
                sealed.messages += self._notices.at_change(state, invocation, before, after)

    def _take_snapshot(self, loaded: LoadedObject, pending_append: PendingAppend) -> None:
        pending_append.snapshot = encode_snapshot(existing(loaded.state))
        loaded.snapshot_at = loaded.version
        loaded.snapshot_bytes = len(pending_append.snapshot)
        loaded.events_since_snapshot = loaded.bytes_since_snapshot = 0

    def _is_empty(self, loaded: LoadedObject) -> bool:
        """Whether nothing of the object is left except its name."""
        state = loaded.state
        if state is None or state.invocations or state.fields or state.lengths or loaded.waiters:
            return False
        prefixes = (
            invocation_keys.invocations_of(self._partition, loaded.stream),
            keys.items_of_object(self._partition, loaded.stream),
        )
        return not any(self._rows.scan(p, keys.after_prefix(p), limit=1) for p in prefixes)


class StoredCounts:
    """The durable counts of invocations in one partition (``actors.rows.counters``), in memory. A commit that fails changes nothing here, and can be
    tried again with other changes."""

    def __init__(self, journal: Journal, partition: int) -> None:
        self._partition = partition
        self._counts = load_counts(journal, partition)
        self._keys: dict[Group, bytes] = {}

    def rows_after(self, changes: Counts) -> tuple[dict[bytes, bytes | None], dict[bytes, bytes | None]]:
        """Return the rows of the counters that these changes touch, as they are after them and as they are stored now."""
        counts, counter_keys = self._counts, self._keys
        rows: dict[bytes, bytes | None] = {}
        stored: dict[bytes, bytes | None] = {}
        for group, by in changes.items():
            key = counter_keys.get(group)
            if key is None:
                key = counter_keys[group] = counter_key(self._partition, group)
            before = counts.get(group, 0)
            number = before + by
            rows[key] = encode_number(number) if number else None
            stored[key] = encode_number(before) if before else None
        return rows, stored

    def settle(self, changes: Counts) -> None:
        """The changes are durable."""
        counts = self._counts
        for group, by in changes.items():
            number = counts[group] = counts.get(group, 0) + by
            if not number:
                del counts[group]
                del self._keys[group]
