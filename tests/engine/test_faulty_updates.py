"""Whatever an update does wrong is its own error: the run of its workflow continues, and its fields are as they were."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest
import trio

import actors
from actors import Log, Map, Workflow, handler, update
from actors.errors import FieldMisuseError, UnserializableError
from journal.ids import InvocationId
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

WRONG: Any = object()


@attrs.define
class Line:
    text: str = ""


class Faulty(Workflow):
    name: str = "as it was"
    names: list[str] = actors.field(default=["as it was"])
    line: Line = actors.field(factory=Line)
    log: Log[list[str]]
    table: Map[str, list[str]]

    @handler
    async def run(self) -> dict[str, Any]:
        held = self.names
        self.log.append(["as it was"])
        self.table["a"] = ["as it was"]
        await actors.signal("end")
        held.append("by the run")
        return {
            "name": self.name,
            "names": self.names,
            "line": self.line.text,
            "log": list(self.log),
            "table": dict(self.table.items()),
        }

    async def assign(self) -> None:
        self.name = WRONG

    async def assign_and_wait(self) -> None:
        self.name = WRONG
        await actors.sleep(1)

    async def assign_too_much(self) -> None:
        self.name = "x" * 20_000

    async def mutate(self) -> None:
        self.names.append(WRONG)

    async def mutate_and_wait(self) -> None:
        self.names.append(WRONG)
        await actors.sleep(1)

    async def mutate_an_object(self) -> None:
        self.line.text = WRONG
        await actors.sleep(1)

    async def mutate_what_was_appended(self) -> None:
        item: list[str] = []
        self.log.append(item)
        item.append(WRONG)
        await actors.sleep(1)

    async def mutate_what_was_recorded(self) -> None:
        self.log[0].append("more")
        await actors.sleep(1)

    async def mutate_an_item(self) -> None:
        self.table["a"].append(WRONG)
        await actors.sleep(1)

    async def mutate_everything(self) -> None:
        for item in (self.names, self.log[0], self.table["a"]):
            item.append(WRONG)
        self.line.text = WRONG
        await actors.sleep(1)

    async def mutate_in_a_child(self) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(self.mutate_and_wait)
            nursery.start_soon(actors.sleep, 1000)

    async def mutate_beside_a_child(self) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(actors.sleep, 1000)
            self.names.append(WRONG)

    async def go_on_for_ever(self) -> None:
        while True:
            try:
                self.names.append(WRONG)
                await actors.sleep(1)
            except UnserializableError:
                pass

    async def emit(self) -> None:
        actors.emit(WRONG)

    async def give(self) -> Any:
        return WRONG

    async def leave(self) -> None:
        raise SystemExit("no exit")

    async def interrupt(self) -> None:
        raise KeyboardInterrupt

    async def cancel_trio(self) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await trio.lowlevel.checkpoint()

    async def raise_cancelled(self) -> None:
        raise trio.Cancelled._create(source="unknown")

    async def end_attempt(self) -> None:
        raise actors.errors.Cancelled

    async def delete(self) -> None:
        del self.name

    async def mutate_in_a_task(self) -> None:
        async def work() -> None:
            await actors.sleep(1)
            self.names.append(WRONG)
            await actors.sleep(1)

        await asyncio.gather(work(), asyncio.sleep(1000))

    @update
    async def do(self, what: str) -> Any:
        return await getattr(self, what)()

    @update
    async def do_in_asyncio(self, what: str) -> Any:
        return await actors.aio.host(getattr(self, what))

    @update
    async def rename(self, name: str) -> str:
        before, self.name = self.name, name
        return before


EXPECTED = {
    "assign": UnserializableError,
    "assign_and_wait": UnserializableError,
    "assign_too_much": actors.LimitExceededError,
    "mutate": UnserializableError,
    "mutate_and_wait": UnserializableError,
    "mutate_an_object": UnserializableError,
    "mutate_what_was_appended": UnserializableError,
    "mutate_what_was_recorded": FieldMisuseError,
    "mutate_an_item": UnserializableError,
    "mutate_everything": UnserializableError,
    "mutate_in_a_child": actors.TerminalError,
    "mutate_beside_a_child": actors.TerminalError,
    "go_on_for_ever": UnserializableError,
    "emit": UnserializableError,
    "give": UnserializableError,
    "leave": actors.TerminalError,
    "interrupt": actors.TerminalError,
    "cancel_trio": actors.TerminalError,
    "raise_cancelled": actors.TerminalError,
    "end_attempt": actors.TerminalError,
    "delete": actors.TerminalError,
}


@pytest.mark.parametrize("what", EXPECTED)
async def test_a_fault_of_an_update_is_its_answer_and_the_run_continues(what: str) -> None:
    lab = Lab(Faulty, limits=actors.Limits(payload_bytes=10_000))
    async with lab.running() as runtime:
        faulty = runtime.client.workflow(Faulty, "1")
        run = await faulty.run.send()
        await quiet()
        with trio.fail_after(100), pytest.raises(EXPECTED[what]):
            await faulty.do(what)
        assert await faulty.rename("renamed") == "as it was"
    async with lab.running() as runtime:  # a replay comes to the same
        await go_on(runtime, run.id, appended=[[]] if what == "mutate_what_was_appended" else [])


async def go_on(runtime: actors.Runtime, of: InvocationId, appended: list[Any]) -> None:
    found = runtime.client.invocation(of)
    await found.signal("end")
    assert await found.result() == {
        "name": "renamed",
        "names": ["as it was", "by the run"],
        "line": "",
        "log": [["as it was"], *appended],
        "table": {"a": ["as it was"]},
    }


@pytest.mark.parametrize("what", ["assign_and_wait", "mutate", "mutate_and_wait", "mutate_in_a_task"])
async def test_a_fault_of_an_update_in_asyncio_is_its_answer_too(what: str) -> None:
    lab = Lab(Faulty)
    async with lab.running() as runtime:
        faulty = runtime.client.workflow(Faulty, "1")
        run = await faulty.run.send()
        await quiet()
        with trio.fail_after(100), pytest.raises(UnserializableError):
            await faulty.do_in_asyncio(what)
        assert await faulty.rename("renamed") == "as it was"
    async with lab.running() as runtime:
        await go_on(runtime, run.id, [])


async def test_an_update_may_catch_the_error_of_its_change_and_go_on() -> None:
    class Careful(Workflow):
        names: list[str] = actors.field(default=[])

        @handler
        async def run(self) -> list[str]:
            await actors.signal("end")
            return self.names

        @update
        async def add(self, name: str) -> str:
            try:
                self.names.append(WRONG)
                await actors.sleep(1)
            except UnserializableError as error:
                WORLD.note(error.path)
            self.names.append(name)
            await actors.sleep(1)
            return f"added {name}"

    async with Lab(Careful).running() as runtime:
        careful = runtime.client.workflow(Careful, "1")
        run = await careful.run.send()
        assert await careful.add("ada") == "added ada"
        assert WORLD.entries == ["names[0]"]
        await run.signal("end")
        assert await run.result() == ["ada"]
