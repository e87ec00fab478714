"""A hosted program is replayed from any point, in any process, as if it had never been away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors.core.requests import is_request, is_same_request
from actors.replay.execution import Progress
from tests.core.machine import Machine
from tests.core.test_forced_replay import SEEDS, ending, live
from tests.hosted.programs import NAMES, PROGRAMS, Hosts, Neighbour
from tests.lab import WORLD, Lab

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LIVES = max(2, SEEDS // 10)


def hosted(program: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """The program as a handler."""

    async def handler() -> Any:
        return await actors.aio.host(program)

    handler.__name__ = program.__name__
    return handler


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_a_program_replayed_at_every_event_leaves_the_same_journal(program: Callable[[], Awaitable[Any]]) -> None:
    for seed in range(LIVES):
        once, again = (live(hosted(program), seed, replays=replays) for replays in (False, True))
        assert again.events == once.events, f"seed {seed}"
        assert ending(again) == ending(once), f"seed {seed}"


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_from_every_prefix_of_its_journal_a_program_asks_for_what_comes_next(
    program: Callable[[], Awaitable[Any]],
) -> None:
    whole = live(hosted(program), 1, replays=False).events
    for length in range(1, len(whole) + 1):
        again = Machine(hosted(program), whole[:length])
        assert again.progress is not Progress.MISMATCHED, f"{length} events: {again.mismatch}"
        coming = [event for event in whole[length:] if is_request(event)]
        asked = [event for event in again.events[length:] if is_request(event)]
        for new, recorded in zip(asked, coming, strict=False):
            assert is_same_request(recorded, new), f"{length} events: {new}, not {recorded}"
        again.execution.close()


JOURNALS = """
from tests.hosted.programs import PROGRAMS
from tests.hosted.test_replay import hosted
from tests.core.test_forced_replay import live
padding = [bytes(n) for n in range({padding})]
for program in PROGRAMS:
    for event in live(hosted(program), 1, replays=False).events:
        print(program.__name__, event)
"""


def test_the_order_is_the_same_in_each_process() -> None:
    """Neither the seed of hashes nor the addresses of objects have a part in it."""
    journals = []
    for seed, allocator in ((1, "pymalloc"), (2, "malloc"), (3, "pymalloc")):
        done = subprocess.run(
            [sys.executable, "-c", JOURNALS.format(padding=seed * 777)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONMALLOC": allocator},
            capture_output=True,
            text=True,
            check=True,
        )
        journals.append(done.stdout)
    assert len(journals[0].splitlines()) > 100
    assert journals[1] == journals[0]
    assert journals[2] == journals[0]


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", [name for name in NAMES if name != "durable_verbs"])
async def test_a_process_that_dies_after_any_event_costs_no_recorded_step(name: str) -> None:
    """The process dies as soon as one more event is recorded, again and again, until the program has ended."""
    [expected] = [expected for program, expected in PROGRAMS.items() if program.__name__ == name]
    lab = Lab(Hosts, Neighbour)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Hosts).run.send(name)
    seen, deaths = 0, 0
    recorded: set[str] = set()
    has_ended = False
    while not has_ended:
        WORLD.clear()
        async with lab.running() as runtime:
            events: list[Any] = []
            async for entry in runtime.client.invocation(handle.id).follow():
                events.append(entry)
                if len(events) > seen:
                    break
            seen = max(seen, len(events))
            has_ended = events[-1].name == "InvocationCompleted"
        deaths += 1
        again = [key for key in WORLD.entries if key.rpartition("/")[2] in recorded]
        assert again == []
        recorded |= {entry.details["step"] for entry in events if entry.name == "StepCompleted"}
        assert deaths < 400
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == expected
