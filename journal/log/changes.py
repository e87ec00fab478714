"""A feed of the changes in a journal, for pages and lists that show all of it live.

A position counts commits; the positions of a later process are greater than those of an earlier one. Only the last change of each
stream and invocation is kept, and only of a limited number. A slow reader therefore misses only intermediate changes, and a
reader that returns too late learns that the list is incomplete. While there are no readers, nothing is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import attrs
import trio

from journal import invocation_keys, keys
from journal.ids import InvocationId, StreamId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from journal.clock import Clock
    from journal.rows import StreamHead

KEPT = 50_000
"""The number of streams, and of invocations, whose last change is kept."""

KEPT_SECONDS = 60.0
"""How long changes are kept after the last read, in seconds."""


@attrs.frozen(kw_only=True)
class Changed:
    """The changes up to ``position``: streams with the numbers of their last events, and invocations, latest last.

    ``is_complete`` says that these are all changes after the requested position.
    """

    position: int
    is_complete: bool
    streams: dict[StreamId, int]
    invocations: list[InvocationId]


class ChangeFeed:
    """The changes of one journal, as they become durable."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._position = self._floor = 0
        self._until = 0.0
        self.is_kept = False
        """Whether changes are kept, because they were read lately."""
        self._waiting = 0
        self._streams: OrderedDict[StreamId, tuple[int, int]] = OrderedDict()
        self._invocations: OrderedDict[InvocationId, int] = OrderedDict()
        self._noted = trio.Event()

    def note(self, heads: Mapping[StreamId, StreamHead], rows: Iterable[bytes]) -> None:
        """Record a durable commit: the new ends of its streams, and the keys of its rows. Costs next to nothing while there are
        no readers."""
        if not self.is_kept:
            return
        if not self._waiting and self._clock.now() > self._until:
            self.is_kept = False
            self._streams.clear()
            self._invocations.clear()
            return
        self._position += 1
        for stream, head in heads.items():
            self._streams[stream] = (self._position, head.last)
            self._streams.move_to_end(stream)
        for key in rows:
            if invocation_keys.is_invocation(key):
                of = InvocationId(invocation_keys.id_at_end(key))
                self._invocations[of] = self._position
                self._invocations.move_to_end(of)
        self._forget_oldest()
        noted, self._noted = self._noted, trio.Event()
        noted.set()

    def look(self) -> int:
        """Keep changes from now on, if they are not kept yet, and return the current position."""
        self._until = self._clock.now() + KEPT_SECONDS
        if not self.is_kept:
            self.is_kept = True
            # Changes in between are before this position, and were not kept.
            self._position = max(self._position + 1, keys.microseconds(self._clock.now()))
            self._floor = self._position
        return self._position

    def since(self, after: int, *, limit: int) -> Changed:
        """Return the latest changes after a position, at most ``limit`` invocations and streams."""
        position = self.look()
        is_complete = self._floor <= after <= position
        streams: dict[StreamId, int] = {}
        for stream in reversed(self._streams):
            at, last = self._streams[stream]
            if at <= after or len(streams) == limit:
                is_complete = is_complete and at <= after
                break
            streams[stream] = last
        invocations: list[InvocationId] = []
        for of in reversed(self._invocations):
            at = self._invocations[of]
            if at <= after or len(invocations) == limit:
                is_complete = is_complete and at <= after
                break
            invocations.append(of)
        return Changed(position=position, is_complete=is_complete, streams=streams, invocations=invocations[::-1])

    async def wait(self, after: int) -> None:
        """Wait for a change after the position. Returns at once for a position of another journal."""
        if self.look() != after:
            await trio.lowlevel.checkpoint()
            return
        self._waiting += 1
        try:
            await self._noted.wait()
        finally:
            self._waiting -= 1

    def _forget_oldest(self) -> None:
        while len(self._streams) > KEPT:
            _, (at, _) = self._streams.popitem(last=False)
            self._floor = max(self._floor, at)
        while len(self._invocations) > KEPT:
            _, at = self._invocations.popitem(last=False)
            self._floor = max(self._floor, at)
