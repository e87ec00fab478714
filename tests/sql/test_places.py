"""Places for queries are given out fairly."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actors.query.sql.places import Places


class Room:
    """Askers with queries that run until they are let go."""

    def __init__(self, nursery: trio.Nursery, count: int) -> None:
        self._nursery = nursery
        self._places = Places(count)
        self.running: list[str] = []
        self._ends: dict[str, trio.Event] = {}
        self.scopes: dict[str, trio.CancelScope] = {}

    async def ask(self, *names: str) -> None:
        """The asker is the part of the name before the digit."""
        for name in names:
            self._ends[name], self.scopes[name] = trio.Event(), trio.CancelScope()
            self._nursery.start_soon(self._query, name)
            await trio.testing.wait_all_tasks_blocked()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await trio.testing.wait_all_tasks_blocked()

    async def _query(self, name: str) -> None:
        with self.scopes[name]:
            async with self._places.place(name.rstrip("0123456789")):
                self.running.append(name)
                try:
                    await self._ends[name].wait()
                finally:
                    self.running.remove(name)


async def test_an_asker_of_whom_nothing_runs_waits_for_no_other() -> None:
    async with trio.open_nursery() as nursery:
        room = Room(nursery, 2)
        await room.ask(*(f"reader{number}" for number in range(12)), "operator0")
        assert room.running == ["reader0", "reader1", "operator0"]
        nursery.cancel_scope.cancel()


async def test_places_that_are_free_go_to_the_askers_in_turn() -> None:
    async with trio.open_nursery() as nursery:
        room = Room(nursery, 1)
        await room.ask("a0", "a1", "a2", "b0", "b1")
        assert room.running == ["a0", "b0"]
        await room.end("b0")
        assert room.running == ["a0", "b1"]
        await room.end("a0")
        assert room.running == ["b1", "a1"]
        await room.end("a1")
        await room.end("b1")
        await room.end("a2")
        assert room.running == []


@pytest.mark.parametrize("is_given", [False, True])
async def test_a_query_that_is_cancelled_keeps_no_place(is_given: bool) -> None:
    async with trio.open_nursery() as nursery:
        room = Room(nursery, 1)
        await room.ask("a0", "a1", "a2")
        if is_given:
            room._ends["a0"].set()
            await trio.lowlevel.checkpoint()  # its place is given to the next one, which may not know it yet
        room.scopes["a1"].cancel()
        await trio.testing.wait_all_tasks_blocked()
        await room.end("a0")
        assert room.running == ["a2"]
        await room.end("a2")
        await room.ask("a3")
        assert room.running == ["a3"]
        nursery.cancel_scope.cancel()
