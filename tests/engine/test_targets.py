"""Handlers that are called by their names, from outside and from other handlers."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

import actors
from actors import Actor, Service, handler, shared
from actors.errors import InvalidArgumentError, MisuseError, NotFoundError, TerminalError, TooSlowError
from actors.model.targets import parse_target
from journal.events import Target
from tests.lab import Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class Till(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int, note: str = "") -> int:
        self.value += amount
        return self.value

    @shared
    async def day(self, given: datetime.date) -> datetime.date:
        return given

    @handler
    async def refuse(self) -> None:
        raise TerminalError("closed")


class Clerk(Service):
    @handler
    async def call(self, target: str, argument: Any, given: bool = True) -> Any:
        return repr(await (actors.call(target, argument) if given else actors.call(target)))

    @handler
    async def send(self, target: str, argument: Any) -> str:
        return (await actors.send(target, argument)).id

    @handler
    async def hurry(self, target: str) -> str:
        try:
            await actors.call(target, timeout=5)
        except TooSlowError:
            return "too slow"
        return "in time"

    @handler
    async def wait(self) -> Any:
        return await actors.signal("go")


@pytest.fixture
def lab() -> Lab:
    return Lab(Till, Clerk)


async def test_a_client_calls_and_sends_by_name(lab: Lab) -> None:
    async with lab.running() as runtime:
        client = runtime.client
        assert await client.call("Till/bob/add", 5) == 5
        assert await client.call("Till/bob/add", {"amount": 2, "note": "why"}) == 7
        assert await client.call("Till/bob/day", "2030-01-01") == "2030-01-01"
        task = await client.send("Till/bob/add", 1, idempotency_key="once")
        assert (await client.send("Till/bob/add", 1, idempotency_key="once")).id == task.id
        assert await task.result() == 8
        with pytest.raises(TerminalError, match="closed"):
            await client.call("Till/bob/refuse")
        with pytest.raises(TooSlowError):
            await client.call("Clerk/wait", timeout=5)


async def test_a_handler_calls_and_sends_by_name_and_replays(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Clerk).call("Till/bob/add", 5) == "5"
        assert await runtime.client.service(Clerk).call("Till/bob/add", {"amount": 2, "note": "why"}) == "7"
        assert await runtime.client.service(Clerk).call("Till/bob/day", "2030-01-01") == "datetime.date(2030, 1, 1)"
        sent = await runtime.client.service(Clerk).send("Till/bob/add", 1)
        await runtime.client.invocation(sent).result()
        assert await runtime.client.service(Clerk).hurry("Clerk/wait") == "too slow"
        waits = await runtime.client.service(Clerk).call.send("Clerk/wait", None, False)
        await quiet()
        [inner] = await runtime.client.invocations(handler="wait", where="status != 'completed'")
    async with lab.running() as runtime:
        await runtime.client.invocation(inner.id).signal("go", "now")
        assert await runtime.client.invocation(waits.id).result() == "'now'"
        assert await runtime.client.actor(Till, "bob").add(0) == 8


@pytest.mark.parametrize("key", ["a/b", "a%2Fb", "100%", "é", "a b", "%"])
async def test_a_key_is_written_as_in_a_path(lab: Lab, key: str) -> None:
    written = key.replace("%", "%25").replace("/", "%2F")
    async with lab.running() as runtime:
        assert await runtime.client.call(f"Till/{written}/add", 5) == 5
        assert await runtime.client.actor(Till, key).add(1) == 6
        assert await runtime.client.service(Clerk).call(f"Till/{written}/add", 1) == "7"
    assert parse_target(f"Till/{written}/add") == Target("Till", key, "add")


NOT_TARGETS = {
    "no handler": ("Till", InvalidArgumentError),
    "too many parts": ("Till/a/b/c", InvalidArgumentError),
    "an empty part": ("Till//add", InvalidArgumentError),
    "a broken escape": ("Till/100%/add", InvalidArgumentError),
    "bytes that are not UTF-8": ("Till/%FF/add", InvalidArgumentError),
    "no class of that name": ("Nobody/a/add", NotFoundError),
    "no handler of that name": ("Till/a/sub", NotFoundError),
    "a key of a service": ("Clerk/a/wait", InvalidArgumentError),
    "no key of an actor": ("Till/add", InvalidArgumentError),
}


@pytest.mark.parametrize("target", NOT_TARGETS)
async def test_what_is_not_a_target_is_refused(lab: Lab, target: str) -> None:
    text, error = NOT_TARGETS[target]
    async with lab.running() as runtime:
        with pytest.raises(error):
            await runtime.client.call(text, 5)
        with pytest.raises(error):
            await runtime.client.send(text, 5)
        with pytest.raises(error):
            await runtime.client.service(Clerk).call(text, 5)


async def test_an_argument_is_what_json_has(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(actors.errors.UnserializableError):
            await runtime.client.call("Till/a/add", {1, 2})
        with pytest.raises(InvalidArgumentError):
            await runtime.client.call("Till/a/add", "x")
        with pytest.raises(InvalidArgumentError):
            await runtime.client.service(Clerk).call("Till/a/add", "x")


async def test_a_call_by_name_belongs_to_a_handler() -> None:
    with pytest.raises(MisuseError):
        await actors.call("Till/a/add", 5)
