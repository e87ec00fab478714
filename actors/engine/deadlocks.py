"""Searches for wait cycles among all objects that this process owns, in memory or not.

Objects of other partitions are looked up in the caches of their processors. Nothing runs between a search and the decision that
it serves, so of two waits that close a cycle from both sides the second finds the first. Partitions of another process are not
searched: across processes a cycle is found only if a caller of the call holds the key that it asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.core import commands as c
from actors.core.deadlocks import Edge, ObjectNotLoaded, WaitCycle, WaitGraph
from actors.core.fold import fold
from actors.engine.requests import ObjectRequest
from actors.values.failures import failed, failure_of
from journal import invocation_keys, keys
from journal.errors import BrokenInvariant, Damaged
from journal.events import Stamp, Status
from journal.ids import InvocationId, StreamId, stream_of_invocation
from journal.log.protocol import Message
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.core.state import ObjectState
    from actors.engine.object_cache import ObjectCache
    from journal.log.protocol import Journal

    DirectoryOf = Callable[[int], ObjectCache | None]

log = SafeLogger(__name__)

_READ_TOGETHER = 64


class DeadlockDetector:
    """The wait cycles as one processor sees them. Every search raises :class:`ObjectNotLoaded` for an object that must be loaded
    first."""

    def __init__(self, journal: Journal, directory_of: DirectoryOf) -> None:
        self._journal = journal
        self._cache_of = directory_of
        self._loaded: dict[StreamId, ObjectState | None] = {}
        self._graph = WaitGraph(self._object_of)

    def refuse(self, edges: Sequence[Edge], target: str) -> None:
        """Raise :class:`actors.errors.DeadlockError` if these edges would close a cycle; see ``WaitGraph.closed_by``."""
        error = self._graph.error_of(edges, target)
        if error is not None:
            raise error

    def around(self, of: InvocationId) -> WaitCycle | None:
        """The cycle that contains the invocation, if any."""
        return self._graph.circle_around(of)

    async def load(self, stream: StreamId) -> None:
        """Load the object and keep it until :meth:`forget`."""
        try:
            stored = await self._journal.load(stream)
            self._loaded[stream] = None if stored is None else fold(stream, stored)
        except Damaged:
            self._loaded[stream] = None  # a damaged object reports that itself when it is used

    def forget(self) -> None:
        """Drop the loaded objects, which may change from here on."""
        self._loaded.clear()

    def _object_of(self, stream: StreamId) -> ObjectState | None:
        cache = self._cache_of(stream % self._journal.partitions)
        loaded = None if cache is None else cache.find(stream)
        if loaded is not None:
            return loaded.state
        if stream not in self._loaded:
            raise ObjectNotLoaded(stream)
        return self._loaded[stream]


class DeadlockBreaker:
    """Fails waits that closed a cycle before the process started. Later cycles are found when the wait that closes them begins."""

    def __init__(
        self,
        journal: Journal,
        partition: int,
        detector: DeadlockDetector,
        take_in: Callable[[ObjectRequest], None],
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        """``take_in`` sends a command to an object of the partition; ``settled`` waits until it has been applied."""
        self._journal = journal
        self._partition = partition
        self._detector = detector
        self._take_in = take_in
        self._settled = settled

    async def run(self) -> None:
        """Check every queued invocation: each cycle that involves a key passes through one."""
        prefix = invocation_keys.open_prefix(self._partition, Status.QUEUED)
        start, stop = prefix, keys.after_prefix(prefix)
        while page := self._journal.scan(start, stop, limit=_READ_TOGETHER):
            start = page[-1][0] + b"\x00"
            for key, _ in page:
                circle = await self._around(InvocationId(invocation_keys.id_at_end(key)))
                if circle is not None:
                    await self._break(circle)

    async def _around(self, of: InvocationId) -> WaitCycle | None:
        while True:
            await trio.lowlevel.checkpoint()
            try:
                circle = self._detector.around(of)
            except ObjectNotLoaded as missing:
                await self._detector.load(missing.stream)
                continue
            except Exception as error:  # one of the objects around it is damaged; the others are checked all the same
                log.error("%s: whether it waits in a cycle is unknown:\n%s", of, failure_of(error).traceback)  # noqa: TRY400 - bounded
                circle = None
            self._detector.forget()
            return circle

    async def _break(self, circle: WaitCycle) -> None:
        edge = circle.closing
        if edge.step is None:
            raise BrokenInvariant("the last edge of a wait cycle has no step")
        log.warning("%s", circle.error)
        outcome = failed(circle.error)
        if edge.is_own:
            await self._bring(c.WithdrawCall(invocation_id=edge.awaited, outcome=outcome))
        else:
            await self._bring(c.CompleteCall(invocation_id=edge.waiter, step=edge.step, outcome=outcome))

    async def _bring(self, command: c.CompleteCall | c.WithdrawCall) -> None:
        of = command.invocation_id
        stream, stamp = stream_of_invocation(of), Stamp(self._journal.clock.now(), "waits", "engine")
        if stream % self._journal.partitions == self._partition:
            self._take_in(ObjectRequest(stream, command, stamp))
            await self._settled()
        else:
            data = c.encode_command(command, cause=stamp.cause, by=stamp.by)
            await self._journal.send(Message(f"circle {type(command).__name__} {of}", stream, data))
