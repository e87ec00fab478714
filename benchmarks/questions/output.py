"""How many chunks of output a second are emitted, and how many read?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import actors
from benchmarks import first_version
from benchmarks.floor import writing_floor
from benchmarks.measure import Case, Question, Room, Sample, Size, drive
from benchmarks.stage import on_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNKS = 100


class Speaker(actors.Service):
    """Speaks."""

    @actors.handler
    async def speak(self, count: int) -> None:
        """So many words, in handfuls: the durable pause between them stands for whatever makes them."""
        for nth in range(count):
            actors.emit(f"word {nth}")
            if nth % CHUNKS == CHUNKS - 1:
                await actors.sleep(0)


async def emitted(room: Room, *, count: int, in_flight: int) -> Sample:
    """Chunks become durable with the answer, without a wait of their own."""
    async with on_stage(room, Speaker) as stage:
        speaker = stage.client.service(Speaker)
        await speaker.speak(CHUNKS)
        before = stage.written
        timing = await drive(count, in_flight, lambda _: speaker.speak(CHUNKS))
        return timing.rate(stage.written - before, per_operation=CHUNKS)


async def followed(room: Room, *, count: int) -> Sample:
    """A reader takes every chunk as it becomes durable, until the end."""
    async with on_stage(room, Speaker) as stage:
        before = stage.written

        async def listen(_: int) -> None:
            speaking = await stage.client.service(Speaker).speak.send(count)
            heard = [word async for word in speaking.output()]
            assert len(heard) == count

        timing = await drive(1, 1, listen)
        return timing.rate(stage.written - before, per_operation=count)


def cases(size: Size) -> Iterator[Case]:
    """Emitted by one and by many; followed by a reader."""
    for few in size.up_to(1, 64):
        yield Case(
            name=f"emitted, {few:,} in flight",
            unit="chunks/s",
            measure=partial(emitted, count=size.of(20 if few == 1 else 200, least=few), in_flight=few),
            floor=writing_floor(first_version.EMITTED_CHUNK, in_flight=few, per_operation=CHUNKS),
        )
    count = size.of(5_000, least=CHUNKS) // CHUNKS * CHUNKS
    yield Case(
        name="emitted and followed by one reader",
        unit="chunks/s",
        measure=partial(followed, count=count),
        floor=writing_floor(first_version.FOLLOWED_CHUNK, in_flight=1, waits=count // CHUNKS, per_operation=count),
    )


QUESTION = Question(
    name="output",
    asks="How many chunks of output a second are emitted, and how many read?",
    floor_is="the rows of the first version, as many clients, one wait for the disk for a hundred chunks: the answer brings them along",
    cases=cases,
)
