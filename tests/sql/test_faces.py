"""The same answers in the process, over HTTP and on the command line."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trio
from click.testing import CliRunner, Result

import actors
from actors import Actor, handler
from actors.control.client import Client
from actors.http.client.backend import HttpBackend
from actors.http.client.connection import Connection
from actors.http.closing import Closing
from actors.http.server.access import Guard
from actors.http.server.app import Api
from actors.http.server.asgi import AsgiApp
from cli.exit_codes import exit_code_of
from cli.main import root
from tests.raising import raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


class Tally(Actor):
    total: int = 0

    @handler
    async def add(self, number: int) -> int:
        self.total += number
        return self.total


@pytest.fixture(params=["local", "remote"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with actors.open_runtime(Tally, durability="memory") as runtime:
        for key in ("a", "b", "c"):
            await runtime.client.actor(Tally, key).add(1)
        if request.param == "local":
            yield runtime.client
            return
        closing = Closing()
        app = AsgiApp(Api(runtime.client, Guard(tokens=None), closing), closing)
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield Client(HttpBackend(Connection(http)))


async def test_an_answer_has_columns_and_rows(client: Client) -> None:
    result = await client.query("SELECT key, value, 1.0 AS x, NULL FROM sys_invocation ORDER BY key")
    assert result.columns == ["key", "value", "x", "NULL"]
    assert result.rows == [[key, "1", 1.0, None] for key in "abc"]
    assert result.rows_read == 3


async def test_parameters_stand_in_order_or_by_name(client: Client) -> None:
    counted = "SELECT count(*) FROM sys_invocation WHERE key > {} AND {}"
    assert (await client.query(counted.format("?", "?"), ["a", True])).rows == [[2]]
    assert (await client.query(counted.format(":key", ":all"), {"key": "a", "all": 1})).rows == [[2]]


async def test_a_refusal_arrives_as_itself_with_its_place(client: Client) -> None:
    with raises(actors.InvalidArgumentError, path="query", position=7) as refused:
        await client.query("SELECT stauts FROM sys_invocation")
    assert refused.value.position == 7
    with raises(actors.LimitExceededError, limit="query_rows"):
        await client.query("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t")


async def test_invocations_are_listed_by_a_predicate(client: Client) -> None:
    found = await client.invocations(where="key >= 'b'", handler="add", limit=5)
    assert [info.target.key for info in found] == ["c", "b"]
    with raises(actors.InvalidArgumentError, path="query"):
        await client.invocations(where="1) OR (1")


async def test_every_table_that_is_told_of_can_be_asked_for_every_column() -> None:
    async with actors.open_runtime(Tally, durability="memory") as runtime:
        await runtime.client.actor(Tally, "a").add(1)
        closing = Closing()
        app = AsgiApp(Api(runtime.client, Guard(tokens=None), closing), closing)
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            tables = (await http.get("/query/tables")).json()["tables"]
        assert "sys_invocation" in {table["name"] for table in tables}
        for table in tables:
            names = [column["name"] for column in table["columns"]]
            assert {column["type"] for column in table["columns"]} <= {"TEXT", "INTEGER", "REAL", "TIME", "JSON"}
            result = await runtime.client.query(f"SELECT * FROM {table['name']}")
            assert set(names) >= set(result.columns)
            listed = ", ".join(f'"{name}"' for name in names)
            assert len((await runtime.client.query(f"SELECT {listed} FROM {table['name']}")).columns) == len(names)
            assert {name for way in table["found_by"] for name in way.split(", ")} <= set(names)


async def test_the_body_of_a_query_must_be_one() -> None:
    async with actors.open_runtime(Tally, durability="memory") as runtime:
        closing = Closing()
        app = AsgiApp(Api(runtime.client, Guard(tokens=None), closing), closing)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1") as http:
            for body in (b"", b"{", b"[]", b"{}", b'{"sql": 1}', b'{"sql": "SELECT 1", "parameters": [{}]}'):
                response = await http.post("/query", content=body, headers={"content-type": "application/json"})
                assert (response.status_code, response.json()["code"]) == (400, "invalid_argument")
            response = await http.post("/query", json={"sql": "DROP TABLE x"})
            assert (response.status_code, response.json()["code"]) == (400, "invalid_argument")


async def test_a_question_that_takes_long_lets_the_loop_go_on_and_stops_with_its_task() -> None:
    forever = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await trio.lowlevel.checkpoint()

    async with actors.open_runtime(Tally, durability="memory") as runtime, trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        with trio.CancelScope() as scope:
            nursery.start_soon(cancel_when, scope, lambda: ticks > 1_000)
            await runtime.client.query(forever)
        assert scope.cancelled_caught
        assert (await runtime.client.query("SELECT 1")).rows == [[1]]
        nursery.cancel_scope.cancel()


async def cancel_when(scope: trio.CancelScope, is_time: Callable[[], bool]) -> None:
    while not is_time():
        await trio.lowlevel.checkpoint()
    scope.cancel()


# The command line, on a data directory at rest.


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")

    async def fill() -> None:
        async with actors.open_runtime(Tally, path=path) as runtime:
            await runtime.client.actor(Tally, "a").add(1)
            await runtime.client.actor(Tally, "\x1b[2J,b").add(2)

    trio.run(fill)
    return path


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(root, arguments, input=stdin)


STATEMENT = "SELECT key, value FROM sys_invocation WHERE service = 'Tally' ORDER BY created_at"


def test_the_command_line_prints_tables_json_lines_and_csv(data: Path) -> None:
    def printed(output: str) -> str:
        result = run("sql", STATEMENT, "-o", output, "--data", str(data))
        assert result.exit_code == 0, result.output
        return result.stdout

    rows: list[dict[str, Any]] = [{"key": "a", "value": "1"}, {"key": "\x1b[2J,b", "value": "2"}]
    assert printed("table").splitlines() == ["key        value", "a          1", "\\x1b[2J,b  2"]
    assert json.loads(printed("json")) == rows
    assert [json.loads(line) for line in printed("jsonl").splitlines()] == rows
    assert list(csv.reader(io.StringIO(printed("csv")))) == [["key", "value"], ["a", "1"], ["\x1b[2J,b", "2"]]
    assert "\x1b" not in printed("table") + printed("json") + printed("jsonl")


def test_a_statement_is_read_from_stdin(data: Path) -> None:
    result = run("sql", "-", "-o", "jsonl", "--data", str(data), stdin=f"SELECT count(*) AS n FROM ({STATEMENT})")
    assert json.loads(result.stdout) == {"n": 2}


def test_the_tables_are_shown_without_any_data() -> None:
    result = run("sql", "--tables")
    assert result.exit_code == 0
    assert "sys_invocation" in result.stdout
    assert run("sql").exit_code == 2


def test_a_mistake_in_sql_is_a_mistake_of_usage(data: Path) -> None:
    result = run("sql", "SELCT", "--data", str(data))
    assert isinstance(result.exception, actors.InvalidArgumentError)
    assert exit_code_of(result.exception) == 2


def test_invocations_are_listed_by_a_predicate_on_the_command_line(data: Path) -> None:
    result = run("invocations", "list", "--where", "value = '1'", "-o", "json", "--data", str(data))
    assert [found["target"]["key"] for found in json.loads(result.stdout)] == ["a"]
