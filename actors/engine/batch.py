"""Collects the changes of the next commit.

A batch grows while the commit before it is written, so that one sync of the disk serves every request that arrived meanwhile
(group commit). It is sealed as a whole: a cause and its consequences are on disk together or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.core import commands as c
from actors.core.fold import advance
from actors.errors import ErrorCode, TerminalError, UnavailableError
from actors.errors.base import code_of
from actors.rows.counters import add_counts
from actors.rows.index import listing_of
from actors.values.failures import failure_of
from journal.codec import Record
from journal.errors import BrokenInvariant
from journal.ids import InvocationId, StreamId
from journal.log.protocol import Append, Message
from journal.rows import InvocationRow, decode_rows, encode_row

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from actors.core.state import ObjectState
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.output_tail import OutputTail
    from actors.engine.waiter import Reply
    from actors.rows.counters import Counts, Group
    from journal.events import ControlResult, Recorded
    from journal.rows import AuditRow


@attrs.define(eq=False)
class Purge:
    """A purge in the batch, and everything that reports it: ``reply`` for a client, ``row`` for the audit log, ``message`` for
    the handler that requested it.

    The histories are read before the purge is decided, and again when they are overwritten. If the second read fails, the histories are
    kept, and no client may have received a success. So all reports wait in the batch, even the answer to an object of the same
    partition, and are replaced before the commit reaches the disk (``refuse``).
    """

    invocation_ids: Collection[InvocationId]
    answer: ControlResult
    reply: Reply[Any] | None
    row: AuditRow | None
    message: Message | None
    refusal: TerminalError | None = None

    def tell(self) -> None:
        """Answer the waiting client, now that the commit is durable."""
        if self.reply is None:
            return
        if self.refusal is None:
            self.reply.set(self.answer)
        else:
            self.reply.fail(self.refusal)


class PendingAppend(Append, eq=False, kw_only=True):
    """The append that grows with the decisions on one object. ``touched`` are the invocations whose rows may change. ``resumed`` are
    those that were suspended and are again: their rows change, and the index of what a start looks at does not. ``outputs`` are the
    ends of the outputs that have grown. A snapshot must be at event ``covered`` or later, because some events up to there are
    overwritten. ``has_turns`` says that a step has ended and another was requested, in one frame. ``forgotten`` are the rows to
    delete with the histories that are overwritten, and ``uncounted`` the change of the counts that this makes."""

    loaded: LoadedObject
    touched: dict[InvocationId, None] = msgspec.field(default_factory=dict)
    resumed: dict[InvocationId, None] = msgspec.field(default_factory=dict)
    outputs: dict[InvocationId, OutputTail] = msgspec.field(default_factory=dict)
    forgotten: list[bytes] = msgspec.field(default_factory=list)
    uncounted: Counts = msgspec.field(default_factory=dict)
    covered: int = 0
    purges: list[Purge] = msgspec.field(default_factory=list)
    has_turns: bool = False
    may_be_empty: bool = False

    def erase(self, number: int) -> None:
        """Overwrite an event: with the commit if it is on disk, at once if it is part of this batch."""
        self.covered = max(self.covered, number)
        if number <= self.expected:
            self.erased.append(number)
            return
        self.events.erase(number - self.expected - 1)


class RowPause(Append, eq=False, kw_only=True):
    """The pause of an invocation whose object is not in memory (``actors.engine.row_pauses``): the row as it is ``stored``, the changed
    row, the groups that the invocation was counted in ``before``, and the event. ``batch`` has the pause until it is sealed.
    ``loaded`` is the object if it has been loaded during the commit."""

    batch: CommitBatch | None
    stored: bytes
    row: InvocationRow
    before: tuple[Group, ...]
    recorded: Recorded
    loaded: LoadedObject | None = None

    def join(self, loaded: LoadedObject) -> bool:
        """Add the event to the object, which was loaded without it. Returns whether it is in the object's own append from now on.
        Raises ``Damaged``."""
        of = self.row.invocation_id
        state = loaded.state = advance(loaded.stream, loaded.state, self.recorded)
        loaded.recent.append(self.recorded)
        loaded.pending_appends += 1
        batch = self.batch
        if batch is None:
            loaded.listings[of] = listing_of(state.invocations[of])
            loaded.events_since_snapshot += 1
            self.loaded = loaded
            return False
        append = PendingAppend(stream=self.stream, expected=self.expected, events=self.events, loaded=loaded)
        append.touched[of] = None
        del batch.row_pauses[self.stream]
        batch.pending_appends[self.stream] = append
        return True

    def settle(self) -> None:
        """Record that the commit is durable."""
        loaded = self.loaded
        if loaded is not None:
            loaded.pending_appends -= 1
            loaded.durable = self.recorded.number
            loaded.recent.drop_until(loaded.durable)


@attrs.define(eq=False)
class CommitBatch:
    """A commit before it is sealed. ``new`` are the keys of ``rows`` that are known not to be on disk; a key that is also in ``deleted`` was
    deleted with a history and may have been written again. ``known`` are other values that are known to be on disk, and ``consumed`` are
    messages to objects without an append in this commit. ``cleared`` are the ranges from which a deletion removes every row that is on disk. ``row_pauses`` are pauses of objects that are not in memory.
    The rows of ``audit`` are chained when the commit is written. ``released`` are the actions to run, in order, once it is durable.
    ``counts`` are the changes of the counts of invocations. ``ended`` (the rows of completed invocations), ``failed_attempts`` and
    ``failed_steps`` (the service and handler of each failure) are counted once the commit is durable. Invocations that were recorded as a whole are not in ``counts`` and ``ended`` while the
    batch forms: ``ended_at_once`` are the fields of their rows, and ``succeeded`` their number by service, handler, deployment and
    time of the end."""

    partition: int
    pending_appends: dict[StreamId, PendingAppend] = attrs.field(factory=dict)
    row_pauses: dict[StreamId, RowPause] = attrs.field(factory=dict)
    rows: dict[bytes, bytes | None] = attrs.field(factory=dict)
    cleared: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    counts: Counts = attrs.field(factory=dict)
    audit: list[AuditRow] = attrs.field(factory=list)
    consumed: list[bytes] = attrs.field(factory=list)
    new: list[bytes] = attrs.field(factory=list)
    deleted: set[bytes] = attrs.field(factory=set)
    known: dict[bytes, bytes | None] = attrs.field(factory=dict)
    messages: list[Message] = attrs.field(factory=list)
    retracted: list[Message] = attrs.field(factory=list)
    released: list[Callable[[], None]] = attrs.field(factory=list)
    ended: list[InvocationRow] = attrs.field(factory=list)
    ended_at_once: list[tuple[Any, ...]] = attrs.field(factory=list)
    succeeded: dict[tuple[str, str, str, float], int] = attrs.field(factory=dict)
    failed_attempts: list[tuple[str, str]] = attrs.field(factory=list)
    failed_steps: list[tuple[str, str]] = attrs.field(factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything to write or to release."""
        return bool(self.released) or self.is_written

    @property
    def is_written(self) -> bool:
        """Whether there is anything to write."""
        return bool(
            self.pending_appends
            or self.rows
            or self.audit
            or self.consumed
            or self.messages
            or self.retracted
            or self.row_pauses
        )

    def rows_of_ended(self) -> list[InvocationRow]:
        """The rows of the invocations that it completes."""
        return [*self.ended, *decode_rows(InvocationRow, map(encode_row, self.ended_at_once))]

    def changes(self) -> Iterator[tuple[ObjectState, Record]]:
        """Yield the events of each object, with its state now."""
        for pending_append in self.pending_appends.values():
            if pending_append.loaded.state is not None:
                yield pending_append.loaded.state, pending_append.events

    def pending_append(self, loaded: LoadedObject) -> PendingAppend:
        """The changes of this object."""
        stream = loaded.stream
        found = self.pending_appends.get(stream)
        if found is None:
            version = 0 if loaded.state is None else loaded.state.version
            found = PendingAppend(stream=stream, expected=version, events=Record(version + 1), loaded=loaded)
            self.pending_appends[stream] = found
            loaded.pending_appends += 1
        return found

    def forgo_rewriting(self, pending_append: PendingAppend, because: BaseException) -> bool:
        """Overwrite none of an object's stored events; only append to them. Returns whether some were to be overwritten."""
        for purge in pending_append.purges:
            self.refuse(purge, because)
        rewrites = bool(pending_append.erased or pending_append.trim_to or pending_append.snapshot is not None)
        pending_append.erased, pending_append.covered, pending_append.trim_to, pending_append.snapshot = [], 0, 0, None
        for key in pending_append.forgotten:
            if self.rows.get(key) is None:  # not written again, by a request that is repeated
                self.rows.pop(key, None)
        pending_append.forgotten = []
        add_counts(self.counts, pending_append.uncounted, -1)
        pending_append.uncounted = {}
        return rewrites

    def refuse(self, purge: Purge, because: BaseException) -> None:
        """Report to every requester that the histories stay. The first reason is kept."""
        if purge.refusal is not None:
            return
        refusal = purge.refusal = UnavailableError(
            f"{' '.join(purge.invocation_ids)}: {because}. The histories are kept; purge them again after the repair",
            code=ErrorCode.SET_ASIDE,
        )
        if purge.row is not None:
            purge.row.changed = False
            purge.row.before = purge.row.after = ""
            purge.row.refusal = f"{code_of(refusal)}: {refusal}"
        if purge.message is not None:
            self.messages[self.messages.index(purge.message)] = _refused(purge.message, refusal)

    def appends(self, audit: Mapping[bytes, bytes]) -> list[Append]:
        """The appends for the journal, with the rows of the audit log. All rows go with the first: the commit is one."""
        appends: list[Append] = [*self.pending_appends.values(), *self.row_pauses.values()]
        if self.rows or audit or self.consumed:
            # The request to a damaged object is audited and the object itself left alone, so another stream carries the rows.
            carrier = appends[0] if appends else Append.of(StreamId(self.partition), 0)
            new = [key for key in self.new if key not in self.deleted] if self.deleted else self.new
            carrier.rows, carrier.new = self.rows, new
            if audit:
                carrier.rows, carrier.new = {**self.rows, **audit}, [*new, *audit]
            carrier.known = self.known
            if self.consumed:  # named once, however often the commit is tried
                carrier.consumed = [*dict.fromkeys((*carrier.consumed, *self.consumed))]
            appends = appends or [carrier]
        return appends


def _refused(answer: Message, refusal: TerminalError) -> Message:
    """A verb's answer with a refusal in its place."""
    command, envelope = c.decode_command(answer.data)
    if not isinstance(command, c.CompleteVerb):
        raise BrokenInvariant("the answer to a verb does not complete it")
    said = attrs.evolve(command, answer=None, refusal=failure_of(refusal))
    return attrs.evolve(answer, data=c.encode_command(said, cause=envelope.cause, by=envelope.by))
