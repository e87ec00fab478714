"""Fields: what a handler writes is there for the next one, whatever happens in between."""

from __future__ import annotations

import datetime
import enum
import uuid

import attrs
import pytest
import trio

import actors
from actors import Actor, Log, Map, Service, handler, shared, step
from actors.model.classes import definition_of
from journal.events import Status
from tests.lab import Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@attrs.define
class Item:
    name: str
    price: float
    tags: list[str] = attrs.field(factory=list)


@step
async def pause(seconds: float = 1.0) -> None:
    await trio.sleep(seconds)


class Shelf(Actor):
    names: list[str] = actors.field(factory=list)
    prices: dict[str, float] = actors.field(factory=dict)
    items: list[Item] = actors.field(factory=list)
    colour: Colour = Colour.RED
    seen_at: datetime.datetime | None = None
    owner: uuid.UUID | None = None
    marks: set[str] = actors.field(factory=set)
    raw: bytes = b""
    lines: Log[str]
    stock: Map[str, int]
    carts: Map[int, Item]

    @handler
    async def fill(self) -> None:
        self.names.append("a")
        self.prices["a"] = 1.5
        self.items.append(Item("a", 1.5))
        self.items[0].tags.append("new")
        self.colour = Colour.BLUE
        self.seen_at = datetime.datetime(2030, 1, 2, tzinfo=datetime.UTC)
        self.owner = uuid.UUID(int=7)
        self.marks |= {"x", "y", "z"}
        self.raw = b"\x00\xff"

    @handler
    async def grow_in_place(self, seconds: float) -> None:
        self.names.append("before")
        await pause(seconds)
        self.names.append("after")

    @shared
    async def everything(self) -> dict[str, object]:
        return {
            "names": self.names,
            "prices": self.prices,
            "tags": [item.tags for item in self.items],
            "colour": self.colour.value,
            "seen": None if self.seen_at is None else self.seen_at.isoformat(),
            "owner": str(self.owner),
            "marks": sorted(self.marks),
            "raw": list(self.raw),
        }

    @shared
    async def change_in_place(self) -> None:
        self.prices["a"] = 0.0

    @handler
    async def write(self, count: int, seconds: float = 0.0) -> int:
        for _ in range(count):
            self.lines.append(f"line {len(self.lines)}")
        if seconds:
            await pause(seconds)
            self.lines.append("the last")
        return len(self.lines)

    @shared
    async def read_lines(self) -> dict[str, object]:
        lines = self.lines
        return {"len": len(lines), "all": list(lines), "last": lines[-1], "some": lines[1:4], "back": lines[::-2]}

    @handler
    async def put(self, name: str, count: int) -> int | None:
        before = self.stock.get(name)
        self.stock[name] = count
        return before

    @handler
    async def take_all(self, name: str, seconds: float = 0.0) -> int:
        taken = self.stock[name]
        del self.stock[name]
        if seconds:
            await pause(seconds)
        assert name not in self.stock
        return taken

    @handler
    async def tag_cart(self, number: int, tag: str) -> list[str]:
        if number not in self.carts:
            self.carts[number] = Item(f"cart {number}", 0.0)
        self.carts[number].tags.append(tag)
        return self.carts[number].tags

    @shared
    async def read_stock(self) -> dict[str, int]:
        return dict(self.stock.items())

    @shared
    async def carts_by_number(self) -> list[tuple[int, list[str]]]:
        return [(number, cart.tags) for number, cart in self.carts.items()]

    @shared
    async def read_stock_twice(self, name: str, seconds: float) -> list[int | None]:
        before = self.stock.get(name)
        await actors.sleep(seconds)
        return [before, self.stock.get(name)]

    @shared
    async def write_in_a_reader(self) -> None:
        setattr(self, "names", ["no"])  # noqa: B010 - written out, the class is refused

    @handler
    async def undeclared(self) -> None:
        self.tmp = 1  # type: ignore[attr-defined]

    @handler
    async def delete(self, name: str) -> None:
        delattr(self, name)

    @handler
    async def unserializable(self) -> None:
        self.items.append(Item("x", float("nan")))

    @handler(atomic=True)
    async def all_or_nothing(self) -> None:
        self.names.append("gone")
        self.lines.append("gone")
        self.stock["gone"] = 1
        await pause()
        raise actors.TerminalError("no")

    @handler
    async def keeps_what_it_wrote(self) -> None:
        self.names.append("kept")
        self.lines.append("kept")
        self.stock["kept"] = 1
        await pause()
        self.names.append("kept too")
        raise actors.TerminalError("no")


class OldPerson(Actor):
    age: str = "0"

    @handler
    async def set_age(self, age: str) -> None:
        self.age = age

    @handler
    async def wait(self, seconds: str) -> str:
        await actors.sleep(float(seconds))
        return seconds


class NewPerson(Actor):
    age: int = 0

    @handler
    async def set_age(self, age: str) -> None:
        self.age = int(age)

    @handler
    async def wait(self, seconds: int) -> str:
        await actors.sleep(float(seconds))
        return str(seconds)

    @shared
    async def read(self) -> int:
        return self.age


OldPerson.__name__ = NewPerson.__name__ = "Person"


@pytest.fixture
def lab() -> Lab:
    return Lab(Shelf)


async def test_values_of_every_kind_come_back_also_after_a_restart(lab: Lab) -> None:
    expected = {
        "names": ["a"],
        "prices": {"a": 1.5},
        "tags": [["new"]],
        "colour": "blue",
        "seen": "2030-01-02T00:00:00+00:00",
        "owner": str(uuid.UUID(int=7)),
        "marks": ["x", "y", "z"],
        "raw": [0, 255],
    }
    async with lab.running() as runtime:
        await runtime.client.actor(Shelf, "s").fill()
        assert await runtime.client.actor(Shelf, "s").everything() == expected
    async with lab.running() as runtime:
        assert await runtime.client.actor(Shelf, "s").everything() == expected


async def test_a_change_inside_a_list_is_seen_and_made_once_across_a_crash(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Shelf, "s").grow_in_place.send(60.0)
        await trio.sleep(1)
        assert (await runtime.client.actor(Shelf, "s").everything())["names"] == ["before"]
    async with lab.running() as runtime:
        await runtime.client.invocation(handle.id).result()
        assert (await runtime.client.actor(Shelf, "s").everything())["names"] == ["before", "after"]


async def test_a_log_grows_and_reads_like_a_list(lab: Lab) -> None:
    async with lab.running() as runtime:
        shelf = runtime.client.actor(Shelf, "s")
        assert await shelf.write(3) == 3
        handle = await shelf.write.send(2, 60.0)
        await trio.sleep(1)
        seen = await shelf.read_lines()
        assert seen["all"] == [f"line {i}" for i in range(5)]
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == 6
        seen = await runtime.client.actor(Shelf, "s").read_lines()
        assert seen == {
            "len": 6,
            "all": [*(f"line {i}" for i in range(5)), "the last"],
            "last": "the last",
            "some": ["line 1", "line 2", "line 3"],
            "back": ["the last", "line 3", "line 1"],
        }


async def test_a_map_sets_removes_and_walks(lab: Lab) -> None:
    async with lab.running() as runtime:
        shelf = runtime.client.actor(Shelf, "s")
        assert await shelf.put("pear", 1) is None
        assert await shelf.put("apple", 2) is None
        assert await shelf.put("pear", 3) == 1
        assert await shelf.read_stock() == {"apple": 2, "pear": 3}
        handle = await shelf.take_all.send("pear", 60.0)
        await trio.sleep(1)
        assert await shelf.read_stock() == {"apple": 2}
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == 3
        assert await runtime.client.actor(Shelf, "s").read_stock() == {"apple": 2}


async def test_a_change_inside_an_item_of_a_map_is_seen(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.actor(Shelf, "s").tag_cart(7, "a") == ["a"]
        assert await runtime.client.actor(Shelf, "s").tag_cart(7, "b") == ["a", "b"]
    async with lab.running() as runtime:
        assert await runtime.client.actor(Shelf, "s").carts_by_number() == [(7, ["a", "b"])]


async def test_many_writes_in_one_commit_see_each_other(lab: Lab) -> None:
    async with lab.running() as runtime:
        shelf = runtime.client.actor(Shelf, "s")
        handles = [await shelf.write.send(1) for _ in range(50)]
        counts = [await shelf.put.send(f"k{i % 5}", i) for i in range(50)]
        assert [await h.result() for h in handles] == list(range(1, 51))
        assert [await h.result() for h in counts][5:] == list(range(45))


async def test_a_reader_of_a_map_sees_the_same_items_again_after_a_crash(lab: Lab) -> None:
    async with lab.running() as runtime:
        shelf = runtime.client.actor(Shelf, "s")
        await shelf.put("pear", 1)
        handle = await shelf.read_stock_twice.send("pear", 60.0)
        await quiet()
        await shelf.put("pear", 2)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == [1, 1]


async def test_what_would_be_forgotten_or_cannot_be_kept_is_refused_by_name(lab: Lab) -> None:
    async with lab.running() as runtime:
        shelf = runtime.client.actor(Shelf, "s")
        for method, said in (
            ("write_in_a_reader", "'names'"),
            ("change_in_place", "'prices'"),
            ("undeclared", "'tmp'"),
        ):
            with pytest.raises(actors.errors.FieldMisuseError, match=said):
                await getattr(shelf, method)()
        with raises(actors.errors.UnserializableError, path="items[0]['price']"):
            await shelf.unserializable()
        assert (await shelf.everything())["names"] == []


@pytest.mark.parametrize("name", ["colour", "lines", "stock", "tmp", "key"])
async def test_a_field_cannot_be_deleted_and_the_error_names_it(lab: Lab, name: str) -> None:
    async with lab.running() as runtime:
        shelf = runtime.client.actor(Shelf, "s")
        await shelf.fill()
        before = await shelf.everything()
        with pytest.raises(actors.errors.FieldMisuseError, match=name):
            await shelf.delete(name)
        assert await shelf.everything() == before


async def test_an_atomic_handler_that_fails_leaves_nothing_and_another_leaves_what_it_wrote(lab: Lab) -> None:
    async with lab.running() as runtime:
        shelf = runtime.client.actor(Shelf, "s")
        for method in (shelf.all_or_nothing, shelf.keeps_what_it_wrote):
            with pytest.raises(actors.TerminalError, match="no"):
                await method()
        assert (await shelf.everything())["names"] == ["kept", "kept too"]
        assert (await shelf.read_lines())["all"] == ["kept"]
        assert await shelf.read_stock() == {"kept": 1}


async def test_values_that_no_longer_fit_pause_with_the_path_and_nothing_is_lost() -> None:
    lab = Lab(OldPerson)
    async with lab.running() as runtime:
        await runtime.client.actor(OldPerson, "p").set_age("seven")
        waiting = await runtime.client.actor(OldPerson, "p").wait.send("60")
        await quiet()
    async with lab.running(NewPerson) as runtime:
        handle = await runtime.client.actor(NewPerson, "p").read.send()
        await trio.sleep(100)
        info = await handle.info()
        assert info.status is Status.PAUSED
        assert info.last_failure is not None
        assert info.last_failure.code is actors.errors.ErrorCode.NO_LONGER_FITS
        info = await runtime.client.invocation(waiting.id).info()
        assert info.status is Status.PAUSED
        assert info.last_failure is not None
        assert info.last_failure.code is actors.errors.ErrorCode.NO_LONGER_FITS
    async with lab.running(OldPerson) as runtime:
        waiting = runtime.client.invocation(waiting.id)
        await waiting.resume()
        assert await waiting.result() == "60"


def test_classes_that_cannot_work_are_refused_where_they_are_defined_or_served() -> None:
    with raises(actors.errors.DefinitionError, reason="shared_state"):

        class SharedDefault(Actor):
            names: list[str] = []

    with raises(actors.errors.DefinitionError, reason="kind"):

        class StatefulService(Service):
            count: int = 0

    with raises(actors.errors.DefinitionError, reason="name"):

        class Taken(Actor):
            key: str = ""

    with raises(actors.errors.DefinitionError, reason="function"):

        class Sync(Actor):
            @handler  # type: ignore[arg-type]
            def go(self) -> None: ...

    for name in ("jobs", "x" * 1000):
        with raises(actors.errors.DefinitionError, reason="name", name=name):
            definition_of(type(name, (Shelf,), {}))

    with raises(actors.errors.DefinitionError, reason="option", name="field"):
        actors.field()  # type: ignore[call-overload]
