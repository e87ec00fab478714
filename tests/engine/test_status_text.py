"""A handler says what it does, for people: it is recorded with the turn, listed, and never compared in a replay."""

from __future__ import annotations

import pytest
import trio

import actors
from actors import InvalidArgumentError, LimitExceededError, Service, Status, handler, step
from actors.errors import MisuseError
from tests.lab import Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

WORDS: list[str] = []


@pytest.fixture(autouse=True)
def plain_words() -> None:
    WORDS[:] = ["page"]


@step
async def convert(seconds: float) -> None:
    await trio.sleep(seconds)


@step
async def speak() -> None:
    actors.set_status_text("from a step")


class Book(Service):
    @handler
    async def convert(self, pages: int) -> int:
        for number in range(1, pages + 1):
            actors.set_status_text("begins")
            actors.set_status_text(f"{WORDS[0]} {number} of {pages}")
            await convert(10.0)
        return pages

    @handler
    async def side_by_side(self) -> None:
        async def one(name: str, seconds: float) -> None:
            await actors.sleep(seconds)
            actors.set_status_text(f"{name} is done")

        async with actors.open_nursery() as nursery:
            nursery.start_soon(one, "a", 5.0)
            nursery.start_soon(one, "b", 1_000.0)

    @handler
    async def stumble(self) -> None:
        actors.set_status_text("about to fail")
        raise actors.TerminalError("no")

    @handler
    async def misuse(self, how: str) -> None:
        match how:
            case "a number":
                actors.set_status_text(7)  # type: ignore[arg-type]
            case "too long":
                actors.set_status_text("x" * 501)
            case _:
                await speak()


async def texts(handle: actors.InvocationHandle[int]) -> list[str]:
    return [entry.details["text"] async for entry in handle.events() if entry.name == "StatusTextChanged"]


async def test_the_last_text_of_each_turn_is_recorded_once_and_listed() -> None:
    lab = Lab(Book)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Book).convert.send(3)
        await trio.sleep(15.0)
        assert (await handle.info()).status_text == "page 2 of 3"
        rows = await runtime.client.query("SELECT id FROM sys_invocation WHERE status_text = 'page 2 of 3'")
        assert rows.rows == [[handle.id]]
    async with lab.running() as runtime:  # after a crash in the second page
        handle = runtime.client.invocation(handle.id)
        assert await handle.result() == 3
        assert (await handle.info()).status_text == "page 3 of 3"
        assert await texts(handle) == ["page 1 of 3", "page 2 of 3", "page 3 of 3"]


async def test_other_words_in_new_code_do_not_stop_a_replay() -> None:
    lab = Lab(Book)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Book).convert.send(3)
        await trio.sleep(15.0)
    WORDS[:] = ["leaf"]
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await quiet()
        assert (await handle.info()).status_text == "leaf 2 of 3"
        assert await handle.result() == 3
        again = await handle.restart("2")
        successor = runtime.client.invocation(again.successor.invocation_id)
        assert await successor.result() == 3
        assert (await successor.info()).status_text == "leaf 3 of 3"


async def test_a_turn_that_only_says_something_is_recorded_too() -> None:
    lab = Lab(Book)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Book).side_by_side.send()
        await trio.sleep(10.0)
        assert (await handle.info()).status is Status.SUSPENDED
    async with lab.running() as runtime:
        assert (await runtime.client.invocation(handle.id).info()).status_text == "a is done"
        await runtime.client.invocation(handle.id).result()
        assert (await runtime.client.invocation(handle.id).info()).status_text == "b is done"


async def test_what_a_handler_said_before_it_failed_stays() -> None:
    async with Lab(Book).running() as runtime:
        handle = await runtime.client.service(Book).stumble.send()
        with pytest.raises(actors.TerminalError):
            await handle.result()
        assert (await handle.info()).status_text == "about to fail"


@pytest.mark.parametrize(
    ("how", "error"),
    [("a number", InvalidArgumentError), ("too long", LimitExceededError), ("in a step", MisuseError)],
)
async def test_a_text_that_cannot_be_one_is_refused(how: str, error: type[Exception]) -> None:
    async with Lab(Book).running() as runtime:
        handle = await runtime.client.service(Book).misuse.send(how)
        await quiet()
        failure = (await handle.info()).last_failure or (await handle.outcome()).failure
        assert failure is not None
        assert failure.type.endswith(error.__name__)
        await handle.kill() if (await handle.info()).status is not Status.COMPLETED else None
