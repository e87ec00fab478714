"""How many durable calls of keyed objects a second over HTTP?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from benchmarks import first_version
from benchmarks.floor import writing_floor
from benchmarks.measure import Case, Question, Room, Sample, Size, Timing, drive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

KEYS = 1_000
ROOT = Path(__file__).parents[2]
REQUEST = b"POST /Counter/key-%d/add HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n1"
LENGTH = re.compile(rb"HTTP/1\.1 200 .*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n", re.DOTALL)
"""The head of an answer, and how many bytes come behind it."""

PATIENCE_SECONDS = 120.0


@attrs.frozen
class Server:
    """A process that serves, as ``playhead serve`` starts it."""

    process: trio.Process
    port: int

    def cpu_seconds(self) -> float:
        """Processor time it has taken so far."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


@asynccontextmanager
async def serving(room: Room) -> AsyncIterator[Server]:
    """The server, until the block is left."""
    options = ["--data", str(room.path / "data"), "--port", "0", "--open", "--durability", room.durability.value]
    command = [sys.executable, "-m", "playhead", "serve", "benchmarks.questions.calls", *options]
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                command,
                stderr=subprocess.PIPE,
                capture_stderr=False,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                cwd=ROOT,
            )
        )
        assert process.stderr is not None
        told = ""
        while (found := re.search(r" on http://127\.0\.0\.1:(\d+)", told)) is None:
            piece = await process.stderr.receive_some()
            assert piece, f"the server ended before it served: {told}"
            told += piece.decode()
        yield Server(process, int(found[1]))
        process.terminate()


async def called(room: Room, *, count: int, connections: int) -> Sample:
    """Requests over connections that stay open, written by hand so that the client costs little."""
    with trio.fail_after(PATIENCE_SECONDS):
        return (await requests(room, count=count, connections=connections)).rate()


async def requests(room: Room, *, count: int, connections: int) -> Timing:
    """The requests, and the processor time that they cost the server."""
    async with serving(room) as server:
        free = [await trio.open_tcp_stream("127.0.0.1", server.port) for _ in range(connections)]

        async def call(number: int) -> None:
            stream = free.pop()
            await stream.send_all(REQUEST % (number % KEYS))
            answer = b""
            while (whole := LENGTH.match(answer)) is None or len(answer) < whole.end() + int(whole[1]):
                answer += await stream.receive_some()
            free.append(stream)

        await drive(min(KEYS, count), connections, call)
        before = server.cpu_seconds()
        timing = await drive(count, connections, call)
        timing.cpu_seconds = server.cpu_seconds() - before
        for stream in free:
            await stream.aclose()
    return timing


def cases(size: Size) -> Iterator[Case]:
    """One connection, and as many as a pool of workers has."""
    for connections in (1, 64):
        count = size.of(500 if connections == 1 else 5_000, least=connections)
        yield Case(
            name=f"{connections:,} connection{'s' if connections > 1 else ''}",
            unit="calls/s",
            measure=partial(called, count=count, connections=connections),
            floor=writing_floor(first_version.call(connections, KEYS), in_flight=connections),
        )


QUESTION = Question(
    name="http",
    asks="How many durable calls of keyed objects a second over HTTP?",
    floor_is="the rows of as many calls of the first version, as many clients, one wait for the disk a call: no HTTP at all. "
    "Processor time is the server's alone",
    cases=cases,
)
