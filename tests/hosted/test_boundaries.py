"""Where hosted code ends: at what is not durable, at a cancel, at the end of an attempt, and at another invocation."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import sniffio
import trio

import actors
from actors import Limits, Service, handler, step
from actors.errors import ErrorCode, MisuseError
from journal import events as e
from journal.events import PauseCause
from tests.core.machine import Machine, cancel, step_aborted, step_done, timer
from tests.hosted.programs import PROGRAMS, Hosts, Neighbour, work
from tests.lab import WORLD, Lab, quiet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


def machine(program: Callable[[], Awaitable[Any]], **options: Any) -> Machine:
    async def hosted() -> Any:
        return await actors.aio.host(program, **options)

    return Machine(hosted)


# What is not durable.


async def gives_to_a_thread() -> None:
    await asyncio.to_thread(time.time)


async def gives_to_an_executor() -> None:
    await asyncio.get_running_loop().run_in_executor(None, time.time)


async def gives_to_a_thread_of_anyio() -> None:
    await anyio.to_thread.run_sync(time.time)


async def gives_to_a_process_of_anyio() -> None:
    await anyio.to_process.run_sync(time.time)


async def opens_a_file_with_anyio() -> None:
    await anyio.open_file(__file__)


async def connects() -> None:
    await asyncio.open_connection("127.0.0.1", 9)


async def connects_with_anyio() -> None:
    await anyio.connect_tcp("127.0.0.1", 9)


async def listens() -> None:
    await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)


async def looks_a_name_up() -> None:
    await asyncio.get_running_loop().getaddrinfo("localhost", 80)


async def starts_a_process() -> None:
    await asyncio.create_subprocess_exec("true")


async def starts_a_shell() -> None:
    await asyncio.create_subprocess_shell("true")


async def starts_a_process_with_anyio() -> None:
    await anyio.run_process("true")


async def listens_for_a_signal() -> None:
    asyncio.get_running_loop().add_signal_handler(10, print)


async def listens_for_a_signal_with_anyio() -> None:
    anyio.open_signal_receiver(signal.SIGUSR1).__enter__()


async def watches_a_file() -> None:
    asyncio.get_running_loop().add_reader(0, print)


async def watches_a_socket_with_anyio() -> None:
    await anyio.wait_readable(0)


async def runs_a_loop() -> None:
    asyncio.get_running_loop().run_until_complete(asyncio.sleep(1))


async def makes_tasks_its_own_way() -> None:
    asyncio.get_running_loop().set_task_factory(lambda loop, coro, **_: asyncio.Task(coro, loop=loop))


async def sleeps_with_trio() -> None:
    await trio.sleep(1)


async def lets_others_run_with_trio() -> None:
    await trio.lowlevel.checkpoint()


async def gives_to_a_thread_of_trio() -> None:
    await trio.to_thread.run_sync(time.time)


async def waits_for_an_event_of_trio() -> None:
    await trio.Event().wait()


async def sets_a_deadline_with_trio() -> None:
    trio.move_on_after(1).__enter__()


async def runs_trio() -> None:
    trio.run(trio.sleep, 1)


async def awaits_a_future_of_another_loop() -> None:
    await asyncio.Future(loop=OTHER_LOOP)


async def shields_a_future_of_another_loop() -> None:
    await asyncio.shield(OTHER_LOOP.create_future())


async def awaits_an_object_that_is_none_of_asyncio() -> None:
    await Foreign()  # type: ignore[misc]


class Foreign:
    def __await__(self) -> Iterator[str]:
        return iter(["foreign"])


class NoSelector(asyncio.BaseEventLoop):
    """Another loop, which owns nothing that must be closed."""


OTHER_LOOP = NoSelector()

REFUSED = [
    gives_to_a_thread,
    gives_to_an_executor,
    gives_to_a_thread_of_anyio,
    gives_to_a_process_of_anyio,
    opens_a_file_with_anyio,
    connects,
    connects_with_anyio,
    listens,
    looks_a_name_up,
    starts_a_process,
    starts_a_shell,
    starts_a_process_with_anyio,
    listens_for_a_signal,
    listens_for_a_signal_with_anyio,
    watches_a_file,
    watches_a_socket_with_anyio,
    runs_a_loop,
    makes_tasks_its_own_way,
    sleeps_with_trio,
    lets_others_run_with_trio,
    gives_to_a_thread_of_trio,
    waits_for_an_event_of_trio,
    sets_a_deadline_with_trio,
    runs_trio,
    awaits_a_future_of_another_loop,
    shields_a_future_of_another_loop,
    awaits_an_object_that_is_none_of_asyncio,
]


def line_of(function: Callable[..., Any]) -> str:
    return f"{__file__}:{function.__code__.co_firstlineno + 1}: "


@pytest.mark.parametrize("program", REFUSED, ids=lambda program: program.__name__)
def test_what_is_not_durable_is_refused_with_the_users_line(program: Callable[[], Awaitable[Any]]) -> None:
    error = machine(program).error
    assert isinstance(error, MisuseError)
    assert error.code is ErrorCode.NON_DURABLE_AWAIT
    assert str(error).startswith(line_of(program))


@pytest.mark.parametrize("program", REFUSED, ids=lambda program: program.__name__)
def test_a_refusal_that_the_code_swallows_ends_the_host_with_the_users_line(
    program: Callable[[], Awaitable[Any]],
) -> None:
    async def swallows(caught: type[BaseException]) -> str:
        try:
            await program()
        except caught:
            await work(1)
        return "all well"

    async def swallows_in_a_task() -> list[Any]:
        return [*await asyncio.gather(swallows(BaseException), program(), return_exceptions=True)]

    for ended in (machine(lambda: swallows(Exception)), machine(swallows_in_a_task)):
        assert isinstance(ended.error, MisuseError)
        assert str(ended.error).startswith(line_of(program))
        assert ended.requests == []


def test_the_refusal_of_trio_names_the_function() -> None:
    assert ": it uses trio.sleep(), which" in str(machine(sleeps_with_trio).error)
    assert ": a future of another event loop is not durable" in str(machine(awaits_a_future_of_another_loop).error)
    foreign = str(machine(awaits_an_object_that_is_none_of_asyncio).error)
    assert ": an await of builtins.str is not durable" in foreign


def test_code_may_ask_whether_it_runs_in_trio() -> None:
    async def program() -> list[Any]:
        return [
            trio.lowlevel.in_trio_run(),
            trio.lowlevel.in_trio_task(),
            sniffio.current_async_library(),
            asyncio.current_task().get_coro().cr_code.co_name,  # type: ignore[union-attr]
        ]

    assert machine(program).result == [False, False, "asyncio", "main"]


def test_a_function_for_a_thread_may_be_called_in_place() -> None:
    async def program() -> list[bool]:
        there = threading.get_ident()
        return [
            await asyncio.to_thread(threading.get_ident) == there,
            await anyio.to_thread.run_sync(threading.get_ident) == there,
        ]

    assert machine(program, threads="inline").result == [True, True]


def test_another_thread_cannot_wake_the_loop() -> None:
    raised: list[BaseException] = []

    async def program() -> None:
        loop = asyncio.get_running_loop()

        def call() -> None:
            try:
                loop.call_soon_threadsafe(print)
            except MisuseError as error:
                raised.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    machine(program)
    assert [type(error) for error in raised] == [MisuseError]


def test_a_host_in_a_task_is_refused() -> None:
    async def program() -> None:
        await actors.aio.host(asyncio.sleep, 1)

    assert "Await the function itself" in str(machine(program).error)


async def test_a_host_outside_a_handler_is_refused() -> None:
    with pytest.raises(MisuseError):
        await actors.aio.host(asyncio.sleep, 1)


# Events.


def test_timeouts_that_do_not_expire_share_one_sleep() -> None:
    async def program() -> None:
        for number in range(3):
            async with asyncio.timeout(30):
                await work(number)

    ended = machine(program).give(step_done("1.2.1"), step_done("1.2.2"), step_done("1.2.3"))
    kinds = [type(event) for event in ended.requests]
    assert kinds.count(e.StepScheduled) == 3
    assert kinds.count(e.SleepScheduled) == 1


def test_a_task_without_durable_operations_changes_no_number() -> None:
    """A new version of a library may make one."""
    has_one_more = False

    async def nothing() -> None:
        await asyncio.sleep(0)

    async def program() -> list[Any]:
        first = await asyncio.create_task(work(1))
        if has_one_more:
            await asyncio.create_task(nothing())
        return [first, *await asyncio.gather(work(2), work(3))]

    waiting = machine(program).give(step_done("1.2.1", 1))
    has_one_more = True
    again = waiting.replayed().give(step_done("1.3.1", 2), step_done("1.4.1", 3))
    assert again.result == [1, 2, 3]


def test_arguments_of_steps_are_compared() -> None:
    """Where two tasks change places although their steps have the same name."""
    order = [1, 2]

    async def program() -> None:
        await asyncio.gather(*(work(number) for number in order))

    waiting = machine(program)
    order.reverse()
    assert "with [1]" in waiting.replayed().mismatch


# Cancels.


def test_a_cancel_waits_for_the_step_and_is_raised_as_it_was() -> None:
    seen: list[Any] = []

    async def inner() -> None:
        try:
            await work(1)
        except asyncio.CancelledError as error:
            seen.append(["inner", *error.args])
            await work(2)  # a compensation in the task
            raise

    async def handler_code() -> None:
        try:
            await actors.aio.host(inner)
        except actors.CancelledError as error:
            seen.append(["handler", error.reason])
            await work(3)
            raise

    waiting = Machine(handler_code).give(cancel("stop"))
    assert seen == []
    assert waiting.execution.interrupted == ["1.2.1"]
    waiting.give(step_aborted("1.2.1"))
    assert seen == [["inner", "stop"]]
    waiting.give(step_done("1.2.2"))
    assert seen == [["inner", "stop"], ["handler", "stop"]]
    waiting.give(step_done("2"))
    assert isinstance(waiting.error, actors.CancelledError)


def test_a_step_that_ends_although_it_is_cancelled_is_recorded_and_the_cancel_is_raised() -> None:
    async def program() -> str:
        task = asyncio.create_task(work(1))
        await asyncio.sleep(1)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return "cancelled"
        return "done"

    assert machine(program).give(timer("1.1.1"), step_done("1.2.1")).result == "cancelled"


def test_a_cancel_that_the_code_swallows_lets_it_succeed() -> None:
    async def program() -> Any:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            return await work(1)

    assert machine(program).give(cancel(), step_done("1.2.1", "undone")).result == "undone"


def test_a_scope_around_a_host_cancels_it() -> None:
    seen: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.gather(work(1), asyncio.sleep(1_000))
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def handler_code() -> bool:
        with actors.move_on_after(10) as scope:
            await actors.aio.host(waits)
        return scope.cancelled_caught

    ended = Machine(handler_code).give(timer("1"), step_aborted("2.2.1"))
    assert ended.result is True
    assert seen == ["cancelled"]


def test_hosts_run_side_by_side_in_a_nursery() -> None:
    async def handler_code() -> list[Any]:
        out: list[Any] = []

        async def one(number: int) -> None:
            out.append(await actors.aio.host(lambda: asyncio.gather(work(number), work(number))))

        async with actors.open_nursery() as nursery:
            nursery.start_soon(one, 1)
            nursery.start_soon(one, 2)
        return out

    waiting = Machine(handler_code)
    assert list(waiting.waits_for) == ["1.1.1.2.1", "1.1.1.3.1", "1.2.1.2.1", "1.2.1.3.1"]
    ended = waiting.give(*(step_done(step, step) for step in reversed(list(waiting.waits_for))))
    assert ended.result == [["1.2.1.2.1", "1.2.1.3.1"], ["1.1.1.2.1", "1.1.1.3.1"]]


def test_an_error_of_the_main_task_is_raised_when_the_others_have_ended() -> None:
    async def program() -> None:
        asyncio.create_task(asyncio.sleep(1_000))  # noqa: RUF006  # nobody awaits it: that is the case
        await work(1)
        raise actors.TerminalError("no")

    assert str(machine(program).give(step_done("1.2.1")).error) == "no"


def test_a_cancelled_scope_of_anyio_does_not_spin() -> None:
    """It asks again and again whether its task has ended, which waits for its step to stop."""

    async def program() -> bool:
        with anyio.move_on_after(3) as scope:
            await work(1)
        return scope.cancelled_caught

    assert machine(program).give(timer("1.1.1"), step_aborted("1.2.1")).result is True


def test_a_cancelled_task_in_a_nursery_leaves_it_first() -> None:
    waiting = machine(next(program for program in PROGRAMS if program.__name__ == "cancels_a_nursery"))
    waiting.give(timer("1.1.1"))
    assert list(waiting.waits_for.values()) == [actors.Cancelled]


# The end of an attempt, and other invocations.

SHARED = asyncio.Semaphore(1)
ENDINGS: list[str] = []


@step
async def hold(seconds: float) -> str:
    await trio.sleep(seconds)
    return "held"


class Guarded(Service):
    @handler
    async def shares_a_lock(self) -> str:
        async def main() -> str:
            async with SHARED:
                return await hold(10)

        return await actors.aio.host(main)

    @handler
    async def unwinds(self) -> list[str]:
        @asynccontextmanager
        async def session() -> Any:
            try:
                yield
            finally:
                ENDINGS.append("left")
                await asyncio.sleep(0)

        async def one(number: int) -> str:
            async with session(), asyncio.timeout(1_000):
                await hold(number)
                return str(await actors.signal("go", str))

        async def main() -> list[str]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(number)) for number in (1, 2, 3)]
            return [task.result() for task in tasks]

        return await actors.aio.host(main)


@pytest.mark.virtual_time
async def test_a_lock_of_another_invocation_pauses_the_one_that_waits_for_it() -> None:
    async with Lab(Guarded).running() as runtime:
        service = runtime.client.service(Guarded)
        first = await service.shares_a_lock.send()
        await quiet()
        second = await service.shares_a_lock.send()
        await quiet()
        info = await second.info()
        pauses = [entry async for entry in second.events() if entry.name == "InvocationPaused"]
        assert [entry.details["cause"] for entry in pauses] == [PauseCause.STALLED.value]
        assert f"{__file__}:" in info.pause_reason
        assert await first.result() == "held"
        await second.resume()
        assert await second.result() == "held"


@pytest.mark.virtual_time
async def test_tasks_are_unwound_on_a_loop_that_turns_whenever_an_attempt_ends() -> None:
    """Paused, evicted and restarted with tasks that wait: pytest fails the test for an exception that Python ignores."""
    ENDINGS.clear()
    lab = Lab(Guarded, limits=Limits(unload_after_seconds=5.0))
    async with lab.running() as runtime:
        handle = await runtime.client.service(Guarded).unwinds.send()
        await trio.sleep(1.5)
        await handle.pause()
        await trio.sleep(5)
        await handle.resume()
        await trio.sleep(100)
        assert (await handle.info()).pause_reason == ""
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        for name in "abc":
            await handle.signal("go", name)
        assert await handle.result() == ["a", "b", "c"]
    assert len(ENDINGS) % 3 == 0
    assert len(ENDINGS) >= 6


@pytest.mark.virtual_time
async def test_a_restart_from_a_step_of_a_task_keeps_what_came_before() -> None:
    async with Lab(Hosts, Neighbour).running() as runtime:
        handle = await runtime.client.service(Hosts).run.send("walks_over_a_set")
        result = await handle.result()
        scheduled = [entry.details["step"] async for entry in handle.events() if entry.name == "StepScheduled"]
        WORLD.clear()
        answer = await handle.restart(scheduled[20])
        assert answer.successor is not None
        assert await runtime.client.invocation(answer.successor.invocation_id).result() == result
        assert len(WORLD.entries) == 4
