"""Side effects: at least one beginning, exactly one recorded outcome, and what follows a failure."""

from __future__ import annotations

import socket
import threading
import time

import pytest
import trio

import actors
from actors import RetryPolicy, Service, handler, step
from journal.events import OutcomeKind, PauseCause, Status
from tests.lab import WORLD, Lab, cause_of_pause, quiet, until
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class Broken(Exception):
    """Something outside does not work today."""


class SoldOut(actors.TerminalError):
    """Trying again is pointless."""


FAILURES: dict[str, int] = {}


@step
async def effect(name: str, seconds: float = 0.0) -> str:
    WORLD.note(f"begin {name}")
    await trio.sleep(seconds)
    WORLD.note(f"end {name}")
    return name


@step(retry=RetryPolicy(max_attempts=4, initial_delay=1.0))
async def flaky(name: str) -> str:
    WORLD.note(name)
    if FAILURES.get(name, 0) > 0:
        FAILURES[name] -= 1
        raise Broken(f"{name} is down")
    return name


@step(retry=RetryPolicy(max_attempts=3, initial_delay=1.0, on_exhausted="fail"))
async def hopeless() -> str:
    WORLD.note("hopeless")
    raise Broken("always")


@step
async def sold_out() -> None:
    WORLD.note("sold out")
    raise SoldOut("no more", details={"left": 0})


@step(at_most_once=True)
async def wire(amount: int, seconds: float) -> int:
    WORLD.note("wired")
    await trio.sleep(seconds)
    return amount


@step
def in_a_thread(value: int) -> int:
    WORLD.note(threading.current_thread().name)
    return value + 1


@step(timeout=5.0, retry=RetryPolicy(max_attempts=2, on_exhausted="fail"))
async def too_slow() -> None:
    WORLD.note("slow")
    await trio.sleep(60)


@step(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
async def keyed() -> str:
    WORLD.note(actors.step_key())
    if len(WORLD.entries) < 2:
        raise Broken("once more")
    return actors.step_key()


@step
async def talkative(words: list[str]) -> int:
    for word in words:
        actors.emit(word)
        await trio.sleep(1)
    return len(words)


@step
async def returns_a_socket() -> object:
    return {"peer": socket.AF_INET, "handle": {"inner": object()}}


@step
async def not_what_it_says() -> int:
    return "five"  # type: ignore[return-value]


@step
async def uses_a_verb() -> None:
    await actors.sleep(1)


@step
async def calls_another_step() -> str:
    return await effect("inner")


def subtract(a: int, b: int) -> int:
    return a - b


class Steps(Service):
    @handler
    async def three(self) -> list[str]:
        return [await effect("a", 1), await effect("b", 1), await effect("c", 1)]

    @handler
    async def flaky(self, name: str) -> str:
        before = await effect("before")
        return before + await flaky(name)

    @handler
    async def hopeless(self) -> str:
        try:
            return await hopeless()
        except actors.StepFailedError as error:
            return f"{error.type}"

    @handler
    async def sold_out(self) -> str:
        try:
            await sold_out()
        except SoldOut as error:
            return f"{error} {error.details}"
        return "sold"

    @handler
    async def wire(self, seconds: float) -> str:
        try:
            return str(await wire(5, seconds))
        except actors.errors.StepOutcomeUnknownError:
            return "unknown"

    @handler
    async def threads(self) -> int:
        return await in_a_thread(await actors.run(subtract, 10, 3))

    @handler
    async def slow(self) -> str:
        try:
            await too_slow()
        except actors.StepFailedError as error:
            return str(error)
        return "quick"

    @handler
    async def keyed(self) -> str:
        return await keyed()

    @handler
    async def talk(self) -> int:
        actors.emit({"said": "hello"})
        count = await talkative(["a", "b"])
        actors.emit(count)
        return count

    @handler
    async def bad(self, which: str) -> str:
        try:
            if which == "socket":
                await returns_a_socket()
            elif which == "type":
                await not_what_it_says()
            else:
                await uses_a_verb()
        except actors.TerminalError as error:
            return f"{type(error).__name__}: {error}"
        return "fine"

    @handler
    async def nested(self) -> str:
        return await calls_another_step()

    @handler(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
    async def buggy(self) -> str:
        first = await effect("first")
        if FAILURES.get("bug"):
            FAILURES["bug"] -= 1
            raise ZeroDivisionError("a bug")
        return first


@pytest.fixture
def lab() -> Lab:
    FAILURES.clear()
    return Lab(Steps)


async def test_a_step_with_a_recorded_outcome_is_never_run_again(lab: Lab) -> None:
    for crash_after in (0.5, 1.5, 2.5):
        WORLD.clear()
        async with lab.running() as runtime:
            handle = await runtime.client.service(Steps).three.send()
            await trio.sleep(crash_after)
        async with lab.running() as runtime:
            assert await runtime.client.invocation(handle.id).result() == ["a", "b", "c"]
        assert [WORLD.count(f"end {name}") for name in "abc"] == [1, 1, 1]
        begun = [WORLD.count(f"begin {name}") for name in "abc"]
        assert sum(begun) == 4, "only the one under way begins again"


async def test_a_step_that_fails_is_tried_again_and_what_came_before_is_not(lab: Lab) -> None:
    FAILURES["x"] = 2
    async with lab.running() as runtime:
        assert await runtime.client.service(Steps).flaky("x") == "beforex"
    assert WORLD.count("x") == 3
    assert WORLD.count("begin before") == 1


class Patient(Service):
    @handler
    async def ask(self) -> float:
        return await actors.run(self.answer, retry=RetryPolicy(max_attempts=2, max_delay=1.0))

    async def answer(self) -> float:
        if WORLD.count("busy") == 0:
            WORLD.note("busy")
            error = Broken("busy")
            error.retry_after = 3_600.0  # type: ignore[attr-defined]
            raise error
        return trio.current_time()


async def test_an_error_that_asks_for_a_delay_is_given_it_also_over_a_crash() -> None:
    lab = Lab(Patient)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Patient).ask.send()
        await trio.sleep(5)
        assert (await handle.info()).status is Status.BACKING_OFF
    async with lab.running() as runtime:
        assert 3_600 <= await runtime.client.invocation(handle.id).result() < 3_600 * 1.1


async def test_attempts_are_counted_over_a_crash(lab: Lab) -> None:
    FAILURES["x"] = 99
    async with lab.running() as runtime:
        handle = await runtime.client.service(Steps).flaky.send("x")
        await until(lambda: WORLD.count("x") == 2)
    async with lab.running() as runtime:
        await trio.sleep(30)
        info = await runtime.client.invocation(handle.id).info()
    assert info.status is Status.PAUSED
    assert WORLD.count("x") == 4


async def test_after_its_last_try_the_invocation_is_paused_and_goes_on_when_resumed(lab: Lab) -> None:
    FAILURES["x"] = 4
    async with lab.running() as runtime:
        handle = await runtime.client.service(Steps).flaky.send("x")
        await trio.sleep(1.2)
        assert (await handle.info()).status is Status.BACKING_OFF
        await trio.sleep(30)
        info = await handle.info()
        assert info.status is Status.PAUSED
        assert await cause_of_pause(handle) is PauseCause.EXHAUSTED
        assert info.last_failure is not None
        assert info.last_failure.message == "x is down"
        answer = await handle.resume(reason="it is up again")
        assert (answer.changed, answer.before, answer.after) == (True, Status.PAUSED, Status.RUNNING)
        assert await handle.result() == "beforex"
    assert WORLD.count("begin before") == 1


async def test_a_policy_can_make_the_last_failure_an_outcome(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Steps).hopeless() == "tests.engine.test_steps.Broken"
    assert WORLD.count("hopeless") == 3


async def test_an_error_for_good_is_recorded_and_raised_as_itself(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Steps).sold_out() == "no more {'left': 0}"
    assert WORLD.count("sold out") == 1


async def test_at_most_once_does_not_begin_a_second_time(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Steps).wire(1.0) == "5"
        handle = await runtime.client.service(Steps).wire.send(10.0)
        await trio.sleep(1)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == "unknown"
    assert WORLD.count("wired") == 2


async def test_plain_functions_are_steps_too(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Steps).threads() == 8


async def test_a_try_that_takes_too_long_is_stopped_and_counted(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert "did not end within 5.0 seconds" in await runtime.client.service(Steps).slow()
    assert WORLD.count("slow") == 2


async def test_a_steps_key_is_the_same_at_every_try_and_nobody_elses(lab: Lab) -> None:
    async with lab.running() as runtime:
        key = await runtime.client.service(Steps).keyed()
        assert WORLD.entries == [key, key]
        assert await runtime.client.service(Steps).keyed() != key


async def test_output_comes_live_in_order_and_again_from_the_journal(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Steps).talk.send()
        live: list[object] = []
        async for chunk in handle.chunks(live=True):
            live.append(chunk.value)
            assert (await handle.info()).status is not Status.COMPLETED or chunk.value == 2
        assert live == [{"said": "hello"}, "a", "b", 2]
        assert [piece async for piece in handle.output()] == live


async def test_a_result_that_cannot_be_kept_fails_for_good_and_says_where(lab: Lab) -> None:
    async with lab.running() as runtime:
        service = runtime.client.service(Steps)
        assert "step 'returns_a_socket': $['handle']['inner']: <object object" in await service.bad("socket")
        assert "expected int, found 'five'" in await service.bad("type")


async def test_a_durable_verb_inside_a_step_says_what_to_do(lab: Lab) -> None:
    async with lab.running() as runtime:
        message = await runtime.client.service(Steps).bad("verb")
    assert message.startswith("MisuseError: actors.sleep() in step 'uses_a_verb'")
    assert "Use it in the handler" in message


async def test_a_step_called_in_a_step_or_outside_is_a_plain_function(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Steps).nested() == "inner"
    assert await effect("outside") == "outside"
    assert await in_a_thread(1) == 2


async def test_a_bug_in_the_handler_is_retried_then_paused_and_finished_steps_stay(lab: Lab) -> None:
    FAILURES["bug"] = 3
    async with lab.running() as runtime:
        handle = await runtime.client.service(Steps).buggy.send()
        await trio.sleep(60)
        info = await handle.info()
        assert info.status is Status.PAUSED
        assert await cause_of_pause(handle) is PauseCause.EXHAUSTED
        assert info.failed_attempts == 3
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await handle.resume(reason="fixed")
        assert await handle.result() == "first"
    assert WORLD.count("begin first") == 1


async def test_timelines_say_what_happened_in_words(lab: Lab) -> None:
    FAILURES["x"] = 1
    async with lab.running() as runtime:
        handle = await runtime.client.service(Steps).flaky.send("x")
        await handle.result()
        said = [entry.summary async for entry in handle.events()]
    line = Steps.flaky.__wrapped__.__code__.co_firstlineno + 2
    assert said[:3] == ['flaky accepted with "x"', "started", f"step 'effect' (step 1) at test_steps.py:{line}"]
    assert "step 2, try 1: tests.engine.test_steps.Broken: x is down" in said
    assert said[-1] == 'succeeded with "beforex"'


async def test_an_unfinished_step_does_not_hold_up_the_end_of_the_runtime(lab: Lab) -> None:
    started = time.monotonic()
    async with lab.running() as runtime:
        await runtime.client.service(Steps).wire.send(1e6)
        await quiet()
    assert time.monotonic() - started < 5


async def test_outcomes_are_kept_with_their_kind(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Steps).three.send()
        await handle.result()
        outcome = (await handle.info()).outcome
    assert outcome is not None
    assert outcome.kind is OutcomeKind.SUCCEEDED
    assert outcome.value == ["a", "b", "c"]
