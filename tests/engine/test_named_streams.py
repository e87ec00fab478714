"""An invocation has several streams of output, and a reader gets one of them."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import RetryPolicy, Service, handler, step
from actors.errors import InvalidArgumentError
from actors.query.fsck.doctor import examine
from tests.lab import WORLD, Lab
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
async def search() -> None:
    WORLD.note("try")
    actors.emit(f"token {WORLD.count('try')}")
    actors.emit("a source", stream="sources")
    await trio.sleep(1)
    if WORLD.count("try") == 1:
        raise ConnectionError("again")


@step
def search_in_a_thread() -> None:
    actors.emit("from a thread", stream="sources")


class Agent(Service):
    @handler
    async def answer(self) -> None:
        actors.emit("begin")
        actors.emit(1, stream="progress")
        await search()
        actors.emit(2, stream="progress")
        await search_in_a_thread()
        await actors.sleep(100)
        actors.emit("end")

    @handler
    async def misname(self, stream: Any) -> None:
        try:
            actors.emit(1, stream=stream)
        except InvalidArgumentError as error:
            raise actors.TerminalError(error.path) from error


async def read(handle: actors.InvocationHandle[None], stream: str | None) -> list[Any]:
    return [value async for value in handle.output(stream=stream)]


async def test_a_reader_gets_one_stream_after_any_crash_and_restart() -> None:
    lab = Lab(Agent)
    async with lab.running() as runtime:
        first = await runtime.client.service(Agent).answer.send()
        await trio.sleep(50)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(first.id)
        assert await read(handle, "sources") == ["a source", "from a thread"]
        again = runtime.client.invocation((await handle.restart("2")).successor.invocation_id)
        await again.result()
        for each in (handle, again):
            assert [value async for value in each.output()] == ["begin", "token 2", "end"]
            assert await read(each, "progress") == [1, 2]
            assert await read(each, "sources") == ["a source", "from a thread"]
            assert await read(each, "nothing") == []
            assert len(await read(each, None)) == 7
        found = await runtime.client.query(
            "select count(*) from sys_output where stream = 'sources' and invocation_id = :of", {"of": first.id}
        )
        assert [*map(list, found.rows)] == [[3]]  # that of the void try too
    assert examine(lab.store, lab.partitions).is_sound


async def test_a_live_reader_of_a_stream_learns_which_of_its_pieces_are_void() -> None:
    async with Lab(Agent).running() as runtime:
        handle = await runtime.client.service(Agent).answer.send()
        told = [
            (chunk.is_reset, chunk.stream, chunk.value) async for chunk in handle.chunks(live=True, stream="sources")
        ]
        assert told[:3] == [(False, "sources", "a source"), (True, "", None), (False, "sources", "a source")]
        progress = [chunk.is_reset async for chunk in handle.chunks(live=True, stream="progress")]
        assert progress == [False, False]


@pytest.mark.parametrize("stream", ["x" * 257, 7, ".."])
async def test_a_name_that_is_none_is_refused(stream: Any) -> None:
    async with Lab(Agent).running() as runtime:
        with pytest.raises(actors.TerminalError, match="stream"):
            await runtime.client.service(Agent).misname(stream)
        handle = await runtime.client.service(Agent).answer.send()
        if stream != "..":
            with pytest.raises((InvalidArgumentError, actors.LimitExceededError)):
                handle.output(stream=stream)
