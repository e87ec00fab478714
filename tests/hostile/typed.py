"""Values of types that users annotate, whose classes misbehave when they are written, made again, or compared.

Each either comes back as it was or is refused, wherever it is kept: as an argument, a result, a field or an item.
"""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import attrs
import pydantic
import trio

import actors
from actors import Actor, Log, Map, RetryPolicy, handler, shared, step
from tests.hostile.errors import NOT_UTF8, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = RetryPolicy(max_attempts=2, initial_delay=0.1)

PLACES = ("field", "log", "map")
BENT: list[str] = []
"""What came back as something else."""


def _made(kind: Any, **attributes: Any) -> Any:
    """An instance past whatever its class does when it is called."""
    value = object.__new__(kind)
    for name, one in attributes.items():
        object.__setattr__(value, name, one)
    return value


@dataclass
class Once:
    """Cannot be made a second time."""

    number: int

    def __post_init__(self) -> None:
        raise SystemExit("refused")


@dataclass
class Growing:
    """Is another each time that it is made."""

    number: int

    def __post_init__(self) -> None:
        self.number += 1


@attrs.define(slots=False)
class Absolute:
    """Bends what it is given."""

    number: int = attrs.field(converter=abs)


@attrs.define(slots=False, eq=False)
class Unequal:
    """Cannot be compared, though it says the same when it is read."""

    number: int = attrs.field(converter=int)
    __eq__ = refuse  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


@attrs.define(slots=False)
class Strict:
    """Refuses what it holds."""

    number: int = attrs.field()

    @number.validator
    def _check(self, _: Any, number: int) -> None:
        raise SystemExit("refused")


class Shown:
    """An attribute that cannot be looked at."""

    __repr__ = __str__ = __format__ = refuse  # type: ignore[assignment]


@attrs.frozen
class Plain:
    number: int = 1
    names: tuple[str, ...] = ("a",)


@attrs.frozen
class Derived(Plain):
    more: int = 2


class Colour(enum.StrEnum):
    RED = "red"

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise SystemExit("refused")


class Line(pydantic.BaseModel):
    number: int = 1


class Checked(pydantic.BaseModel):
    number: int = 1

    @pydantic.field_validator("number")
    @classmethod
    def _check(cls, number: int) -> int:
        raise SystemExit("refused")


class Written(pydantic.BaseModel):
    number: int = 1

    @pydantic.field_serializer("number")
    def _write(self, number: int) -> int:
        raise SystemExit("refused")


class Doubled(pydantic.BaseModel):
    number: int = 1

    @pydantic.field_serializer("number")
    def _write(self, number: int) -> int:
        return 2 * number


@attrs.frozen
class Typed:
    """A type, and a value that is given for it. ``comes_back``: whether it can be kept at all."""

    kind: Any
    make: Callable[[], Any]
    comes_back: bool = False


TYPED: dict[str, Typed] = {
    "cannot_be_made_again": Typed(Once, lambda: _made(Once, number=1)),
    "grows": Typed(Growing, lambda: _made(Growing, number=1)),
    "bends_what_it_is_given": Typed(Absolute, lambda: _made(Absolute, number=-1)),
    "cannot_be_compared": Typed(Unequal, lambda: Unequal(1), comes_back=True),
    "refuses_what_it_holds": Typed(Strict, lambda: _made(Strict, number=1)),
    "holds_what_cannot_be_shown": Typed(Plain, lambda: _made(Plain, number=Shown(), names=())),
    "has_no_value": Typed(Growing, lambda: _made(Growing)),
    "of_a_subclass": Typed(Plain, Derived),
    "member_that_does_not_exist": Typed(Colour, lambda: "blue"),
    "model_that_refuses": Typed(Checked, Checked.model_construct),
    "model_that_cannot_be_written": Typed(Written, Written),
    "model_that_is_written_bent": Typed(Doubled, Doubled),
    "name_that_is_not_utf8": Typed(Plain, lambda: Plain(names=(NOT_UTF8,))),
    "list_of_what_cannot_be_shown": Typed(list[int], lambda: [1, Shown()]),
    "keys_that_are_alike": Typed(dict[int, str], lambda: {1: "a", True + 0.0: "b", "1": "c"}),
    "plain": Typed(Plain, Plain, comes_back=True),
    "model": Typed(Line, Line, comes_back=True),
    "member": Typed(Colour, lambda: Colour.RED, comes_back=True),
    "keys": Typed(dict[int, str], lambda: {1: "a"}, comes_back=True),
    "date": Typed(
        datetime.datetime,
        lambda: datetime.datetime(2030, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
        comes_back=True,
    ),
}
"""By what is wrong with them. Names that a handler can have."""


def told(value: Any) -> str:
    """What a value is made of, past whatever its class says of it."""
    if isinstance(value, datetime.datetime):
        return f"{value!r}"
    own = getattr(value, "__dict__", None)
    if own is None or isinstance(value, enum.Enum):
        slots = [name for name in getattr(type(value), "__slots__", ()) if not name.startswith("__")]
        return f"{type(value)} {[getattr(value, name) for name in slots] or value!r}"
    return f"{type(value)} {sorted(own.items())}"


def compare(which: str, back: Any) -> None:
    """Note a value that is not what it was."""
    if told(back) != told(TYPED[which].make()):
        BENT.append(which)


def _methods(which: str, typed: Typed) -> dict[str, Any]:
    async def take(self: Any, value: Any) -> Any:
        compare(which, value)
        setattr(self, which, value)
        await actors.sleep(0.01)
        return value

    async def keep(self: Any, where: str) -> None:
        await actors.sleep(0.01)
        if where == "field":
            setattr(self, which, TYPED[which].make())
        elif where == "log":
            getattr(self, f"log_of_{which}").append(TYPED[which].make())
        else:
            getattr(self, f"map_of_{which}")["a"] = TYPED[which].make()
        await actors.sleep(0.01)

    take.__annotations__ = {"value": typed.kind, "return": typed.kind}
    for name, function in (("take", take), ("keep", keep)):
        function.__name__ = function.__qualname__ = f"{name}_{which}"
    return {f"take_{which}": handler(retry=QUICK)(take), f"keep_{which}": handler(retry=QUICK)(keep)}


async def _look(self: Any) -> None:
    for which in TYPED:
        values = [getattr(self, which), *getattr(self, f"log_of_{which}"), *getattr(self, f"map_of_{which}").values()]
        for value in values:
            if value is not None:
                compare(which, value)


def _keeper() -> Any:
    members: dict[str, Any] = {"__module__": __name__, "__annotations__": {}, "look": shared(retry=QUICK)(_look)}
    for which, typed in TYPED.items():
        members |= _methods(which, typed)
        members["__annotations__"] |= {
            which: typed.kind | None,
            f"log_of_{which}": Log[typed.kind],
            f"map_of_{which}": Map[str, typed.kind],
        }
        members[which] = None
    return type("Keeper", (Actor,), members)


Keeper = _keeper()
"""Has a field, a log and a map of each type, and handlers that take values and keep them. One looks at them all."""


@step(retry=QUICK)
async def give(which: str) -> Any:
    return TYPED[which].make()


async def give_typed(which: str) -> None:
    """A step answers with it."""
    compare(which, await actors.run(give.function, which, result_type=TYPED[which].kind, retry=QUICK))


async def take_typed(which: str) -> None:
    """A call is given it, and answers with it."""
    compare(which, await getattr(actors.actor(Keeper, f"field {which}"), f"take_{which}")(TYPED[which].make()))


async def keep_typed(which: str) -> None:
    """An object keeps it in a field, a log and a map."""
    for where in PLACES:
        await getattr(actors.actor(Keeper, f"{where} {which}"), f"keep_{which}").send(where)


async def look_at_all(client: Any) -> None:
    """Note whatever is kept as something else than it was. Everything that is kept can be read."""
    for at in await client.objects("Keeper", limit=1_000):
        with trio.fail_after(5):
            await client.actor(Keeper, at.key).look()
