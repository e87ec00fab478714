"""psycopg's asynchronous driver, which works on asyncio alone, in steps; against a real PostgreSQL server."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import psycopg
import pytest
import trio

import actors
from actors import RetryPolicy, Service, handler, step
from tests.aio.postgres import postgres
from tests.test_readme import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONCE = RetryPolicy(max_attempts=1, on_exhausted="fail")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as address:
        with psycopg.connect(address) as connection:
            connection.execute("create table invoices (amount int)")
            connection.execute("insert into invoices values (3), (4)")
        yield address


@step(loop="asyncio", retry=ONCE)
async def sleep_in(database: str, mark: str) -> None:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await connection.execute(f"select pg_sleep(60) /* {mark} */")


@step(loop="asyncio", retry=ONCE, timeout=1.0)
async def sleep_too_long_in(database: str, mark: str) -> None:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await connection.execute(f"select pg_sleep(60) /* {mark} */")


@step(loop="asyncio", retry=ONCE)
async def refuse_in(database: str) -> None:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        await connection.execute("select 1 / 0")


class Queries(Service):
    @handler
    async def sleep(self, database: str, mark: str) -> None:
        await sleep_in(database, mark)

    @handler
    async def sleep_too_long(self, database: str, mark: str) -> None:
        await sleep_too_long_in(database, mark)

    @handler
    async def refuse(self, database: str) -> None:
        await refuse_in(database)


def running(database: str, mark: str) -> int:
    """The number of statements with this mark that the server executes."""
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "select count(*) from pg_stat_activity where state = 'active' and query like %s and pid <> pg_backend_pid()",
            [f"%{mark}%"],
        ).fetchone()
    assert found is not None
    return int(found[0])


async def until_running(database: str, mark: str, count: int) -> None:
    with trio.fail_after(30):
        while await trio.to_thread.run_sync(running, database, mark) != count:
            await trio.sleep(0.01)


async def test_the_program_of_the_readme_reads_a_database(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [lines] = [block.lines for block in blocks() if block.lines[0] == "# database.py"]
    (tmp_path / "database.py").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    invoices = importlib.import_module("database").Invoices
    async with actors.open_runtime(invoices, path=tmp_path / "data") as runtime:
        assert await runtime.client.service(invoices).total(database) == 7


async def test_a_cancel_ends_the_statement_on_the_server(database: str) -> None:
    async with actors.open_runtime(Queries, durability="memory") as runtime:
        task = await runtime.client.service(Queries).sleep.send(database, "cancelled")
        await until_running(database, "cancelled", 1)
        await task.cancel()
        with trio.fail_after(30), pytest.raises(actors.InvocationCancelledError):
            await task.result()
        assert await trio.to_thread.run_sync(running, database, "cancelled") == 0


async def test_a_timeout_ends_the_statement_on_the_server(database: str) -> None:
    async with actors.open_runtime(Queries, durability="memory") as runtime:
        with trio.fail_after(30), pytest.raises(actors.TerminalError, match="did not end within"):
            await runtime.client.service(Queries).sleep_too_long(database, "too long")
        assert await trio.to_thread.run_sync(running, database, "too long") == 0


async def test_an_error_of_the_driver_is_that_of_the_step(database: str) -> None:
    async with actors.open_runtime(Queries, durability="memory") as runtime:
        with pytest.raises(actors.TerminalError, match="division by zero"):
            await runtime.client.service(Queries).refuse(database)
