"""Steps with ``loop="asyncio"``: their bodies run in one asyncio loop, and are stopped, timed and recorded as those of trio."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Limits, RetryPolicy, Service, handler, step
from actors.engine import asyncio_steps
from actors.errors import DefinitionError
from journal.events import PauseMode
from tests.aio.programs import WHO
from tests.lab import WORLD, Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from actors.runtime import Runtime

ONCE = RetryPolicy(max_attempts=1, on_exhausted="fail")


async def thread_name() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


async def noting_its_end(name: str) -> None:
    WORLD.note(f"{name} began")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        WORLD.note(f"{name} cancelled")
        raise


async def swallowing(name: str) -> str:
    with contextlib.suppress(asyncio.CancelledError):
        await noting_its_end(name)
    return "done all the same"


async def raising_instead(name: str) -> str:
    try:
        await noting_its_end(name)
    finally:
        raise ValueError("at the end")


async def never_giving_way(name: str) -> None:
    WORLD.note(f"{name} began")
    while not LET_GO.is_set():
        try:
            await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            WORLD.note(f"{name} swallowed")


LET_GO = threading.Event()

BODIES: dict[str, Callable[..., Any]] = {
    body.__name__: body for body in (noting_its_end, swallowing, raising_instead, never_giving_way)
}


async def own_cancel() -> None:
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await task


async def leave() -> None:
    raise SystemExit(3)


async def leave_in_a_task() -> None:
    await asyncio.wait([asyncio.create_task(leave())])


@step(loop="asyncio", timeout=0.25, retry=ONCE)
async def timed(name: str) -> None:
    await noting_its_end(name)


@step(loop="asyncio")
async def speaks(values: int) -> str:
    for value in range(values):
        actors.emit(value)
        await asyncio.sleep(0)
    return actors.step_key()


@step(loop="asyncio", retry=RetryPolicy(max_attempts=3, initial_delay=0.001))
async def third_time() -> int:
    WORLD.note("tried")
    if WORLD.count("tried") < 3:
        raise OSError("not yet")
    return WORLD.count("tried")


class Tasks(Service):
    @handler
    async def many(self, count: int) -> list[str]:
        names: list[str] = []

        async def one() -> None:
            names.append(await actors.run(thread_name, name="one", loop="asyncio"))

        async with actors.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(one)
        return names

    @handler
    async def body(self, body: str, name: str) -> Any:
        try:
            return await actors.run(BODIES[body], name, name=body, loop="asyncio", retry=ONCE)
        except actors.CancelledError:
            WORLD.note("compensated")
            raise

    @handler
    async def timed(self, name: str) -> None:
        await timed(name)

    @handler
    async def deadline(self, name: str) -> bool:
        with actors.move_on_after(0.25) as scope:
            await actors.run(noting_its_end, name, loop="asyncio")
        return scope.cancelled_caught

    @handler
    async def speaks(self, values: int) -> str:
        return await speaks(values)

    @handler
    async def third_time(self) -> int:
        return await third_time()

    @handler
    async def exit(self) -> None:
        with contextlib.suppress(actors.TerminalError):
            await actors.run(leave, loop="asyncio", retry=ONCE)
        await actors.run(leave_in_a_task, loop="asyncio", retry=ONCE)

    @handler
    async def as_ada(self) -> str:
        async def who() -> str:
            return await asyncio.create_task(asyncio.to_thread(WHO.get))

        WHO.set("ada")
        return await actors.run(who, loop="asyncio")

    @handler
    async def misuse(self, way: str) -> Any:
        async def trio_sleep() -> None:
            await trio.sleep(1)

        async def trio_nursery() -> None:
            async with trio.open_nursery():
                pass

        async def verb() -> None:
            await actors.sleep(1)

        def plain() -> int:
            return 1

        ways: dict[str, Callable[..., Any]] = {
            "trio.sleep": trio_sleep,
            "trio.open_nursery": trio_nursery,
            "verb": verb,
            "plain": plain,
            "own cancel": own_cancel,
        }
        await actors.run(ways[way], loop="asyncio", retry=ONCE, name=way)


@pytest.fixture(autouse=True)
def _let_go() -> Any:
    LET_GO.clear()
    yield
    LET_GO.set()


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Runtime]:
    with trio.fail_after(60):
        async with actors.open_runtime(Tasks, durability="memory", **options) as runtime:
            yield runtime


async def noted(entry: str) -> float:
    """Wait for an entry of the world's, and say when it was seen."""
    with trio.fail_after(30):
        while not WORLD.count(entry):
            await trio.sleep(0.001)
    return trio.current_time()


def threads_of_steps() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "asyncio steps"]


async def test_all_bodies_share_one_thread_that_ends_with_the_runtime() -> None:
    async with running() as runtime:
        tasks = runtime.client.service(Tasks)
        assert threads_of_steps() == [], "it is not needed yet"
        assert await tasks.many(5) == ["asyncio steps"] * 5
        assert len(threads_of_steps()) == 1
    for thread in threads_of_steps():
        await trio.to_thread.run_sync(thread.join)
    assert threads_of_steps() == []


async def test_a_cancel_arrives_as_that_of_asyncio_and_its_end_is_awaited() -> None:
    async with running() as runtime:
        task = await runtime.client.service(Tasks).body.send("noting_its_end", "a")
        await noted("a began")
        await task.cancel(reason="enough")
        with pytest.raises(actors.InvocationCancelledError):
            await task.result()
        assert WORLD.entries == ["a began", "a cancelled", "compensated"]


@pytest.mark.parametrize("how", ["pause", "kill"])
async def test_a_pause_and_a_kill_stop_the_body(how: str) -> None:
    async with running() as runtime:
        task = await runtime.client.service(Tasks).body.send("noting_its_end", "a")
        await noted("a began")
        await (task.kill() if how == "kill" else task.pause(mode=PauseMode.NOW))
        await noted("a cancelled")
        assert WORLD.count("compensated") == 0


async def test_the_end_of_the_runtime_stops_the_body_and_it_begins_again(tmp_path: Any) -> None:
    for life in (1, 2):
        async with actors.open_runtime(Tasks, path=tmp_path / "data", code=None) as runtime:
            if life == 1:
                await runtime.client.service(Tasks).body.send("noting_its_end", "a")
            with trio.fail_after(30):
                while WORLD.count("a began") < life:
                    await trio.sleep(0.001)
        assert WORLD.count("a cancelled") == life


async def test_a_timeout_and_a_deadline_stop_the_body() -> None:
    async with running() as runtime:
        tasks = runtime.client.service(Tasks)
        with pytest.raises(actors.TerminalError, match="did not end within"):
            await tasks.timed("a")
        assert await tasks.deadline("b") is True
        for name in ("a", "b"):  # on a busy machine it may be stopped before it has begun
            assert WORLD.count(f"{name} cancelled") == WORLD.count(f"{name} began")


async def test_a_result_counts_in_spite_of_a_cancel() -> None:
    async with running() as runtime:
        task = await runtime.client.service(Tasks).body.send("swallowing", "a")
        await noted("a began")
        await task.cancel()
        with pytest.raises(actors.InvocationCancelledError):
            await task.result()
        names = [entry.name async for entry in task.events()]
        assert "StepCompleted" in names
        assert "StepAborted" not in names


async def test_an_error_after_a_cancel_is_logged_and_the_step_is_stopped(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as runtime:
        task = await runtime.client.service(Tasks).body.send("raising_instead", "a")
        await noted("a began")
        await task.cancel()
        with pytest.raises(actors.InvocationCancelledError):
            await task.result()
        assert "StepAborted" in [entry.name async for entry in task.events()]
    assert "at the end" in caplog.text


async def test_a_body_that_never_gives_way_does_not_keep_the_runtime(caplog: pytest.LogCaptureFixture) -> None:
    async with running(drain=0) as runtime:
        await runtime.client.service(Tasks).body.send("never_giving_way", "a")
        await noted("a began")
    assert WORLD.count("a swallowed") >= 1
    assert "the runtime ends without waiting for step 'never_giving_way'" in caplog.text


async def test_output_and_the_key_of_the_step_work_in_the_body() -> None:
    async with running() as runtime:
        task = await runtime.client.service(Tasks).speaks.send(3)
        key = await task.result()
        assert key.startswith(task.id)
        assert [value async for value in task.output()] == [0, 1, 2]


async def test_context_variables_of_the_handler_are_those_of_the_body() -> None:
    async with running() as runtime:
        assert await runtime.client.service(Tasks).as_ada() == "ada"


async def test_a_body_is_tried_again_as_its_policy_says() -> None:
    async with running() as runtime:
        assert await runtime.client.service(Tasks).third_time() == 3


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("trio.sleep", "uses trio"),
        ("trio.open_nursery", "uses trio"),
        ("verb", "actors.sleep"),
        ("plain", "expected 'async def'"),
        ("own cancel", "CancelledError"),
    ],
)
async def test_a_misuse_fails_the_step_with_the_reason(way: str, said: str) -> None:
    async with running() as runtime:
        tasks = runtime.client.service(Tasks)
        with pytest.raises(actors.TerminalError, match=said):
            await tasks.misuse(way)
        assert await tasks.many(1) == ["asyncio steps"], "the loop goes on"


async def test_a_body_that_exits_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as runtime:
        tasks = runtime.client.service(Tasks)
        await tasks.exit()
        assert await tasks.many(1) == ["asyncio steps"]
    assert SystemExit in [record.exc_info[0] for record in caplog.records if record.exc_info]


async def test_the_line_of_the_misuse_is_recorded() -> None:
    async with running() as runtime:
        task = await runtime.client.service(Tasks).misuse.send("trio.sleep")
        outcome = await task.outcome()
        assert outcome.failure is not None
        events = [entry async for entry in task.events()]
        assert any("await trio.sleep(1)" in str(entry) for entry in events)


def test_a_plain_function_is_refused_where_it_is_declared() -> None:
    with raises(DefinitionError, reason="function", name="plain"):

        @step(loop="asyncio")
        def plain() -> None: ...


def test_an_unknown_loop_is_refused() -> None:
    with pytest.raises(actors.InvalidArgumentError) as caught:
        step(loop="curio")  # type: ignore[call-overload]
    assert caught.value.path == "loop"


async def test_outside_a_handler_the_step_is_a_plain_function() -> None:
    async def main() -> str:
        return await step(loop="asyncio")(thread_name)()

    assert await trio.to_thread.run_sync(asyncio.run, main()) != "asyncio steps"


class Blocks(Service):
    @handler
    async def block(self) -> None:
        async def block() -> None:
            WORLD.note("blocks")
            while not LET_GO.is_set():
                time.sleep(0.001)  # noqa: ASYNC251 - that is the mistake

        await actors.run(block, loop="asyncio")


async def test_a_body_that_blocks_the_loop_is_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio_steps, "REPORT_SECONDS", 0.0)
    async with actors.open_runtime(Blocks, durability="memory", limits=Limits()) as runtime:
        task = await runtime.client.service(Blocks).block.send()
        with trio.fail_after(30):
            while "has blocked the asyncio loop" not in caplog.text:
                await trio.sleep(0.01)
        LET_GO.set()
        await task.result()
    ours = [record for record in caplog.records if record.name == "actors.engine.asyncio_steps"]
    [record] = [record for record in ours if record.levelno == logging.ERROR]
    assert f"step block ({task.id})" in record.getMessage()
    assert "time.sleep(0.001)" in record.getMessage()


async def test_a_body_that_blocks_the_loop_does_not_keep_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio_steps, "CLOSE_SECONDS", 0.01)
    with trio.fail_after(30):
        async with actors.open_runtime(Blocks, durability="memory", drain=0) as runtime:
            await runtime.client.service(Blocks).block.send()
            await noted("blocks")
    LET_GO.set()
    for thread in threads_of_steps():
        await trio.to_thread.run_sync(thread.join)


class Hosted(Service):
    @handler
    async def names(self) -> list[str]:
        async def main() -> list[str]:
            steps = (actors.run(thread_name, name=f"step {number}", loop="asyncio") for number in range(3))
            return await asyncio.gather(*steps)

        names: list[str] = await actors.aio.host(main)
        return names


async def test_asyncio_code_in_a_handler_awaits_steps_on_asyncio() -> None:
    async with actors.open_runtime(Hosted, durability="memory") as runtime:
        task = await runtime.client.service(Hosted).names.send()
        assert await task.result() == ["asyncio steps"] * 3
        assert (await task.check(deployment="keep")).is_compatible


class Timer(Service):
    @handler
    async def race(self) -> list[str]:
        """A sleep of a virtual second beside a body that takes some real time, in which the clock could jump a thousand times."""
        ended: list[str] = []

        async def sleep() -> None:
            await actors.sleep(1)
            ended.append("slept")

        async def work() -> None:
            await actors.run(asyncio.sleep, 0.3, name="work", loop="asyncio", result_type=None)
            ended.append("worked")

        async with actors.open_nursery() as nursery:
            nursery.start_soon(sleep)
            nursery.start_soon(work)
        return ended


@on_virtual_time
async def test_virtual_time_stands_still_while_a_body_runs() -> None:
    async with Lab(Timer).running() as runtime:
        assert await runtime.client.service(Timer).race() == ["worked", "slept"]


def test_the_tests_of_users_may_use_such_steps() -> None:
    async def main() -> None:
        async with actors.testing.open_runtime(Timer) as runtime:
            assert await runtime.client.service(Timer).race() == ["worked", "slept"]

    actors.testing.run(main)
