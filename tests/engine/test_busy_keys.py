"""Many calls of one key cost as much work each as a few do, and let other tasks run in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, handler
from actors.core.decide.turns import complete
from actors.core.state import InvocationState, ObjectState
from actors.engine.loaded_object import RecentEvents
from journal import codec
from journal.events import InvocationStarted, Kind, Mode, Outcome, OutcomeKind, Stamp, Status
from journal.ids import InvocationId
from tests.lab import Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.model.handles import InvocationHandle
    from actors.runtime import Runtime

pytestmark = on_virtual_time

WAITING = 300


class Desk(Actor):
    @handler
    async def hold(self) -> int:
        return await actors.signal("go", int)

    @handler
    async def serve(self, number: int) -> int:
        served_one()
        return number


def served_one() -> None:
    """Replaced by the tests that count."""


async def with_a_queue(runtime: Runtime) -> tuple[InvocationHandle[int], list[InvocationHandle[int]]]:
    """One invocation that holds the key, and many that wait for it."""
    desk = runtime.client.actor(Desk, "front")
    holder = await desk.hold.send()
    waiting: list[InvocationHandle[int]] = []

    async def ask(number: int) -> None:
        waiting.append(await desk.serve.send(number))

    async with trio.open_nursery() as nursery:
        for number in range(WAITING):
            nursery.start_soon(ask, number)
    return holder, waiting


async def let_go(holder: InvocationHandle[int], waiting: list[InvocationHandle[int]]) -> None:
    await holder.signal("go", 1)
    for each in waiting:
        await each.result()


async def test_a_call_that_has_waited_for_its_turn_reads_its_own_events_only(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = 0

    def counted(decode: Any) -> Any:
        def decode_and_count(body: bytes) -> Any:
            nonlocal decoded
            decoded += 1
            return decode(body)

        return decode_and_count

    async with Lab(Desk).running() as runtime:
        holder, waiting = await with_a_queue(runtime)
        for decoders in (codec._DECODERS, codec._FUSED_DECODERS):
            for tag, decode in decoders.items():
                monkeypatch.setitem(decoders, tag, counted(decode))
        await let_go(holder, waiting)
    assert WAITING <= decoded <= 4 * WAITING


async def test_a_key_with_long_work_lets_other_tasks_run_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    served = [0]

    class Steps(trio.abc.Instrument):
        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            served.append(0)

    lab = Lab(Desk)

    def work() -> None:
        served[-1] += 1
        lab.clock.shift(0.01)

    monkeypatch.setitem(globals(), "served_one", work)
    async with lab.running() as runtime:
        holder, waiting = await with_a_queue(runtime)
        steps = Steps()
        trio.lowlevel.add_instrument(steps)
        await let_go(holder, waiting)
        trio.lowlevel.remove_instrument(steps)
    assert sum(served) == WAITING
    assert max(served) <= 10


def test_the_end_of_an_invocation_looks_at_no_other_invocation_but_its_restarts() -> None:
    class Many(dict[InvocationId, InvocationState]):
        def values(self) -> Any:
            raise AssertionError("all invocations were looked at")

    def invocation(name: str, **others: Any) -> InvocationState:
        of = InvocationId(name)
        return InvocationState(
            invocation_id=of, handler="h", mode=Mode.SHARED, accepted_at=0.0, accepted_by="", spans=[(1, 1)], **others
        )

    ended = invocation("ended", status=Status.RUNNING, started_at=0.0, successors=[InvocationId("again")])
    again = invocation("again", status=Status.QUEUED, waits_for=ended.invocation_id)
    other = invocation("other", status=Status.QUEUED)
    all_of_them = Many({each.invocation_id: each for each in (ended, again, other)})
    state = ObjectState(service="Desk", key="front", kind=Kind.ACTOR, invocations=all_of_them)
    events = complete(state, ended, Outcome(OutcomeKind.SUCCEEDED, b"1"))
    assert [event.invocation_id for event in events if isinstance(event, InvocationStarted)] == ["again"]


def test_events_that_are_not_durable_are_found_without_a_look_at_the_others() -> None:
    class Frame:
        expanded = 0

        def expand(self, first: int) -> list[tuple[Stamp, Any]]:
            Frame.expanded += 1
            return [(Stamp(0.0, "", ""), first), (Stamp(0.0, "", ""), first + 1)]

    recent = RecentEvents()
    recent.parts = [(first, first + 1, Frame()) for first in range(101, 301, 2)]  # type: ignore[misc]
    assert [recorded.number for recorded in recent.between(150, 154)] == [150, 151, 152, 153, 154]
    assert Frame.expanded == 3
    assert not recent.between(1, 100)
    assert not recent.between(301, 400)
    assert [recorded.number for recorded in recent.between(1, 102)] == [101, 102]
    assert [recorded.number for recorded in recent.between(300, 400)] == [300]
