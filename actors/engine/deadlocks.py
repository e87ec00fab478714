"""Looks for circles of waits among all objects that this process owns, in memory or not.

Objects of other partitions are looked at where their owners have them. Nothing else runs between the search and the decision
that it is for, so of two waits that close a circle from both sides, the second one finds the first. Partitions that another
process owns are not looked into: across processes, a circle is found if the callers of a call hold the key that it asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.core import commands as c
from actors.core.deadlocks import Edge, ObjectNotLoaded, WaitCycle, WaitGraph
from actors.core.fold import fold
from actors.engine.requests import ObjectRequest
from actors.values.failures import failed, failure_of
from journal import keys
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
    """The circles as one owner sees them. Every search raises :class:`ObjectNotLoaded` for an object that must be loaded first."""

    def __init__(self, journal: Journal, directory_of: DirectoryOf) -> None:
        self._journal = journal
        self._cache_of = directory_of
        self._loaded: dict[StreamId, ObjectState | None] = {}
        self._graph = WaitGraph(self._object_of)

    def refuse(self, edges: Sequence[Edge], target: str) -> None:
        """Raise :class:`actors.errors.DeadlockError` if these edges would close a circle; see ``WaitGraph.closed_by``."""
        error = self._graph.error_of(edges, target)
        if error is not None:
            raise error

    def around(self, of: InvocationId) -> WaitCycle | None:
        """The circle that an invocation is in."""
        return self._graph.circle_around(of)

    async def load(self, stream: StreamId) -> None:
        """Have the object at hand, until :meth:`forget`."""
        try:
            stored = await self._journal.load(stream)
            self._loaded[stream] = None if stored is None else fold(stream, stored)
        except Damaged:
            self._loaded[stream] = None  # it says so itself when it is asked

    def forget(self) -> None:
        """What was loaded may have changed since."""
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
    """Lets waits fail that closed a circle before the process started: from then on only those are looked for that a new wait
    would close."""

    def __init__(
        self,
        journal: Journal,
        partition: int,
        detector: DeadlockDetector,
        take_in: Callable[[ObjectRequest], None],
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        """``take_in`` brings a command to an object of the partition, ``settled`` waits until it has been obeyed."""
        self._journal = journal
        self._partition = partition
        self._detector = detector
        self._take_in = take_in
        self._settled = settled

    async def run(self) -> None:
        """Look around everything that is queued: every circle that involves a key leads through one that is."""
        prefix = keys.open_prefix(self._partition, Status.QUEUED)
        start, stop = prefix, keys.after_prefix(prefix)
        while page := self._journal.rows(start, stop, limit=_READ_TOGETHER):
            start = page[-1][0] + b"\x00"
            for key, _ in page:
                circle = await self._around(InvocationId(keys.id_at_end(key)))
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
            except Exception as error:  # of the objects around it; the others are looked at all the same
                log.error("%s: whether it waits in a circle is unknown:\n%s", of, failure_of(error).traceback)  # noqa: TRY400 - bounded
                circle = None
            self._detector.forget()
            return circle

    async def _break(self, circle: WaitCycle) -> None:
        edge = circle.closing
        if edge.step is None:
            raise BrokenInvariant("a handler waits there")
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
