"""What a handler uses or forgets by mistake is its error, with the line that did it, whatever the handler does with the error."""

from __future__ import annotations

import asyncio
import gc
import linecache
import math
import warnings
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio

import actors
from actors import Actor, Service, Workflow, handler, step, update
from actors.errors import MisuseError
from tests.lab import WORLD, Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.runtime import Runtime

pytestmark = on_virtual_time

RUNNING: list[Runtime] = []
"""The runtime that a careless handler finds in a global."""

kept: list[Any] = []


@step
async def effect(name: str) -> str:
    WORLD.note(name)
    return name


untyped: Any = actors
untyped_effect: Any = effect
"""Type checkers find most forgotten awaits. Not all programs are typed."""


class Counter(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value


# Each does it in its first line, or in the first of the block there.


async def calls_through_the_client() -> int:
    return await RUNNING[0].client.actor(Counter, "a").add(1)


async def sends_through_the_client() -> None:
    await RUNNING[0].client.send("Counter/a/add", 1)


async def lists_through_the_client() -> None:
    await RUNNING[0].client.gates.close("everything")


async def drains_the_runtime() -> None:
    await RUNNING[0].drain()


async def swallows_a_client() -> str:
    with suppress(Exception):
        await RUNNING[0].client.actor(Counter, "a").add(1)
    return "all well"


async def in_hosted_code() -> None:
    await actors.aio.host(calls_through_the_client)


CLIENTS = (
    calls_through_the_client,
    sends_through_the_client,
    lists_through_the_client,
    drains_the_runtime,
    swallows_a_client,
    in_hosted_code,
)


async def forgets_a_step() -> int:
    untyped_effect("forgotten")
    return 1


async def forgets_a_step_before_another() -> None:
    untyped_effect("forgotten")
    await effect("after")


async def forgets_a_sleep() -> None:
    untyped.sleep(1)


async def forgets_a_call() -> None:
    untyped.actor(Counter, "a").add(1)


async def forgets_a_message() -> None:
    untyped.actor(Counter, "a").add.send(1)


async def forgets_its_own_function() -> None:
    untyped_own()


async def forgets_in_a_child() -> None:
    untyped_effect("forgotten")


async def has_a_child_that_forgets() -> str:
    async with actors.open_nursery() as nursery:
        nursery.start_soon(forgets_in_a_child)
    return "all well"


async def hosts_code_that_forgets() -> None:
    await actors.aio.host(forgets_in_a_child)


untyped_own: Any = forgets_a_sleep

FORGETS = (
    forgets_a_step,
    forgets_a_step_before_another,
    forgets_a_sleep,
    forgets_a_call,
    forgets_a_message,
    forgets_its_own_function,
)


async def sleeps_with_trio() -> str:
    with suppress(Exception):
        await trio.sleep(1)
    return "all well"


async def waits_for_anyio() -> str:
    with suppress(BaseException):
        await anyio.sleep(1)
    return "all well"


async def yields_to_asyncio() -> str:
    with suppress(Exception):
        await asyncio.sleep(0)
    return "all well"


async def swallows_in_a_child() -> str:
    async with actors.open_nursery() as nursery:
        nursery.start_soon(sleeps_with_trio)
    return "all well"


SWALLOWS = (sleeps_with_trio, waits_for_anyio, yields_to_asyncio)

PROGRAMS: dict[str, Callable[[], Awaitable[Any]]] = {}


class Careless(Service):
    @handler
    async def run(self, program: str) -> object:
        return await PROGRAMS[program]()


class Signup(Workflow):
    @handler
    async def run(self) -> str:
        await actors.signal("end")
        return "ended"

    @update
    async def forget(self) -> str:
        untyped_effect("forgotten")
        return "all well"

    @update
    async def wait_with_trio(self) -> str:
        return await sleeps_with_trio()


@pytest.fixture
def lab() -> Lab:
    return Lab(Counter, Careless, Signup)


async def run(runtime: Runtime, program: Callable[[], Awaitable[Any]]) -> Any:
    PROGRAMS[program.__name__] = program
    RUNNING[:] = [runtime]
    return await runtime.client.service(Careless).run(program.__name__)


def line_of(program: Callable[..., Any]) -> str:
    first = program.__code__.co_firstlineno
    begins_a_block = "with suppress" in linecache.getline(__file__, first + 1)
    return f"{__file__}:{first + 1 + begins_a_block}: "


async def error_of(runtime: Runtime, program: Callable[[], Awaitable[Any]]) -> MisuseError:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Python has nothing more to say
        with pytest.raises(MisuseError) as caught:
            await run(runtime, program)
    return caught.value


async def test_a_client_in_a_handler_does_nothing_and_names_the_line_and_the_verbs(lab: Lab) -> None:
    async with lab.running() as runtime:
        for program in CLIENTS:
            error = await error_of(runtime, program)
            where = calls_through_the_client if program is in_hosted_code else program
            assert str(error).startswith(line_of(where))
            assert error.code == "non_durable_await"
            assert "actors.actor()" in str(error)
        assert await runtime.client.actor(Counter, "a").add(0) == 0
        assert await runtime.client.gates.list() == ()


async def test_a_step_may_use_a_client(lab: Lab) -> None:
    async def program() -> int:
        return await actors.run(calls_through_the_client)

    async with lab.running() as runtime:
        assert await run(runtime, program) == 1


async def test_a_coroutine_that_is_never_awaited_fails_the_handler_with_its_line(lab: Lab) -> None:
    async with lab.running() as runtime:
        for program in FORGETS:
            error = await error_of(runtime, program)
            assert str(error).startswith(line_of(program)), program
            assert error.code == "never_awaited"
        for around in (has_a_child_that_forgets, hosts_code_that_forgets):
            assert str(await error_of(runtime, around)).startswith(line_of(forgets_in_a_child))
    assert WORLD.entries == [], "not even what follows"


async def test_a_coroutine_that_a_variable_holds_to_the_end_was_never_awaited_either(lab: Lab) -> None:
    async def program() -> int:
        held = effect("forgotten")
        return len([held])

    async with lab.running() as runtime:
        error = await error_of(runtime, program)
        assert str(error).startswith(f"{line_of(program)[:-2].rpartition('/')[2]}: ")


async def test_the_error_of_a_forgotten_await_compensates(lab: Lab) -> None:
    async def program() -> None:
        await effect("reserve")
        try:
            untyped_effect("charge")
            await effect("confirm")
        finally:
            await effect("release")

    async with lab.running() as runtime:
        assert (await error_of(runtime, program)).code == "never_awaited"
    assert WORLD.entries == ["reserve", "release"]


async def test_coroutines_that_are_closed_or_begun_are_not_forgotten(lab: Lab) -> None:
    async def program() -> str:
        effect("unwanted").close()
        with actors.move_on_after(0):
            await effect("late")
        return await effect("done")

    async with lab.running() as runtime:
        assert await run(runtime, program) == "done"


async def test_an_error_of_the_handler_counts_more_than_what_it_did_not_get_to_await(lab: Lab) -> None:
    async def program() -> None:
        first, second = effect("first"), effect("second")
        await first
        kept.append(second)
        raise actors.TerminalError("no room")

    async with lab.running() as runtime:
        with raises(actors.TerminalError, type="actors.errors.TerminalError", match="no room"):
            await run(runtime, program)
    kept.pop().close()


async def test_a_library_that_drops_a_coroutine_is_warned_of_unless_it_is_a_step(lab: Lab) -> None:
    async def of_the_user() -> None: ...

    async def dropped_in_library() -> str:
        with ExitStack() as stack:
            stack.callback(of_the_user)
        return "fine"

    async def step_dropped_in_library() -> None:
        with ExitStack() as stack:
            stack.callback(effect, "dropped")

    async def dropped_by_the_collector() -> str:
        held: list[Any] = [effect("in a circle")]
        held.append(held)
        del held
        gc.collect()
        return "fine"

    async with lab.running() as runtime:
        for program in (dropped_in_library, dropped_by_the_collector):
            with pytest.warns(RuntimeWarning, match="never awaited"):
                assert await run(runtime, program) == "fine"
        assert (await error_of(runtime, step_dropped_in_library)).code == "never_awaited"


async def test_a_coroutine_that_an_attempt_holds_as_it_leaves_memory_is_not_forgotten(lab: Lab) -> None:
    async def program() -> str:
        later = effect("later")
        await actors.sleep(3600)
        return await later

    async with lab.running() as runtime:
        assert await run(runtime, program) == "later"
    assert WORLD.entries == ["later"]


async def test_a_refused_await_fails_the_handler_that_swallows_it(lab: Lab) -> None:
    async with lab.running() as runtime:
        for program in SWALLOWS:
            error = await error_of(runtime, program)
            assert str(error).startswith(line_of(program)), program
            assert error.code == "non_durable_await"
        assert str(await error_of(runtime, swallows_in_a_child)).startswith(line_of(sleeps_with_trio))


async def test_a_handler_that_swallows_its_refusal_may_compensate_and_not_repeat_it(lab: Lab) -> None:
    async def program() -> None:
        tries = 0
        while True:
            tries += 1
            with suppress(Exception):
                await trio.sleep(1)
            await effect(f"try {tries}")

    async with lab.running() as runtime:
        assert (await error_of(runtime, program)).code == "non_durable_await"
    assert WORLD.entries == ["try 1"]


async def test_a_mistake_of_an_update_is_its_own(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.workflow(Signup, "a").run.send()
        for call in (runtime.client.workflow(Signup, "a").forget, runtime.client.workflow(Signup, "a").wait_with_trio):
            with pytest.raises(MisuseError):
                await call()
        await handle.signal("end")
        assert await handle.result() == "ended"
    assert WORLD.entries == []


async def test_an_infinite_timeout_is_none_as_in_trio(lab: Lab) -> None:
    async def program() -> list[bool]:
        caught: list[bool] = []
        for scope in (
            actors.move_on_after(math.inf),
            actors.CancelScope(relative=math.inf),
            actors.move_on_at(math.inf),
        ):
            with scope:
                await actors.sleep(3600)
            caught.append(scope.cancelled_caught)
        with actors.fail_after(math.inf) as scope:
            await actors.sleep(3600)
            scope.deadline = actors.current_time() + 1  # as in trio, it can be given one later
            await actors.sleep(3600)
        return caught

    async with lab.running() as runtime:
        with pytest.raises(actors.TooSlowError):
            await run(runtime, program)
