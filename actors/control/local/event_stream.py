"""Streams of the events and the output of an invocation in the runtime of this process."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs
import trio

from actors.core.output import Mark, OutputKind, marks_of
from actors.model.history import JournalEntry, entry_of
from actors.model.info import belongs_to
from actors.model.output import OutputChunk, chunk_of
from journal import events as e
from journal import invocation_keys
from journal.errors import BrokenInvariant
from journal.events import Status
from journal.ids import InvocationId, stream_of_invocation
from journal.log.outputs import read_output
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from actors.model.info import InvocationInfo
    from journal.log.protocol import Journal


@attrs.define(eq=False)
class _Followed:
    """An iteration over the entries of an invocation behind the entry ``after``. ``info`` raises ``NotFoundError`` for an unknown one."""

    _info: Callable[[InvocationId], Awaitable[InvocationInfo]]
    _journal: Journal
    _of: InvocationId
    _after: int
    _follow: bool = attrs.field(kw_only=True, alias="follow")


@attrs.define(eq=False)
class Events(_Followed):
    """Iterates over the events of an invocation."""

    _source: AsyncIterator[e.Recorded] | None = attrs.field(default=None, init=False)
    _last: int | None = attrs.field(default=None, init=False)
    _has_ended: bool = attrs.field(default=False, init=False)

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> JournalEntry:
        return entry_of(await self.next_recorded())

    async def next_recorded(self) -> e.Recorded:
        """Return the next recorded event, waiting for it if the stream follows the invocation."""
        if self._source is None:
            await self._open()
        source = self._source
        if source is None:
            raise BrokenInvariant("the opened stream has no source")
        while not self._has_ended:
            if self._last is not None and self._after >= self._last:
                break
            recorded = await anext(source)
            self._after = recorded.number
            if isinstance(recorded.event, e.InvocationsPurged) and self._of in recorded.event.invocation_ids:
                self._has_ended = True  # and its end was purged with its history
            if not belongs_to(recorded.event, self._of):
                continue
            # An invocation that had completed before may have been restarted since, which is recorded after its completion.
            self._has_ended = self._last is None and isinstance(recorded.event, e.InvocationCompleted)
            return recorded
        raise StopAsyncIteration

    async def _open(self) -> None:
        info = await self._info(self._of)
        journal = self._journal
        self._after = max(self._after, info.first_event - 1)
        stream = stream_of_invocation(self._of)
        if info.status is Status.COMPLETED:
            self._last = info.last_event
        elif self._follow:
            self._source = journal.follow(stream, self._after)
            return
        self._source = journal.read(stream, self._after)


@attrs.define(eq=False)
class Marks(_Followed):
    """Iterates over the entries of an invocation's output: what is stored, then new entries as they become durable."""

    _is_known: bool = attrs.field(default=False, init=False)
    _page: deque[Mark] = attrs.field(factory=deque, init=False)
    _is_over: bool = attrs.field(default=False, init=False)

    def __aiter__(self) -> Marks:
        return self

    async def __anext__(self) -> OutputChunk:
        await trio.lowlevel.checkpoint()
        if not self._is_known:
            await self._info(self._of)  # raises NotFoundError for an unknown one
            self._is_known = True
        while not self._page:
            await self._read()
        mark = self._page.popleft()
        self._after = mark.number
        return chunk_of(mark)

    async def _read(self) -> None:
        if self._is_over:
            raise StopAsyncIteration
        stream = stream_of_invocation(self._of)
        partition = stream % self._journal.partitions
        appended = self._journal.appended(stream) if self._follow else None
        # No wait between the two reads: they see the same commits.
        runs = read_output(self._journal, partition, self._of, self._after)
        row = self._journal.get(invocation_keys.invocation(partition, self._of))
        if runs:
            self._page.extend(mark for run in runs for mark in marks_of(run, self._after))
        elif row is None:
            raise StopAsyncIteration  # it has been purged
        elif decode_row(InvocationRow, row).outcome is not None:
            self._is_over = True
            at = decode_row(InvocationRow, row).modified_at
            self._page.append(Mark(kind=OutputKind.END, number=self._after, at=at))
        elif appended is None:
            raise StopAsyncIteration
        else:
            await appended.wait()
