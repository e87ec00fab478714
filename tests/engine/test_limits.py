"""Limits that nothing else meets: each is refused by name, and what is within it goes on."""

from __future__ import annotations

import pytest
import trio

import actors
from actors import Actor, Limits, Status, handler, step
from tests.lab import Lab
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def page(size: int) -> str:
    await trio.sleep(0.1)
    return "x" * size


class Reader(Actor):
    @handler
    async def read(self, pages: int, size: int) -> int:
        return sum([len(await page(size)) for _ in range(pages)])

    @handler
    async def ask(self, key: str) -> int:
        return await actors.actor(Reader, key).read(0, 0)


async def test_a_key_has_so_many_bytes_from_outside_and_from_a_handler() -> None:
    async with Lab(Reader, limits=Limits(key_bytes=8)).running() as runtime:
        client = runtime.client
        assert await client.actor(Reader, "12345678").read(0, 0) == 0
        assert await client.actor(Reader, "äöüß").read(0, 0) == 0
        with pytest.raises(actors.InvalidKeyError, match="the key has 9 bytes, the limit is 8"):
            await client.actor(Reader, "123456789").read(0, 0)
        with pytest.raises(actors.InvalidKeyError, match="the key has 10 bytes, the limit is 8"):
            await client.actor(Reader, "asks").ask("äöüßä")


async def test_a_history_of_many_bytes_is_paused_with_advice_and_goes_on_where_the_limit_is_higher() -> None:
    lab = Lab(Reader, limits=Limits(history_bytes=10_000))
    async with lab.running() as runtime:
        short = await runtime.client.actor(Reader, "short").read.send(2, 4_000)
        long = await runtime.client.actor(Reader, "long").read.send(4, 4_000)
        assert await short.result() == 8_000
        await trio.sleep(10)
        info = await long.info()
        assert info.status is Status.PAUSED
        assert "bytes of values, the limits are 100000 and 10000" in info.pause_reason
        assert "raise the limit and resume" in info.pause_reason
    lab.limits = Limits(history_bytes=20_000)
    async with lab.running() as runtime:
        again = runtime.client.invocation(long.id)
        await again.resume()
        assert await again.result() == 16_000


async def test_requests_beyond_those_that_can_wait_to_be_taken_in_are_refused_and_the_others_are_answered() -> None:
    answers: list[int] = []
    refusals: list[actors.UnavailableError] = []

    async def ask(client: actors.Client, number: int) -> None:
        try:
            answers.append(await client.actor(Reader, f"{number}").read(0, 0))
        except actors.UnavailableError as refusal:
            refusals.append(refusal)

    async with Lab(Reader, limits=Limits(requests=10)).running() as runtime, trio.open_nursery() as nursery:
        for number in range(25):
            nursery.start_soon(ask, runtime.client, number)
    assert len(answers) + len(refusals) == 25
    assert len(answers) >= 10
    assert refusals
    assert "requests wait to be taken in already; try again later" in str(refusals[0])
