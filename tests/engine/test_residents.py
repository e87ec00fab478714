"""What stays in memory: objects up to a number and up to their bytes, and nothing of calls of services that have ended."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Never, cast

import trio
import trio.testing

import actors
from actors import Actor, Limits, Service, handler, open_runtime
from actors.engine.loaded_object import LoadedObject
from actors.engine.object_cache import ObjectCache
from actors.model.definitions import Definition
from tests.core.situations import accepted, started
from tests.core.story import STREAM, given
from tests.lab import Lab
from tests.long_way import about_the_short_way
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from journal.log.protocol import Partition

pytestmark = on_virtual_time

KIB = 1 << 10
MIB = 1 << 20


class Shelf(Actor):
    book: str = ""

    @handler
    async def put(self, size: int) -> int:
        self.book = "x" * size
        return size

    @handler
    async def hold(self, size: int) -> int:
        self.book = "x" * size
        await actors.signal("go")
        return len(self.book)

    @handler
    async def size(self) -> int:
        return len(self.book)


class Clerk(Service):
    @handler
    async def stamp(self, text: str) -> str:
        return text

    @handler
    async def fail(self) -> None:
        raise actors.TerminalError("no")


async def test_objects_in_memory_are_bounded_by_the_bytes_of_their_fields() -> None:
    async with Lab(Shelf, limits=Limits(resident_bytes=100 * KIB)).running() as runtime:
        client = runtime.client
        for number in range(30):
            await client.actor(Shelf, f"s{number}").put(20 * KIB)
        await client.actor(Shelf, "small").put(1)
        assert runtime.engine.objects_in_memory <= 10
        for number in range(30):
            assert await client.actor(Shelf, f"s{number}").size() == 20 * KIB
        for number in range(50):
            await client.actor(Shelf, f"t{number}").put(10)
        assert runtime.engine.objects_in_memory > 50


async def test_an_object_with_open_invocations_stays_whatever_it_weighs() -> None:
    async with Lab(Shelf, limits=Limits(resident_bytes=KIB)).running() as runtime:
        client = runtime.client
        handles = [await client.actor(Shelf, f"s{number}").hold.send(20 * KIB) for number in range(5)]
        for handle in handles:
            await handle.signal("go")
            assert await handle.result() == 20 * KIB
        for number in range(5):
            assert await client.actor(Shelf, f"s{number}").size() == 20 * KIB


async def test_an_ended_call_of_a_service_leaves_nothing_in_memory() -> None:
    async with Lab(Clerk).running() as runtime:
        client = runtime.client
        before = runtime.engine.objects_in_memory
        handles = [await client.service(Clerk).stamp.send("x") for _ in range(50)]
        handles += [await client.service(Clerk).fail.send() for _ in range(50)]
        outcomes = [(await handle.outcome()).kind for handle in handles]
        await client.service(Clerk).stamp("last")
        assert len(outcomes) == 100
        assert runtime.engine.objects_in_memory <= before + 2
        assert await handles[0].result() == "x"


async def test_what_a_waiting_handler_has_written_counts_as_well() -> None:
    limits = Limits(resident_bytes=100 * KIB, unload_after_seconds=1.0)
    async with Lab(Shelf, limits=limits).running() as runtime:
        client = runtime.client
        for number in range(30):
            await client.actor(Shelf, f"s{number}").hold.send(20 * KIB)
        await trio.sleep(10)
        await client.actor(Shelf, "small").put(1)
        assert runtime.engine.objects_in_memory <= 10


async def test_a_large_field_is_kept_in_no_more_memory_than_it_weighs(tmp_path: Path) -> None:
    async with open_runtime(Shelf, path=tmp_path, durability="os") as runtime:
        shelf = runtime.client.actor(Shelf, "a")
        await shelf.put(1)
        gc.collect()
        tracemalloc.start()
        try:
            await shelf.put(4 * MIB)
            for _ in range(50):
                # A thread may hold what it has just written for a moment longer.
                await shelf.size()
                gc.collect()
                held, _ = tracemalloc.get_traced_memory()
                if held < 5 * MIB:
                    break
        finally:
            tracemalloc.stop()
    assert 4 * MIB <= held < 5 * MIB


class Counted(list[bytes]):
    """Items that were counted, and must not be looked at again."""

    def __iter__(self) -> Never:
        raise AssertionError


def test_what_a_handler_has_written_is_counted_once() -> None:
    state = given(accepted(), started()).state
    assert state is not None
    assert state.holder is not None
    changes = state.invocations[state.holder].changes
    changes.extend("lines", [b"1", b"22"])
    changes.logs["lines"] = Counted(changes.logs["lines"])
    loaded = LoadedObject(STREAM, state)
    ObjectCache(cast("Partition", None), limit=1, limit_bytes=1).weigh(loaded)
    assert loaded.weight == 3


MOST_OF_ONE_AT_REST = 1_800
"""Bytes of the objects of Python, in CPython 3.11: nine dictionaries that are empty, the state, one field."""


def owned(value: Any, seen: set[int]) -> list[Any]:
    """The value and all that it alone refers to: containers, and objects of the engine."""
    if id(value) in seen or isinstance(value, (type, Definition, str, int, float, type(None))):
        return []
    seen.add(id(value))
    return [value, *(each for part in gc.get_referents(value) for each in owned(part, seen))]


@about_the_short_way("a dictionary that once held an invocation keeps its room")
async def test_an_object_at_rest_holds_little_beside_its_fields() -> None:
    async with Lab(Shelf).running() as runtime:
        await runtime.client.actor(Shelf, "at rest").put(1)
        found = [o for o in gc.get_objects() if isinstance(o, LoadedObject) and o.state and o.state.key == "at rest"]
        for loaded in found:
            parts = owned(loaded, set())
            assert sum(map(sys.getsizeof, parts)) < MOST_OF_ONE_AT_REST, [type(part) for part in parts]
        assert found


async def test_an_invocation_that_only_waits_has_no_queue_of_its_own() -> None:
    async with Lab(Shelf).running() as runtime:
        for key in ("a", "b"):
            await runtime.client.actor(Shelf, key).hold.send(1)
        gc.collect()
        before = sum(isinstance(o, deque) for o in gc.get_objects())
        for number in range(20):
            await runtime.client.actor(Shelf, f"more {number}").hold.send(1)
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        found = sum(isinstance(o, deque) for o in gc.get_objects())
        assert found - before < 20, "not one for each"
