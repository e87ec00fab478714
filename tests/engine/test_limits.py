"""Limits that nothing else meets: each is refused by name, and what is within it goes on."""

from __future__ import annotations

import contextlib

import pytest
import trio

import actors
from actors import Actor, Limits, Log, Map, Status, handler, step
from journal.events import PauseCause
from tests.lab import Lab, cause_of_pause
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def page(size: int) -> str:
    await trio.sleep(0.1)
    return "x" * size


class Keeper(Actor):
    """Takes values of any size, and writes ones that are much larger."""

    text: str = ""
    texts: list[str] = actors.field(factory=list)
    log: Log[str]
    map: Map[str, str]

    @handler
    async def set_field(self, size: int) -> None:
        self.text = "x" * size

    @handler
    async def grow_field(self, size: int) -> None:
        for _ in range(10):
            await page(0)
            self.texts.append("x" * (size // 8))

    @handler
    async def append(self, size: int) -> None:
        self.log.append("x" * size)

    @handler
    async def set_item(self, size: int) -> None:
        self.map["a"] = "x" * size

    @handler
    async def set_key(self, size: int) -> None:
        self.map["x" * size] = "a"

    @handler
    async def restart_with(self, of: str, size: int) -> None:
        await actors.invocation(of).restart(input="x" * size)

    @handler
    async def take(self, text: str) -> int:
        return len(text)

    @handler
    async def catch(self, size: int) -> int:
        self.log.append("small")
        with contextlib.suppress(actors.LimitExceededError):
            self.log.append("x" * size)
        with contextlib.suppress(actors.LimitExceededError):
            self.map["a"] = "x" * size
        return len(self.log) + len(self.map)


WRITES = ("set_field", "grow_field", "append", "set_item", "set_key")


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
        with raises(actors.LimitExceededError, limit="key_bytes", found=9, maximum=8):
            await client.actor(Reader, "123456789").read(0, 0)
        with raises(actors.LimitExceededError, limit="key_bytes", found=10, maximum=8):
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
        assert await cause_of_pause(long) is PauseCause.LIMIT
    lab.limits = Limits(history_bytes=20_000)
    async with lab.running() as runtime:
        again = runtime.client.invocation(long.id)
        await again.resume()
        assert await again.result() == 16_000


async def test_requests_beyond_the_queue_are_refused_and_the_others_answered() -> None:
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
    assert "limit `requests`=10" in str(refusals[0])


@pytest.mark.parametrize("write", WRITES)
async def test_a_value_in_a_field_has_the_limit_of_every_value(write: str) -> None:
    lab = Lab(Keeper, limits=Limits(payload_bytes=1_000))
    async with lab.running() as runtime:
        keeper = runtime.client.actor(Keeper, "a")
        await getattr(keeper, write)(500)
        with raises(actors.LimitExceededError, limit="payload_bytes", code="too_large", maximum=1000):
            await getattr(keeper, write)(1_000)
        assert await keeper.take("after") == 5
    async with lab.running() as runtime:
        assert await runtime.client.actor(Keeper, "a").take("again") == 5


async def test_a_handler_may_catch_that_an_item_is_too_large() -> None:
    async with Lab(Keeper, limits=Limits(payload_bytes=1_000)).running() as runtime:
        assert await runtime.client.actor(Keeper, "a").catch(1_000) == 1
        assert (await runtime.client.object(Keeper, "a").info()).logs == {"log": 1}


async def test_the_input_of_a_restart_has_the_limit_of_every_value() -> None:
    async with Lab(Keeper, limits=Limits(payload_bytes=1_000)).running() as runtime:
        ended = await runtime.client.actor(Keeper, "a").take.send("x")
        assert await ended.result() == 1
        with raises(actors.LimitExceededError, limit="payload_bytes", code="too_large"):
            await ended.restart(input="x" * 1_000)
        with raises(actors.LimitExceededError, limit="payload_bytes", code="too_large"):
            await runtime.client.actor(Keeper, "b").restart_with(ended.id, 1_000)


async def test_the_options_of_a_job_have_the_limit_of_every_value() -> None:
    async with Lab(Keeper, limits=Limits(payload_bytes=1_000)).running() as runtime:
        chosen = runtime.client.jobs.where("true")
        with raises(actors.LimitExceededError, limit="payload_bytes", code="too_large"):
            await chosen.signal("go", "x" * 1_000)
        with pytest.raises(actors.InvalidArgumentError) as caught:
            await chosen.start("signal", {"name": "go", "value": object()})
        assert caught.value.path.startswith("$.options")


async def test_what_is_built_in_keeps_more_than_a_users_value_may_be() -> None:
    async with Lab(Keeper, limits=Limits(payload_bytes=1_000)).running() as runtime:
        for number in range(20):
            await runtime.client.gates.close(f"key:Keeper/{number}", reason="x" * 90)
        assert len(await runtime.client.gates.list()) == 20
