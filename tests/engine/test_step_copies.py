"""What a step is given is its own: nothing that it changes is seen in the handler, in the first run as in a replay."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import attrs
import pytest
import trio

import actors
from actors import Actor, Limits, Log, Map, RetryPolicy, handler, shared, step
from tests.lab import WORLD, Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@attrs.define
class Basket:
    items: list[str] = attrs.field(factory=list)


class Fickle:
    """Can be copied for the handler, not for the step."""

    def __deepcopy__(self, memo: object) -> Fickle:
        WORLD.note("copied")
        if WORLD.count("copied") > 1:
            raise StopIteration
        return self


class Client:
    """Reached over a connection, so not to be copied."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls: list[str] = []

    def call(self, word: str) -> str:
        self.calls.append(word)
        return word


CLIENT = Client()


async def fill(into: list[str]) -> list[str]:
    into.append("filled")
    return into


def fill_in_a_thread(into: dict[str, list[str]]) -> None:
    into["a"].append("filled")


@step
async def put(basket: Basket, *, also: Basket | None = None) -> list[str]:
    basket.items.append("put")
    return [] if also is None else also.items


@step(retry=RetryPolicy(max_attempts=3, initial_delay=0.1))
async def unsteady(into: list[str]) -> list[str]:
    into.append("tried")
    WORLD.note("tried")
    if WORLD.count("tried") < 3:
        raise ConnectionError("not yet")
    return into


@step(retry=RetryPolicy(max_attempts=1, on_exhausted="fail"))
async def take(fickle: Fickle) -> None: ...


@step
async def collect(word: str, into: list[str] = [], *, by: dict[str, int] = {}) -> list[str]:  # noqa: B006
    into.append(word)
    by[word] = 1
    return [*into, *by]


def find(at: object = CLIENT, into: list[str] = []) -> bool:  # noqa: B006
    into.append("found")
    return at is CLIENT and into == ["found"]


async def slow(words: list[str]) -> list[str]:
    await trio.sleep(1)
    return words


class Shop(Actor):
    kept: list[str] = actors.field(factory=list)
    number: int = 0
    lines: Log[str]
    prices: Map[str, int]

    @handler
    async def argument(self, how: str) -> list[Any]:
        found: list[Any] = ["first"]
        match how:
            case "async":
                await actors.run(fill, found)
            case "thread":
                await actors.run(fill_in_a_thread, {"a": found})
            case "bound":
                await actors.run(partial(fill, found))
            case "bound by name":
                await actors.run(partial(fill, into=found))
            case "method":
                await actors.run(found.append, "appended")
            case "data class":
                basket = Basket(found)
                await put(basket)
                found = basket.items
            case "by name":
                basket = Basket(found)
                assert await put(Basket(), also=basket) == found
                await put(also=None, basket=basket)
            case "field":
                self.kept.append("first")
                await actors.run(fill, self.kept)
                found = self.kept
            case "result":
                result = await actors.run(fill, found)
                result.append("changed")
        await actors.signal("go")
        return found

    @handler
    async def defaults(self) -> list[Any]:
        found: list[Any] = [await collect("a"), await collect("b"), await collect("c", ["given"])]
        return [*found, await actors.run(find), await actors.run(find)]

    @handler
    async def retried(self) -> list[str]:
        return await unsteady(["first"])

    @handler
    async def give_what_cannot_be_copied_again(self) -> None:
        await take(Fickle())

    @handler
    async def shared_within(self) -> list[str]:
        basket = Basket()
        return await put(basket, also=basket)

    @handler
    async def changed_meanwhile(self) -> list[str]:
        words = ["first"]
        found: list[str] = []

        async def ask() -> None:
            found.extend(await actors.run(slow, words))

        async def change() -> None:
            words.append("changed")

        async with actors.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(change)
        return found

    @handler
    async def give(self, what: str) -> Any:
        values = {"client": CLIENT, "generator": (n for n in range(3)), "nested": [{"a": CLIENT}]}
        return await actors.run(lambda value: str(value), values[what])

    @handler
    async def give_resources(self) -> list[Any]:
        handle = await actors.actor(Shop, "other").quick.send()
        given = [await actors.run(CLIENT.call, "by method")]
        given.append(
            await actors.run(_names, Client, len, handle, actors.actor(Shop, "x"), self.quick, ValueError("a"))
        )
        return given

    @handler
    async def quick(self) -> None: ...

    # Steps that look at fields.

    @step
    async def read(self) -> int:
        return self.number

    @step
    def write(self) -> None:
        self.number = 9

    @step
    def through_a_helper(self) -> int:
        return self.double()

    @step
    async def know_the_key(self) -> str:
        return self.key

    def double(self) -> int:
        return 2 * self.number

    @handler
    async def look(self, how: str) -> Any:
        match how:
            case "method":
                return await self.read()
            case "writing method":
                return await self.write()
            case "helper":
                return await self.through_a_helper()
            case "closure":
                return await actors.run(lambda: self.number)
            case "argument":
                return await actors.run(lambda shop: shop.number, self)
            case "nested argument":
                return await actors.run(lambda given: given["shop"].number, {"shop": self})
            case "log":
                return await actors.run(lambda lines: [*lines], self.lines)
            case "log length":
                return await actors.run(len, self.lines)
            case "log append":
                return await actors.run(self.lines.append, "x")
            case "map":
                return await actors.run(lambda prices: prices["a"], self.prices)
            case "map walk":
                return await actors.run(lambda prices: dict(prices.items()), self.prices)
            case "map set":
                return await actors.run(self.prices.__setitem__, "a", 1)

    @shared
    async def look_from_another(self) -> int:
        held: Shop = HELD[0]
        return held.number

    @handler
    async def hold(self) -> str:
        HELD[:] = [self]
        await actors.signal("go")
        return await self.know_the_key()


class Closed(Actor):
    found: list[str] = actors.field(factory=list)

    @handler
    async def search(self) -> None:
        found: list[str] = []

        async def search() -> None:
            found.append("result")

        await actors.run(search)
        self.found = found
        await actors.signal("go")


def _names(*values: Any) -> list[str]:
    return [type(value).__name__ for value in values]


HELD: list[Any] = []

LOOKS = [
    ("method", "number"),
    ("writing method", "number"),
    ("helper", "number"),
    ("closure", "number"),
    ("argument", "number"),
    ("nested argument", "number"),
    ("log", "lines"),
    ("log length", "lines"),
    ("log append", "lines"),
    ("map", "prices"),
    ("map walk", "prices"),
    ("map set", "prices"),
]

ARGUMENTS = ["async", "thread", "bound", "bound by name", "method", "data class", "by name", "field", "result"]


@pytest.fixture(autouse=True)
def _no_effects_yet() -> None:
    WORLD.clear()


@pytest.mark.parametrize("suspended", [False, True])
@pytest.mark.parametrize("how", ARGUMENTS)
async def test_what_a_step_changes_in_an_argument_is_not_seen(how: str, *, suspended: bool) -> None:
    lab = Lab(Shop, limits=Limits(unload_after_seconds=1.0 if suspended else 3600.0))
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Shop, "k").argument.send(how)
        await trio.sleep(10)
        await handle.signal("go")
        assert await handle.result() == ["first"]


async def test_a_call_of_a_step_sees_no_default_that_another_has_changed() -> None:
    async with Lab(Shop).running() as runtime:
        for key in ("k", "other"):
            found = await runtime.client.actor(Shop, key).defaults()
            assert found == [["a", "a"], ["b", "b"], ["given", "c", "c"], True, True]


async def test_every_try_is_given_the_same() -> None:
    async with Lab(Shop).running() as runtime:
        assert await runtime.client.actor(Shop, "k").retried() == ["first", "tried"]


async def test_what_is_given_twice_is_one_object_in_the_step() -> None:
    async with Lab(Shop).running() as runtime:
        assert await runtime.client.actor(Shop, "k").shared_within() == ["put"]


async def test_a_step_sees_its_arguments_as_they_were_when_it_was_asked_for() -> None:
    async with Lab(Shop).running() as runtime:
        assert await runtime.client.actor(Shop, "k").changed_meanwhile() == ["first"]


@pytest.mark.parametrize("what", ["client", "generator", "nested"])
async def test_what_cannot_be_copied_is_refused_with_the_step(what: str) -> None:
    async with Lab(Shop).running() as runtime:
        with raises(actors.errors.UnserializableError, path="$.0"):
            await runtime.client.actor(Shop, "k").give(what)


async def test_a_copy_that_stops_the_iteration_is_a_failure_and_no_result() -> None:
    async with Lab(Shop).running() as runtime:
        with pytest.raises(actors.TerminalError):
            await runtime.client.actor(Shop, "k").give_what_cannot_be_copied_again()


async def test_code_handles_and_what_methods_are_bound_to_are_given_as_they_are() -> None:
    async with Lab(Shop).running() as runtime:
        names = ["type", "builtin_function_or_method", "InvocationHandle", "Reference", "OwnHandler", "ValueError"]
        assert await runtime.client.actor(Shop, "k").give_resources() == ["by method", names]
        assert CLIENT.calls == ["by method"]


@pytest.mark.parametrize(("how", "field"), LOOKS)
async def test_a_step_cannot_reach_the_fields_of_its_object(how: str, field: str) -> None:
    async with Lab(Shop).running() as runtime:
        with raises(actors.errors.MisuseError, code="inside_step", match=rf"field '{field}'"):
            await runtime.client.actor(Shop, "k").look(how)


async def test_fields_are_seen_by_their_own_handler_alone() -> None:
    async with Lab(Shop).running() as runtime:
        hold = await runtime.client.actor(Shop, "k").hold.send()
        with pytest.raises(actors.errors.FieldMisuseError, match="field 'number'"):
            await runtime.client.actor(Shop, "l").look_from_another()
        with pytest.raises(actors.errors.FieldMisuseError, match="field 'number'"):
            _ = HELD[0].number
        await hold.signal("go")
        assert await hold.result() == "k"
    HELD.clear()


async def test_a_closure_that_a_step_fills_is_named_where_the_replay_differs() -> None:
    lab = Lab(Closed, limits=Limits(unload_after_seconds=1.0))
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Closed, "k").search.send()
        await trio.sleep(10)
        await handle.signal("go")
        async for event in handle.follow():
            if event.name == "InvocationPaused":
                break
        assert "closure" in (await handle.info()).pause_reason
    assert "closure" in str(actors.run.__doc__)
