"""A replicated log in PostgreSQL: a server that is set up wrongly is refused by name, and no failure of a connection loses an entry."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest
import trio
import trio.testing

from journal.error_codes import ErrorCode
from journal.errors import InDoubt, LogDiverged, MalformedAddress, Unavailable, WrongStore
from journal.replicated.log import LogUnusable, Superseded
from journal.replicated.open import identify, open_replica
from journal.replicated.postgres import log as postgres_log
from journal.replicated.postgres.log import open_postgres_log
from tests.journal.test_contract import OTHER, all_of, append, nothing_is_due, take, values
from tests.journal.test_replicated import message
from tests.raising import raises
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from journal.events import Recorded
    from journal.replicated.journal import ReplicatedJournal

pytestmark = pytest.mark.virtual_time


def ask(address: str, *statements: str) -> None:
    """Run statements as the administrator of the server."""
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextmanager
def server_with(address: str, setting: str, value: str) -> Iterator[None]:
    """Run the block on a server with another setting."""

    def change(statement: str, expected: str) -> None:
        ask(address, statement, "select pg_reload_conf()")
        with psycopg.connect(address, autocommit=True) as connection:
            while (connection.execute(f"show {setting}".encode()).fetchone() or ("",))[0] != expected:
                connection.execute("select pg_sleep(0.01)")

    change(f"alter system set {setting} = {value}", value)
    try:
        yield
    finally:
        change(f"alter system reset {setting}", "on")


@asynccontextmanager
async def node(address: str, schema: str, path: Path, *, partitions: int = 1) -> AsyncIterator[ReplicatedJournal]:
    async with (
        open_postgres_log(address, schema=schema) as log,
        open_replica(path, log, await identify(log, partitions=partitions), clock=VirtualClock()) as journal,
    ):
        yield journal


async def is_refused(address: str, schema: str = "playhead") -> str:
    """Why no log can be opened."""
    with pytest.raises(Unavailable) as refusal:
        async with open_postgres_log(address, schema=schema):
            raise AssertionError("it was opened")
    return str(refusal.value)


# The set-up.


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
async def test_a_server_that_could_lose_what_it_has_acknowledged_is_refused(
    setting: str, postgres_address: str, schema: str
) -> None:
    with server_with(postgres_address, setting, "off"), pytest.raises(LogUnusable, match=setting):
        async with open_postgres_log(postgres_address, schema=schema):
            raise AssertionError("it was opened")


async def test_commits_are_synchronous_where_the_server_says_otherwise(
    postgres_address: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server_with(postgres_address, "synchronous_commit", "off"):
        async with open_postgres_log(postgres_address, schema=schema) as log:
            await log.append(0, 0, b"one")

            async def of_another_session(_: object) -> None:
                """A pooler lends a session that was not switched on."""
                await trio.lowlevel.checkpoint()

            monkeypatch.setattr(postgres_log, "_make_safe", of_another_session)
            log.close()
            with pytest.raises(InDoubt, match="synchronous_commit = off"):
                await log.append(0, 1, b"two")


@pytest.mark.parametrize("wrong", ["user=nobody", "dbname=nothing", "host=/nowhere", "host=127.0.0.1 port=1"])
async def test_a_server_that_lets_nobody_in_is_named_with_its_reason(wrong: str, postgres_address: str) -> None:
    refused = await is_refused(f"{postgres_address} {wrong} password=secret")
    assert wrong.split("=")[1].split(" ")[0] in refused
    assert "secret" not in refused


async def test_a_wrong_password_is_refused(postgres_address: str, schema: str) -> None:
    folder = dict(each.split("=") for each in postgres_address.split())["host"]
    ask(postgres_address, f"create role {schema} login password 'right'")
    with psycopg.connect(postgres_address, autocommit=True) as connection:
        [rules] = connection.execute("select pg_read_file('pg_hba.conf')").fetchone() or ("",)
        [place] = connection.execute("show hba_file").fetchone() or ("",)

        def write(text: str) -> None:
            connection.execute("create temp table if not exists lines (line text)")
            connection.execute("truncate lines")
            with connection.cursor().copy("copy lines from stdin") as copy:
                for line in text.splitlines():
                    copy.write_row((line,))
            connection.execute(f"copy lines to '{place}'".encode())
            connection.execute("select pg_reload_conf()")

        write(f"local all {schema} scram-sha-256\n{rules}")
        try:
            for password in ("wrong", "wrong again"):
                refused = await is_refused(f"host={folder} user={schema} dbname=postgres password='{password}'", schema)
                assert "password authentication failed" in refused
                assert password not in refused
        finally:
            write(rules)


async def test_an_address_that_cannot_be_read_is_refused() -> None:
    with raises(MalformedAddress, code=ErrorCode.INVALID_ARGUMENT):
        async with open_postgres_log("no address"):
            raise AssertionError("it was opened")
    with pytest.raises(ValueError, match="schema"):
        async with open_postgres_log("postgresql:///x", schema="a; drop"):
            raise AssertionError("it was opened")


async def test_a_user_who_may_not_create_tables_can_use_those_that_are_there(
    postgres_address: str, schema: str
) -> None:
    ask(postgres_address, f"create role {schema}_user login")
    address = f"{postgres_address} user={schema}_user"
    with pytest.raises(LogUnusable, match=schema):
        async with open_postgres_log(address, schema=schema):
            raise AssertionError("it was opened")
    async with open_postgres_log(postgres_address, schema=schema) as log:
        await log.append(0, 0, b"one")
    ask(
        postgres_address,
        f"grant usage on schema {schema} to {schema}_user",
        f"grant select, insert, delete on all tables in schema {schema} to {schema}_user",
    )
    async with open_postgres_log(address, schema=schema) as log:
        assert await log.read(0, 0) == [b"one"]


async def test_nodes_that_start_at_once_create_one_log(postgres_address: str, schema: str, tmp_path: Path) -> None:
    identities: set[bytes] = set()

    async def identify(number: int) -> None:
        async with open_postgres_log(postgres_address, schema=schema) as log:
            identities.add(await log.identify(b"%d" % number))

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(identify, number)
    assert len(identities) == 1


async def test_a_directory_of_another_cluster_is_refused(postgres_address: str, schema: str, tmp_path: Path) -> None:
    async with node(postgres_address, schema, tmp_path / "node") as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1)])
    with pytest.raises(WrongStore):
        async with node(postgres_address, f"{schema}_other", tmp_path / "node"):
            raise AssertionError("it was opened")
    async with node(postgres_address, schema, tmp_path / "node") as journal:
        assert values(await all_of(journal)) == [1]


# Entries.


async def test_of_two_writers_of_one_entry_one_is_refused(postgres_address: str, schema: str) -> None:
    refused: list[bytes] = []

    async with (
        open_postgres_log(postgres_address, schema=schema) as first,
        open_postgres_log(postgres_address, schema=schema) as second,
    ):

        async def write(log: postgres_log.PostgresLog, after: int, data: bytes) -> None:
            try:
                await log.append(0, after, data)
            except Superseded:
                refused.append(data)

        for after in range(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(write, first, after, b"first")
                nursery.start_soon(write, second, after, b"second")
        kept = await first.read(0, 0)
    assert sorted([*kept, *refused]) == sorted([b"first", b"second"] * 10)
    assert len(kept) == 10


async def test_an_entry_behind_a_missing_one_is_refused(postgres_address: str, schema: str) -> None:
    async with open_postgres_log(postgres_address, schema=schema) as log:
        with raises(Superseded, partition=0, after=1):
            await log.append(0, 1, b"two")


async def test_a_commit_that_is_larger_than_an_entry_is_written_in_parts(
    postgres_address: str, schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_log.PostgresLog, "largest", 200)
    async with node(postgres_address, schema, tmp_path / "one") as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, *range(1_000))])
    async with open_postgres_log(postgres_address, schema=schema) as log:
        found = await log.read(0, 0)
        assert max(map(len, found)) <= 200 < sum(map(len, found))
    async with node(postgres_address, schema, tmp_path / "two") as journal:
        assert values(await all_of(journal)) == [*range(1_000)]


async def test_a_read_takes_a_bounded_number_of_bytes(postgres_address: str, schema: str) -> None:
    data = bytes(1 << 19)
    async with open_postgres_log(postgres_address, schema=schema) as log:
        for after in range(18):
            await log.append(0, after, data)
            await log.post(0, str(after), data)
        assert [len(await log.read(0, after)) for after in (0, 16, 18)] == [16, 2, 0]
        first = await log.posted(0)
        await log.remove_posted(0, [message.token for message in first])
        assert (len(first), len(await log.posted(0))) == (16, 2)


async def test_a_log_that_has_lost_its_end_is_not_joined(postgres_address: str, schema: str, tmp_path: Path) -> None:
    async with node(postgres_address, schema, tmp_path / "node") as journal, journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1)])
    ask(postgres_address, f"delete from {schema}.entries where number = 2")
    with raises(LogDiverged, partition=0, number=2):
        async with node(postgres_address, schema, tmp_path / "node"):
            raise AssertionError("it was opened")


# Nodes.


async def test_nodes_follow_and_send_to_each_other(postgres_address: str, schema: str, tmp_path: Path) -> None:
    async with (
        node(postgres_address, schema, tmp_path / "one", partitions=2) as first,
        node(postgres_address, schema, tmp_path / "two", partitions=2) as second,
        first.claim(0, "first") as sender,
        second.claim(1, "second") as receiver,
    ):
        for number in range(3):
            await sender.commit([append(number, number)], [message(f"m{number}")])
        assert OTHER % 2 == 1
        assert [each.message.id for each in await take(receiver, 3)] == ["m0", "m1", "m2"]
        assert await nothing_is_due(receiver)
        seen = [event async for event in _first(second, 3)]
        assert [event.number for event in seen] == [1, 2, 3]


async def _first(journal: ReplicatedJournal, count: int) -> AsyncIterator[Recorded]:
    async for event in journal.follow(append(0).stream):
        yield event
        count -= 1
        if not count:
            return


# Connections that are lost.


class Link:
    """A Unix socket before the server's, which can be cut before an answer."""

    def __init__(self, path: Path, server: str) -> None:
        self.address = f"host={path} user=tests dbname=postgres"
        self.cut_before_answer_to = b"\0never"
        self._name = ".s.PGSQL.5432"
        self._path, self._server = path, server

    async def run(self, *, task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(self._path / self._name))  # in no thread, during which virtual time would run away
        listening.listen()
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
        await trio.serve_listeners(self._carry, [listener], task_status=task_status)

    async def _carry(self, client: trio.SocketStream) -> None:
        is_cut = False

        async def copy(source: trio.SocketStream, to: trio.SocketStream, *, asks: bool) -> None:
            nonlocal is_cut
            with suppress(trio.BrokenResourceError):
                async for data in source:
                    is_cut = is_cut or (asks and self.cut_before_answer_to in data)
                    if is_cut and not asks:  # the server has done it, and nobody hears of it
                        break
                    await to.send_all(data)
            nursery.cancel_scope.cancel()

        async with (
            await trio.open_unix_socket(f"{self._server}/{self._name}") as server,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(partial(copy, asks=True), client, server)
            nursery.start_soon(partial(copy, asks=False), server, client)


async def test_a_commit_whose_answer_is_lost_is_in_doubt_and_found_by_the_next_claim(
    postgres_address: str, schema: str, tmp_path: Path
) -> None:
    server = dict(each.split("=") for each in postgres_address.split())["host"]
    link = Link(tmp_path, server)
    async with trio.open_nursery() as nursery:
        await nursery.start(link.run)
        async with node(link.address, schema, tmp_path / "node") as journal:
            with pytest.raises(InDoubt):
                async with journal.claim(0, "me") as partition:
                    await partition.commit([append(0, 1)])
                    link.cut_before_answer_to = f"INSERT INTO {schema}.entries".encode()
                    await partition.commit([append(1, 2)])
            link.cut_before_answer_to = b"\0never"
            async with journal.claim(0, "me") as partition:
                assert values(await all_of(journal)) == [1, 2]
                await partition.commit([append(2, 3)])
        nursery.cancel_scope.cancel()


async def test_a_server_that_drops_all_sessions_is_connected_to_again(
    postgres_address: str, schema: str, tmp_path: Path
) -> None:
    async with node(postgres_address, schema, tmp_path / "node") as journal:
        async with journal.claim(0, "me") as partition:
            await partition.commit([append(0, 1)])
        ask(
            postgres_address,
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'playhead'",
        )
        for _ in range(2):  # a lost connection is noticed when it is used
            with suppress(Unavailable, InDoubt):
                async with journal.claim(0, "me") as partition:
                    await partition.commit([append(1, 2)])
                    break
        else:
            raise AssertionError("it was not connected to again")
        assert values(await all_of(journal)) == [1, 2]
