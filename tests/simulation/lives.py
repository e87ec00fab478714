"""The invocations of a storm as their events tell them."""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.model.info import belongs_to
from journal import events as e
from journal import keys
from journal.events import OutcomeKind
from journal.ids import InvocationId, stream_of_invocation
from journal.log.outputs import read_whole_output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.runtime import Runtime
    from journal.events import Recorded
    from journal.ids import StreamId
    from journal.log.kv_journal import KvJournal
    from journal.output import OutputRun
    from tests.simulation.storm import Storm

SAME_TIME = 1e-5
"""Seconds that stamps, which are rounded, may be off."""

LONGEST_COMMIT_SECONDS = 0.2
"""Without a stall: several commits of the longest latency."""


@attrs.define(eq=False, slots=False)
class Life:
    """An invocation as it is recorded. ``at`` is when each event was durable, by the virtual clock."""

    id: InvocationId
    service: str
    key: str | None
    events: list[Recorded] = attrs.field(factory=list)
    at: list[float] = attrs.field(factory=list)
    output: list[OutputRun] = attrs.field(factory=list)

    @property
    def accepted(self) -> e.InvocationAccepted:
        event = self.events[0].event
        assert isinstance(event, e.InvocationAccepted), event
        return event

    @property
    def outcome(self) -> e.Outcome | None:
        """How it ended; None if anything but a restart of it follows."""
        rest = [r.event for r in self.events if not isinstance(r.event, e.InvocationRestarted)]
        return rest[-1].outcome if isinstance(rest[-1], e.InvocationCompleted) else None

    @property
    def ended_at(self) -> int:
        """The number of the event that ended it."""
        return next(r.number for r in self.events if isinstance(r.event, e.InvocationCompleted))

    @functools.cached_property
    def ended_durably(self) -> float:
        """When its end was on the disk, by the virtual clock."""
        return next(
            at for r, at in zip(self.events, self.at, strict=True) if isinstance(r.event, e.InvocationCompleted)
        )

    @property
    def is_done(self) -> bool:
        return self.outcome is not None and self.outcome.kind is OutcomeKind.SUCCEEDED

    @property
    def number(self) -> int | None:
        """The number of a work."""
        if self.accepted.handler != "work":
            return None
        number: int = msgspec.json.decode(self.accepted.argument)["number"]
        return number

    @functools.cached_property
    def own(self) -> list[tuple[Recorded, float]]:
        """Its events, each with when it was durable, without those that a restart has copied."""
        copied = max((at for at, r in enumerate(self.events) if isinstance(r.event, e.HistoryCopied)), default=-1)
        return [*zip(self.events, self.at, strict=True)][copied + 1 :]

    def of(self, kind: type) -> list[Any]:
        return [r.event for r in self.events if isinstance(r.event, kind)]


class Times:
    """When each event of a stream was durable."""

    def __init__(self, storm: Storm) -> None:
        self._firsts: dict[int, list[int]] = defaultdict(list)
        self._times: dict[int, list[float]] = defaultdict(list)
        for key, at in sorted(storm.disk.record_times.items()):
            stream = int.from_bytes(key[3:11], "big")
            self._firsts[stream].append(keys.first_number_of(key))
            self._times[stream].append(at)

    def of(self, stream: StreamId, number: int) -> float:
        return self._times[stream][bisect_right(self._firsts[stream], number) - 1]


async def read_lives(storm: Storm, runtime: Runtime) -> tuple[dict[InvocationId, Life], list[list[Recorded]]]:
    """All that is kept: by invocation, and by object."""
    journal, times = runtime.engine.journal, Times(storm)
    lives: dict[InvocationId, Life] = {}
    objects: list[list[Recorded]] = []
    for partition in range(journal.partitions):
        async for stream, _ in journal.heads(partition):
            events = [*_read(journal, stream)]
            objects.append(events)
            _tell_apart(lives, events, stream, times)
    for of, life in lives.items():
        life.output = [*read_whole_output(journal, stream_of_invocation(of) % journal.partitions, of)]
    return lives, objects


def _read(journal: KvJournal, stream: StreamId) -> Iterator[Recorded]:
    """All events, without a turn of the scheduler for each."""
    last = 0
    while page := journal.read_page(stream, last):
        yield from page
        last = page[-1].number


def _tell_apart(lives: dict[InvocationId, Life], events: list[Recorded], stream: StreamId, times: Times) -> None:
    created = events[0].event if events else None
    name = (created.service, created.key) if isinstance(created, e.ObjectCreated) else ("", None)  # it was cut off
    for recorded in events:
        of = getattr(recorded.event, "invocation_id", None)
        if of is None or not belongs_to(recorded.event, of):
            continue
        if isinstance(recorded.event, e.InvocationAccepted) and of not in lives:
            lives[of] = Life(of, *name)
        if of in lives:
            lives[of].events.append(recorded)
            lives[of].at.append(times.of(stream, recorded.number))
