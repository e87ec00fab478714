"""How many invocations a second does one job pause?"""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

import actors
from benchmarks import first_version
from benchmarks.floor import writing_floor
from benchmarks.measure import Case, Question, Room, Sample, Size, drive, rest
from benchmarks.stage import on_stage
from tests.scale.sleepers import Many
from tests.scale.suspended import build

if TYPE_CHECKING:
    from collections.abc import Iterator

SUSPENDED = 100_000
TOGETHER = 500


async def paused(room: Room, *, built: Path, count: int) -> Sample:
    """From the word to the last of them. It changes the store, so it gets a copy."""
    await trio.to_thread.run_sync(shutil.copytree, built, room.path / "data")
    async with on_stage(room, Many) as stage:
        await rest()
        before = stage.written

        async def pause(_: int) -> None:
            job = await stage.client.jobs.where("status = 'suspended'").pause(reason="maintenance")
            told = await job.result()
            assert told.state is actors.types.JobState.DONE, told
            assert told.changed == count, told

        timing = await drive(1, 1, pause)
        return timing.rate(stage.written - before, per_operation=count)


def cases(size: Size) -> Iterator[Case]:
    """All that are suspended: half of them asleep, half waiting for a signal."""
    for count in size.up_to(SUSPENDED):
        with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
            built = Path(place) / "data"
            build(built, count)
            yield Case(
                name=f"{count:,} suspended",
                unit="pauses/s",
                measure=partial(paused, built=built, count=count),
                floor=writing_floor(first_version.BULK_PAUSE, in_flight=1, per_operation=min(TOGETHER, count)),
            )


QUESTION = Question(
    name="bulk",
    asks="How many suspended invocations a second does one job pause?",
    floor_is="the rows of the first version, those of five hundred at a time, each portion with a wait for the disk",
    cases=cases,
)
