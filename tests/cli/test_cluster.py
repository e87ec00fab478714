"""Servers that share a journal in PostgreSQL: one runs the objects, and the next takes over when its process dies."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import trio
from click.testing import CliRunner

import actors
from actors import Actor, handler
from actors.errors import InvalidArgumentError, NotOwnerError
from cli.exit_codes import Exit
from cli.main import root
from journal.replicated.log import LogUnusable
from journal.replicated.open import identify, open_replica
from journal.replicated.postgres.log import open_postgres_log
from tests.aio.postgres import postgres
from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = """
from actors import Actor, handler

class Counter(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value
"""
_FEW_SECONDS = 60.0


class Counter(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value


def status(address: str) -> Any:
    """What the command shows."""
    ran = CliRunner().invoke(root, ["cluster", "status", "--cluster", address, "-o", "json"])
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.output)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres("") as address:
        yield address


class Server:
    """A server process, and what it has printed."""

    def __init__(self, folder: Path, name: str, address: str, port: str = "0") -> None:
        self._log = folder / f"{name}.log"
        self.data = folder / name
        command = ["-m", "playhead", "serve", str(folder / "app.py"), "--data", str(self.data), "--port", port]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, stderr=log, env={**os.environ, "PLAYHEAD_CLUSTER": address}
            )

    def printed(self, pattern: str) -> str:
        """Wait for a line, and return its first group."""
        until = time.monotonic() + _FEW_SECONDS
        while not (found := re.search(pattern, self._log.read_text())):
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.01)
        return found.group(1)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_FEW_SECONDS)


@contextmanager
def two_servers(folder: Path, address: str) -> Iterator[tuple[Server, Server]]:
    (folder / "app.py").write_text(APP)
    servers: list[Server] = []
    try:
        first = Server(folder, "one", address)
        servers.append(first)
        port = first.printed(r"serving .* on http://127\.0\.0\.1:(\d+)")
        second = Server(folder, "two", address, port)  # a node that stands by holds no port
        servers.append(second)
        second.printed("(standing by)")
        yield first, second
    finally:
        for server in servers:
            server.process.kill()
            server.process.wait()


def test_a_client_goes_on_when_the_owner_is_killed_and_nothing_is_lost_or_repeated(
    database: str, tmp_path: Path
) -> None:
    with two_servers(tmp_path, database) as (first, second):
        assert "durability replicated" in first.printed("(serving .*)")
        url = first.printed(r"console is at (.*)/ui/")
        token = (first.data / "token").read_text().strip()
        replies: list[int] = []
        with actors.sync.connect(url, token=token) as client:
            for number in range(60):
                if number == 30:
                    first.process.kill()
                replies.append(client.actor(Counter, "a").add(1))  # asked again under one key until a server answers
        assert replies == [*range(1, 61)]
        assert second.printed(r"console is at (.*)/ui/") == url
        assert (second.data / "token").read_text().strip() == token
        third = Server(tmp_path, "three", database)
        try:
            third.printed("(standing by)")
            assert third.end() == 0
        finally:
            third.process.kill()
            third.process.wait()
        assert second.end() == 0


async def test_an_owner_that_was_replaced_says_so_and_speaks_of_no_disk(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create database replaced")
    address = f"{database} dbname=replaced"
    with trio.fail_after(_FEW_SECONDS):
        async with (
            actors.open_runtime(Counter, path=tmp_path / "one", cluster=address) as runtime,
            open_postgres_log(address) as log,
            open_replica(tmp_path / "two", log, await identify(log, partitions=1)) as other,
        ):
            counter = runtime.client.actor(Counter, "a")
            assert await counter.add(1) == 1
            shown = await trio.to_thread.run_sync(status, address)
            assert [(each["partition"], each["entries"] > 1) for each in shown["partitions"]] == [(0, True)]
            assert [node["state"] for node in shown["nodes"]] == ["owner"]
            async with other.claim(0, "another node"):
                pass
            with pytest.raises(actors.UnknownOutcomeError):
                await counter.add(1)  # its commit is refused
            refusal: actors.UnavailableError | None = None
            while not isinstance(refusal, NotOwnerError):  # while its processor ends, it is refused as being reopened
                with pytest.raises(actors.UnavailableError) as raised:
                    await counter.add(1)
                refusal = raised.value
                assert "disk" not in str(refusal)
                await trio.lowlevel.checkpoint()


async def test_a_runtime_keeps_its_journal_and_its_code_in_the_database(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create database runtimes")
    address = f"{database} dbname=runtimes"
    with trio.fail_after(_FEW_SECONDS):
        for number, node in enumerate(("one", "two"), start=1):
            async with actors.open_runtime(Counter, path=tmp_path / node, cluster=address) as runtime:
                assert await runtime.client.actor(Counter, "a").add(1) == number
                assert len(await runtime.client.deployments.list()) == 1
                assert runtime.engine.journal.durability.value == "replicated"


@pytest.mark.parametrize(
    "options",
    [
        {"cluster": "no address", "path": "x"},
        {"cluster": "postgresql:///x"},
        {"cluster": "postgresql:///x", "path": "x", "durability": "os"},
        {"cluster": "postgresql:///x", "path": "x", "partitions": 2},
        {"durability": "replicated", "path": "x"},
    ],
)
async def test_a_runtime_that_cannot_share_a_journal_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError, match="cluster"):
        async with actors.open_runtime(Counter, **options):  # type: ignore[arg-type]
            raise AssertionError("it was opened")


def test_a_database_without_a_cluster_is_refused_and_left_as_it_is(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create database empty")
    ran = CliRunner().invoke(root, ["cluster", "status", "--cluster", f"{database} dbname=empty"])
    assert isinstance(ran.exception, LogUnusable)
    with psycopg.connect(database.replace("dbname=postgres", "dbname=empty")) as connection:
        assert connection.execute("select to_regnamespace('playhead')").fetchone() == (None,)


def test_a_database_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    words = ["serve", str(tmp_path / "app.py"), "--data", str(tmp_path / "data"), "--port", "0"]
    command = [sys.executable, "-m", "playhead", *words, "--cluster", "host=/nowhere user=me password=secret"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_FEW_SECONDS)
    assert ran.returncode == Exit.UNAVAILABLE
    assert "/nowhere" in ran.stderr
    assert "secret" not in ran.stderr
    assert "Traceback" not in ran.stderr
