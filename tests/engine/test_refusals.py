"""Bad input: a clear error of its own type, and nothing half done."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest
import trio

import actors
from actors import Actor, Limits, RetryPolicy, Service, handler, shared, step
from actors.errors import LimitExceededError
from journal.events import PauseCause, Status, Target
from tests.lab import WORLD, Lab, cause_of_pause, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def effect(name: str) -> str:
    WORLD.note(name)
    return name


class Plain(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    @handler
    async def two(self, amount: int, text: str = "x") -> str:
        return text * amount

    @handler
    async def wait(self) -> None:
        await actors.signal("go")

    @handler
    async def call_myself(self) -> int:
        return await actors.actor(Plain, self.key).add(1)

    @handler
    async def call_around(self) -> int:
        return await actors.actor(Friend, "f").call_back(self.key)

    @handler
    async def own_method(self) -> int:
        return await self.add(5)

    @handler
    async def send_to_myself(self) -> None:
        await self.add.send(5)

    @shared
    async def read(self) -> int:
        return self.value


class Friend(Actor):
    @handler
    async def call_back(self, key: str) -> int:
        return await actors.actor(Plain, key).add(1)


class Odd(Service):
    @handler
    async def await_trio(self) -> None:
        await trio.sleep(1)

    @handler
    async def open_a_trio_scope(self) -> None:
        with trio.move_on_after(1):
            await effect("never")

    @handler
    async def open_a_trio_nursery(self) -> None:
        async with trio.open_nursery():
            pass

    @handler
    async def await_asyncio(self) -> None:
        await asyncio.sleep(1)

    @handler
    async def yield_to_asyncio(self) -> None:
        await asyncio.sleep(0)

    @handler
    async def call_unknown(self) -> int:
        return await actors.actor(NotServed, "x").nothing()

    @handler
    async def wrong_arguments(self) -> str:
        try:
            await actors.actor(Plain, "x").add("five")  # type: ignore[arg-type]
        except actors.InvalidArgumentError as error:
            return f"{error}"
        return "fine"

    @handler
    async def deep(self, level: int) -> int:
        return await actors.service(Odd).deep(level + 1)

    @handler
    async def block(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - this is what the watchdog is for

    @handler
    async def long_life(self) -> None:
        for _ in range(10_000):
            await effect("again")

    @handler
    async def huge(self, size: int) -> str:
        return "x" * size

    @handler(retry=RetryPolicy(max_attempts=1))
    async def strange_error(self, which: str) -> None:
        if which == "str":
            raise Unprintable
        if which == "exit":
            raise SystemExit(3)
        if which == "interrupt":
            raise KeyboardInterrupt
        if which == "group":
            raise ExceptionGroup("several", [ValueError("a"), actors.TerminalError("b")])
        if which == "terminal group":
            raise ExceptionGroup("several", [actors.TerminalError("a"), actors.TerminalError("b")])
        raise ValueError("\ud800 and " + "long " * 10_000)


class NotServed(Actor):
    @handler
    async def nothing(self) -> int:
        return 0


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("cannot be shown")


@pytest.fixture
def lab() -> Lab:
    return Lab(Plain, Friend, Odd)


async def test_arguments_are_checked_at_the_door_and_the_path_is_named(lab: Lab) -> None:
    async with lab.running() as runtime:
        client = runtime.client
        with raises(actors.InvalidArgumentError, path="$"):
            await client.actor(Plain, "a").add("five")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="was given 2 positional arguments, expected at most 1"):
            await client.actor(Plain, "a").add(1, 2)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="has no parameter 'by'"):
            await client.actor(Plain, "a").two(1, by=2)  # type: ignore[call-arg]
        for body, said in (
            (b"", "needs amount"),
            (b"nonsense", "not JSON"),
            (b"true", "expected int, found True"),
            (b"[1]", "expected int"),
            (b"NaN", "not JSON"),
            (b"[" * 100 + b"]" * 100, "nested more than 64 deep"),
        ):
            with pytest.raises(actors.InvalidArgumentError, match=said):
                await client.call_by_name(Target("Plain", "a", "add"), body)
        for body, said in (
            (b'"x"', "amount: expected int, found 'x'"),
            (b'{"amount": 1, "x": 2}', "no parameter 'x'"),
        ):
            with pytest.raises(actors.InvalidArgumentError, match=said):
                await client.call_by_name(Target("Plain", "a", "two"), body)
        assert await client.invocations() == []


async def test_names_and_keys_are_checked_at_the_door(lab: Lab) -> None:
    async with lab.running() as runtime:
        client = runtime.client
        with raises(actors.NotFoundError, kind="service"):
            await client.call_by_name(Target("Nobody", "a", "add"))
        with raises(actors.NotFoundError, kind="handler"):
            await client.call_by_name(Target("Plain", "a", "sub"))
        with raises(AttributeError, name="sub"):
            client.actor(Plain, "a").sub()  # type: ignore[attr-defined]
        with pytest.raises(actors.errors.FieldMisuseError):
            _ = client.actor(Plain, "a").value
        for key in ("", "\ud800"):
            with raises(actors.InvalidArgumentError, path="key"):
                await client.call_by_name(Target("Plain", key, "add"), b"1")
        with raises(actors.LimitExceededError, limit="key_bytes", found=1025):
            await client.call_by_name(Target("Plain", "x" * 1025, "add"), b"1")
        with raises(actors.InvalidArgumentError, path="key"):
            await client.call_by_name(Target("Odd", "k", "deep"), b"1")
        with raises(actors.InvalidArgumentError, path="key"):
            await client.call_by_name(Target("Plain", None, "add"), b"1")
        with raises(actors.errors.DefinitionError, reason="kind", name="Odd"):
            client.actor(Odd, "x")
        with raises(actors.NotFoundError, kind="service"):
            await client.actor(NotServed, "x").nothing()
        assert await client.invocations() == []


def targets(error: actors.errors.DeadlockError) -> list[str]:
    return [link.target for link in error.chain]


async def test_a_call_of_oneself_is_refused_at_once_and_the_chain_is_named(lab: Lab) -> None:
    async with lab.running() as runtime:
        plain = runtime.client.actor(Plain, "a")
        with pytest.raises(actors.errors.DeadlockError) as caught:
            await plain.call_myself()
        assert targets(caught.value) == ["Plain/a/call_myself", "Plain/a/add", "Plain/a/call_myself"]
        with pytest.raises(actors.errors.DeadlockError) as caught:
            await plain.call_around()
        assert targets(caught.value) == [
            "Friend/f/call_back",
            "Plain/a/add",
            "Plain/a/call_around",
            "Friend/f/call_back",
        ]
        assert await plain.own_method() == 5
        await plain.send_to_myself()
        assert await plain.add(0) == 10


async def test_awaits_that_are_not_durable_name_the_line_and_the_remedy(lab: Lab) -> None:
    async with lab.running() as runtime:
        odd = runtime.client.service(Odd)
        foreign = (
            odd.await_trio,
            odd.open_a_trio_scope,
            odd.open_a_trio_nursery,
            odd.await_asyncio,
            odd.yield_to_asyncio,
        )
        for method in foreign:
            line = getattr(Odd, method.__qualname__.split(".")[-1]).__wrapped__.__code__.co_firstlineno + 2
            with raises(
                actors.errors.MisuseError, code="non_durable_await", match=rf"test_refusals.py:{line}: .*actors.step"
            ):
                await method()
        assert await runtime.client.actor(Plain, "x").add(1) == 1, "the engine is as it was"
    assert WORLD.entries == []


async def test_verbs_outside_a_handler_say_where_they_belong() -> None:
    for use in (
        lambda: actors.current_time(),
        lambda: actors.actor(Plain, "x"),
        lambda: actors.open_nursery(),
        lambda: actors.move_on_after(1),
        lambda: actors.random(),
        lambda: actors.patched("x"),
        lambda: actors.emit("x"),
        lambda: actors.invocation("inv_1" + "0" * 33),
        lambda: actors.step_key(),
    ):
        with raises(actors.errors.MisuseError, code="outside_handler"):
            use()
    with raises(actors.errors.MisuseError, code="outside_handler"):
        await actors.sleep(1)
    with raises(actors.errors.MisuseError, code="outside_handler"):
        await actors.run(len, "x")
    with raises(actors.errors.MisuseError, code="outside_handler"):
        await actors.signal("x")


async def test_a_call_of_what_is_not_served_fails_the_caller_for_good(lab: Lab) -> None:
    async with lab.running() as runtime:
        with raises(actors.NotFoundError, kind="service", match="NotServed"):
            await runtime.client.service(Odd).call_unknown()
        assert "expected int, found 'five'" in await runtime.client.service(Odd).wrong_arguments()


async def test_calls_within_calls_end_somewhere() -> None:
    lab = Lab(Odd, limits=Limits(call_depth=10))
    async with lab.running() as runtime:
        with raises(LimitExceededError, limit="call_depth", maximum=10, found=11):
            await runtime.client.service(Odd).deep(0)


async def test_a_full_mailbox_refuses_callers_and_keeps_what_handlers_sent() -> None:
    lab = Lab(Plain, limits=Limits(mailbox=3))
    async with lab.running() as runtime:
        plain = runtime.client.actor(Plain, "a")
        first = await plain.wait.send()
        for _ in range(3):
            await plain.add.send(1)
        with raises(actors.LimitExceededError, limit="mailbox", code="busy", found=3):
            await plain.add(1)
        await first.signal("go")
        await quiet()
        assert await plain.add(1) == 4


async def test_large_values_are_refused_by_size() -> None:
    lab = Lab(Plain, Odd, limits=Limits(payload_bytes=1000, signals=2))
    async with lab.running() as runtime:
        with raises(actors.LimitExceededError, limit="payload_bytes", code="too_large", maximum=1000):
            await runtime.client.call_by_name(
                Target("Plain", "a", "two"), b'{"amount": 1, "text": "%b"}' % (b"x" * 1000)
            )
        with raises(actors.LimitExceededError, limit="payload_bytes", code="too_large", found=2002):
            await runtime.client.service(Odd).huge(2000)
        handle = await runtime.client.actor(Plain, "a").wait.send()
        with raises(actors.LimitExceededError, limit="payload_bytes", code="too_large"):
            await handle.signal("x", "x" * 1001)
        await handle.signal("a")
        await handle.signal("b")
        with raises(actors.LimitExceededError, limit="signals", code="busy"):
            await handle.signal("c")


async def test_a_history_that_grows_for_ever_is_paused_with_advice() -> None:
    lab = Lab(Odd, limits=Limits(history_events=100))
    async with lab.running() as runtime:
        handle = await runtime.client.service(Odd).long_life.send()
        await trio.sleep(10)
        info = await handle.info()
        assert info.status is Status.PAUSED
        assert await cause_of_pause(handle) is PauseCause.LIMIT


async def test_a_handler_that_blocks_the_loop_is_named(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        async with lab.running() as runtime:
            await runtime.client.service(Odd).block(1.5)
    said = [record.getMessage() for record in caplog.records]
    assert any("Odd/block" in line and "has blocked the event loop" in line and "still does" in line for line in said)
    assert any("time.sleep(seconds)" in line for line in said)
    assert any(line.startswith("Odd/block (inv_1") and "Put slow work into a step" in line for line in said)


@pytest.mark.parametrize("which", ["str", "exit", "interrupt", "group", "long"])
async def test_whatever_a_handler_raises_is_recorded_and_the_engine_goes_on(lab: Lab, which: str) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Odd).strange_error.send(which)
        await trio.sleep(10)
        info = await handle.info()
        assert info.status is Status.PAUSED
        assert info.last_failure is not None
        assert len(info.last_failure.message) <= 8192
        assert await runtime.client.actor(Plain, "x").add(1) == 1
    async with lab.running() as runtime:
        assert (await runtime.client.invocation(handle.id).info()).status is Status.PAUSED


async def test_a_group_of_errors_for_good_is_for_good_and_says_what_is_in_it(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(
            actors.TerminalError, match=r"several \(2 sub-exceptions\): TerminalError: a; TerminalError: b$"
        ):
            await runtime.client.service(Odd).strange_error("terminal group")


async def test_an_object_made_by_hand_says_how_to_get_at_one() -> None:
    with raises(actors.errors.MisuseError, code="outside_handler"):
        await Plain().add(1)


async def test_a_field_cannot_be_used_through_a_reference(lab: Lab) -> None:
    async with lab.running() as runtime:
        plain = runtime.client.actor(Plain, "a")
        with pytest.raises(actors.errors.FieldMisuseError):
            plain.value = 5
        with pytest.raises(actors.errors.FieldMisuseError):
            _ = plain.value
        with pytest.raises(actors.errors.FieldMisuseError):
            del plain.value
        assert await plain.read() == 0


async def test_words_that_are_no_choice_are_refused_with_the_choices(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Plain, "a").wait.send()
        with raises(actors.InvalidArgumentError, path="children"):
            await handle.cancel(children="some")  # type: ignore[arg-type]
        with raises(actors.InvalidArgumentError, path="mode"):
            await handle.pause(mode="soon")  # type: ignore[arg-type]
        with raises(actors.InvalidArgumentError, path="stop"):
            await handle.restart(stop="stop")  # type: ignore[arg-type]
        assert (await handle.info()).status is not Status.PAUSED


async def test_what_failed_and_who_steered_is_in_the_log(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="actors.engine.event_log")
    async with lab.running() as runtime:
        failing = await runtime.client.service(Odd).strange_error.send("any")
        await quiet()
        waiting = await runtime.client.actor(Plain, "a").wait.send()
        await waiting.cancel()
        await quiet()
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert any(level == "WARNING" and failing.id in line and "ValueError" in line for level, line in lines)
    assert any(waiting.id in line and "cancel" in line for _, line in lines)
