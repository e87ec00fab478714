"""How long from a cancel to the exception inside a running step, and to the answer?"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

import actors
from benchmarks import first_version
from benchmarks.floor import writing_floor
from benchmarks.measure import Case, Question, Room, Sample, Size, drive
from benchmarks.stage import on_stage

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.define(eq=False)
class Watch:
    """What happened in the step of one invocation, and when."""

    began: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)
    ended_at: float = 0.0


WATCHED: dict[int, Watch] = {}


async def hold(number: int) -> None:
    """A step that would never end."""
    watch = WATCHED[number]
    watch.began.set()
    try:
        await trio.sleep_forever()
    finally:
        watch.ended_at = time.perf_counter()
        watch.ended.set()


class Holder(actors.Service):
    """Holds on until it is cancelled."""

    @actors.handler
    async def hold(self, number: int) -> None:
        """In a step."""
        await actors.run(hold, number, name="hold")


async def cancels(room: Room, *, count: int, beside: int, is_acknowledged: bool) -> Sample:
    """From the request to the exception, or to the answer, with so many other steps running."""
    async with on_stage(room, Holder) as stage:
        holder = stage.client.service(Holder)
        WATCHED.clear()
        taken: list[float] = []

        async def begin(number: int) -> actors.InvocationHandle[None]:
            WATCHED[number] = Watch()
            holding = await holder.hold.send(number)
            await WATCHED[number].began.wait()
            return holding

        await drive(beside, 64, begin)

        async def one(number: int) -> None:
            holding = await begin(beside + number)
            began = time.perf_counter()
            await holding.cancel()
            acknowledged_at = time.perf_counter()
            watch = WATCHED.pop(beside + number)
            await watch.ended.wait()
            taken.append((acknowledged_at if is_acknowledged else watch.ended_at) - began)

        before = stage.written
        timing = await drive(count, 1, one)
        written = stage.written - before
        return attrs.evolve(timing, taken=taken).milliseconds(written)


def cases(size: Size) -> Iterator[Case]:
    """Alone, and beside others."""
    for beside in size.up_to(0, 1_000):
        for is_acknowledged in (False, True):
            until = "acknowledgement" if is_acknowledged else "exception"
            yield Case(
                name=f"until the {until}, beside {beside:,} running steps",
                unit="ms",
                measure=partial(cancels, count=size.of(500), beside=beside, is_acknowledged=is_acknowledged),
                floor=writing_floor(first_version.CANCEL, in_flight=1, in_milliseconds=True),
            )


QUESTION = Question(
    name="cancel",
    asks="How long from a cancel to the exception inside a running step, and to the answer?",
    floor_is="one wait for the disk, which the answer needs and the exception does not. Processor time is of a whole life: "
    "accepted, begun, cancelled, ended",
    cases=cases,
)
