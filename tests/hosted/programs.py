"""asyncio programs that run in a handler. Each uses one construct of asyncio or anyio, and returns what it saw."""

from __future__ import annotations

import asyncio
from asyncio import as_completed
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio
import trio

import actors
from actors import Service, handler, step
from tests.lab import WORLD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


@step
async def work(number: int, seconds: float = 1.0) -> Any:
    """A body notes its key, so that a test sees which step has begun how often. Tests without an engine give it other results."""
    WORLD.note(actors.step_key())
    await trio.sleep(seconds)
    return number * 10


async def sleeps() -> bool:
    loop = asyncio.get_running_loop()
    before = loop.time()
    await asyncio.sleep(3)
    await asyncio.sleep(0)
    return loop.time() - before >= 3


async def gathers() -> list[int]:
    return await asyncio.gather(work(3, 3), work(1, 1), work(2, 2))


async def waits_for() -> list[Any]:
    try:
        await asyncio.wait_for(work(1, 50), 5)
    except TimeoutError:
        return ["timed out", await asyncio.wait_for(work(2), 5)]
    return []


async def times_out() -> str:
    try:
        async with asyncio.timeout(5):
            await asyncio.Event().wait()
    except TimeoutError:
        return "timed out"
    return ""


async def groups() -> list[int]:
    done: list[int] = []

    async def one(number: int) -> None:
        done.append(await work(number, 4 - number))

    async with asyncio.TaskGroup() as group:
        for number in (1, 2, 3):
            group.create_task(one(number))
    return done


async def group_fails() -> list[Any]:
    seen: list[Any] = []

    async def bad() -> None:
        await work(1)
        raise ValueError("bad")

    async def slow(number: int) -> None:
        try:
            await work(number, 50)
        except asyncio.CancelledError:
            seen.append(number)
            raise

    try:
        async with asyncio.TaskGroup() as group:
            for number in (7, 8, 9):
                group.create_task(slow(number))
            group.create_task(bad())
    except* ValueError as errors:
        seen.append(str(errors.exceptions[0]))
    return sorted(seen, key=str)  # steps that are stopped at once end in any order


async def queues() -> list[int]:
    queue: asyncio.Queue[int | None] = asyncio.Queue(2)
    done, out = asyncio.Event(), []

    async def producer() -> None:
        for number in range(5):
            await queue.put(await work(number))
        await queue.put(None)

    async def consumer() -> None:
        while (item := await queue.get()) is not None:
            out.append(item)
        done.set()

    tasks = [asyncio.create_task(producer()), asyncio.create_task(consumer())]
    await done.wait()
    await asyncio.gather(*tasks)
    return out


async def waits_for_the_first() -> list[Any]:
    tasks = [asyncio.create_task(work(number, number)) for number in (5, 1, 3)]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    ended = await asyncio.gather(*pending, return_exceptions=True)
    return [[task.result() for task in done], [type(error).__name__ for error in ended]]


async def completes() -> list[int]:
    return [await first for first in as_completed([work(number, number) for number in (3, 1, 2)])]


async def walks_over_a_set() -> list[int]:
    tasks = {asyncio.create_task(work(number)) for number in range(12)}
    done, _ = await asyncio.wait(tasks)
    return [await work(task.result()) for task in done]


async def locks() -> list[int]:
    lock, places, out = asyncio.Lock(), asyncio.Semaphore(2), []

    async def one(number: int) -> None:
        async with places:
            result = await work(number, number + 1)
            async with lock:
                out.append(result)
                await asyncio.sleep(1)

    await asyncio.gather(*(one(number) for number in range(5)))
    return out


async def shields() -> list[Any]:
    inner = asyncio.ensure_future(work(4, 50))
    try:
        await asyncio.wait_for(asyncio.shield(inner), 1)
    except TimeoutError:
        return ["timed out", await inner]
    return []


async def anyio_groups() -> list[Any]:
    got: list[Any] = []

    async def one(number: int) -> None:
        got.append(await work(number, 4 - number))

    async def feed(send: Any) -> None:
        async with send:
            for number in range(3):
                await send.send(number)

    async with anyio.create_task_group() as group:
        for number in (1, 2, 3):
            group.start_soon(one, number)
    with anyio.move_on_after(3) as scope:
        await work(9, 50)
    send, receive = anyio.create_memory_object_stream[int](1)
    async with anyio.create_task_group() as group:
        group.start_soon(feed, send)
        async with receive:
            got += [item async for item in receive]
    return [got, scope.cancelled_caught]


async def anyio_group_fails() -> list[Any]:
    seen: list[Any] = []

    async def slow(number: int) -> None:
        with anyio.CancelScope():  # scopes in a scope: anyio has a set of them
            try:
                await work(number, 50)
            except BaseException as error:
                seen.append([number, type(error).__name__])
                raise

    async def bad() -> None:
        await work(1)
        raise ValueError("bad")

    try:
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(slow, number)
            group.start_soon(bad)
    except* ValueError:
        seen.append("ValueError")
    return sorted(seen, key=str)


async def durable_verbs() -> list[Any]:
    async def nursery() -> list[Any]:
        out: list[int] = []

        async def child(number: int) -> None:
            out.append(await work(number))

        async with actors.open_nursery() as children:
            children.start_soon(child, 1)
            children.start_soon(child, 2)
        with actors.move_on_after(2) as scope:
            await work(3, 50)
        return [out, scope.cancelled_caught, str(actors.uuid4()), actors.random().random()]

    async def calls() -> list[int]:
        actors.emit("calling")
        await actors.service(Neighbour).ask.send(4)
        return [await actors.service(Neighbour).ask(5), await actors.run(inner, 6)]

    async def inner(number: int) -> int:
        return number

    return list(await asyncio.gather(nursery(), actors.sleep(1), calls()))


async def leaves_a_task() -> str:
    async def forever() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await work(5)

    asyncio.create_task(forever())  # noqa: RUF006  # nobody awaits it: that is the case
    await work(1)
    return "main has ended"


async def carries_context() -> list[Any]:
    value: ContextVar[int] = ContextVar("value", default=0)

    async def one(number: int) -> int:
        value.set(number)
        await work(number)
        return value.get()

    return [await asyncio.gather(one(1), one(2)), value.get()]


async def generates() -> list[int]:
    async def numbers() -> AsyncIterator[int]:
        for number in range(10):
            yield await work(number)

    out: list[int] = []
    async for number in numbers():
        out.append(number)
        if len(out) == 3:
            break
    return out


async def awaits_elsewhere() -> list[int]:
    """The coroutines are made in one task and awaited in others."""
    made = [work(number, number) for number in (3, 1, 2)]

    async def one(coroutine: Any) -> int:
        return int(await coroutine)

    return await asyncio.gather(*map(one, made))


async def scopes_around_asyncio() -> list[Any]:
    """A durable scope cancels what waits for something of asyncio's."""
    with actors.move_on_after(2) as scope:
        await asyncio.gather(work(1, 50), asyncio.Event().wait())
    with actors.move_on_after(2) as other:
        await asyncio.Event().wait()
    return [scope.cancelled_caught, other.cancelled_caught, await work(2)]


async def cancels_a_nursery() -> list[Any]:
    seen: list[Any] = []

    async def child() -> None:
        try:
            await work(1, 50)
        except actors.Cancelled:
            seen.append("child")
            raise

    async def joins() -> None:
        try:
            async with actors.open_nursery() as nursery:
                nursery.start_soon(child)
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            seen.append("joins")
            raise

    async def waits() -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(child)
            await work(2, 50)

    for function in (joins, waits):
        try:
            await asyncio.wait_for(function(), 3)
        except TimeoutError:
            seen.append("timed out")
    return seen


async def wakes_from_a_nursery() -> list[str]:
    """A child of a durable nursery is not a task, and may still set an event of the loop."""
    event, seen = asyncio.Event(), []

    async def child() -> None:
        await work(1)
        event.set()

    async def waits() -> None:
        await event.wait()
        seen.append("woken")

    task = asyncio.create_task(waits())
    async with actors.open_nursery() as nursery:
        nursery.start_soon(child)
    await task
    return seen


PROGRAMS: dict[Callable[[], Awaitable[Any]], Any] = {
    sleeps: True,
    gathers: [30, 10, 20],
    waits_for: ["timed out", 20],
    times_out: "timed out",
    groups: [30, 20, 10],
    group_fails: [7, 8, 9, "bad"],
    queues: [0, 10, 20, 30, 40],
    waits_for_the_first: [[10], ["CancelledError", "CancelledError"]],
    completes: [10, 20, 30],
    walks_over_a_set: [number * 100 for number in range(12)],
    locks: [0, 10, 20, 30, 40],
    shields: ["timed out", 40],
    anyio_groups: [[30, 20, 10, 0, 1, 2], True],
    anyio_group_fails: ["ValueError", *([number, "CancelledError"] for number in range(8))],
    durable_verbs: None,
    leaves_a_task: "main has ended",
    carries_context: [[1, 2], 0],
    generates: [0, 10, 20],
    awaits_elsewhere: [30, 10, 20],
    scopes_around_asyncio: [True, True, 20],
    cancels_a_nursery: ["child", "joins", "timed out", "child", "timed out"],
    wakes_from_a_nursery: ["woken"],
}
"""Each program, and what it returns; None if that depends on the invocation."""

NAMES = [program.__name__ for program in PROGRAMS]


class Neighbour(Service):
    @handler
    async def ask(self, number: int) -> int:
        return number


class Hosts(Service):
    @handler
    async def run(self, name: str) -> object:
        [program] = [program for program in PROGRAMS if program.__name__ == name]
        return await actors.aio.host(program)
