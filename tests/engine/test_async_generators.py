"""Async generators in running handlers: a cleanup takes no answer, ends no runtime, and is told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

import actors
from actors import Actor, Service, handler, step
from tests.lab import WORLD, Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = on_virtual_time


@step
async def fetch(page: int) -> str:
    WORLD.note(f"fetched {page}")
    return f"page {page}"


@step
async def close_cursor() -> str:
    WORLD.note("closed")
    return "cursor closed"


class Lock(Actor):
    @handler
    async def release(self) -> str:
        WORLD.note("released")
        return "released"


async def pages(cleanup: str) -> AsyncIterator[str]:
    try:
        for page in range(5):
            yield await fetch(page)
    finally:
        match cleanup:
            case "call":
                await actors.actor(Lock, "l").release()
            case "sleep":
                await actors.sleep(0.05)
            case "step":
                await close_cursor()


class Reader(Service):
    @handler
    async def read(self, cleanup: str) -> list[str]:
        async for page in pages(cleanup):
            first = page
            break
        began = actors.current_time()
        await actors.sleep(100)
        return [first, f"{actors.current_time() - began:.0f} seconds", await fetch(7)]

    @handler
    async def read_nothing(self) -> str:
        return await fetch(0)


@pytest.mark.parametrize("cleanup", ["call", "sleep", "step"])
@pytest.mark.parametrize("is_stopped", [False, True])
async def test_what_follows_a_generator_that_was_left_gets_its_own_answers(
    cleanup: str, is_stopped: bool, caplog: pytest.LogCaptureFixture
) -> None:
    lab = Lab(Reader, Lock)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Reader).read.send(cleanup)
        await trio.sleep(50 if is_stopped else 0)
        if not is_stopped:
            assert await handle.result() == ["page 0", "100 seconds", "page 7"]
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == ["page 0", "100 seconds", "page 7"]
        assert await runtime.client.service(Reader).read_nothing() == "page 0"
    assert WORLD.entries == ["fetched 0", "fetched 7", "fetched 0"]
    told = [record.getMessage() for record in caplog.records if "async generator pages" in record.getMessage()]
    assert len(told) == 1
    assert handle.id in told[0]
