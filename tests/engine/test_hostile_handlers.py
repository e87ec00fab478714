"""Handlers and steps that do what they should not: theirs is the failure, and the engine goes on."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
from trio.testing import MockClock

import actors
from actors import Actor, Limits, RetryPolicy, Service, handler, step
from actors.values.limits import NEVER
from journal.events import PauseCause, Status
from tests.lab import WORLD, Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = on_virtual_time

ONCE = RetryPolicy(max_attempts=1)


class Odd(Exception):
    """Its text and its details are traps."""

    @property
    def details(self) -> Any:
        raise SystemExit(1)

    def __str__(self) -> str:
        raise KeyboardInterrupt


class Bare(actors.TerminalError):
    """Made without its base's ``__init__``."""

    def __init__(self, balance: int) -> None:
        self.balance = balance


class Talkative(actors.TerminalError):
    """Says far too much."""


def deep_group(depth: int) -> ExceptionGroup[Exception]:
    group = ExceptionGroup("deep", [ValueError("at the bottom")])
    for _ in range(depth):
        group = ExceptionGroup("deep", [group])
    return group


@step(retry=ONCE)
async def raise_odd(which: str) -> None:
    raise ERRORS[which]()


ERRORS: dict[str, Any] = {
    "traps": Odd,
    "deep": lambda: deep_group(5_000),
    "exit": SystemExit,
    "interrupt": KeyboardInterrupt,
    "generator exit": GeneratorExit,
    "stop": StopIteration,
    "stop async": StopAsyncIteration,
    "foreign cancel": lambda: actors.Cancelled(),
    "group with cancel": lambda: BaseExceptionGroup("g", [actors.Cancelled(), ValueError("x")]),
}


@contextmanager
def tidy(name: str) -> Iterator[None]:
    try:
        yield
    finally:
        WORLD.note(f"tidied {name}")
        raise RuntimeError("cleanup fails")


@step
async def interrupt_oneself() -> str:
    signal.raise_signal(signal.SIGINT)
    return "interrupted"


@step
async def in_a_nursery() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        nursery.start_soon(trio.sleep_forever)


@step
def emit_from_a_thread_of_its_own() -> None:
    def later() -> None:
        actors.emit("late")

    thread = threading.Thread(target=later)
    thread.start()
    thread.join()


@step
async def emit_much() -> None:
    actors.emit("x" * 2_000)


class Hostile(Service):
    @handler
    async def swallow_everything(self) -> None:
        while True:
            try:
                await actors.sleep(10)
            except BaseException:
                WORLD.note("swallowed")

    @handler
    async def swallow_everything_in_nurseries(self) -> None:
        while True:
            try:
                async with actors.open_nursery() as nursery:
                    nursery.start_soon(actors.sleep, 10)
                    actors.emit("again")
            except BaseException:
                WORLD.note("swallowed")

    @handler
    async def swallow_everything_with_deadlines(self) -> None:
        while True:
            try:
                with actors.move_on_after(100):
                    await actors.signal("never")
            except BaseException:
                WORLD.note("swallowed")

    @handler(retry=ONCE)
    async def raise_in_a_step(self, which: str) -> None:
        await raise_odd(which)

    @handler(retry=ONCE)
    async def raise_at_once(self, which: str) -> None:
        raise ERRORS[which]()

    @handler(retry=ONCE)
    async def untidy(self) -> None:
        with tidy("handler"):
            await actors.sleep(1000)

    @handler
    async def bare(self) -> None:
        raise Bare(3)

    @handler
    async def talkative(self) -> None:
        raise Talkative("much", details="x" * 10_000_000)

    @handler
    async def interrupt(self) -> str:
        return await interrupt_oneself()

    @handler
    async def nursery(self) -> None:
        await in_a_nursery()

    @handler
    async def sleep(self, seconds: float) -> None:
        await actors.sleep(seconds)

    @handler
    async def emit_much(self) -> None:
        actors.emit("x" * 2_000)

    @handler
    async def emit_much_in_a_step(self) -> None:
        await emit_much()

    @handler
    async def signal_much(self) -> None:
        await actors.invocation(actors.current_invocation()).signal("much", "x" * 2_000)

    @handler
    async def sleep_with_a_deadline(self, seconds: float) -> None:
        with actors.fail_after(seconds):
            await actors.signal("never")

    @handler
    async def catch_scopes_for_good(self) -> str:
        caught = 0
        with actors.move_on_after(1) as scope:
            for _ in range(5):
                try:
                    await actors.sleep(10)
                except actors.Cancelled:
                    caught += 1
        return f"{caught} {scope.cancelled_caught}"

    @handler
    async def except_star(self) -> str:
        said: list[str] = []
        try:
            async with actors.open_nursery() as nursery:
                nursery.start_soon(actors.sleep, 100)
                nursery.start_soon(self._fail)
        except* ValueError:
            said.append("value")
        except* actors.CancelledError:
            said.append("cancelled")
        return " ".join(said)

    async def _fail(self) -> None:
        await actors.sleep(1)
        raise ValueError("one")

    @handler
    async def result_of_oneself(self) -> None:
        await actors.invocation(actors.current_invocation()).result()


class Keyed(Actor):
    @handler
    async def wait_for_one_behind(self) -> None:
        handle = await self.ping.send()
        await handle.result()

    @handler
    async def ping(self) -> str:
        return "pong"


@pytest.fixture
def lab() -> Lab:
    return Lab(Hostile, Keyed)


async def alive(runtime: actors.Runtime) -> None:
    assert await runtime.client.actor(Keyed, "alive").ping() == "pong"


STUBBORN = ("swallow_everything", "swallow_everything_in_nurseries", "swallow_everything_with_deadlines")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", STUBBORN)
async def test_one_that_swallows_everything_is_suspended_cancelled_and_killed_all_the_same(lab: Lab, name: str) -> None:
    async with lab.running() as runtime:
        handle = await getattr(runtime.client.service(Hostile), name).send()
        await trio.sleep(1000)
        await handle.cancel(kill_after=30)
        await trio.sleep(29)
        assert (await handle.info()).status is not Status.COMPLETED
        with trio.fail_after(10), raises(actors.InvocationCancelledError, code="killed"):
            await handle.result()
        await alive(runtime)


@pytest.mark.parametrize("which", ERRORS)
@pytest.mark.parametrize("where", ["raise_in_a_step", "raise_at_once"])
async def test_whatever_is_raised_is_a_failure_of_the_handler(lab: Lab, where: str, which: str) -> None:
    async with lab.running() as runtime:
        handle = await getattr(runtime.client.service(Hostile), where).send(which)
        await trio.sleep(100)
        info = await handle.info()
        assert info.status is Status.PAUSED
        assert info.last_failure is not None
        pauses = [event.details["cause"] async for event in handle.events() if event.name == "InvocationPaused"]
        assert pauses == [PauseCause.EXHAUSTED.value], "it is not taken for a fault of the engine"
        await alive(runtime)
    async with lab.running() as runtime:
        await alive(runtime)


async def test_a_cleanup_that_raises_concerns_nobody_when_the_attempt_is_over(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Hostile).untidy.send()
        await quiet()
        await handle.kill()
        assert WORLD.entries == ["tidied handler"]
        await alive(runtime)


async def test_an_error_made_without_its_bases_init_keeps_its_type(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(Bare, match="3"):
            await runtime.client.service(Hostile).bare()


async def test_details_have_a_limit(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(actors.errors.UnserializableError, match="much") as caught:
            await runtime.client.service(Hostile).talkative()
        assert Talkative.__name__ in str(caught.value)


def test_a_real_interrupt_ends_the_program_and_is_nobodys_failure() -> None:
    lab: list[Lab] = []

    async def main() -> None:
        lab.append(Lab(Hostile))
        async with lab[0].running() as runtime:
            await runtime.client.service(Hostile).interrupt()

    with pytest.raises(KeyboardInterrupt):
        trio.run(main, clock=MockClock(autojump_threshold=0))
    assert not any(b"KeyboardInterrupt" in value for _, value in lab[0].store.contents())


async def test_a_step_with_a_nursery_is_stopped_without_a_complaint(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Hostile).nursery.send()
        await quiet()
        await handle.cancel()
        with pytest.raises(actors.InvocationCancelledError):
            await handle.result()
    assert [record.getMessage() for record in caplog.records] == []


async def test_a_scope_raises_at_every_await_until_it_is_left(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Hostile).catch_scopes_for_good() == "5 False"


async def test_groups_can_be_taken_apart(lab: Lab) -> None:
    async with lab.running() as runtime:
        service = runtime.client.service(Hostile)
        assert await service.except_star() == "value"


async def test_waiting_for_oneself_is_a_deadlock_and_named(lab: Lab) -> None:
    async with lab.running() as runtime:
        with trio.fail_after(100), raises(actors.errors.DeadlockError, code="deadlock"):
            await runtime.client.service(Hostile).result_of_oneself()
        with trio.fail_after(100), raises(actors.errors.DeadlockError, code="deadlock"):
            await runtime.client.actor(Keyed, "a").wait_for_one_behind()


async def test_dates_beyond_every_calendar_never_come(lab: Lab) -> None:
    async with lab.running() as runtime:
        service = runtime.client.service(Hostile)
        handles = [
            await service.sleep.send(1e300),
            await service.sleep_with_a_deadline.send(1e300),
        ]
        await trio.sleep(1000)
        assert [(await handle.info()).status for handle in handles] == [Status.SUSPENDED] * 2
    async with lab.running() as runtime:
        await alive(runtime)
        for handle in handles:
            info = await runtime.client.invocation(handle.id).info()
            assert NEVER in [wait.until for wait in info.waits]


async def test_spans_that_are_none_are_refused(lab: Lab) -> None:
    async with lab.running() as runtime:
        service = runtime.client.service(Hostile)
        handle = await service.sleep.send(1000)
        for seconds in (-1.0, float("nan"), float("inf"), 1e300):
            with raises(actors.InvalidArgumentError, path="kill_after"):
                await handle.cancel(kill_after=seconds)
            with raises(actors.InvalidArgumentError, path="delay"):
                await service.sleep.options(delay=seconds).send(1)
        await alive(runtime)


async def test_names_and_reasons_have_limits(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Hostile).sleep.send(1000)
        for use in (
            lambda: handle.signal("x" * 100_000),
            lambda: handle.cancel(reason="x" * 1_000_000),
            lambda: handle.kill(reason="x" * 1_000_000),
            lambda: handle.pause(reason="x" * 1_000_000),
            lambda: handle.resume(reason="x" * 1_000_000),
        ):
            with pytest.raises(actors.RefusedError):
                await use()
        assert (await handle.info()).status is Status.SUSPENDED


async def test_what_handlers_and_steps_give_away_has_the_limit_of_every_value() -> None:
    lab = Lab(Hostile, limits=Limits(payload_bytes=1_000))
    async with lab.running() as runtime:
        service = runtime.client.service(Hostile)
        for method in (service.emit_much, service.emit_much_in_a_step, service.signal_much):
            with raises(
                actors.LimitExceededError,
                limit="payload_bytes",
                code="too_large",
                maximum=1000,
                found=2002,
            ):
                await method()
