"""``actors.logger``: bound to the invocation, and silent while a replay repeats what was said before."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio

import actors
from actors import Actor, Limits, RetryPolicy, Service, handler, step
from tests.lab import WORLD, Lab
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def effect(what: str) -> str:
    actors.logger.info("effect of %s", what)
    return what


class Clerk(Actor):
    @handler
    async def work(self) -> str:
        actors.logger.info("begins")
        await effect("a")
        actors.logger.info("has %s", "a")

        async def child() -> None:
            await actors.signal("first")
            actors.logger.info("child ends")

        async with actors.open_nursery() as nursery:
            nursery.start_soon(child)
            await actors.signal("second")
            actors.logger.info("parent goes on")
        actors.logger.info("ends", extra={"colour": "red"})
        return "done"

    @handler(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
    async def stumble(self) -> None:
        actors.logger.info("before")
        await effect("b")
        actors.logger.info("trying")
        WORLD.note("try")
        if WORLD.count("try") < 3:
            raise OSError("not yet")
        actors.logger.info("done")

    @handler
    async def leave(self) -> None:
        try:
            await actors.signal("go")
        finally:
            actors.logger.info("leaves")

    @handler
    async def signals(self) -> int:
        return await actors.signal("number", int)


class Plain(Service):
    @handler
    async def say(self) -> None:
        actors.logger.warning("100 %")


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="actors.model.handlers")
    return caplog


def lines(said: pytest.LogCaptureFixture) -> list[str]:
    """What was said, without whom it is of."""
    return [r.getMessage().partition(": ")[2] for r in said.records if r.name == "actors.model.handlers"]


async def test_a_line_is_said_once_whatever_its_handler_lives_through(said: pytest.LogCaptureFixture) -> None:
    lab = Lab(Clerk, limits=Limits(unload_after_seconds=10.0))
    async with lab.running() as runtime:
        handle: Any = await runtime.client.actor(Clerk, "k").work.send()
        await trio.sleep(30)
        await handle.signal("first")
        await trio.sleep(30)
        await handle.pause()
        await handle.resume()
        await trio.sleep(30)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await trio.sleep(30)
        await handle.signal("second")
        assert await handle.result() == "done"
        assert (await handle.check()).is_compatible
    assert lines(said) == ["begins", "effect of a", "has a", "child ends", "parent goes on", "ends"]


async def test_a_line_names_its_invocation_and_where_it_was_said(said: pytest.LogCaptureFixture) -> None:
    async with Lab(Clerk, Plain).running() as runtime:
        handle: Any = await runtime.client.actor(Clerk, "50 % k").work.send()
        await trio.sleep(1)
        await handle.signal("first")
        await handle.signal("second")
        await handle.result()
        await runtime.client.service(Plain).say()
    ours = [record for record in said.records if record.name == "actors.model.handlers"]
    first, in_a_step, third = ours[:3]
    assert first.getMessage() == f"Clerk/50 % k/work {handle.id}: begins"
    assert third.getMessage() == f"Clerk/50 % k/work {handle.id}: has a"
    assert in_a_step.getMessage() == f"Clerk/50 % k/work {handle.id} step 'effect': effect of a"
    bound = {"invocation_id": handle.id, "service": "Clerk", "key": "50 % k", "handler": "work"}
    assert bound.items() <= vars(first).items()
    assert {**bound, "step": "effect"}.items() <= vars(in_a_step).items()
    assert {record.filename for record in ours} == {"test_handler_log.py"}
    assert [record.funcName for record in ours] == [
        "work", "effect", "work", "child", "work", "work", "say",
    ]  # fmt: skip
    assert vars(ours[-2])["colour"] == "red"
    assert ours[-1].getMessage().endswith(": 100 %")
    assert vars(ours[-1])["key"] is None


async def test_a_turn_that_is_tried_again_is_said_again_and_those_before_it_are_not(
    said: pytest.LogCaptureFixture,
) -> None:
    async with Lab(Clerk).running() as runtime:
        await runtime.client.actor(Clerk, "k").stumble()
    assert lines(said) == ["before", "effect of b", "trying", "trying", "trying", "done"]


async def test_nothing_is_said_while_a_handler_leaves_memory(said: pytest.LogCaptureFixture) -> None:
    async with Lab(Clerk, limits=Limits(unload_after_seconds=10.0)).running() as runtime:
        handle: Any = await runtime.client.actor(Clerk, "k").leave.send()
        await trio.sleep(30)
        assert lines(said) == []
        await handle.signal("go")
        await handle.result()
    assert lines(said) == ["leaves"]


async def test_what_a_restart_keeps_is_not_said_again(said: pytest.LogCaptureFixture) -> None:
    async with Lab(Clerk).running() as runtime:
        handle: Any = await runtime.client.actor(Clerk, "k").work.send()
        await trio.sleep(1)
        await handle.signal("first")
        await handle.signal("second")
        await handle.result()
        said.clear()
        again = await handle.restart("second")
        await runtime.client.invocation(again.successor.invocation_id).signal("second")
        await runtime.client.invocation(again.successor.invocation_id).result()
    assert lines(said) == ["parent goes on", "ends"]


async def test_a_signal_that_does_not_fit_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    lab = Lab(Clerk, limits=Limits(unload_after_seconds=10.0))
    async with lab.running() as runtime:
        handle: Any = await runtime.client.actor(Clerk, "k").signals.send()
        await trio.sleep(1)
        await handle.signal("number", "no number")
        await trio.sleep(30)
        await handle.signal("number", 3)
        assert await handle.result() == 3
    assert sum("is skipped" in record.getMessage() for record in caplog.records) == 1


def test_elsewhere_it_is_a_plain_logger(said: pytest.LogCaptureFixture) -> None:
    actors.logger.info("100 %% of %s", "nothing")
    actors.logger.debug("too quiet")
    assert [record.getMessage() for record in said.records] == ["100 % of nothing"]
    assert said.records[0].filename == "test_handler_log.py"
