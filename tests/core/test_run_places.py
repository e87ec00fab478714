"""Who may run under limits: in the order of acceptance, none passed by without end, and at the same cost however many wait."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from random import Random

import attrs
import pytest

from actors.core.limits import Candidate, Limit, checked_limit_scope, written_rate
from actors.core.run_count import RunCount
from actors.core.run_places import RunPlaces
from journal.ids import InvocationId, StreamId, invocation_id


def limit(scope: str, concurrency: int | None = None, rate: int | None = None, period: float = 60.0) -> Limit:
    return Limit(scope=scope, concurrency=concurrency, rate=rate, period=period, since=0.0, by="tests")


def candidate(number: int, *, service: str = "Agent", **tags: str) -> Candidate:
    return Candidate(
        invocation_id=invocation_id(StreamId(number), number),
        service=service,
        key=None,
        handler="run",
        tags=tags or None,
        accepted_at=float(number),
    )


@attrs.define
class World:
    """Runs what gets a place."""

    limits: list[Limit]
    now: float = 0.0
    places: RunPlaces = attrs.field(init=False)
    woken: deque[InvocationId] = attrs.field(factory=deque)
    known: dict[InvocationId, Candidate] = attrs.field(factory=dict)
    running: list[InvocationId] = attrs.field(factory=list)
    started: list[int] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.places = RunPlaces(self.woken.append, lambda: self.now)
        self.places.set_limits(self.limits)

    def accept(self, *arriving: Candidate) -> None:
        for one in arriving:
            self.known[one.invocation_id] = one
            if self.places.take(one, is_start=True):
                self._run(one)
        self.settle()

    def _run(self, one: Candidate) -> None:
        self.running.append(one.invocation_id)
        self.started.append(int(one.accepted_at))
        self.times.append(self.now)

    def settle(self) -> None:
        while self.woken:
            one = self.known[self.woken.popleft()]
            assert self.places.take(one, is_start=True)
            self._run(one)

    def end(self, of: InvocationId) -> None:
        self.running.remove(of)
        self.places.release(of)
        self.settle()


def test_ten_thousand_that_wait_run_in_order() -> None:
    world = World([limit("service:Agent", 50), limit("tag:user=ada", 1)])
    world.accept(*(candidate(n, user="ada" if n % 10 == 0 else "bob") for n in range(10_000)))
    assert world.started == [n for n in range(55) if n == 0 or n % 10], "others of hers let those after them pass"
    while world.running:
        world.end(world.running[0])
        assert world.places.figures()["service:Agent"][0] <= 50
        assert world.places.figures()["tag:user=ada"][0] <= 1
    assert sorted(world.started) == [*range(10_000)]
    for is_hers in (True, False):
        own = [n for n in world.started if (n % 10 == 0) is is_hers]
        assert own == sorted(own)


def test_a_free_place_costs_the_same_however_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Counter[str]()
    has_room = RunCount.has_room

    def counted(count: RunCount, now: float, *, is_start: bool, is_next: bool = False) -> bool:
        asked["for room"] += 1
        return has_room(count, now, is_start=is_start, is_next=is_next)

    monkeypatch.setattr(RunCount, "has_room", counted)
    world = World([limit("service:Agent", 4), limit("tag:user", 1)])
    world.accept(*(candidate(n, user=str(n % 2_000)) for n in range(10_000)))
    asked.clear()
    while world.running:
        world.end(world.running[0])
    assert sorted(world.started) == [*range(10_000)]
    assert asked["for room"] < 20 * 10_000


def test_one_that_needs_two_busy_limits_is_not_passed_by_without_end() -> None:
    world = World([limit("service:Agent", 1), limit("tag:user=ada", 1)])
    world.accept(candidate(0, user="bob"), candidate(1, service="Other", user="ada"), candidate(2, user="ada"))
    numbers = itertools.count(3)
    for turn in range(100):  # two streams of newer ones, whose places never become free together
        world.accept(candidate(next(numbers), user="bob"), candidate(next(numbers), service="Other", user="ada"))
        if 2 in world.started:
            break
        service = "Agent" if turn % 2 else "Other"
        world.end(next(of for of in world.running if world.known[of].service == service))
    assert 2 in world.started
    while world.running:
        world.end(world.running[0])
    assert sorted(world.started) == [*range(next(numbers))]


def test_in_no_period_more_start_than_the_rate_permits_and_no_time_is_lost() -> None:
    world = World([limit("everything", rate=5, period=10.0)])
    for n in range(40):
        world.accept(candidate(n))
        world.now += 0.5
        if world.places.due is not None and world.places.due <= world.now:
            world.places.open_due()
            world.settle()
    assert world.times == [0.0, 0.5, 1.0, 1.5, 2.0, 10.0, 10.5, 11.0, 11.5, 12.0, 20.0]
    world.now -= 100.0  # the clock is set back
    for _ in range(7):
        assert world.places.due is not None
        world.now = max(world.now + 10.0, world.places.due)
        world.places.open_due()
        world.settle()
    assert world.started == [*range(40)], "then they wait for one period, not for the time that has passed already"


def test_a_step_of_priority_counts_as_a_minute_of_waiting() -> None:
    world = World([limit("everything", 1)])
    world.accept(candidate(0))
    world.accept(candidate(10), candidate(50, priority="1"), candidate(69, priority="1"), candidate(71, priority="1"))
    world.accept(candidate(20, priority="-10"), candidate(900, priority="10"), candidate(1_300, priority="10"))
    while world.running:
        world.end(world.running[0])
    assert world.started == [0, 50, 69, 10, 71, 900, 20, 1_300]


def test_nothing_runs_until_all_unfinished_work_is_known() -> None:
    world = World([limit("everything", 2)])
    world.places.begin_search(0)
    world.places.begin_search(1)
    world.accept(candidate(5), candidate(3))
    world.places.end_search(0)
    world.accept(candidate(1), candidate(4))
    assert world.started == []
    world.places.end_search(1)
    world.settle()
    assert world.started == [1, 3]


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_no_limit_is_exceeded_and_everybody_runs(seed: int) -> None:
    random = Random(seed)
    scopes = ("everything", "service:A", "service:B", "handler:A/run", "tag:user", "tag:user=ada", "tag:team=x")

    def some_limits() -> list[Limit]:
        chosen = random.sample(scopes, random.randint(1, 5))
        return [
            limit(scope, random.choice([None, 1, 2, 5]), random.choice([None, None, 3]), period=5.0) for scope in chosen
        ]

    world = World(some_limits())
    tags = ({}, {"user": "ada"}, {"user": "bob"}, {"user": "ada", "team": "x"}, {"team": "x"})
    everybody = [candidate(n, service=random.choice("AB"), **random.choice(tags)) for n in range(300)]
    arriving, gone = deque(everybody), set[int]()
    while arriving:
        match random.randrange(8):
            case 0 | 1 | 2:
                world.accept(arriving.popleft())
            case 3 | 4 if world.running:
                world.end(random.choice(world.running))
            case 5 if arriving and random.random() < 0.1:
                left = arriving.popleft()
                world.accept(left)
                if left.invocation_id not in world.running:
                    world.places.give_up(left.invocation_id)
                    world.settle()
                    gone.add(int(left.accepted_at))
            case 6 if random.random() < 0.1:
                world.places.set_limits(some_limits(), [world.known[of] for of in world.running])
                for one in everybody:  # those whom no limit counts any more are woken without a place
                    if one.invocation_id in world.woken and not world.places.has(one.invocation_id):
                        world.woken.remove(one.invocation_id)
                        world.accept(one)
                world.settle()
            case 7:
                world.now += 1.0
                world.places.open_due()
                world.settle()
            case _:
                pass
    for _ in range(2_000):
        if world.running:
            world.end(random.choice(world.running))
        world.now += 1.0
        world.places.open_due()
        world.settle()
    assert sorted(world.started) == [n for n in range(300) if n not in gone]
    assert set(world.places.figures().values()) == {(0, 0)}


@pytest.mark.parametrize(
    "scope", ["everything", "service:A", "handler:A/b", "key:A/b/c", "key:A", "tag:a=b=c", "tag:a"]
)
def test_a_scope_that_a_limit_can_have(scope: str) -> None:
    assert checked_limit_scope(scope) == scope


def test_a_limit_that_changes_knows_what_has_started_in_its_period() -> None:
    world = World([limit("everything", rate=2, period=10.0)])
    world.accept(*map(candidate, range(4)))
    world.places.set_limits([limit("everything", rate=3, period=10.0)])
    world.settle()
    assert world.started == [0, 1, 2]
    world.places.set_limits([limit("everything", rate=1, period=10.0)])
    world.settle()
    assert world.started == [0, 1, 2]


def test_a_rate_is_written_as_it_is_typed() -> None:
    assert [written_rate(1, period) for period in (0.25, 60.0, 2_678_400.0)] == ["1/0.25s", "1/60s", "1/2678400s"]
