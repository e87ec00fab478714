"""A fault of the engine's own, wherever it is, stops the object that it meets and nothing else, also at the next start.

``HOSTILE_EXAMPLES=20000 python -m pytest tests/hostile/test_faults.py`` draws that many examples, and new ones each time.
"""

from __future__ import annotations

import pytest
import trio
from hypothesis import event, given
from hypothesis import strategies as st
from trio.testing import MockClock

import actors
from actors import Actor, RetryPolicy, handler, step
from journal.ids import stream_of
from tests.hostile.faults import PLACES, Fault
from tests.hostile.trial import Bystander, Trial, hostile

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")

VICTIM = "victim"
QUICK = RetryPolicy(max_attempts=3, initial_delay=0.1)
tries: list[str] = []


@step(retry=QUICK)
async def stumble(of: str) -> str:
    tries.append(of)
    if tries.count(of) == 1:
        raise ConnectionError("once more")
    return of


class Friend(Actor):
    """Whom it calls."""

    @handler
    async def help(self, what: str) -> str:
        return what


class Life(Actor):
    """One that does a little of everything."""

    count: int = 0
    lines: actors.Log[str]
    marks: actors.Map[str, int]

    @handler(retry=QUICK)
    async def live(self) -> int:
        self.count += 1
        self.lines.append("born")
        self.marks["a"] = self.count
        await stumble(str(actors.current_invocation()))
        await actors.sleep(0.1)
        await actors.actor(Friend, "f").help("me")
        await actors.actor(Friend, "f").help.send("me, later")
        with actors.move_on_after(0.2):
            await actors.signal("never")
        self.count += 1
        return await actors.signal("go", int)


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    place = draw(st.sampled_from(sorted(PLACES)))
    return Fault(
        place=place,
        what=draw(st.sampled_from(PLACES[place])),
        nth=draw(st.integers(1, 3)),
        lasts=draw(st.booleans()),
        stream=stream_of("Life", VICTIM),
        key=VICTIM,
    )


async def live(runtime: actors.Runtime, key: str, told: list[str]) -> None:
    try:
        handle = await runtime.client.actor(Life, key).live.send()
        await trio.sleep(1)
        await handle.signal("go", 1)
        with trio.fail_after(5):
            told.append(f"{await handle.result()}")
    except Exception as error:
        told.append(type(error).__name__)


@hostile(60)
@given(fault=faults(), lives=st.integers(1, 2))
def test_a_fault_of_the_engine_stops_nothing_but_the_object_that_it_meets(fault: Fault, lives: int) -> None:
    async def main() -> None:
        tries.clear()
        trial = Trial(Life, Friend, Bystander)
        told: list[str] = []
        with fault.planted():
            async with trial.running() as runtime:
                await trial.ask_bystander(runtime)
                async with trio.open_nursery() as nursery:
                    for _ in range(lives):
                        nursery.start_soon(live, runtime, VICTIM, [])
                    nursery.start_soon(live, runtime, "other", told)
                await trial.ask_bystander(runtime)
            assert told == ["1"], "another object of its class is none of it"
            event(f"{fault.place}: {'met' if fault.has_happened else 'not met'}")
            async with trial.running() as runtime:
                await trio.sleep(5)
                await trial.ask_bystander(runtime)
        if not trial.examine().is_sound:
            assert fault.has_happened
            await trial.rebuild()
        await trial.end()

    trio.run(main, clock=MockClock(autojump_threshold=0))
