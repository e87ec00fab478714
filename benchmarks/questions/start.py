"""How long from the start of a process to the answer of its first call?"""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from benchmarks.measure import Case, Question, Room, Sample, Size
from benchmarks.questions.calls import calls

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]

FIRST_CALL = """
import sys, trio, actors

class Counter(actors.Actor):
    total: int = 0

    @actors.handler
    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total

async def main():
    async with actors.open_runtime(Counter, path=sys.argv[1], durability=sys.argv[2]) as runtime:
        await runtime.client.actor(Counter, "bob").add(1)
        print("answered", flush=True)

trio.run(main)
"""

FIRST_ROW = """
import sys, trio
from rocksdict import Options, Rdict

async def main():
    db = Rdict(sys.argv[1], Options(raw_mode=True))
    db.put(b"bob", b"1")
    db.flush_wal(sys.argv[2] == "fsync")
    print("answered", flush=True)

trio.run(main)
"""


def milliseconds_to_answer(room: Room, program: str) -> float:
    """From the start of a process to its first word."""
    (room.path / "program.py").write_text(program)
    command = [sys.executable, str(room.path / "program.py"), str(room.path / "data"), room.durability.value]
    environment = {"PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        answer = process.stdout.readline()
        took = time.perf_counter() - began
    assert answer == b"answered\n", "the process failed"
    return took * 1e3


async def started(room: Room, *, has_data: bool) -> Sample:
    """A program that opens a runtime and calls once."""
    if has_data:
        await calls(room, count=1_000, in_flight=64, keys=100)
    took = await trio.to_thread.run_sync(milliseconds_to_answer, room, FIRST_CALL)
    return Sample(value=took, operations=1)


async def opened(room: Room, _: Sample) -> Sample:
    """The floor."""
    took = await trio.to_thread.run_sync(milliseconds_to_answer, room, FIRST_ROW)
    return Sample(value=took, operations=1)


def cases(_: Size) -> Iterator[Case]:
    """On an empty directory, and on one that has been used."""
    for has_data in (False, True):
        yield Case(
            name="a store of a thousand calls" if has_data else "an empty directory",
            unit="ms",
            measure=partial(started, has_data=has_data),
            floor=opened,
        )


QUESTION = Question(
    name="start",
    asks="How long from the start of a process to the answer of its first call?",
    floor_is="a process that imports trio and rocksdict, opens an empty store and makes one row durable",
    cases=cases,
)
