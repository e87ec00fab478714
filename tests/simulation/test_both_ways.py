"""The short way of a call leaves the store as the long way does: the same events and the same rows, key by key.

One load is played twice, the second time with the short way closed (``tests.long_way``). What may differ by nature is held still: ids
depend on who asks for them, dice fall alike, and tasks that are ready together run in the order in which they began.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import pytest
import trio
import trio._core._run as trio_run

import actors
from actors.errors import MisuseError
from journal import events as e
from journal.ids import InvocationId, StreamId, derived_unique, invocation_id, stream_of
from tests import long_way
from tests.simulation.draw import draw
from tests.simulation.plan import Life, Plan
from tests.simulation.storm import play
from tests.stored import Stored, bytes_of_records, first_difference, stored

if TYPE_CHECKING:
    pass

SEEDS = range(30)
LEFT_OUT = ("damage", "damage of", "misread", "jump", "doom", "history", "hostile")
"""Deeds of the disk, and of a class that is replayed differently on purpose."""


class Still(Random):
    """Dice that always fall alike."""

    def random(self) -> float:
        return 0.75


class Ids:
    """Unique numbers by who asks for them in which process, and how often: not by who else does in between."""

    def __init__(self, *_: Any) -> None:
        self._given: Counter[str] = Counter()
        self._began = str(trio.current_time())

    def next(self, _: float | None = None) -> int:
        try:
            who: str = actors.current_invocation()
        except MisuseError:
            who = trio.lowlevel.current_task().name
            if who.startswith("step ") or "_decide_in_rounds" in who:
                who = "an engine"  # which decides in the task of a step, too
        self._given[who] += 1
        return derived_unique(who, str(self._given[who]), self._began)

    def new_id(self, service: str, key: str | None, now: float | None = None) -> InvocationId:
        number = self.next(now)
        return invocation_id(
            StreamId(number & 0xFFFF_FFFF_FFFF_FFFF) if key is None else stream_of(service, key), number
        )


def load(seed: int, *, at_once: bool) -> Plan:
    """The deeds of a storm, one after the other, in one life on a disk that is well, without limits. Unless ``at_once``, no two requests
    for one object are on their way at the same time."""
    drawn = draw(seed)
    deeds = [deed for life in drawn.lives for deed in life.deeds if deed.what not in LEFT_OUT]
    if not at_once:
        deeds = [attrs.evolve(deed, given=[_one_by_one(given) for given in deed.given]) for deed in deeds]
    apart = [attrs.evolve(deed, at=round(0.11 * at, 2), dies="") for at, deed in enumerate(deeds)]
    return Plan(seed=seed, partitions=drawn.partitions, lives=[Life(seconds=0.11 * len(apart) + 5.0, deeds=apart)])


def _one_by_one(given: Any) -> Any:
    """A program without what asks for several things at a time; of messages it sends one."""
    if not isinstance(given, list) or not all(isinstance(node, list) for node in given):
        return given[:1] if isinstance(given, list) else given
    messages = [node for node in given if node[0] in ("send", "tell")][1:]
    return [
        node for node in given if node[0] not in ("nursery", "spread", "shield", "deadline") and node not in messages
    ]


def by_invocation(found: Stored) -> Stored:
    """The events of each invocation in their order, and its row, without numbers: those depend on what came in between."""
    told: Stored = {}
    for name, value in found.items():
        if name.startswith("row"):
            told[name] = msgspec.structs.replace(value, spans=[])
        elif name.startswith("event"):
            of = getattr(value.event, "invocation_id", name)
            # What waited in line was started by the one before it.
            by = "" if isinstance(value.event, e.InvocationStarted) else value.stamp.by
            told.setdefault(f"events of {of}", []).append((value.stamp.at, by, value.event))
    return told


def both_ways(plan: Plan) -> tuple[Stored, Stored]:
    """What is stored of a load on the short way and on the long one."""
    short = play(plan)
    with long_way.taken():
        long = play(plan)
    assert short.broken == long.broken == []
    return stored(short.disk), stored(long.disk)


@pytest.fixture(autouse=True)
def still_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.environment.Ulids", Ids)
    monkeypatch.setattr("tests.lab.Random", Still)
    monkeypatch.setattr(trio_run, "_r", Still())


@pytest.mark.parametrize("seed", SEEDS)
def test_both_ways_store_the_same_if_requests_come_one_by_one(seed: int) -> None:
    short, long = both_ways(load(seed, at_once=False))
    difference = first_difference(short, long)
    assert not difference, difference


@pytest.mark.parametrize("seed", SEEDS)
def test_both_ways_store_the_same_of_each_invocation(seed: int) -> None:
    short, long = both_ways(load(seed, at_once=True))
    difference = first_difference(by_invocation(short), by_invocation(long))
    assert not difference, difference


def test_the_load_takes_the_short_way_unless_it_is_closed() -> None:
    short = play(load(3, at_once=True)).disk
    with long_way.taken():
        long = play(load(3, at_once=True)).disk
    assert bytes_of_records(short) < bytes_of_records(long), "what is recorded as a whole takes fewer bytes"


def test_the_first_difference_is_named() -> None:
    assert first_difference({"b": 1, "a": 1}, {"b": 2, "a": 1}) == "b\n  short: 1\n  long: 2"
    assert first_difference({"a": 1}, {}) == "a\n  short: 1\n  long: None"
