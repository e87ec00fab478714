"""Context variables of a handler reach its steps, in tasks and threads, as they were when the step was asked for."""

from __future__ import annotations

from contextvars import ContextVar

import sniffio
import trio

import actors
from actors import RetryPolicy, Service, handler, step
from tests.lab import WORLD, Lab
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


@step
async def in_a_task() -> str:
    await trio.sleep(1)
    seen = tenant.get()
    tenant.set("the step's own")
    return f"{seen} under {sniffio.current_async_library()}"


@step
def in_a_thread() -> str:
    seen = tenant.get()
    tenant.set("the step's own")
    return seen


@step(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
async def at_the_third_try() -> str:
    WORLD.note(tenant.get())
    tenant.set(f"try {len(WORLD.entries)}")
    if len(WORLD.entries) < 3:
        raise ConnectionError("not yet")
    return tenant.get()


@step
async def uses_a_verb() -> None:
    await actors.sleep(1)


class Shop(Service):
    @handler
    async def steps(self) -> list[str]:
        seen: list[str] = []
        for name in ("alice", "bob"):
            tenant.set(name)
            seen += [await in_a_task(), await in_a_thread(), tenant.get()]
        return seen

    @handler
    async def thread(self) -> str:
        tenant.set("alice")
        return await in_a_thread()

    @handler
    async def children(self) -> list[str]:
        seen: list[str] = []

        async def child() -> None:
            seen.append(await in_a_task())

        async with actors.open_nursery() as nursery:
            for name in ("alice", "bob"):
                tenant.set(name)
                nursery.start_soon(child)
            tenant.set("carol")
        return sorted(seen)

    @handler
    async def tries(self) -> str:
        tenant.set("alice")
        return await at_the_third_try()

    @handler
    async def forbidden(self) -> None:
        await uses_a_verb()

    @handler
    async def after_a_wait(self) -> str:
        tenant.set("alice")
        await actors.signal("go")
        return await in_a_task()


async def test_a_step_sees_what_its_handler_has_set_and_changes_nothing_of_it() -> None:
    async with Lab(Shop).running() as runtime:
        assert await runtime.client.service(Shop).steps() == [
            "alice under trio", "alice", "alice", "bob under trio", "bob", "bob",
        ]  # fmt: skip


def test_a_step_in_a_real_thread_sees_it_too() -> None:
    async def main() -> str:
        async with actors.open_runtime(Shop, durability="memory") as runtime:
            return await runtime.client.service(Shop).thread()

    assert trio.run(main) == "alice"


async def test_the_steps_of_children_see_what_each_child_began_with() -> None:
    async with Lab(Shop).running() as runtime:
        assert await runtime.client.service(Shop).children() == ["alice under trio", "bob under trio"]


async def test_every_try_of_a_step_begins_with_the_handlers_values() -> None:
    async with Lab(Shop).running() as runtime:
        assert await runtime.client.service(Shop).tries() == "try 3"
    assert WORLD.entries == ["alice"] * 3


async def test_a_step_is_in_no_branch_of_its_handler() -> None:
    async with Lab(Shop).running() as runtime:
        handle = await runtime.client.service(Shop).forbidden.send()
        await trio.sleep(1)
        info = await handle.info()
        assert info.outcome is not None
        assert info.outcome.failure is not None
        assert info.outcome.failure.type == "actors.errors.MisuseError"


async def test_after_a_restart_of_the_process_a_step_sees_the_same() -> None:
    lab = Lab(Shop)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Shop).after_a_wait.send()
        await trio.sleep(1)
    async with lab.running() as runtime:
        again = runtime.client.invocation(handle.id)
        await again.signal("go")
        assert await again.result() == "alice under trio"
