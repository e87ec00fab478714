"""The graph of waits: what it leads through, and where it leads back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from actors.core import commands as c
from actors.core.deadlocks import FARTHEST, Edge, ObjectNotLoaded, WaitCycle, WaitGraph, edges_of_call
from actors.core.state import InvocationState, ObjectState, Wait, WaitKind
from journal.events import Caller, Kind, Mode, Status, Target
from journal.ids import InvocationId, StepId, StreamId, invocation_id, stream_of, stream_of_invocation
from tests.core.situations import invoke

if TYPE_CHECKING:
    pass

STEP = StepId("1")


class World:
    """Objects by key. ``runs`` has a key, ``waits`` at a step, ``queues`` behind whatever holds it."""

    def __init__(self) -> None:
        self.objects: dict[StreamId, ObjectState] = {}
        self.graph = WaitGraph(self.object_of)
        self._made = 0

    def object_of(self, stream: StreamId) -> ObjectState | None:
        return self.objects.get(stream)

    def on(self, key: str, *, status: Status = Status.RUNNING, **known: object) -> InvocationState:
        stream = stream_of("Door", key)
        state = self.objects.setdefault(stream, ObjectState(service="Door", key=key, kind=Kind.ACTOR))
        self._made += 1
        invocation = InvocationState(
            invocation_id=invocation_id(stream, self._made),
            handler="open",
            mode=Mode.EXCLUSIVE,
            status=status,
            accepted_at=float(self._made),
            accepted_by="tests",
            spans=[(1, 1)],
            **known,  # type: ignore[arg-type]
        )
        state.invocations[invocation.invocation_id] = invocation
        return invocation

    def runs(self, key: str, *, waits: InvocationId | None = None, kind: WaitKind = WaitKind.CALL) -> InvocationId:
        invocation = self.on(key, started_at=1.0)
        self.objects[stream_of("Door", key)].holder = invocation.invocation_id
        if waits is not None:
            self.wait(invocation.invocation_id, waits, kind)
        return invocation.invocation_id

    def wait(self, waiter: InvocationId, awaited: InvocationId, kind: WaitKind = WaitKind.CALL, at: str = "1") -> None:
        invocation = self.objects[stream_of_invocation(waiter)].invocations[waiter]
        self._made += 1
        invocation.waits[StepId(at)] = Wait(kind, float(self._made), "x", callee=awaited)

    def queues(self, key: str) -> InvocationId:
        invocation = self.on(key, status=Status.QUEUED)
        self.objects[stream_of("Door", key)].queue.append(invocation.invocation_id)
        return invocation.invocation_id


@pytest.fixture
def world() -> World:
    return World()


def crossed(world: World) -> tuple[InvocationId, InvocationId]:
    """Two that hold a key each and have called for the other's."""
    a, b = world.runs("a"), world.runs("b")
    world.wait(a, world.queues("b"))
    world.wait(b, world.queues("a"))
    return a, b


def around(circle: WaitCycle | None) -> list[InvocationId]:
    assert circle is not None
    return [link.invocation_id for link in circle.links]


def test_two_that_want_each_others_key_are_a_circle_seen_from_each(world: World) -> None:
    a, b = crossed(world)
    for of in (a, b):
        found = around(world.graph.circle_around(of))
        assert found[0] == found[-1] == of
        assert {a, b} < {*found}
        assert len(found) == 5


def test_the_closing_edge_is_the_wait_that_came_last_and_its_waiter_is_told(world: World) -> None:
    a, b = crossed(world)
    circle = world.graph.circle_around(a)
    assert circle is not None
    assert circle.closing.waiter == b
    assert circle.closing.is_own
    assert [link.invocation_id for link in circle.error.chain][0::4] == [b, b]


@pytest.mark.parametrize("kind", [WaitKind.CALL, WaitKind.ATTACH])
def test_a_wait_that_comes_back_by_its_id_is_a_circle(world: World, kind: WaitKind) -> None:
    a = world.runs("a")
    b = world.runs("b", waits=a, kind=kind)
    world.wait(a, b, kind)
    assert around(world.graph.circle_around(a)) == [a, b, a]


def test_one_that_repeats_another_waits_for_it(world: World) -> None:
    a = world.runs("a")
    again = world.on("a", status=Status.QUEUED, waits_for=a).invocation_id
    world.wait(a, again)
    assert around(world.graph.circle_around(again)) == [again, a, again]


def test_what_leads_nowhere_or_into_a_circle_of_others_is_no_circle(world: World) -> None:
    a, _ = crossed(world)
    beside = world.runs("c", waits=a)
    assert world.graph.circle_around(beside) is None
    assert world.graph.circle_around(world.queues("c")) is None
    assert world.graph.circle_around(InvocationId("inv_1" + "0" * 33)) is None


@pytest.mark.parametrize("kind", [WaitKind.SIGNAL, WaitKind.SLEEP, WaitKind.VERB, WaitKind.STEP])
def test_other_waits_are_no_edges(world: World, kind: WaitKind) -> None:
    a = world.runs("a")
    world.wait(a, a, kind)
    assert world.graph.circle_around(a) is None


def test_a_circle_through_one_of_many_branches_is_found(world: World) -> None:
    a, b = world.runs("a"), world.runs("b")
    for number in range(50):
        world.wait(a, world.runs(f"other {number}"), at=f"1.{number}.1")
    world.wait(a, world.queues("b"), at="2")
    world.wait(b, world.queues("a"))
    assert around(world.graph.circle_around(b))[0] == b


def call(to: str, by: InvocationId, **otherwise: Any) -> c.ResolvedInvoke:
    target = Target("Door", to, "open")
    callee = invocation_id(stream_of("Door", to), 2**64 - 1)
    return invoke(invocation_id=callee, **{"target": target, "caller": Caller(by, STEP)} | otherwise)


def test_a_call_that_would_close_a_circle_is_told_so_by_name(world: World) -> None:
    a, b = world.runs("a"), world.runs("b")
    world.wait(a, world.queues("b"))
    asked = call("a", by=b)
    error = world.graph.error_of(edges_of_call(world.object_of(stream_of("Door", "a")), asked), str(asked.asked.target))
    assert error is not None
    assert error.chain[0].invocation_id == error.chain[-1].invocation_id == b
    assert error.chain[1].target == "Door/a/open"
    assert all(link.invocation_id in str(error) for link in error.chain)


@pytest.mark.parametrize(
    "otherwise",
    [{"caller": None}, {"mode": Mode.SHARED}, {"scheduled_for": 1.0}],
    ids=["it is a message", "it only reads", "it is for later"],
)
def test_a_call_that_waits_for_nothing_adds_no_edge(world: World, otherwise: dict[str, Any]) -> None:
    a = world.runs("a")
    state = world.objects[stream_of("Door", "a")]
    callee = call("a", by=a).asked.invocation_id
    assert edges_of_call(state, call("a", by=a)) == [Edge(a, callee, 0.0, STEP), Edge(callee, a, 0.0)]
    assert edges_of_call(state, call("a", by=a, **otherwise)) == []


def test_a_call_to_a_free_key_adds_no_edge(world: World) -> None:
    a = world.runs("a")
    state = world.objects[stream_of("Door", "a")]
    state.holder = None
    assert edges_of_call(state, call("a", by=a)) == []
    assert edges_of_call(None, call("a", by=a)) == []


def test_an_object_that_is_not_at_hand_is_named(world: World) -> None:
    gone = stream_of("Door", "gone")

    def object_of(stream: StreamId) -> ObjectState | None:
        if stream == gone:
            raise ObjectNotLoaded(stream)
        return world.object_of(stream)

    a = world.runs("a", waits=invocation_id(gone, 7))
    with pytest.raises(ObjectNotLoaded) as caught:
        WaitGraph(object_of).circle_around(a)
    assert caught.value.stream == gone


def test_a_search_ends_however_much_there_is(world: World) -> None:
    hub = world.runs("hub")
    state = world.objects[stream_of("Door", "hub")]
    far = invocation_id(stream_of("Door", "nobody"), 1)
    wait = Wait(WaitKind.CALL, 1.0, "x")
    state.invocations[hub].waits = {
        StepId(f"1.{number}.1"): msgspec.structs.replace(wait, callee=InvocationId(f"{far[:-6]}{number:06}"))
        for number in range(2 * FARTHEST)
    }
    assert world.graph.circle_around(hub) is None
