"""A step says how far it is, and its next try begins there, whatever ended the one before."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import trio

import actors
from actors import Limits, RetryPolicy, Service, handler, step
from actors.errors import LimitExceededError, MisuseError, UnserializableError
from tests.lab import WORLD, Lab, quiet, until
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

AGAIN = RetryPolicy(max_attempts=5, initial_delay=30.0, max_delay=30.0)


@step(retry=AGAIN)
async def load(rows: int, fails_at: int, each: float) -> str:
    begin = actors.last_heartbeat() or 0
    WORLD.note(f"from {begin}")
    for row in range(begin + 1, rows + 1):
        await trio.sleep(each)
        actors.heartbeat(row)
        if row == fails_at and not WORLD.count("failed"):
            WORLD.note("failed")
            raise OSError("the connection broke")
    return f"{begin} to {rows}"


@step(retry=AGAIN)
def load_in_a_thread() -> Any:
    before = actors.last_heartbeat()
    actors.heartbeat({"row": 7})
    if before is None:
        raise OSError("the connection broke")
    return before


@step(retry=RetryPolicy(max_attempts=1, on_exhausted="fail"))
async def misuse(how: str) -> None:
    actors.heartbeat((1, 2) if how == "no JSON" else "x" * 2_000)


class Loader(Service):
    @handler
    async def load(self, rows: int, fails_at: int = 0, each: float = 10.0) -> str:
        return await load(rows, fails_at, each)

    @handler
    async def load_in_a_thread(self) -> Any:
        return await load_in_a_thread()

    @handler
    async def misuse(self, how: str) -> None:
        await misuse(how)

    @handler
    async def outside(self) -> None:
        actors.heartbeat(1)


async def beats(handle: actors.InvocationHandle[Any]) -> list[Any]:
    return [entry.details["details"] async for entry in handle.events() if entry.name == "StepHeartbeat"]


async def test_the_next_try_begins_where_the_one_before_failed() -> None:
    async with Lab(Loader).running() as runtime:
        handle = await runtime.client.service(Loader).load.send(5, fails_at=3)
        assert await handle.result() == "3 to 5"
        assert await beats(handle) == [1, 2, 3, 4, 5]


async def test_a_step_that_says_much_fills_no_history_and_a_crash_loses_little() -> None:
    lab = Lab(Loader)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Loader).load.send(10_000, fails_at=455, each=0.01)
        await trio.sleep(5.0)
        assert 5 <= len(await beats(handle)) <= 7  # at once, one in each of four or five seconds, and the last
        (wait,) = (await handle.info()).waits
        assert wait.heartbeat == 455  # that of the try that failed is recorded in any case
        assert "last heartbeat 455" in (await handle.why())[0].text
        await trio.sleep(60.0)
    async with lab.running() as runtime:  # the process has died in the second try
        handle = runtime.client.invocation(handle.id)
        assert (await handle.result()).endswith(" to 10000")
    begins = [int(note.partition(" ")[2]) for note in WORLD.entries if note.startswith("from ")]
    assert begins[:2] == [0, 455]
    assert 455 + (60.0 - 25.05 - 1.0) / 0.01 - 200 <= begins[2] <= 10_000


async def test_a_step_of_a_day_records_ever_fewer() -> None:
    async with Lab(Loader).running() as runtime:
        handle = await runtime.client.service(Loader).load.send(24 * 60, each=60.0)
        await handle.result()
        found = await beats(handle)
        assert 200 < len(found) < 300  # all of the first hour, then one in each sixtieth of the time so far
        assert max(after - before * (1 + 1 / 60) for before, after in itertools.pairwise(found)) < 2


async def test_the_end_of_the_runtime_keeps_the_last_one() -> None:
    lab = Lab(Loader)
    async with lab.running(drain=1.0) as runtime:
        handle = await runtime.client.service(Loader).load.send(100, each=0.3)
        await trio.sleep(1.7)
        assert (await beats(handle))[-1] < 5
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == "5 to 100"


async def test_a_pause_that_stops_the_step_keeps_what_it_said_last() -> None:
    async with Lab(Loader).running() as runtime:
        handle = await runtime.client.service(Loader).load.send(100, each=0.4)
        await until(lambda: WORLD.count("from 0") == 1)
        await trio.sleep(0.9)
        await handle.pause(mode="now")
        await handle.resume()
        assert await handle.result() == "2 to 100"
        killed = await runtime.client.service(Loader).load.send(100, each=0.4)
        await trio.sleep(0.9)
        await killed.kill()
        await quiet()  # a heartbeat that comes after the end is nobody's
        assert [entry.name async for entry in killed.events()][-1] == "InvocationCompleted"


async def test_a_plain_function_says_it_from_its_thread() -> None:
    async with Lab(Loader).running() as runtime:
        assert await runtime.client.service(Loader).load_in_a_thread() == {"row": 7}


async def test_a_restart_from_the_step_begins_at_its_beginning() -> None:
    async with Lab(Loader).running() as runtime:
        handle = await runtime.client.service(Loader).load.send(3)
        assert await handle.result() == "0 to 3"
        again = runtime.client.invocation((await handle.restart("1")).successor.invocation_id)
        assert await again.result() == "0 to 3"


@pytest.mark.parametrize(("how", "error"), [("no JSON", UnserializableError), ("too long", LimitExceededError)])
async def test_details_that_cannot_be_kept_are_refused(how: str, error: type[Exception]) -> None:
    async with Lab(Loader, limits=Limits(payload_bytes=1_000)).running() as runtime:
        handle = await runtime.client.service(Loader).misuse.send(how)
        failure = (await handle.outcome()).failure
        assert failure is not None
        assert failure.type.endswith(error.__name__)


async def test_a_handler_has_none() -> None:
    async with Lab(Loader).running() as runtime:
        handle = await runtime.client.service(Loader).outside.send()
        await quiet()
        failure = (await handle.info()).last_failure or (await handle.outcome()).failure
        assert failure is not None
        assert failure.type.endswith(MisuseError.__name__)
