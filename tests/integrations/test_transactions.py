"""Transactional steps: the rows and the outcome of a step are in the database both, once, or neither is."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy

import actors
from actors import Limits, RetryPolicy, Service, handler
from actors.integrations.transactions import CREATE_TABLE, create_table, prune, transactional
from tests.aio.postgres import postgres
from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONCE = RetryPolicy(max_attempts=1, on_exhausted="fail")
AGAIN = RetryPolicy(max_attempts=3, initial_delay=0.001, on_exhausted="fail")
KILLS = int(os.environ.get("TRANSACTION_KILLS", "15"))


class Crash(Exception):
    """The try is over as if its process had died: the step has no outcome in the journal."""


class Bank:
    """A database in a file, and the place where the next try crashes."""

    file = ""
    crash = ""
    bodies = 0

    @classmethod
    def crash_at(cls, place: str) -> None:
        if cls.crash == place:
            cls.crash = ""
            raise Crash(place)


class Fragile(sqlite3.Connection):
    def execute(self, statement: str, *args: Any) -> sqlite3.Cursor:
        Bank.crash_at(f"before {statement.split()[0]}")
        done = super().execute(statement, *args)
        Bank.crash_at(f"after {statement.split()[0]}")
        return done


def fragile() -> sqlite3.Connection:
    return sqlite3.connect(Bank.file, factory=Fragile)


def engine() -> Any:
    return sqlalchemy.create_engine(f"sqlite:///{Bank.file}", poolclass=sqlalchemy.NullPool).connect()


@transactional(fragile, retry=AGAIN)
def book(connection: sqlite3.Connection, order: int) -> tuple[int, str]:
    Bank.bodies += 1
    connection.execute("insert into bookings values (?)", [order])
    return order, "booked"


@transactional(engine, retry=AGAIN)
def book_by_alchemy(connection: sqlalchemy.Connection, order: int) -> int:
    connection.execute(sqlalchemy.text("insert into bookings values (:order)"), {"order": order})
    return order


@transactional(fragile, retry=ONCE)
def book_and_return(connection: sqlite3.Connection, kind: str) -> object:
    connection.execute("insert into bookings values (1)")
    if kind == "commit":
        connection.commit()
    return {"text": "x" * 2000, "object": object(), "commit": 1}[kind]


@transactional(lambda: object(), retry=ONCE)  # type: ignore[arg-type, unused-ignore]
def book_nowhere(connection: object) -> None:
    """Never runs."""


class Orders(Service):
    @handler
    async def book(self, order: int) -> tuple[int, str]:
        return await book(order)

    @handler
    async def book_by_alchemy(self, order: int) -> int:
        return await book_by_alchemy(order)

    @handler
    async def book_and_return(self, kind: str) -> None:
        await book_and_return(kind)

    @handler
    async def book_nowhere(self) -> None:
        await book_nowhere()


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    Bank.file, Bank.crash, Bank.bodies = str(tmp_path / "bank.db"), "", 0
    with contextlib.closing(sqlite3.connect(Bank.file)) as connection:
        create_table(connection)
        connection.execute("create table bookings (number int)")
        connection.commit()
        yield connection


def booked(connection: sqlite3.Connection) -> list[int]:
    return [number for (number,) in connection.execute("select number from bookings")]


@pytest.mark.parametrize(
    "place", [f"{side} {word}" for word in ("begin", "insert", "update", "commit") for side in ("before", "after")]
)
@pytest.mark.virtual_time
async def test_a_crash_at_any_place_of_the_transaction_doubles_nothing(bank: sqlite3.Connection, place: str) -> None:
    Bank.crash = place
    async with actors.open_runtime(Orders, durability="memory") as runtime:
        assert await runtime.client.service(Orders).book(7) == (7, "booked")
    assert Bank.crash == ""
    assert booked(bank) == [7]


@pytest.mark.virtual_time
async def test_an_outcome_in_the_database_is_returned_and_the_body_does_not_run(bank: sqlite3.Connection) -> None:
    Bank.crash = "after commit"
    async with actors.open_runtime(Orders, durability="memory") as runtime:
        await runtime.client.service(Orders).book(7)
    assert Bank.bodies == 1


@pytest.mark.virtual_time
async def test_a_connection_of_sqlalchemy_commits_both(bank: sqlite3.Connection) -> None:
    async with actors.open_runtime(Orders, durability="memory") as runtime:
        assert await runtime.client.service(Orders).book_by_alchemy(7) == 7
    assert booked(bank) == [7]
    assert bank.execute("select outcome from playhead_outcomes").fetchall() == [("7",)]


@pytest.mark.parametrize(
    ("kind", "error"),
    [("text", actors.LimitExceededError), ("object", actors.errors.UnserializableError)],
)
@pytest.mark.virtual_time
async def test_a_result_that_cannot_be_stored_rolls_back(
    bank: sqlite3.Connection, kind: str, error: type[Exception]
) -> None:
    async with actors.open_runtime(Orders, durability="memory", limits=Limits(payload_bytes=1000)) as runtime:
        with pytest.raises(error):
            await runtime.client.service(Orders).book_and_return(kind)
    assert booked(bank) == []


@pytest.mark.virtual_time
async def test_a_body_that_commits_by_itself_is_refused(bank: sqlite3.Connection) -> None:
    async with actors.open_runtime(Orders, durability="memory") as runtime:
        with pytest.raises(actors.errors.MisuseError):
            await runtime.client.service(Orders).book_and_return("commit")


@pytest.mark.virtual_time
async def test_a_connection_of_another_library_is_refused() -> None:
    async with actors.open_runtime(Orders, durability="memory") as runtime:
        with pytest.raises(actors.TerminalError):
            await runtime.client.service(Orders).book_nowhere()


def test_old_outcomes_are_pruned(bank: sqlite3.Connection) -> None:
    bank.execute("insert into playhead_outcomes values ('old', 0, '1'), ('new', 9e12, '1')")
    bank.commit()
    assert prune(bank, older_than=3600) == 1
    assert bank.execute("select key from playhead_outcomes").fetchall() == [("new",)]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as address:
        yield address


def test_processes_killed_at_any_point_double_and_lose_nothing(database: str, tmp_path: Path) -> None:
    """``TRANSACTION_KILLS`` is the number of kills."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.integrations.transaction_deaths", str(tmp_path), database, str(KILLS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    print(figures)
    assert figures["kills"] >= KILLS
    assert (figures["doubled"], figures["lost"], figures["wrong"]) == (0, 0, 0)


class Asynchronous:
    database = ""


@transactional(lambda: psycopg.AsyncConnection.connect(Asynchronous.database), retry=ONCE)
async def book_in_asyncio(connection: psycopg.AsyncConnection[Any], order: int) -> int:
    await connection.execute("insert into asynchronous values (%s)", [order])
    return order


class AsyncOrders(Service):
    @handler
    async def book(self, order: int) -> int:
        return await book_in_asyncio(order)


async def test_an_asynchronous_connection_commits_both(database: str) -> None:
    Asynchronous.database = database
    with psycopg.connect(database) as connection:
        connection.execute(CREATE_TABLE)
        connection.execute("create table asynchronous (number int)")
    async with actors.open_runtime(AsyncOrders, durability="memory") as runtime:
        assert await runtime.client.service(AsyncOrders).book(7) == 7
    with psycopg.connect(database) as connection:
        assert connection.execute("select number from asynchronous").fetchall() == [(7,)]
        assert connection.execute("select count(*) from playhead_outcomes where outcome = '7'").fetchone() == (1,)
