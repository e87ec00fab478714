"""Whatever a handler has lived through, it can be restarted from any of its operations: what is kept is not executed again."""

from __future__ import annotations

import itertools

import trio
from hypothesis import event, given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors import Status
from actors.core.restart_plan import OPERATIONS
from actors.model.info import belongs_to
from actors.types import OutcomeKind
from journal import events as e
from journal.events import Recorded
from journal.ids import InvocationId, StepId, stream_of_invocation
from tests.lab import WORLD, Lab
from tests.simulation.programs import Poker, Program, Sink, Walker, programs
from tests.simulation.test_programs import acts, checked, live_through, settle


@checked
@given(program=programs, plan=acts, choices=st.lists(st.integers(0, 1000), min_size=1, max_size=2))
def test_a_restart_from_any_operation_keeps_what_was_known_before_its_outcome(
    program: Program, plan: list[tuple[float, str]], choices: list[int]
) -> None:
    async def main() -> None:
        WORLD.clear()
        lab = Lab(Walker, Sink, Poker)
        of, history = await live_through(lab, program, plan)
        for choice in choices:
            of, history = await restart(lab, of, history, choice)

    trio.run(main, clock=MockClock(autojump_threshold=0))


@checked
@given(program=programs, plan=acts)
def test_a_restart_from_the_end_repeats_no_step_that_has_an_outcome(
    program: Program, plan: list[tuple[float, str]]
) -> None:
    async def main() -> None:
        WORLD.clear()
        lab = Lab(Walker, Sink, Poker)
        of, history = await live_through(lab, program, plan)
        outcomes = {r.event.step for r in before_cancel(history) if isinstance(r.event, e.StepCompleted)}
        for _ in range(2):
            of, lived = await restart_from(lab, of, "end")
            again = {key.partition("/")[2] for what, key in WORLD.entries if what == "begin" and key.startswith(of)}
            assert not again & outcomes, "a kept step ran again"
            assert outcomes <= {r.event.step for r in lived if isinstance(r.event, e.StepCompleted)}

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def restart(
    lab: Lab, of: InvocationId, history: list[Recorded], choice: int
) -> tuple[InvocationId, list[Recorded]]:
    """Restart it from one of its operations, and let the new one end; what it has lived."""
    steps = restartable(history)
    if not steps:
        event("nothing to restart from")
        return of, history
    step = steps[choice % len(steps)]
    return await restart_from(lab, of, step)


async def restart_from(lab: Lab, of: InvocationId, step: str) -> tuple[InvocationId, list[Recorded]]:
    """Restart it, and let the new one end."""
    async with lab.running() as runtime:
        answer = await runtime.client.invocation(of).restart(step)
        again = runtime.client.invocation(answer.successor.invocation_id)
        with trio.move_on_after(2_000):
            await settle(runtime.client, again)
        info = await again.info()
        assert info.status is Status.COMPLETED, info.pause_reason
        assert info.outcome is not None
        assert info.outcome.kind is OutcomeKind.SUCCEEDED, info.outcome
        lived = [entry.details | {"name": entry.name} async for entry in again.events()]
        begun = {key for what, key in WORLD.entries if what == "begin"}
        kept = {ref.step for ref in answer.successor.kept}
        assert not {f"{again.id}/{step}" for step in kept} & begun, "a kept step ran again"
        assert step == "end" or step in {ref.step for ref in answer.successor.again}
        assert not any(entry["name"] == "InvocationPaused" and entry["cause"] == "mismatch" for entry in lived)
        event(f"{len(kept)} kept, {len(answer.successor.again)} again")
        recorded = [
            r
            async for r in runtime.engine.journal.read(stream_of_invocation(again.id))
            if belongs_to(r.event, again.id)
        ]
    return again.id, recorded


def restartable(history: list[Recorded]) -> list[StepId]:
    """The operations that were begun before anybody cancelled it."""
    return [r.event.step for r in before_cancel(history) if isinstance(r.event, OPERATIONS)]


def before_cancel(history: list[Recorded]) -> list[Recorded]:
    """What happened before anybody cancelled it."""
    return [*itertools.takewhile(lambda r: not isinstance(r.event, e.CancelRequested), history)]
