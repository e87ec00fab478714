"""How long until a store of many suspended invocations is open, and how much memory does it take?"""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from benchmarks.measure import Case, Question, Room, Sample, Size
from tests.scale.suspended import build, figures_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SUSPENDED = (100, 100_000)

FIGURES = {
    "ready": ("opening seconds", "s"),
    "memory grown by": ("grown megabytes", "MB"),
    "signal to result": ("signal to result seconds", "s"),
}


async def opened(room: Room, *, built: Path, marks: tuple[float, str, str], figure: str) -> Sample:
    """In a process of its own, whose clock shows the day after. It changes the store, so it gets a copy."""
    copy = room.path / "data"
    await trio.to_thread.run_sync(shutil.copytree, built, copy)
    figures = await trio.to_thread.run_sync(figures_of, copy, *marks)
    return Sample(value=figures[figure], operations=1)


def cases(size: Size) -> Iterator[Case]:
    """Few, and many: half of them asleep, half waiting for a signal."""
    for count in size.up_to(*SUSPENDED):
        with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
            built = Path(place) / "data"
            marks = build(built, count)
            for name, (figure, unit) in FIGURES.items():
                yield Case(
                    name=f"{count:,} suspended: {name}",
                    unit=unit,
                    measure=partial(opened, built=built, marks=marks, figure=figure),
                )


QUESTION = Question(
    name="recovery",
    asks="How long until a store of many suspended invocations is open, and how much memory does it take?",
    floor_is="none; compare with a hundred, where what is measured is the opening itself",
    cases=cases,
)
