"""A handler that is thrown away and replayed at each of its awaits leaves the same journal as one that never was.

What it waits for ends in an order that a seed picks, with deadlines that expire, steps that end although they are stopped,
signals that nobody asked for, and a cancel at any moment. ``PLAYHEAD_SEEDS`` raises the number of lives.
"""

from __future__ import annotations

import math
import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import Actor, CancelledError, TooSlowError, handler, step
from actors.core.requests import is_request, is_same_request
from actors.replay.execution import Progress
from journal import events as e
from journal.events import Status
from journal.ids import StepId
from journal.waits import event_of
from tests.core.machine import (
    IT,
    STARTED,
    Machine,
    call_cancelled,
    call_done,
    cancel,
    signal,
    step_aborted,
    step_done,
    step_failed,
    timer,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from journal.events import Event

SEEDS = int(os.environ.get("PLAYHEAD_SEEDS", "60"))
LONGEST_LIFE = 200


@step
async def work(name: str = "") -> str:
    raise AssertionError("a body is the engine's to run, not the machine's")


class Broken(actors.TerminalError):
    """Of a step."""


class Neighbour(Actor):
    @handler
    async def ask(self, number: int) -> str:
        return str(number)


async def one_after_the_other() -> list[Any]:
    seen: list[Any] = [await work("a"), actors.current_time()]
    await actors.sleep(3)
    actors.emit("half way")
    seen += [await actors.actor(Neighbour, "n").ask(3), actors.random().random()]
    await actors.actor(Neighbour, "n").ask.send(4)
    return [*seen, await actors.signal("x", str), str(actors.uuid4())]


async def side_by_side() -> list[str]:
    seen: list[str] = []

    async def child(name: str) -> None:
        seen.append(await work(name))
        await actors.sleep(1)
        seen.append(f"{name} {actors.random().random()}")

    async with actors.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(child, name)
        seen.append(await work("parent"))
    return [*seen, await work("after")]


async def nurseries_within_nurseries() -> list[str]:
    seen: list[str] = []

    async def leaf(name: str) -> None:
        try:
            seen.append(await work(name))
        except Broken:
            seen.append(f"{name} broke")

    async def inner(name: str) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(leaf, f"{name}1")
            nursery.start_soon(leaf, f"{name}2")
        actors.emit(name)

    async with actors.open_nursery() as nursery:
        nursery.start_soon(inner, "a")
        nursery.start_soon(inner, "b")
    return seen


async def race() -> list[str]:
    won: list[str] = []

    async def runner(name: str, scope: actors.CancelScope) -> None:
        won.append(await work(name))
        scope.cancel()

    async def caller(scope: actors.CancelScope) -> None:
        won.append(await actors.actor(Neighbour, "n").ask(1))
        scope.cancel()

    async with actors.open_nursery() as nursery:
        nursery.start_soon(runner, "a", nursery.cancel_scope)
        nursery.start_soon(runner, "b", nursery.cancel_scope)
        nursery.start_soon(caller, nursery.cancel_scope)
    return [*won, await work("after")]


async def deadlines() -> list[Any]:
    seen: list[Any] = []
    with actors.move_on_after(10) as outer:
        seen.append(await work("a"))
        with actors.move_on_after(5) as inner:
            seen.append(await work("b"))
            await actors.sleep(1)
        seen.append(inner.cancelled_caught)
        seen.append(await actors.signal("x", str))
    seen.append(outer.cancelled_caught)
    try:
        with actors.fail_after(3):
            seen.append(await actors.actor(Neighbour, "n").ask(2))
    except TooSlowError:
        seen.append(await work("plan b"))
    return seen


async def children_with_deadlines() -> list[Any]:
    seen: list[Any] = []

    async def child(name: str) -> None:
        with actors.move_on_after(2) as scope:
            seen.append(await work(name))
            seen.append(await actors.signal(name, str))
        seen.append((name, scope.cancelled_caught))

    with actors.move_on_after(20):
        async with actors.open_nursery() as nursery:
            nursery.start_soon(child, "x")
            nursery.start_soon(child, "y")
            nursery.start_soon(child, "x")
    return seen


async def saga() -> list[Any]:
    done: list[Any] = []
    try:
        for name in "abc":
            receipt = await work(name)
            done.append(receipt)
        async with actors.open_nursery() as nursery:
            nursery.start_soon(work, "d")
            nursery.start_soon(actors.sleep, 5)
    except (CancelledError, Broken):
        for name in reversed(done):
            await work(f"undo {name}")
        raise
    return done


async def shielded() -> list[Any]:
    seen: list[Any] = []
    with actors.CancelScope(shield=True):
        seen.append(await work("a"))
        async with actors.open_nursery() as nursery:
            nursery.start_soon(work, "b")
            nursery.start_soon(work, "c")
    with actors.move_on_after(3), actors.CancelScope(shield=True):
        seen.append(await work("d"))
    try:
        seen.append(await work("e"))
    except CancelledError:
        with actors.CancelScope(shield=True):
            seen.append(await work("compensation"))
    return seen


async def moved_deadlines() -> list[Any]:
    seen: list[Any] = []

    async def child(name: str, scope: actors.CancelScope) -> None:
        seen.append(await work(name))
        scope.deadline += 5
        seen.append(await actors.signal(name, str))

    with actors.move_on_after(2) as scope:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(child, "x", scope)
            nursery.start_soon(child, "y", nursery.cancel_scope)
            nursery.cancel_scope.deadline = 3
            seen.append(await work("a"))
            scope.deadline = math.inf
            seen.append(await work("b"))
    return [*seen, scope.cancelled_caught, nursery.cancel_scope.cancelled_caught, await work("after")]


async def lowered_shield() -> list[Any]:
    seen: list[Any] = []

    async def child(scope: actors.CancelScope) -> None:
        seen.append(await work("child"))
        scope.shield = False

    try:
        with actors.move_on_after(3), actors.CancelScope(shield=True) as scope:
            async with actors.open_nursery() as nursery:
                nursery.start_soon(child, scope)
                seen.append(await work("a"))
                await actors.sleep(4)
    except CancelledError:
        with actors.CancelScope(shield=True):
            seen.append(await work("compensation"))
    return seen


async def a_child_breaks() -> list[str]:
    try:
        async with actors.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(work, name)
            nursery.start_soon(actors.sleep, 4)
            await actors.signal("x", str)
    except BaseExceptionGroup as broken:
        return [f"{len(broken.exceptions)} broke", await work("after")]
    return ["all well"]


async def verbs_and_patches() -> list[Any]:
    other = actors.invocation(IT)
    seen: list[Any] = [(await other.signal("y", 1)).changed]
    if actors.patched("second"):
        seen.append(await work("patched"))
    with actors.move_on_after(2):
        seen.append((await other.cancel(reason="no")).changed)
    seen.append(await other.result())
    return seen


HANDLERS: list[Callable[[], Awaitable[object]]] = [
    one_after_the_other,
    side_by_side,
    nurseries_within_nurseries,
    race,
    deadlines,
    children_with_deadlines,
    saga,
    shielded,
    moved_deadlines,
    lowered_shield,
    a_child_breaks,
    verbs_and_patches,
]


def possible(machine: Machine, random: Random) -> list[Event]:
    """What could happen to it next."""
    found: list[Event] = []
    for where, parked in machine.execution.parked.items():
        is_stopped = parked.interruption is not None
        match event_of(parked.event, IT):
            case e.StepScheduled(name=name):
                found += [step_done(where, f"{name} done")] * 3
                found.append(step_aborted(where) if is_stopped else step_failed(where, Broken(name)))
            case e.SleepScheduled():
                found += [timer(where)] * 2
            case e.CallScheduled() | e.AttachScheduled():
                found.append(call_done(where, "answered"))
                if is_stopped:
                    found.append(call_cancelled(where))
            case e.VerbScheduled():
                answer = e.ControlResult(True, Status.RUNNING, Status.RUNNING)
                found.append(e.VerbAnswered(invocation_id=IT, step=where, answer=answer))
            case e.SignalAwaited(name=name):
                found += [signal(name, f"signal {len(machine.history)}")] * 2
    found += [timer(where) for where in armed(machine)]
    if not any(isinstance(event, e.CancelRequested) for event in machine.events) and random.random() < 0.1:
        found.append(cancel())
    if random.random() < 0.1:
        found.append(signal(random.choice("xyz"), "unasked"))
    return found


def armed(machine: Machine) -> list[StepId]:
    """Deadlines that have neither expired nor been dropped."""
    deadlines: dict[StepId, None] = {}
    for event in machine.events:
        if isinstance(event, e.DeadlineScheduled):
            deadlines[event.step] = None
        elif isinstance(event, e.WaitDropped | e.TimerFired):
            deadlines.pop(event.step, None)
    return [*deadlines]


def live(handler: Callable[[], Awaitable[object]], seed: int, *, replays: bool) -> Machine:
    """Until its end; with ``replays``, from the beginning at each await."""
    random = Random(f"{handler.__name__} {seed}")
    machine = Machine(handler)
    while machine.progress is Progress.WAITING:
        assert len(machine.history) < LONGEST_LIFE, "it never ends"
        if replays:
            waited_for, machine = machine.waits_for, machine.replayed()
            assert machine.waits_for == waited_for, f"seed {seed}: waits for something else after a replay"
        following = possible(machine, random)
        assert following, f"seed {seed}: it waits for {machine.waits_for}, and nothing of that can happen"
        machine.give(random.choice(following))
    return machine


def ending(machine: Machine) -> tuple[Progress, object]:
    """How it ended."""
    return machine.progress, machine.execution.result or repr(machine.execution.error)


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.__name__)
def test_a_handler_replayed_at_every_await_leaves_the_same_journal_and_ends_the_same(
    handler: Callable[[], Awaitable[object]],
) -> None:
    for seed in range(SEEDS):
        once, again = live(handler, seed, replays=False), live(handler, seed, replays=True)
        assert again.events == once.events, f"seed {seed}"
        assert again.output == once.output, f"seed {seed}"
        assert ending(again) == ending(once), f"seed {seed}"


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: handler.__name__)
def test_from_every_prefix_of_its_journal_a_handler_asks_for_what_comes_next(
    handler: Callable[[], Awaitable[object]],
) -> None:
    for seed in range(SEEDS // 4):
        whole = live(handler, seed, replays=False).events
        for length in range(1, len(whole) + 1):
            again = Machine(handler, whole[:length])
            assert again.progress is not Progress.MISMATCHED, f"seed {seed}, {length} events: {again.mismatch}"
            coming = [event for event in whole[length:] if is_request(event)]
            asked = [event for event in again.events[length:] if is_request(event)]
            for new, recorded in zip(asked, coming, strict=False):
                assert is_same_request(recorded, new), f"seed {seed}, {length} events: {new}, not {recorded}"
            again.execution.close()


def test_the_lives_go_everywhere() -> None:
    met: set[type] = set()
    endings: set[Progress] = set()
    emitted = 0
    for which in HANDLERS:
        for seed in range(SEEDS):
            machine = live(which, seed, replays=False)
            met |= {type(event) for event in machine.events}
            endings.add(machine.progress)
            emitted += len(machine.output)
    assert emitted > SEEDS
    assert endings == {Progress.RETURNED, Progress.RAISED}
    assert met >= {
        e.StepScheduled, e.StepCompleted, e.StepAborted, e.SleepScheduled, e.TimerFired, e.DeadlineScheduled, e.WaitDropped,
        e.CallScheduled, e.CallCompleted, e.CallCancelRequested, e.SendScheduled, e.AttachScheduled, e.SignalAwaited,
        e.SignalReceived, e.VerbScheduled, e.VerbAnswered, e.CancelRequested, e.PatchMarked,
    }  # fmt: skip


# The test is tested: code that is not the same twice is found.


def test_a_handler_that_counts_its_own_runs_is_found_out() -> None:
    runs: list[None] = []

    async def it() -> None:
        runs.append(None)
        await work("a")
        await work(f"b{len(runs)}") if len(runs) < 2 else await actors.sleep(1)
        await work("c")

    machine = Machine(it).give(step_done("1"))
    assert "recorded:  step 'work' (step 2)" in machine.replayed().mismatch
    assert machine.events[0] == STARTED


def test_a_handler_that_walks_over_a_set_of_objects_is_found_out() -> None:
    async def child(number: int) -> None:
        await actors.signal(str(number), str)

    order = [1, 2, 3]

    async def it() -> None:
        async with actors.open_nursery() as nursery:
            for number in order:
                nursery.start_soon(child, number)

    machine = Machine(it)
    order.reverse()
    assert "attempted: waiting for signal '3'" in machine.replayed().mismatch
