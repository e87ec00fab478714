"""One partition of a store, compared with what its events say that it should hold."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import attrs

from actors.core.evolve import spans_with
from actors.core.fold import advance, fold
from actors.core.owed import needs_recovery, timers_of
from actors.core.state import ObjectState, WaitKind, with_request
from actors.errors import ActorError
from actors.query.audit_chain import ChainCheck
from actors.query.fsck.comparison import is_same_timer, listing_of_row
from actors.query.fsck.items import is_whole, items_after, wrongs_of_logs
from actors.query.fsck.messages import Awaited
from actors.query.fsck.outputs import problems_of_outputs
from actors.query.fsck.report import FsckFinding
from actors.rows.counters import Counts, counter_rows, failed_key, groups_of_row, recount
from actors.rows.index import row_of, tag_keys
from actors.rows.timers import invocation_of_timer, is_postponed, timer_message
from journal import events as e
from journal import invocation_keys, keys
from journal.errors import CorruptRecord, Damaged
from journal.events import Recorded, Status
from journal.ids import InvocationId, StreamId, stream_of_invocation
from journal.kv.store import scan_all
from journal.log.inbox import encode_message
from journal.log.streams import load_stream, read_events, read_head
from journal.rows import InvocationRow, decode_row, encode_row

if TYPE_CHECKING:
    from journal.kv.store import Readable


@attrs.define(eq=False)
class PartitionCheck:
    """One partition being checked. ``changes`` would make the stored rows agree with the events; ``unread`` are the objects that
    cannot be read, ``awaited`` the outcomes that their invocations wait for."""

    rows: Readable
    partition: int
    retention_seconds: float
    objects: int = 0
    events: int = 0
    invocations: int = 0
    findings: list[FsckFinding] = attrs.field(factory=list)
    changes: dict[bytes, bytes | None] = attrs.field(factory=dict)
    unread: set[int] = attrs.field(factory=set)
    awaited: list[Awaited] = attrs.field(factory=list)
    _expected: dict[bytes, bytes] = attrs.field(factory=dict)
    _counts: Counts = attrs.field(factory=dict)
    _timers: dict[bytes, bytes] = attrs.field(factory=dict)
    _read_streams: set[int] = attrs.field(factory=set)
    _open: dict[InvocationId, InvocationRow] = attrs.field(factory=dict)
    _ended: dict[InvocationId, StreamId] = attrs.field(factory=dict)

    def examine(self) -> None:
        try:
            for key, _ in self._under(keys.heads(self.partition)):
                self._examine_stream(StreamId(keys.stream_of_head(key)))
            self._look_for_lost_heads()
            self._examine_rows()
            self._examine_indexes()
            self._examine_timers()
            self._examine_strays()
            self._examine_outputs()
            self._examine_audit()
        except CorruptRecord as error:
            self._found(f"partition {self.partition}", f"reading stopped before the end: {error}")

    # Events.

    def _examine_stream(self, stream: StreamId) -> None:
        self.objects += 1
        try:
            state, history = self._read(stream)
        except (Damaged, CorruptRecord) as error:
            self.unread.add(stream)
            self._found(f"object {stream:016x}", str(error))
            return
        self.events += len(history)
        self._read_streams.add(stream)
        if state.key is not None:
            self._expected[keys.object_name(self.partition, state.service, state.key)] = b""
        self._expect_owing(stream, state)
        for invocation in state.invocations.values():
            self._open[invocation.invocation_id] = row_of(state, invocation)
            self.awaited += (
                Awaited(invocation.invocation_id, step, wait.callee)
                for step, wait in invocation.waits.items()
                if wait.callee is not None and wait.kind is not WaitKind.VERB
            )
        for timer in timers_of(state):
            message = timer_message(stream, timer.at, timer.command)
            self._timers[keys.dated_message(self.partition, timer.at, message.id)] = encode_message(message)
        for recorded in history:
            if isinstance(recorded.event, e.InvocationCompleted):
                self._ended[recorded.event.invocation_id] = stream
        self._examine_items(stream, state, history)

    def _expect_owing(self, stream: StreamId, state: ObjectState) -> None:
        """Expect the entry that makes a start look at the object. An object whose handlers may all have waited again, in turns that
        left no trace, may lack it: the engine knew. A rebuild does not, and writes it."""
        if not needs_recovery(state):
            return
        key, service = keys.owing(self.partition, stream), state.service.encode()
        waits_again = {of: invocation.unseen for of, invocation in state.invocations.items()}
        if needs_recovery(state, waits_again) or self.rows.get(key) is not None:
            self._expected[key] = service
        else:
            self.changes[key] = service

    def _read(self, stream: StreamId) -> tuple[ObjectState, list[Recorded]]:
        head = read_head(self.rows, self.partition, stream)
        stored = load_stream(self.rows, self.partition, stream, head)
        if stored is None:
            raise Damaged(stream, 0, "the stream has events, but its head says that it is empty")
        history = read_events(self.rows, self.partition, stream, head.trimmed + 1, head.last)
        return fold(stream, stored), history

    def _look_for_lost_heads(self) -> None:
        prefix = keys.records(self.partition)
        at, stop = prefix, keys.after_prefix(prefix)
        while there := self.rows.scan(at, stop, limit=1):
            stream = StreamId(keys.stream_of_record(there[0][0]))
            if stream not in self._read_streams and stream not in self.unread:
                self.unread.add(stream)
                self._found(f"object {stream:016x}", "it has events, but no head that gives their number")
            # Skip the rest of its events, which may be many.
            at = keys.after_prefix(keys.records_of(self.partition, stream))

    # Rows.

    def _examine_rows(self) -> None:
        missing = dict(self._open)
        for key, data in self._under(invocation_keys.invocations(self.partition)):
            self.invocations += 1
            of = InvocationId(invocation_keys.id_at_end(key))
            missing.pop(of, None)
            self._ended.pop(of, None)
            is_unread = stream_of_invocation(of) in self.unread
            try:
                row = decode_row(InvocationRow, data)
            except CorruptRecord as error:
                if is_unread:
                    continue
                self._mend(of, key, f"its row cannot be read: {error}")
                continue
            if is_unread:
                recount(self._counts, (), groups_of_row(row))  # it stays as it is
            elif row.outcome is not None:
                self._expect_ended(row)
            elif of not in self._open:
                self._mend(of, key, "its row says that it is open, but its object does not know it")
            elif listing_of_row(row) != listing_of_row(self._open[of]):
                self._mend(
                    of, key, f"its row says {row.status.value}, but its object says {self._open[of].status.value}"
                )
        for of in missing:
            self._mend(of, invocation_keys.invocation(self.partition, of), "it is open, but has no row")
        for of in self._ended.keys() - self._open.keys():
            self._mend(
                of,
                invocation_keys.invocation(self.partition, of),
                "it has completed and its history is stored, but it has no row",
            )
        for row in self._open.values():
            self._expect_open(row)

    def _mend(self, of: InvocationId, key: bytes, what: str) -> None:
        """Plan the row that the events describe, or its removal if they describe none. Reports a finding if too few
        events are stored.
        """
        row = self._open.get(of)
        if row is None:
            try:
                row = self._row_at_end(of)
            except (ActorError, Damaged):
                self._found(f"invocation {of}", f"{what}; too little of its history is stored to rebuild it")
                return
            if row is not None:
                self._expect_ended(row)
        self.changes[key] = None if row is None else encode_row(row)
        self._found(f"invocation {of}", what, can_be_rebuilt=True)

    def _row_at_end(self, of: InvocationId) -> InvocationRow | None:
        """Return the row of a completed invocation, with its object as of its completion. None if its history has no
        completion.
        """
        stream = stream_of_invocation(of)
        state: ObjectState | None = None
        if read_head(self.rows, self.partition, stream).last == 0:
            return None
        for recorded in self._read(stream)[1]:
            event = recorded.event
            if isinstance(event, e.InvocationCompleted) and event.invocation_id == of:
                if state is None or of not in state.invocations:
                    raise Damaged(stream, recorded.number, f"{of} completed without having started")
                return self._ended_row(state, recorded, event)
            state = advance(stream, state, recorded)
        return None

    def _ended_row(self, state: ObjectState, recorded: Recorded, event: e.InvocationCompleted) -> InvocationRow:
        invocation, at = state.invocations[event.invocation_id], recorded.stamp.at
        row = row_of(state, invocation, outcome=event.outcome, completed_at=at, purge_at=at + self.retention_seconds)
        row.applied_requests = with_request(row.applied_requests, recorded.stamp.cause, invocation.status)
        row.spans = spans_with(row.spans, recorded.number)
        return row

    # Indexes.

    def _expect_open(self, row: InvocationRow) -> None:
        of = row.invocation_id
        recount(self._counts, (), groups_of_row(row))
        self._expected[invocation_keys.created(self.partition, row.created_at, of)] = b""
        self._expected[invocation_keys.open_by_status(self.partition, row.status, of)] = b""
        if row.deployment:
            self._expected[invocation_keys.pinned(self.partition, row.deployment, of)] = b""
        if row.awaited:
            self._expected[invocation_keys.awaiting(self.partition, row.awaited[0].since, of)] = b""
        self._expect_tags(row)

    def _expect_ended(self, row: InvocationRow) -> None:
        of = row.invocation_id
        recount(self._counts, (), groups_of_row(row))
        self._expected[invocation_keys.created(self.partition, row.created_at, of)] = b""
        failed = failed_key(self.partition, row)
        if failed is not None:
            self._expected[failed] = b""
        if row.purge_at is not None:
            self._expected[invocation_keys.purge(self.partition, row.purge_at, of)] = b""
        self._expect_tags(row)

    def _expect_tags(self, row: InvocationRow) -> None:
        for key in tag_keys(self.partition, row.tags or {}, row.created_at, row.invocation_id):
            self._expected[key] = b""

    def _examine_indexes(self) -> None:
        partition = self.partition
        named = [
            ("by status", invocation_keys.open_prefix(partition, status))
            for status in Status
            if status is not Status.COMPLETED
        ]
        named += [
            ("by time", invocation_keys.created_prefix(partition)),
            ("by deployment", invocation_keys.pinned_prefix(partition, "")),
            ("of failures", invocation_keys.failed_prefix(partition)),
            ("by end of retention", invocation_keys.purge_prefix(partition)),
            ("of what waits for a signal", invocation_keys.awaiting_prefix(partition)),
            ("by tag", invocation_keys.tag_prefix(partition)),
        ]
        for name, prefix in named:
            self._compare(name, prefix, lambda key: stream_of_invocation(InvocationId(invocation_keys.id_at_end(key))))
        self._compare("of what a start looks at", keys.owing_prefix(partition), keys.stream_of_owing)
        self._examine_counts()
        # The name of an object does not show its stream, so if a stream cannot be read, no name counts as superfluous.
        self._compare("of objects by name", keys.object_names(partition, None), lambda _: next(iter(self.unread), None))

    def _examine_counts(self) -> None:
        rows = counter_rows(self.partition, self._counts)
        expected = {key: number for key, number in rows.items() if number is not None}
        for by_signal in (False, True):
            prefix = invocation_keys.counters(self.partition, by_signal=by_signal)
            of_kind = {key: number for key, number in expected.items() if key.startswith(prefix)}
            self._compare_rows("the counts of invocations", self._under(prefix), of_kind)

    def _compare(self, name: str, prefix: bytes, stream_of_key: Callable[[bytes], int | None]) -> None:
        expected = {key: value for key, value in self._expected.items() if key.startswith(prefix)}
        there = (row for row in self._under(prefix) if row[0] in expected or stream_of_key(row[0]) not in self.unread)
        self._compare_rows(f"the index {name}", there, expected)

    def _compare_rows(
        self,
        where: str,
        there: Iterable[tuple[bytes, bytes]],
        expected: dict[bytes, bytes],
        is_same: Callable[[bytes, bytes], bool] = operator.eq,
    ) -> None:
        for key, value in there:
            should_be = expected.pop(key, None)
            if should_be is not None and is_same(should_be, value):
                continue
            self.changes[key] = should_be
            what = "too much" if should_be is None else "another value"
            self._found(where, f"{what} under {key.hex()}", can_be_rebuilt=True)
        for key, value in expected.items():
            self.changes[key] = value
            self._found(where, f"nothing under {key.hex()}", can_be_rebuilt=True)

    # Timers.

    def _examine_timers(self) -> None:
        there = ((key, value) for key, value in self._under(keys.dated_messages(self.partition)) if self._is_timer(key))
        self._compare_rows("the timers", there, self._timers, is_same_timer)

    def _is_timer(self, key: bytes) -> bool:
        """Report whether the key is that of a timer which a readable object must know."""
        message_id = keys.id_of_dated_message(key)
        if is_postponed(message_id):
            return False
        return key in self._timers or stream_of_invocation(invocation_of_timer(message_id)) not in self.unread

    # Items.

    def _examine_items(self, stream: StreamId, state: ObjectState, history: list[Recorded]) -> None:
        there, where = self._under(keys.items_of_object(self.partition, stream)), f"items of {state.name}"
        if not is_whole(history, state):
            for what in wrongs_of_logs((key for key, _ in there), state):
                self._found(where, what)
            return
        try:
            self._compare_rows(where, there, items_after(self.partition, stream, history))
        except Damaged as error:
            self._found(f"object {stream:016x}", str(error))

    def _examine_strays(self) -> None:
        strays: Counter[int] = Counter()
        for key, _ in self._under(keys.all_items(self.partition)):
            strays[keys.stream_of_item(key)] += 1
        for stream in strays.keys() - self._read_streams - self.unread:
            self._found(f"object {stream:016x}", f"{strays[stream]} items are stored, but the object has no events")

    def _examine_outputs(self) -> None:
        for problem in problems_of_outputs(self.rows, self.partition):
            if stream_of_invocation(problem.invocation_id) in self.unread:
                continue
            self.changes.update(problem.mended or {})
            where = f"invocation {problem.invocation_id}"
            self._found(where, problem.what, can_be_rebuilt=problem.mended is not None)

    def _examine_audit(self) -> None:
        chain = ChainCheck(self.partition)
        while not chain.is_done:
            chain.go_on(self.rows)
        if chain.broken:
            self._found("the audit", chain.broken)

    def _under(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return scan_all(self.rows, prefix, keys.after_prefix(prefix))

    def _found(self, where: str, what: str, *, can_be_rebuilt: bool = False) -> None:
        self.findings.append(FsckFinding(where=where, what=what, can_be_rebuilt=can_be_rebuilt))
