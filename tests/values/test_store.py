"""Values in a data directory: another process reads what this one was given."""

import collections
import datetime
import decimal
import enum
import uuid
import zoneinfo
from pathlib import Path
from typing import Any

import attrs
from pydantic import BaseModel

import actors
from actors import Actor, Log, Map, handler, shared
from tests.values.promise import same


class Level(enum.IntEnum):
    LOW = 1


class UserId(str):
    pass


class Line(BaseModel):
    name: str
    amount: decimal.Decimal


@attrs.frozen
class Seat:
    row: int
    owner: UserId | None = None


VALUES: list[tuple[Any, Any]] = [
    (int, 2**70),
    (float, -0.0),
    (bytes, b"\xff\0"),
    (Level, Level.LOW),
    (UserId, UserId("anna")),
    (decimal.Decimal, decimal.Decimal("1.50")),
    (datetime.datetime, datetime.datetime(2030, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))),
    (datetime.timedelta, datetime.timedelta(days=-1, microseconds=1)),
    (uuid.UUID, uuid.UUID(int=7)),
    (Seat, Seat(1, UserId("anna"))),
    (dict[int, Level], {1: Level.LOW}),
    (dict[Seat, tuple[int, ...]], {Seat(1): (1, 2)}),
    (set[Level], {Level.LOW}),
    (collections.Counter[str], collections.Counter("abba")),
    (int | str, "1"),
    (Line, Line(name="tea", amount=decimal.Decimal("0.10"))),
]


def keeper(number: int, kind: Any) -> Any:
    """A class that keeps values of the type in each way that there is."""

    class Keeper(Actor):
        plain: kind | None = None
        log: Log[kind]
        items: Map[str, kind]

        @handler
        async def keep(self, value: kind) -> kind:
            self.plain = value
            self.log.append(value)
            self.items["a"] = value
            return value

        @shared
        async def kept(self) -> tuple[kind, kind, kind]:
            assert self.plain is not None
            return self.plain, self.log[0], self.items["a"]

    Keeper.__name__ = f"Keeper{number}"
    return Keeper


async def test_a_reopened_directory_gives_back_what_was_kept(tmp_path: Path) -> None:
    classes = [keeper(number, kind) for number, (kind, _) in enumerate(VALUES)]
    async with actors.open_runtime(*classes, path=tmp_path) as runtime:
        for cls, (_, value) in zip(classes, VALUES, strict=True):
            assert is_same(await runtime.client.actor(cls, "a").keep(value), value)
    async with actors.open_runtime(*classes, path=tmp_path) as runtime:
        for cls, (_, value) in zip(classes, VALUES, strict=True):
            assert all(is_same(kept, value) for kept in await runtime.client.actor(cls, "a").kept())


def is_same(one: Any, other: Any) -> bool:
    return one == other if isinstance(other, BaseModel) else same(one, other)
