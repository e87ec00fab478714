"""A call of a free object runs before anything is decided: whatever its handler does, the store says the same as on the long way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

import actors
from actors import Actor, Limits, RetryPolicy, Service, handler, step
from actors.errors import ActorError
from actors.model.handlers import Handler
from actors.query.fsck.doctor import examine
from journal.kv.memory import MemoryStore
from tests import long_way
from tests.lab import WORLD, Lab
from tests.stored import first_difference, stored, without_tracebacks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


BRIEF = RetryPolicy(max_attempts=2, initial_delay=1.0)
SETTLED_SECONDS = 60.0

NOT_JSON: Any = object()

IS_STRICT = False
"""Whether a price must be a whole number; a handler sets it, as another version of the code would."""


@pytest.fixture(autouse=True)
def not_strict() -> None:
    global IS_STRICT
    IS_STRICT = False


def _whole(_: Any, __: Any, value: float) -> None:
    if IS_STRICT and value != int(value):
        raise ValueError("a price is a whole number")


@attrs.define
class Price:
    amount: float = attrs.field(validator=_whole)


@step(retry=BRIEF)
async def act() -> int:
    await trio.sleep(0.5)
    return 7


@step(retry=BRIEF)
async def fail() -> None:
    raise ConnectionError("refused")


class Free(Actor):
    """Each handler does one thing in its first turn; ``number`` tells whether its changes were kept."""

    number: int = 0

    @handler
    async def change(self) -> int:
        self.number += 1
        return self.number

    @handler
    async def change_nothing(self) -> int:
        return self.number

    @handler
    async def set_what_it_was(self) -> None:
        self.number = self.number + 0

    @handler(retry=BRIEF)
    async def fail(self) -> None:
        self.number += 1
        raise ConnectionError("refused")

    @handler(retry=BRIEF, atomic=True)
    async def fail_as_a_whole(self) -> None:
        self.number += 1
        raise ConnectionError("refused")

    @handler
    async def fail_for_good(self) -> None:
        self.number += 1
        raise actors.TerminalError("no")

    @handler(atomic=True)
    async def fail_for_good_as_a_whole(self) -> None:
        self.number += 1
        raise actors.TerminalError("no")

    @handler
    async def raise_a_cancel(self) -> None:
        self.number += 1
        raise actors.CancelledError

    @handler(retry=BRIEF)
    async def exit(self) -> None:
        raise SystemExit(1)

    @handler
    async def wait_for_a_step(self) -> int:
        self.number += 1
        return await act() + self.number

    @handler
    async def wait_for_a_step_that_fails(self) -> None:
        await fail()

    @handler
    async def sleep(self) -> None:
        self.number += 1
        await actors.sleep(1.0)
        self.number += 1

    @handler
    async def sleep_in_a_nursery(self) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(actors.sleep, 1.0)
            nursery.start_soon(act)

    @handler
    async def wait_in_vain(self) -> bool:
        with actors.move_on_after(2.0) as scope:
            await actors.signal("never", int)
        return scope.cancelled_caught

    @handler
    async def emit(self) -> str:
        actors.emit("a piece")
        return "said"

    @handler
    async def send(self) -> int:
        self.number += 1
        await actors.actor(Free, "other").change.send()
        return self.number

    @handler
    async def send_twice(self) -> None:
        await actors.actor(Free, "other").change.send()
        await actors.actor(Free, "one more").change.send()

    @handler
    async def call(self) -> int:
        return await actors.actor(Free, "other").change() + self.number

    @handler
    async def call_what_calls(self) -> int:
        return await actors.actor(Free, "between").call()

    @handler
    async def call_what_fails(self) -> None:
        await actors.actor(Free, "other").fail_for_good()

    @handler
    async def call_itself(self) -> None:
        await actors.actor(Free, self.key).change()

    @handler
    async def send_what_no_longer_fits(self) -> None:
        global IS_STRICT
        await actors.actor(Free, "other").take.send(Price(1.5))
        IS_STRICT = True

    @handler
    async def take(self, price: Price) -> float:
        return price.amount

    @handler
    async def look_at_the_time(self) -> float:
        return actors.current_time()

    @handler
    async def throw_dice(self) -> float:
        return actors.random().random()

    @handler(retry=BRIEF)
    async def await_what_is_foreign(self) -> None:
        self.number += 1
        await trio.lowlevel.checkpoint()

    @handler(retry=BRIEF)
    async def return_what_cannot_be_stored(self) -> Any:
        self.number += 1
        return NOT_JSON

    @handler(retry=BRIEF)
    async def return_too_much(self) -> str:
        self.number += 1
        return "x" * 2_000

    @handler(retry=BRIEF)
    async def return_half_a_character(self) -> str:
        return "caf\udce9"

    @handler(retry=BRIEF)
    async def set_what_cannot_be_stored(self) -> None:
        self.number = NOT_JSON  # type: ignore[assignment]

    @handler(retry=BRIEF)
    async def set_half_a_character(self) -> None:
        self.number = "caf\udce9"  # type: ignore[assignment]

    @handler
    async def leave_a_generator(self) -> int:
        async for number in _numbers():
            return number
        return 0

    @handler
    async def cancel_itself(self) -> None:
        await actors.invocation(actors.current_invocation()).cancel()

    @handler
    async def block(self) -> None:
        self.number += 1
        while True:
            pass

    @handler(retention=5.0)
    async def be_forgotten(self) -> None:
        self.number += 1


class Kept(Actor):
    """With collections, so that the first invocation of an object takes the long way."""

    number: int = 0
    notes: actors.Map[str, int]
    lines: actors.Log[int]

    @handler
    async def write_a_line(self) -> None:
        self.lines.append(1)

    @handler
    async def write_a_note(self) -> int:
        self.notes["a"] = 1
        return len(self.lines)

    @handler
    async def change_and_write(self) -> None:
        self.number += 1
        self.lines.append(self.number)


async def _numbers() -> AsyncIterator[int]:
    try:
        yield 1
        yield 2
    finally:
        WORLD.note("left")


class Works(Service):
    @handler
    async def call(self) -> int:
        return await actors.actor(Free, "other").change()

    @handler
    async def change_nothing(self) -> int:
        return 1


def handlers_of(cls: type[Actor]) -> list[str]:
    return [name for name, member in vars(cls).items() if isinstance(member, Handler)]


HANDLERS = [(Free, name) for name in handlers_of(Free) if name not in ("take", "block")]
HANDLERS += [(Kept, name) for name in handlers_of(Kept)]


async def live(cls: type, target: str, way: str) -> tuple[MemoryStore, list[Any]]:
    """Call the handler twice, of a new object and of an old one, and let all end. The store, and what was heard and done."""
    limits = Limits(payload_bytes=1_000, blocking_seconds=0.2)
    lab = Lab(Free, Kept, Works, limits=limits, has_watchdog=target == "block")
    heard: list[Any] = []
    async with lab.running() as runtime:
        of: Any = runtime.client.service(Works) if cls is Works else runtime.client.actor(cls, "a")
        for _ in range(2):
            with trio.move_on_after(SETTLED_SECONDS):
                try:
                    if way == "message":
                        handle = await getattr(of, target).send()
                        heard.append(await handle.result())
                    else:
                        heard.append(await getattr(of, target)())
                except ActorError as error:
                    heard.append((type(error).__name__, str(error)))
            await trio.sleep(SETTLED_SECONDS)
    return lab.store, [heard, WORLD.entries.copy()]


def compare(cls: type, target: str, way: str) -> None:
    """Both ways store and tell the same."""

    def both() -> tuple[MemoryStore, list[Any]]:
        global IS_STRICT
        IS_STRICT = False
        WORLD.clear()
        return trio.run(live, cls, target, way, clock=MockClock(autojump_threshold=0))

    short, told_shortly = both()
    with long_way.taken():
        long, told = both()
    difference = first_difference(without_tracebacks(stored(short)), without_tracebacks(stored(long)))
    assert not difference, difference
    assert told_shortly == told
    assert not examine(short, 1).findings


@pytest.mark.parametrize("way", ["call", "message"])
@pytest.mark.parametrize(("cls", "target"), HANDLERS, ids=[f"{cls.__name__}.{name}" for cls, name in HANDLERS])
def test_whatever_a_handler_does_is_stored_as_on_the_long_way(cls: type, target: str, way: str) -> None:
    compare(cls, target, way)


@pytest.mark.parametrize("target", ["call", "change_nothing"])
def test_whatever_a_service_does_is_stored_as_on_the_long_way(target: str) -> None:
    compare(Works, target, "call")


def test_a_handler_that_blocks_the_loop_is_paused_as_on_the_long_way() -> None:
    compare(Free, "block", "call")
