"""What has changed in a journal since a position: for pages and lists that show all of it live.

A position counts commits, and those of a later process lie behind those of an earlier one. Of each stream and each invocation
only the last change is kept, and only of so many; so a slow reader misses nothing but what lay between, and one who was
away for too long is told. While nobody looks, nothing is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import attrs
import trio

from journal import keys
from journal.ids import InvocationId, StreamId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from journal.clock import Clock
    from journal.rows import StreamHead

KEPT = 50_000
"""Streams, and invocations, whose last changes are kept."""

KEPT_SECONDS = 60.0
"""For so long after a look, changes are kept for the next look."""


@attrs.frozen(kw_only=True)
class Changed:
    """What has changed up to ``position``: streams with the numbers of their last events, and invocations, the latest last.

    ``is_complete``: that is all that has changed behind the position that was asked for.
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
        self._is_kept = False
        self._waiting = 0
        self._streams: OrderedDict[StreamId, tuple[int, int]] = OrderedDict()
        self._invocations: OrderedDict[InvocationId, int] = OrderedDict()
        self._noted = trio.Event()

    def note(self, heads: Mapping[StreamId, StreamHead], rows: Iterable[bytes]) -> None:
        """A commit is durable: how far its streams go now, and the keys of its rows. Costs next to nothing while nobody looks."""
        if not self._is_kept:
            return
        if not self._waiting and self._clock.now() > self._until:
            self._is_kept = False
            self._streams.clear()
            self._invocations.clear()
            return
        self._position += 1
        for stream, head in heads.items():
            self._streams[stream] = (self._position, head.last)
            self._streams.move_to_end(stream)
        for key in rows:
            if keys.is_invocation(key):
                of = InvocationId(keys.id_at_end(key))
                self._invocations[of] = self._position
                self._invocations.move_to_end(of)
        self._forget_oldest()
        noted, self._noted = self._noted, trio.Event()
        noted.set()

    def look(self) -> int:
        """Have changes kept from now on, if they are not yet; the position of now."""
        self._until = self._clock.now() + KEPT_SECONDS
        if not self._is_kept:
            self._is_kept = True
            # What has happened in between lies before it, and is known to nobody.
            self._position = max(self._position + 1, keys.microseconds(self._clock.now()))
            self._floor = self._position
        return self._position

    def since(self, after: int, *, limit: int) -> Changed:
        """What has changed behind a position, so many invocations and streams of it at most, the latest."""
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
        """Return when something has changed behind the position. A position that is none of ours is behind already."""
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
