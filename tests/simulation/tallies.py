"""Clients of tallies, and the laws of these: what was acknowledged is added once, and each answer is of its moment."""

from __future__ import annotations

from collections import defaultdict
from math import inf
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import trio

import actors
from journal import invocation_keys
from journal.ids import stream_of, stream_of_invocation
from journal.rows import InvocationRow, decode_row
from tests.simulation.cast import Tally
from tests.simulation.heard import Told
from tests.simulation.plan import KEYS, Deed

if TYPE_CHECKING:
    from actors.runtime import Runtime
    from journal.ids import InvocationId
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm

OUTCOME_SECONDS = 3.0
"""How long a client waits for the outcome of its message."""


@attrs.define(eq=False)
class Asked:
    """A request of a client, which was answered, or accepted, at ``end``. ``answer`` is None if it was not told of the result."""

    key: str
    number: int
    start: float = attrs.field(factory=trio.current_time)
    end: float = inf
    answer: list[int] | None = None


class TallyClients:
    """What clients ask of tallies, and what they were told."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.asked: list[Asked] = []
        self.labels: list[Asked] = []

    # Deeds.

    async def add(self, key: str, number: int) -> None:
        await self._call(key, number, self.storm.client.actor(Tally, key).add)

    async def count(self, key: str, number: int) -> None:
        await self._call(key, number, self.storm.client.actor(Tally, key).look)

    async def _call(self, key: str, number: int, handler: Any) -> None:
        asked = Asked(key, number)
        self.asked.append(asked)
        try:
            asked.answer = await handler(number)
        except actors.LimitExceededError:
            self.storm.refused.add(number)
            raise
        asked.end = trio.current_time()

    async def rush(self, key: str, numbers: list[int], gap: float) -> None:
        """As many clients, one a while after the other."""
        async with trio.open_nursery() as nursery:
            for at, number in enumerate(numbers):
                nursery.start_soon(self._later, at * gap, Deed(at=0.0, what="add", given=[key, number]))

    async def _later(self, seconds: float, deed: Deed) -> None:
        await trio.sleep(seconds)
        await self.storm.do(deed)

    async def tell(self, key: str, number: int, delay: float | None) -> None:
        asked = Asked(key, number)
        try:
            handle = await self.storm.client.actor(Tally, key).add.options(delay=delay).send(number)
        except actors.RefusedError:
            self.storm.refused.add(number)
            raise
        asked.end = trio.current_time()
        if delay is None:
            self.asked.append(asked)
        self.storm.told.append(Told(handle.id, "add", number))
        with trio.move_on_after(OUTCOME_SECONDS):
            outcome = await self.storm.client.outcome_of(handle.id, leaves_at_pause=False)
            self.storm.outcomes.append((handle.id, outcome))

    async def weigh(self, key: str, number: int, seconds: float) -> None:
        handle = await self.storm.client.actor(Tally, key).weigh.send(number, seconds)
        self.storm.told.append(Told(handle.id, "weigh", number))

    async def label(self, key: str, number: int) -> None:
        asked = Asked(key, number)
        self.labels.append(asked)
        await self.storm.client.object(Tally, key).edit(set={"label": number})
        asked.end = trio.current_time()

    # Laws.

    async def judge_tallies(self, runtime: Runtime, lives: dict[InvocationId, Life]) -> None:
        """Hold what clients were told of tallies, and what these are in the end, against the laws."""
        for key in KEYS:
            stream = stream_of(Tally.__name__, key)
            if not self.storm.has_object(stream):
                continue
            own = [life for life in lives.values() if stream_of_invocation(life.id) == stream]
            if any(life.accepted.restarts is not None and life.accepted.restarts.rewinds for life in own):
                continue
            asked = [asked for asked in self.asked if asked.key == key]
            labels = [label for label in self.labels if label.key == key]
            self._check_asked(key, asked, own)
            _check_labels(self.storm, key, asked, labels)
            _check_rows(self.storm, runtime, own)
            await self._check_results(runtime, key, own)

    def _check_asked(self, key: str, asked: list[Asked], own: list[Life]) -> None:
        """What was answered happened once, with that result; what was refused did not; and the order of the clients is kept."""
        law, found = self.storm.law, defaultdict[int, list["Life"]](list)
        for life in own:
            if life.accepted.restarts is None and life.accepted.handler in ("add", "look", "weigh"):
                found[_number_of(life)].append(life)
        by_clients = {one.number for one in asked}
        twice = [n for n, same in found.items() if len(same) > 1 and (n in by_clients or not self.storm.has_restarted)]
        law("asked for once, done once", not twice, f"Tally/{key}: {twice}")
        refused = self.storm.refused & found.keys()
        law("what was refused is not done", not refused, f"Tally/{key}: {refused}")
        for one in asked:
            if one.answer is not None:
                results = [_result_of(life) for life in found[one.number] if life.is_done]
                is_so = results == [one.answer]
                law("what was answered is recorded", is_so, f"Tally/{key}: {one}, it was {results}")
        order = sorted((life.events[0].number, one) for one in asked for life in found[one.number] if one.end != inf)
        latest = -inf
        for _, one in order:
            law(
                "each key is linearizable",
                one.end >= latest,
                f"Tally/{key}: {one} is after one that was asked for later",
            )
            latest = max(latest, one.start)

    async def _check_results(self, runtime: Runtime, key: str, own: list[Life]) -> None:
        """Each result is the sum of what was added until then, the last one too. What was purged may have added something."""
        stream, law = stream_of(Tally.__name__, key), self.storm.law
        known = {life.id for life in own}
        is_whole = all(of in known or stream_of_invocation(of) != stream for of in self.storm.purged)
        done = [life for life in own if life.is_done and life.accepted.handler in ("add", "look", "weigh")]
        last: list[int] = await runtime.client.actor(Tally, key).look(0)
        count = total = 0
        for life in [*sorted(done, key=lambda life: life.ended_at), None]:
            found = last if life is None else _result_of(life)
            if life is not None and life.accepted.handler != "look":
                count, total = count + 1, total + _number_of(life)
            is_so = found[:2] == [count, total] if is_whole or found[0] == count else found[0] > count
            what = "the tally" if life is None else life.id
            law("each result is of its moment", is_so, f"Tally/{key}: {what}: {found}, expected {[count, total]}")
            count, total = found[:2]


def _check_labels(storm: Storm, key: str, asked: list[Asked], labels: list[Asked]) -> None:
    """An answer has the label of an edit that may have been the last one then."""
    by_number = {label.number: label for label in labels}
    for one in asked:
        if one.answer is None:
            continue
        seen = one.answer[2]
        was = by_number.get(seen)
        text = f"Tally/{key}: {one}, the edits are {labels}"
        storm.law("an edit stays", was is None or was.start <= one.end, text)
        between = [other for other in labels if other.end < one.start and (was is None or other.start > was.end)]
        storm.law("an edit stays", not between, text)


def _check_rows(storm: Storm, runtime: Runtime, own: list[Life]) -> None:
    """The row of an invocation says what its events say."""
    for life in own:
        partition = stream_of_invocation(life.id) % storm.lab.partitions
        data = runtime.engine.journal.get(invocation_keys.invocation(partition, life.id))
        row = None if data is None else decode_row(InvocationRow, data)
        storm.law(
            "a row says what its events say", row is not None and row.outcome == life.outcome, f"{life.id}: {row}"
        )


def _number_of(life: Life) -> int:
    argument = msgspec.json.decode(life.accepted.argument)
    number: int = argument["number"] if isinstance(argument, dict) else argument
    return number


def _result_of(life: Life) -> list[int]:
    assert life.outcome is not None
    result: list[int] = msgspec.json.decode(life.outcome.value)
    return result
