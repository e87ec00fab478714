"""Values on their way through a runtime: they arrive as they were sent, in the first run, in a replay, and in the next process."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
import zoneinfo
from typing import Any, Literal, NoReturn

import attrs
import pytest
from pydantic import BaseModel, Field

import actors
from actors import Actor, Log, Map, Service, handler, shared, step
from actors.model.classes import definition_of
from journal.events import Status as InvocationStatus
from tests.lab import Lab, Ledger, quiet
from tests.raising import raises
from tests.values.promise import same
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time
WORLD = Ledger()


class Status(enum.StrEnum):
    NEW = "new"
    PAID = "paid"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


class Line(BaseModel):
    name: str
    price: decimal.Decimal = Field(default=decimal.Decimal("0.50"), ge=0)


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    tricks: list[str]


@attrs.frozen
class Seat:
    row: int
    message: str


@attrs.define
class Booking:
    seats: dict[Seat, str]
    status: Status = Status.NEW
    at: datetime.datetime | None = None


@attrs.define
class Wider(Booking):
    note: str = ""


BOOKING = Booking(
    {Seat(1, "a"): "anna"},
    Status.PAID,
    datetime.datetime(2030, 10, 27, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"), fold=1),
)
BY_KEY: dict[Any, str] = {Level.LOW: "low"}
BENT: list[Any] = [
    (1, 2),
    [(1,)],
    {3, 1},
    frozenset("a"),
    {1: "a"},
    {"a": {True: 1}},
    [Seat(1, "a")],
    Status.PAID,
    Level.LOW,
    datetime.date(2030, 1, 2),
    b"a",
    decimal.Decimal(1),
]
"""Values that JSON has no word for: read without a type they would be something else."""


@step
async def ask_the_bank(status: Status) -> tuple[Status, Level, Access]:
    WORLD.note("asked")
    return status, Level.HIGH, Access.READ | Access.WRITE


@step
async def seats() -> dict[int, str]:
    WORLD.note("seated")
    return {1: "anna", 2: "ben"}


@step
async def untyped():
    WORLD.note("untyped")
    return {1: "one", "1": "uno"}


@step
async def price(line: Line) -> Line:
    return line.model_copy(update={"price": line.price * 2})


class Shop(Actor):
    status: Status = Status.NEW
    by_year: dict[int, list[Level]] = actors.field(factory=dict)
    booking: Booking = actors.field(factory=lambda: Booking({}))
    line: Line | None = None
    log: Log[Cat | Dog]
    by_day: Map[datetime.date, Line]
    by_rate: Map[decimal.Decimal, int]
    anything: Any = None
    anythings: Map[str, Any]

    @handler
    async def pay(self, status: Status, by_level: dict[Level, str]) -> tuple[Status, dict[Level, str]]:
        assert type(status) is Status
        assert [type(key) for key in by_level] == [Level]
        self.status, level, access = await ask_the_bank(status)
        assert (type(level), type(access)) == (Level, Access)
        self.by_year[2030] = [level]
        return self.status, by_level

    @handler
    async def keep(self, booking: Booking, line: Line, pets: list[Cat | Dog]) -> Booking:
        self.booking, self.line = booking, await price(line)
        self.log.extend(pets)
        self.by_day[datetime.date(2030, 1, 2)] = line
        await actors.sleep(60)
        assert self.booking == booking
        return booking

    @shared
    async def look(self) -> tuple[Status, dict[int, list[Level]], Booking, Line | None, list[Cat | Dog]]:
        return self.status, self.by_year, self.booking, self.line, list(self.log)

    @shared
    async def days(self) -> dict[datetime.date, Line]:
        return dict(self.by_day.items())

    @handler
    async def book(self) -> dict[int, str]:
        return await seats()

    @handler
    async def without_types(self) -> str:
        return str(await untyped())

    @handler
    async def wider(self) -> Booking:
        return Wider({})

    @handler
    async def wait_for_line(self) -> Line:
        return await actors.signal("line", Line)

    @handler
    async def wait_for_seats(self) -> list[Seat]:
        return await actors.signal("seats", list[Seat])

    @handler
    async def rate(self, rate: decimal.Decimal, count: int) -> int:
        self.by_rate[rate] = count
        return len(self.by_rate)

    @handler
    async def give_up(self) -> NoReturn:
        raise actors.TerminalError("given up")

    @handler
    async def wait_untyped(self) -> Any:
        return await actors.signal("anything")

    @handler
    async def take_anything(self, value: Any) -> str:
        return repr(value)

    @handler
    async def take_typed(self, seat: Seat, point: tuple[int, int] = (0, 0), more: Any = None) -> str:
        return repr((seat, point, more))

    @handler
    async def restart_it(self, of: str, number: int) -> str:
        answer = await actors.invocation(of).restart(input=(number, 2))
        return answer.successor.invocation_id

    @handler
    async def take_point(self, point: tuple[int, int]) -> tuple[int, int]:
        return point

    @handler
    async def emit_all(self) -> None:
        actors.emit([{"row": 1}, "paid", 0.5, None])
        for value in BENT:
            with pytest.raises(actors.errors.UnserializableError):
                actors.emit(value)


@pytest.fixture
def lab() -> Lab:
    WORLD.entries.clear()
    return Lab(Shop)


async def test_members_arrive_as_members_everywhere_also_in_the_next_process(lab: Lab) -> None:
    async with lab.running() as runtime:
        shop = runtime.client.actor(Shop, "a")
        assert same(await shop.pay(Status.PAID, {Level.LOW: "low"}), (Status.PAID, {Level.LOW: "low"}))
    async with lab.running() as runtime:
        status, by_year, *_ = await runtime.client.actor(Shop, "a").look()
        assert same((status, by_year), (Status.PAID, {2030: [Level.HIGH]}))


async def test_a_value_is_the_same_in_a_replay_and_in_the_next_process(lab: Lab) -> None:
    line, pets = Line(name="tea"), [Dog(tricks=["sit"]), Cat(lives=9)]
    async with lab.running() as runtime:
        task = await runtime.client.actor(Shop, "a").keep.send(BOOKING, line, pets)
        await quiet()
    async with lab.running() as runtime:
        back = await runtime.client.invocation(task.id).result()
        assert same(back, BOOKING)
        assert (back.at.tzinfo, back.at.fold) == (BOOKING.at.tzinfo, 1)  # type: ignore[union-attr]
    async with lab.running() as runtime:
        shop = runtime.client.actor(Shop, "a")
        _, _, booking, kept, log = await shop.look()
        assert same(booking, BOOKING)
        assert (kept, log) == (Line(name="tea", price=decimal.Decimal("1.00")), pets)
        assert await shop.days() == {datetime.date(2030, 1, 2): line}


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("paid", {}), "$.status"),
        ((Status.PAID, {1: "low"}), "$.by_level[1]"),
    ],
)
async def test_an_argument_that_is_no_member_is_refused_before_anything_runs(
    lab: Lab, arguments: Any, path: str
) -> None:
    async with lab.running() as runtime:
        with pytest.raises(actors.InvalidArgumentError) as refusal:
            await runtime.client.actor(Shop, "a").pay(*arguments)
        assert refusal.value.path == path
        assert await runtime.client.invocations() == []


async def test_a_model_refuses_an_argument_by_its_path(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(actors.InvalidArgumentError) as refusal:
            await runtime.client.actor(Shop, "a").keep(
                BOOKING, Line.model_construct(name="a", price=decimal.Decimal(-1)), []
            )
        assert refusal.value.path == "$.line['price']"


async def test_a_dictionary_with_numbers_as_keys_comes_back_from_a_step(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert same(await runtime.client.actor(Shop, "a").book(), {1: "anna", 2: "ben"})
    assert WORLD.entries == ["seated"]


async def test_a_result_without_a_type_that_json_would_bend_fails_for_good(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(actors.errors.UnserializableError):
            await runtime.client.actor(Shop, "a").without_types()
    assert WORLD.entries == ["untyped"]


async def test_a_result_of_a_subclass_fails_and_names_the_type(lab: Lab) -> None:
    async with lab.running() as runtime:
        with raises(actors.errors.UnserializableError, path="$"):
            await runtime.client.actor(Shop, "a").wider()


async def test_a_handler_that_never_returns_may_say_so(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(actors.TerminalError, match="given up"):
            await runtime.client.actor(Shop, "a").give_up()


async def test_a_signal_arrives_as_it_was_sent_or_is_passed_over(lab: Lab) -> None:
    async with lab.running() as runtime:
        task = await runtime.client.actor(Shop, "a").wait_for_line.send()
        other = await runtime.client.actor(Shop, "b").wait_for_seats.send()
        await task.signal("line", {"name": 5})
        await task.signal("line", Line(name="tea"))
        await other.signal("seats", [Seat(1, "a"), Seat(2, "b")])
        assert await task.result() == Line(name="tea")
        assert same(await other.result(), [Seat(1, "a"), Seat(2, "b")])
        with pytest.raises(actors.errors.UnserializableError):
            await task.signal("line", {1: "a", "1": "b"})


@pytest.mark.parametrize("value", BENT, ids=repr)
async def test_a_signal_of_a_type_that_nobody_names_is_refused(lab: Lab, value: Any) -> None:
    async with lab.running() as runtime:
        task = await runtime.client.actor(Shop, "a").wait_untyped.send()
        await task.signal("anything", value)
        with pytest.raises(actors.errors.UnserializableError, match="signal 'anything'"):
            await task.result()


async def test_a_signal_that_json_tells_whole_needs_no_type(lab: Lab) -> None:
    async with lab.running() as runtime:
        task = await runtime.client.actor(Shop, "a").wait_untyped.send()
        await task.signal("anything", {"a": [1, 0.5, None, True]})
        assert same(await task.result(), {"a": [1, 0.5, None, True]})


async def test_a_signal_that_waited_for_its_reader_keeps_what_its_json_loses(lab: Lab) -> None:
    async with lab.running() as runtime:
        shop = runtime.client.actor(Shop, "a")
        first, second = await shop.wait_untyped.send(), await shop.wait_untyped.send()
        await second.signal("anything", (1, 2))
        await first.signal("anything", 1)
    async with lab.running() as runtime:
        with raises(actors.errors.UnserializableError, path="$"):
            await runtime.client.invocation(second.id).result()


async def test_output_takes_what_json_itself_has_and_refuses_the_rest(lab: Lab) -> None:
    async with lab.running() as runtime:
        task = await runtime.client.actor(Shop, "a").emit_all.send()
        assert [piece async for piece in task.output()] == [[{"row": 1}, "paid", 0.5, None]]


@pytest.mark.parametrize("value", BENT, ids=repr)
async def test_an_edit_refuses_what_a_field_without_a_type_would_bend(lab: Lab, value: Any) -> None:
    async with lab.running() as runtime:
        handle = runtime.client.object(Shop, "a")
        with pytest.raises(actors.InvalidArgumentError) as refusal:
            await handle.edit(set={"anything": value})
        assert refusal.value.path.startswith("anything")
        with pytest.raises(actors.InvalidArgumentError) as refusal:
            await handle.edit(items={"anythings": {'"k"': value}})
        assert refusal.value.path.startswith('anythings["k"]')
        await handle.edit(set={"anything": [1]}, items={"anythings": {'"k"': {"a": 1}}})


@pytest.mark.parametrize("value", BENT, ids=repr)
async def test_a_restart_refuses_input_that_json_would_bend(lab: Lab, value: Any) -> None:
    async with lab.running() as runtime:
        task = await runtime.client.actor(Shop, "a").take_anything.send({"a": 1})
        await task.result()
        with raises(actors.InvalidArgumentError, code="invalid_argument"):
            await task.restart(input=value, again=True)
        with raises(actors.InvalidArgumentError, code="invalid_argument"):
            await task.restart(input={"value": value}, again=True)
        again = (await task.restart(input=[1], again=True)).successor
        assert await runtime.client.invocation(again.invocation_id).result() == "[1]"


async def test_equal_keys_of_a_map_are_one_item_or_refused(lab: Lab) -> None:
    async with lab.running() as runtime:
        shop = runtime.client.actor(Shop, "a")
        assert await shop.rate(decimal.Decimal("1.5"), 1) == 1
        with raises(actors.errors.UnserializableError, path="by_rate"):
            await shop.rate(decimal.Decimal("1.50"), 2)
        assert await shop.rate(decimal.Decimal("1.5"), 3) == 1


async def test_an_edit_takes_values_of_the_types_of_the_fields(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = runtime.client.object(Shop, "a")
        await handle.edit(set={"status": Status.PAID, "booking": BOOKING, "line": Line(name="tea")})
        status, _, booking, line, _ = await runtime.client.actor(Shop, "a").look()
        assert same((status, booking), (Status.PAID, BOOKING))
        assert line == Line(name="tea")
        with pytest.raises(actors.InvalidArgumentError) as refusal:
            await handle.edit(set={"by_year": {1: "a", "1": "b"}})
        assert refusal.value.path == "by_year"


async def test_a_restart_takes_input_of_the_types_of_the_handler(lab: Lab) -> None:
    async with lab.running() as runtime:
        task = await runtime.client.actor(Shop, "a").take_typed.send(Seat(1, "a"))
        for given, taken in (
            ({"seat": Seat(2, "b")}, (Seat(2, "b"), (0, 0), None)),
            ({"seat": Seat(2, "b"), "point": (3, 4)}, (Seat(2, "b"), (3, 4), None)),
            ({"seat": Seat(2, "b"), "more": [1]}, (Seat(2, "b"), (0, 0), [1])),
        ):
            again = (await task.restart(input=given, stop="cancel", again=True)).successor
            assert await runtime.client.invocation(again.invocation_id).result() == repr(taken)
        with pytest.raises(actors.InvalidArgumentError):
            await task.restart(input={"seat": Seat(2, "b"), "more": (1,)}, again=True)


async def test_a_handler_restarts_another_with_input_of_its_types(lab: Lab) -> None:
    async with lab.running() as runtime:
        point = await runtime.client.actor(Shop, "a").take_point.send((0, 0))
        await point.result()
        anything = await runtime.client.actor(Shop, "a").take_anything.send(1)
        await anything.result()
        other = runtime.client.actor(Shop, "b")
        assert same(await runtime.client.invocation(await other.restart_it(point.id, 1)).result(), (1, 2))
        with pytest.raises(actors.InvalidArgumentError):
            await other.restart_it(anything.id, 1)


# Definitions.


class Point(enum.Enum):
    ORIGIN = (0, 0)


def test_a_class_is_refused_with_its_handler_its_parameter_and_the_type() -> None:
    class Takes(Service):
        @handler
        async def go(self, where: Point) -> None: ...

    class Gives(Service):
        @handler
        async def go(self) -> list[object.__class__]: ...  # type: ignore[name-defined]

    class Keeps(Actor):
        where: dict[str, Point] = actors.field(factory=dict)

        @handler
        async def go(self) -> None: ...

    class Finds(Actor):
        where: Map[Any, int]

        @handler
        async def go(self) -> None: ...

    for cls, words in (
        (Takes, ("Takes.go", "'where'", "Point")),
        (Gives, ("Gives.go", "result", "type")),
        (Keeps, ("Keeps.where", "Point")),
        (Finds, ("Finds.where", "Map")),
    ):
        with pytest.raises(actors.errors.DefinitionError) as refusal:
            definition_of(cls)
        assert [word for word in words if word not in str(refusal.value)] == []


def test_a_step_whose_result_cannot_be_kept_is_refused_where_it_is_defined() -> None:
    with raises(actors.errors.DefinitionError, reason="type", name="where_to"):

        @step
        async def where_to() -> Point: ...

    with raises(actors.errors.DefinitionError, reason="type", name="numbers"):

        @step(name="numbers")
        def count_up() -> set[list[int]]: ...


@step
async def later() -> Later:
    WORLD.note("later")
    return Later(1)


@step
async def never() -> Nowhere:  # type: ignore[name-defined]  # noqa: F821 - the name is missing on purpose
    WORLD.note("never")


@attrs.define
class Later:
    number: int


def plain_function(number: int, wanted: type) -> Seat:
    return Seat(number, wanted.__name__)


class Runs(Service):
    @handler
    async def later(self) -> Later:
        return await later()

    @handler
    async def never(self) -> None:
        await never()

    @handler
    async def refused(self) -> None:
        await actors.run(print, result_type=Point)

    @handler
    async def made(self) -> Seat:
        assert await actors.run(plain_function, 1, int) == Seat(1, "int")
        return await actors.run(Seat, 2, "b")

    @handler
    async def odd_signal(self) -> None:
        await actors.signal("where", Point)


async def test_the_type_of_a_step_may_be_defined_after_it() -> None:
    async with Lab(Runs).running() as runtime:
        assert same(await runtime.client.service(Runs).later(), Later(1))


async def test_a_type_that_cannot_be_kept_fails_the_handler_before_the_body_runs() -> None:
    WORLD.entries.clear()
    async with Lab(Runs).running() as runtime:
        service = runtime.client.service(Runs)
        for call in (service.never, service.refused, service.odd_signal):
            with pytest.raises(actors.errors.DefinitionError):
                await call()
    assert WORLD.entries == []


async def test_the_parameters_of_a_step_may_be_of_any_type() -> None:
    async with Lab(Runs).running() as runtime:
        assert same(await runtime.client.service(Runs).made(), Seat(2, "b"))


async def test_a_text_that_would_come_back_as_a_uuid_is_refused() -> None:
    class Finder(Service):
        @handler
        async def find(self, what: uuid.UUID | str) -> uuid.UUID | str:
            return what

    async with Lab(Finder).running() as runtime:
        finder = runtime.client.service(Finder)
        assert same(await finder.find(uuid.UUID(int=7)), uuid.UUID(int=7))
        assert same(await finder.find(uuid.UUID(int=7).hex), uuid.UUID(int=7).hex)
        with pytest.raises(actors.InvalidArgumentError):
            await finder.find(str(uuid.UUID(int=7)))
        assert [info.status for info in await runtime.client.invocations()] == [InvocationStatus.COMPLETED] * 2
