"""Output: each piece says where it came from, and a reader sees the line of the try that did not fail, once."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import RetryPolicy, Service, Status, handler, step
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step(retry=RetryPolicy(max_attempts=2, initial_delay=1.0))
async def speak(words: str, flops: int = 0) -> str:
    """Says each word with the number of the run; fails after the second word so many times."""
    WORLD.note("run")
    run = WORLD.count("run")
    for nth, word in enumerate(words):
        actors.emit(f"{word}{run}")
        await trio.sleep(1.0)
        if nth == 1 and run <= flops:
            raise ConnectionError("the model hung up")
    return words


@step
def speak_in_a_thread() -> None:
    for word in "ab":
        actors.emit(word)


@step(retry=RetryPolicy(max_attempts=2, initial_delay=1.0))
async def speak_then_not() -> None:
    WORLD.note("run")
    if WORLD.count("run") == 1:
        actors.emit("void")
        raise ConnectionError("the model hung up")


class Speaker(Service):
    @handler
    async def say(self, flops: int) -> str:
        actors.emit("begin")
        said = await speak("abc", flops)
        actors.emit("end")
        return said

    @handler
    async def in_a_thread(self) -> None:
        await speak_in_a_thread()

    @handler
    async def say_nothing_in_the_end(self) -> None:
        await speak_then_not()

    @handler
    async def catch(self) -> str:
        try:
            return await actors.run(speak.function, "abc", 9, retry=RetryPolicy(max_attempts=1, on_exhausted="fail"))
        except actors.StepFailedError:
            return "failed"


@pytest.fixture
def lab() -> Lab:
    return Lab(Speaker)


async def output(handle: actors.InvocationHandle[Any]) -> list[Any]:
    return [value async for value in handle.output()]


async def live(handle: actors.InvocationHandle[Any]) -> list[Any]:
    return ["reset" if chunk.is_reset else chunk.value async for chunk in handle.chunks(live=True)]


async def test_a_reader_sees_the_pieces_of_the_try_that_did_not_fail_once(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(1)
        assert await output(handle) == ["begin", "a2", "b2", "c2", "end"]
        assert await output(handle) == ["begin", "a2", "b2", "c2", "end"]


async def test_a_live_reader_gets_each_piece_when_it_is_emitted_and_hears_what_is_void(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(1)
        began, heard = trio.current_time(), list[tuple[Any, float]]()
        async for chunk in handle.chunks(live=True):
            heard.append(("reset" if chunk.is_reset else chunk.value, round(trio.current_time() - began)))
        assert heard == [
            ("begin", 0),
            ("a1", 0),
            ("b1", 1),
            ("reset", 2),
            ("a2", 3),
            ("b2", 4),
            ("c2", 5),
            ("end", 6),
        ]
        assert await live(handle) == [word for word, _ in heard]


async def test_pieces_say_their_step_their_try_and_their_offset(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(1)
        told = [(c.step, c.attempt, c.offset) async for c in handle.chunks(live=True) if not c.is_reset]
        assert told == [("", 0, 0), *(("1", 1, n) for n in range(2)), *(("1", 2, n) for n in range(3)), ("", 0, 1)]


async def test_what_a_thread_emits_is_counted_too(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).in_a_thread.send()
        assert [(chunk.value, chunk.offset) async for chunk in handle.chunks()] == [("a", 0), ("b", 1)]


async def test_a_step_that_was_cut_off_by_a_crash_is_told_from_its_next_run(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(0)
        await trio.sleep(1.5)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        assert await output(handle) == ["begin", "a2", "b2", "c2", "end"]
        assert await live(handle) == ["begin", "a1", "b1", "reset", "a2", "b2", "c2", "end"]


async def test_a_step_that_is_held_at_once_and_resumed_is_told_from_its_next_run(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(0)
        await trio.sleep(1.5)
        await handle.pause(mode="now")
        await trio.sleep(1)
        await handle.resume()
        assert await output(handle) == ["begin", "a2", "b2", "c2", "end"]


async def test_tries_after_a_pause_count_from_one_again_and_are_told_apart(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(2)
        await trio.sleep(20)
        assert (await handle.info()).status is Status.PAUSED
        await handle.resume()
        assert await output(handle) == ["begin", "a3", "b3", "c3", "end"]


async def test_a_try_that_emits_nothing_takes_the_place_of_those_before(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say_nothing_in_the_end.send()
        assert await output(handle) == []
        assert await live(handle) == ["void", "reset"]


async def test_a_step_that_fails_for_good_leaves_nothing(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).catch.send()
        assert await output(handle) == []
        assert await handle.result() == "failed"


@pytest.mark.parametrize("stop", ["cancel", "kill"])
async def test_what_was_emitted_until_it_was_stopped_stays(lab: Lab, stop: str) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(0)
        await trio.sleep(1.5)
        await getattr(handle, stop)()
        assert await output(handle) == ["begin", "a1", "b1"]


async def test_reading_on_after_a_number_repeats_nothing(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(1)
        chunks = [chunk async for chunk in handle.chunks()]
        for position, chunk in enumerate(chunks):
            assert [c async for c in handle.chunks(after=chunk.number)] == chunks[position + 1 :]
            assert [v async for v in handle.output(after=chunk.number)] == [c.value for c in chunks[position + 1 :]]


async def test_a_restart_keeps_the_line_of_a_kept_step_alone(lab: Lab) -> None:
    async with lab.running() as runtime:
        first = await runtime.client.service(Speaker).say.send(1)
        await first.result()
        answer = await first.restart("end")
        again = runtime.client.invocation(answer.successor.invocation_id)
        assert await live(again) == ["begin", "a2", "b2", "c2", "end"]
        await quiet()
        assert WORLD.count("run") == 2


@step
async def say_once(word: str) -> None:
    if word:
        actors.emit(word)


class Counter(Service):
    @handler
    async def count(self) -> str:
        actors.emit("1")
        await actors.run(say_once.function, "a", name="a")
        actors.emit("2")
        await actors.run(say_once.function, "b", name="b")
        actors.emit("3")
        await actors.run(say_once.function, "", name="c")
        actors.emit("4")
        return "counted"


@pytest.mark.parametrize("points", [["c", "b"], ["c", "b", "a"], ["c", "c"], ["end", "c", "b"], ["c", "entry 4", "b"]])
async def test_a_restart_of_a_restart_emits_in_the_order_of_the_original(points: list[str]) -> None:
    lab = Lab(Counter)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Counter).count.send()
        await handle.result()
        for point in points:
            answer = await handle.restart(point)
            handle = runtime.client.invocation(answer.successor.invocation_id)
            await handle.result()
            assert await output(handle) == ["1", "a", "2", "b", "3", "4"], point


@step
async def speak_the_second_time() -> None:
    WORLD.note("try")
    if WORLD.count("try") > 1:
        actors.emit("a")


class Learner(Service):
    @handler
    async def learn(self) -> str:
        actors.emit("1")
        await speak_the_second_time()
        actors.emit("2")
        await actors.run(say_once.function, "b", name="b")
        return "learned"


async def test_pieces_that_a_restart_copies_together_are_told_apart_by_the_next() -> None:
    lab = Lab(Learner)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Learner).learn.send()
        await handle.result()
        assert await output(handle) == ["1", "2", "b"]
        for point, expected in (("b", ["1", "2", "b"]), ("speak_the_second_time", ["1", "a", "2", "b"])):
            answer = await handle.restart(point)
            handle = runtime.client.invocation(answer.successor.invocation_id)
            await handle.result()
            assert await output(handle) == expected
