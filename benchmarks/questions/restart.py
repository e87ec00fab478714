"""How long from a restart at the last of many steps to the first new effect?"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

import actors
from benchmarks import first_version
from benchmarks.floor import writing_floor
from benchmarks.measure import Case, Question, Room, Sample, Size, Timing
from benchmarks.stage import on_stage

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.define(eq=False)
class Effects:
    """What steps did to the world."""

    came: trio.Event = attrs.field(factory=trio.Event)
    came_at: float = 0.0
    others: int = 0


EFFECTS = Effects()


async def act(number: int) -> int:
    """Any step but the last."""
    EFFECTS.others += 1
    return number


async def finish() -> None:
    """The last step."""
    EFFECTS.came_at = time.perf_counter()
    EFFECTS.came.set()


class Worker(actors.Service):
    """Has much behind it when it comes to its end."""

    @actors.handler
    async def work(self, steps: int) -> None:
        """Many steps, then the last."""
        for number in range(steps - 1):
            await actors.run(act, number, name="act")
        await actors.run(finish, name="finish")


async def restarts(room: Room, *, steps: int, count: int) -> Sample:
    """The steps before are kept, and none of them is executed again."""
    async with on_stage(room, Worker) as stage:
        worked = await stage.client.service(Worker).work.send(steps)
        await worked.result()
        taken: list[float] = []
        before, cpu_before, began = stage.written, time.process_time(), time.perf_counter()
        EFFECTS.others = 0
        for _ in range(count):
            EFFECTS.came = trio.Event()
            asked_at = time.perf_counter()
            answer = await worked.restart("finish", again=True)
            await EFFECTS.came.wait()
            taken.append(EFFECTS.came_at - asked_at)
            assert answer.successor is not None
            await stage.client.invocation(answer.successor.invocation_id).result()
        assert EFFECTS.others == 0, "a kept step was executed again"
        timing = Timing(time.perf_counter() - began, time.process_time() - cpu_before, taken)
        return timing.milliseconds(stage.written - before)


def cases(size: Size) -> Iterator[Case]:
    """Little behind it, and much."""
    for steps in size.up_to(10, 1_000):
        yield Case(
            name=f"{steps:,} steps",
            unit="ms",
            measure=partial(restarts, steps=steps, count=size.of(10)),
            floor=writing_floor(
                first_version.RESTART.get(steps, first_version.RESTART[10]), in_flight=1, in_milliseconds=True
            ),
        )


QUESTION = Question(
    name="restart",
    asks="How long from a restart at the last of many steps to the first new effect?",
    floor_is="the rows that a restart of the first version wrote, what is kept among them, in one wait for the disk",
    cases=cases,
)
