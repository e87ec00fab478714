"""What a history shows of a life: whole up to the payload limit, or marked as cut."""

from __future__ import annotations

from typing import Any

import actors
from actors import Limits, Service, handler, step
from actors.model.history import JournalEntry
from tests.lab import Lab
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class Opaque:
    """JSON has no word for it, and neither has it itself."""

    def __repr__(self) -> str:
        raise ValueError("no words")


class Bank:
    """A client: another object, elsewhere in memory, in each attempt."""

    def __deepcopy__(self, _: object) -> Bank:
        return self


@step
async def ask(prompt: Any, **options: Any) -> str:
    return "answer"


class Agent(Service):
    @handler
    async def run(self, size: int) -> str:
        return await ask("x" * size)

    @handler
    async def pay(self) -> str:
        return await ask(Bank(), amount=5)

    @handler
    async def odd(self) -> None:
        await ask(Opaque())
        await ask({"a": "\ud800"}, temperature=0.5, tools=Opaque())


async def steps_of(handle: actors.InvocationHandle[Any]) -> list[JournalEntry]:
    return [entry async for entry in handle.events() if entry.name == "StepScheduled"]


async def test_the_arguments_of_a_step_are_shown_whole() -> None:
    async with Lab(Agent).running() as runtime:
        handle = await runtime.client.service(Agent).run.send(1_000_000)
        await handle.result()
        (entry,) = await steps_of(handle)
        assert entry.details["argument"] == ["x" * 1_000_000]
        assert entry.details["argument_bytes"] == 0


async def test_arguments_beyond_the_payload_limit_are_marked_as_cut_with_their_size() -> None:
    async with Lab(Agent, limits=Limits(payload_bytes=1000)).running() as runtime:
        handle = await runtime.client.service(Agent).run.send(997)
        await handle.result()
        (entry,) = await steps_of(handle)
        assert (entry.details["argument"], entry.details["argument_bytes"]) == (None, 1001)
        assert "1001 bytes" in entry.summary


async def test_the_arguments_of_steps_count_as_bytes_of_the_history() -> None:
    async with Lab(Agent, limits=Limits(history_bytes=5000)).running() as runtime:
        handle = await runtime.client.service(Agent).run.send(6000)
        async for entry in handle.follow():
            if entry.name == "InvocationPaused":
                assert entry.details["cause"] == "limit"
                break


async def test_an_argument_that_cannot_be_shown_hides_no_other() -> None:
    async with Lab(Agent).running() as runtime:
        handle = await runtime.client.service(Agent).odd.send()
        await handle.result()
        alone, among = [entry.details["argument"] for entry in await steps_of(handle)]
        assert len(alone) == 1
        assert "Opaque" in alone[0]
        assert among["temperature"] == 0.5
        assert "Opaque" in among["tools"]
        assert "dict" in among["0"]


async def test_a_check_of_the_same_code_sees_no_change_in_a_client() -> None:
    async with Lab(Agent).running() as runtime:
        handle = await runtime.client.service(Agent).pay.send()
        await handle.result()
        report = await handle.check()
        assert (report.verdict.value, report.kept, report.changed) == ("same", 1, 0)
