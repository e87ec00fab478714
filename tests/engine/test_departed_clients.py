"""Clients that stop waiting for an outcome leave nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

import actors
from actors import Actor, Limits, handler
from actors.errors import InvocationPausedError
from tests.lab import Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Collection

    from actors import Client, InvocationHandle
    from actors.engine.loaded_object import LoadedObject
    from actors.runtime import Runtime

pytestmark = on_virtual_time


class Chat(Actor):
    @handler
    async def wait(self) -> int:
        return await actors.signal("go", int)


def in_memory(runtime: Runtime) -> Collection[LoadedObject]:
    (processor,) = runtime.engine._processors.values()
    return processor._cache.loaded.values()


def awaited(runtime: Runtime) -> dict[str, int]:
    """How many clients wait, by invocation."""
    return {of: len(waiting) for loaded in in_memory(runtime) for of, waiting in loaded.waiters.items()}


async def leave_after(seconds: float, handle: InvocationHandle[int]) -> None:
    with trio.move_on_after(seconds):
        await handle.result()


async def test_a_client_that_stops_waiting_is_forgotten_and_the_others_are_answered() -> None:
    async with Lab(Chat).running() as runtime:
        wait = await runtime.client.actor(Chat, "ada").wait.send()
        results: list[int] = []

        async def stay() -> None:
            results.append(await wait.result())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stay)
            for number in range(100):
                nursery.start_soon(leave_after, 0.1 * (number % 3), wait)  # the first leave before the request is taken
            await trio.sleep(1)
            assert awaited(runtime) == {wait.id: 1}
            await wait.signal("go", 7)
        assert results == [7]


async def test_an_object_leaves_memory_once_its_clients_have_left() -> None:
    limits = Limits(idle_objects=10, unload_after_seconds=1)
    async with Lab(Chat, limits=limits).running() as runtime:
        waits = [await runtime.client.actor(Chat, f"k{number}").wait.send() for number in range(50)]
        for _ in range(3):
            async with trio.open_nursery() as nursery:
                for wait in waits:
                    nursery.start_soon(leave_after, 0.5, wait)
        async with trio.open_nursery() as nursery:  # a call that its client gives up is no different
            for number in range(50):
                nursery.start_soon(give_up_a_call, runtime.client, f"call{number}")
        await trio.sleep(10)
        await runtime.client.actor(Chat, "another").wait.send()  # objects leave when there is a commit
        await trio.sleep(10)
        assert awaited(runtime) == {}
        assert len(in_memory(runtime)) <= 10


async def give_up_a_call(client: Client, key: str) -> None:
    with trio.move_on_after(0.5):
        await client.actor(Chat, key).wait()


async def test_a_client_that_left_at_a_pause_is_forgotten() -> None:
    async with Lab(Chat).running() as runtime:
        wait = await runtime.client.actor(Chat, "ada").wait.send()

        async def leave_at_pause() -> None:
            with pytest.raises(InvocationPausedError):
                await runtime.client.outcome_of(wait.id, leaves_at_pause=True)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave_at_pause)
            await trio.sleep(1)
            assert awaited(runtime) == {wait.id: 1}
            await wait.pause()
        assert awaited(runtime) == {}


async def test_a_restart_of_an_invocation_without_clients_keeps_no_list_of_them() -> None:
    async with Lab(Chat).running() as runtime:
        wait = await runtime.client.actor(Chat, "ada").wait.send()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave_after, 0.5, wait)
            await trio.sleep(0.1)
            again = await wait.restart(stop="kill")
            assert awaited(runtime) == {again.successor.invocation_id: 1}
        assert awaited(runtime) == {}
        await runtime.client.invocation(again.successor.invocation_id).restart(stop="kill")
        assert awaited(runtime) == {}
