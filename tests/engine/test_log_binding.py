"""Any logger: what handlers and steps say names its invocation, and a replay does not repeat it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog
import trio

import actors
from actors import Actor, Limits, RetryPolicy, handler, step
from tests.lab import WORLD, Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = on_virtual_time

plain = logging.getLogger("tests.an_app")


@step(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
async def effect() -> None:
    plain.info("in a step")
    WORLD.note("try")
    if WORLD.count("try") < 2:
        raise OSError("not yet")


@step
def effect_in_a_thread() -> None:
    plain.info("in a thread")


class Clerk(Actor):
    @handler
    async def work(self) -> None:
        plain.info("begins")
        await effect()
        await effect_in_a_thread()
        await actors.signal("go")
        plain.info("ends")

    @handler(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
    async def stumble(self) -> None:
        await actors.sleep(1.0)
        plain.info("tries")
        WORLD.note("attempt")
        if WORLD.count("attempt") < 2:
            raise OSError("not yet")

    @handler
    async def structured(self) -> None:
        structlog.get_logger().info("begins", colour="red")
        await actors.signal("go")
        structlog.get_logger().info("ends")


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """What a handler with the filter gets."""
    found: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    keeping = Keeping()
    keeping.addFilter(actors.LogFilter())
    plain.addHandler(keeping)
    plain.setLevel(logging.INFO)
    yield found
    plain.removeHandler(keeping)


def bound(record: logging.LogRecord) -> tuple[Any, ...]:
    said = vars(record)
    return said["service"], said["key"], said["handler"], said["step"], said["attempt"]


async def leave_memory_and_go(lab: Lab, which: str) -> str:
    """Run a handler of the clerk that waits until it has left memory, and that a later process ends."""
    async with lab.running() as runtime:
        handle: Any = await getattr(runtime.client.actor(Clerk, "k"), which).send()
        await trio.sleep(60)
    async with lab.running() as runtime:
        await runtime.client.invocation(handle.id).signal("go")
        await runtime.client.invocation(handle.id).result()
    return str(handle.id)


async def test_a_record_of_any_logger_is_passed_once_and_says_of_what_it_is(records: list[logging.LogRecord]) -> None:
    of = await leave_memory_and_go(Lab(Clerk, limits=Limits(unload_after_seconds=10.0)), "work")
    assert [(record.getMessage(), bound(record)[3:]) for record in records] == [
        ("begins", (None, 1)),
        ("in a step", ("effect", 1)),
        ("in a step", ("effect", 2)),
        ("in a thread", ("effect_in_a_thread", 1)),
        ("ends", (None, 1)),
    ]
    assert {bound(record)[:3] for record in records} == {("Clerk", "k", "work")}
    assert {vars(record)["invocation_id"] for record in records} == {of}


async def test_a_record_counts_the_attempts_of_its_handler(records: list[logging.LogRecord]) -> None:
    async with Lab(Clerk).running() as runtime:
        await runtime.client.actor(Clerk, "k").stumble()
    assert [vars(record)["attempt"] for record in records] == [1, 2]


def test_a_record_from_elsewhere_has_the_attributes_and_they_are_none(records: list[logging.LogRecord]) -> None:
    plain.info("hello")
    assert [(record.getMessage(), bound(record)) for record in records] == [("hello", (None,) * 5)]


def test_what_the_caller_gives_stays(records: list[logging.LogRecord]) -> None:
    plain.info("hello", extra={"key": "mine"})
    assert vars(records[0])["key"] == "mine"


async def test_structlog_gets_the_same_names_and_drops_what_a_replay_repeats() -> None:
    events: list[dict[str, Any]] = []

    def keep(_: Any, __: str, event: Any) -> Any:
        events.append(dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, actors.log_processor, keep])
    try:
        of = await leave_memory_and_go(Lab(Clerk, limits=Limits(unload_after_seconds=10.0)), "structured")
        structlog.get_logger().info("elsewhere")
    finally:
        structlog.reset_defaults()
    names = {"invocation_id": of, "service": "Clerk", "key": "k", "handler": "structured", "step": None, "attempt": 1}
    assert events == [
        {"event": "begins", "colour": "red", **names},
        {"event": "ends", **names},
        {"event": "elsewhere"},
    ]
