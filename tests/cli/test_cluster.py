"""Servers that share a journal in PostgreSQL and its objects: any is asked for any, and the others take over what one had when it dies."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest
import trio
from click.testing import CliRunner

import actors
from actors import Actor, handler
from actors.cluster.options import advertised_address, with_default_address
from actors.errors import AccessDeniedError, ErrorCode, InvalidArgumentError, MalformedAddress
from actors.types import ClusterOptions
from cli.exit_codes import Exit, exit_code_of
from cli.main import root
from journal.replicated.log import LogUnusable
from journal.replicated.open import identify, open_replica
from journal.replicated.postgres.log import open_postgres_log
from journal.replicated.snapshots import keeper
from tests.aio.postgres import postgres
from tests.raising import raises
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
_SECONDS_AT_MOST = 300.0


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


def printed(*words: object) -> str:
    """What a command prints."""
    ran = CliRunner().invoke(root, [*map(str, words)])
    assert ran.exit_code == 0, ran.output
    return ran.stdout.strip()


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
        until = time.monotonic() + _SECONDS_AT_MOST
        while not (found := re.search(pattern, self._log.read_text())):
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.01)
        return found.group(1)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_SECONDS_AT_MOST)


@contextmanager
def servers(folder: Path, address: str) -> Iterator[list[Server]]:
    """Three servers, once each runs its share of the objects."""
    (folder / "app.py").write_text(APP)
    started: list[Server] = []
    try:
        started += (Server(folder, name, address) for name in ("one", "two", "three"))
        for server in started:
            server.printed("(serving .*)")
        owners = owned(address, of=3)
        assert sorted(map(len, owners.values())) == [5, 5, 6]
        yield started
    finally:
        for server in started:
            server.process.kill()
            server.process.wait()


def owned(address: str, *, of: int) -> dict[str, list[int]]:
    """The partitions by owner, once each has one and that many nodes have as many as any other."""
    until = time.monotonic() + _SECONDS_AT_MOST
    while True:
        owners: dict[str, list[int]] = {}
        for each in status(address)["partitions"]:
            owners.setdefault(each["owner"], []).append(each["partition"])
        loads = [len(partitions) for partitions in owners.values()]
        if None not in owners and len(owners) == of and max(loads) - min(loads) <= 1:
            return owners
        assert time.monotonic() < until, owners


def test_three_servers_share_the_objects_and_replace_one_that_dies_or_hangs(database: str, tmp_path: Path) -> None:
    with servers(tmp_path, database) as (first, second, third):
        assert "durability replicated" in second.printed("(serving .*)")
        url = second.printed(r"console is at (.*)/ui/")
        token = (second.data / "token").read_text().strip()
        assert (first.data / "token").read_text().strip() == token, "any node takes it"
        ops = printed("tokens", "create", "ops", "--scope", "admin", "--data", first.data)
        with actors.sync.connect(url, token=ops) as client:
            assert client.audit().entries[0].verb == "create-token"
            printed("tokens", "revoke", "ops", "--data", third.data)
            with pytest.raises(AccessDeniedError):
                client.audit()
        assert printed("tokens", "list", "--data", first.data, "-o", "id") == ""
        with actors.sync.connect(url, token=token) as client:
            mine = next(node for node in client.cluster.nodes() if node.name.split("-")[-2] == str(first.process.pid))
            assert mine.partitions
        assert "draining, partitions: none" in printed("cluster", "drain", mine.name, "--data", second.data)
        assert {node["name"]: node["state"] for node in status(database)["nodes"]}[mine.name] == "draining"
        printed("cluster", "undrain", mine.name, "--data", first.data)
        printed("cluster", "move", "0", mine.name, "--data", third.data)
        assert 0 in owned(database, of=3)[mine.name]
        replies: dict[str, list[int]] = {key: [] for key in "abcdefghijkl"}
        with actors.sync.connect(url, token=token) as client:
            for number in range(1, 9):
                if number == 3:
                    first.process.kill()
                if number == 6:
                    third.process.send_signal(signal.SIGSTOP)
                for key, got in replies.items():
                    got.append(client.actor(Counter, key).add(1))
        assert replies == {key: [*range(1, 9)] for key in replies}
        [(owner, _)] = owned(database, of=1).items()
        assert owner.split("-")[-2] == str(second.process.pid)
        third.process.send_signal(signal.SIGCONT)
        owned(database, of=2)
        assert third.end() == 0
        owned(database, of=1)
        assert second.end() == 0


async def test_a_node_that_lost_a_partition_says_so_once_and_owns_it_again(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create database replaced")
    address = f"{database} dbname=replaced"
    with trio.fail_after(_SECONDS_AT_MOST):
        async with (
            actors.open_runtime(Counter, path=tmp_path / "one", cluster=address, partitions=1) as runtime,
            open_postgres_log(address) as log,
            open_replica(tmp_path / "two", log, await identify(log, partitions=1)) as other,
        ):
            counter = runtime.client.actor(Counter, "a")
            assert await counter.add(1) == 1
            shown = await trio.to_thread.run_sync(status, address)
            assert [(each["partition"], each["entries"] > 1) for each in shown["partitions"]] == [(0, True)]
            assert [node["state"] for node in shown["nodes"]] == ["alive"]
            async with other.claim(0, "a stranger, which does not beat"):
                pass
            with pytest.raises(actors.UnknownOutcomeError):
                await counter.add(1)  # its commit is refused
            assert await counter.add(1) == 2


async def test_a_runtime_keeps_its_journal_its_code_and_snapshots_in_the_database(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.1)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create database runtimes")
    address = f"{database} dbname=runtimes"
    with trio.fail_after(_SECONDS_AT_MOST):
        options = ClusterOptions(address, snapshot_bytes=1)
        for number, node in enumerate(("one", "two"), start=1):
            async with actors.open_runtime(Counter, path=tmp_path / node, cluster=options) as runtime:
                assert await runtime.client.actor(Counter, "a").add(1) == number
                assert len(await runtime.client.deployments.list()) == 1
                assert runtime.engine.journal.durability.value == "replicated"
                while (await trio.to_thread.run_sync(status, address))["snapshot"] is None:
                    await trio.sleep(0.1)


@pytest.mark.parametrize(
    "options",
    [
        {"cluster": "postgresql:///x"},
        {"cluster": "postgresql:///x", "path": "x", "durability": "os"},
        {"durability": "replicated", "path": "x"},
    ],
)
async def test_a_runtime_that_cannot_share_a_journal_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError, match="cluster"):
        async with actors.open_runtime(Counter, **options):  # type: ignore[arg-type]
            raise AssertionError("it was opened")


async def test_an_address_that_cannot_be_read_is_one_error_everywhere() -> None:
    with raises(MalformedAddress, code=ErrorCode.INVALID_ARGUMENT):
        async with actors.open_runtime(Counter, cluster="no address", path="x"):
            raise AssertionError("it was opened")
    for words in (["cluster", "status", "--cluster"], ["cluster", "snapshot", "--cluster"], ["journal", "verify"]):
        address = "postgresql://[" if words[0] == "journal" else "no address"
        ran = await trio.to_thread.run_sync(partial(CliRunner().invoke, root, [*words, address]))
        assert isinstance(ran.exception, MalformedAddress)
        assert exit_code_of(ran.exception) is Exit.USAGE


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"listen": "10.0.0.1:9071"}, "listen"),
        ({"listen": "nowhere"}, "listen"),
        ({"listen": "0.0.0.0:9071", "insecure_network": True}, "advertise"),
        ({"listen": "127.0.0.1:0", "advertise": "0.0.0.0:9071"}, "advertise"),
        ({"advertise": "10.0.0.1"}, "advertise"),
        ({"snapshot_bytes": 0}, "snapshot_bytes"),
    ],
)
def test_an_address_that_other_nodes_cannot_use_or_strangers_can_is_refused(options: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidArgumentError) as raised:
        ClusterOptions("postgresql:///x", **options)
    assert raised.value.path == path


def test_a_node_is_reached_where_it_listens_or_where_it_says() -> None:
    alone = ClusterOptions("x")
    for host, address in ((None, "127.0.0.1:5"), ("::1", "[::1]:5"), ("10.0.0.1", "10.0.0.1:5")):
        assert advertised_address(with_default_address(alone, host, insecure_network=True), 5) == address
    inside = ClusterOptions("x", listen="0.0.0.0:9071", advertise="node-1:0", insecure_network=True)
    assert advertised_address(with_default_address(inside, None, insecure_network=False), 9071) == "node-1:9071"
    assert advertised_address(attrs.evolve(inside, advertise="node-1:80"), 9071) == "node-1:80"


async def test_a_journal_moves_into_a_cluster_by_command_and_back(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create database moved")
    host = dict(each.split("=") for each in database.split())["host"]
    address = f"postgresql://tests:secret@/moved?host={host}"
    there, back = str(tmp_path / "one"), str(tmp_path / "two")

    async def run(*words: str, code: int = 0) -> str:
        ran = await trio.to_thread.run_sync(CliRunner().invoke, root, words)
        assert ran.exit_code == code, (ran.output, ran.exception)
        assert "secret" not in ran.output
        return ran.output

    with trio.fail_after(_SECONDS_AT_MOST):
        async with actors.open_runtime(Counter, path=there) as runtime:
            assert await runtime.client.actor(Counter, "a").add(5) == 5
        assert "object" in await run("journal", "copy", there, address)
        assert (await run("journal", "verify", there, address)).endswith("equal\n")
        assert "up to entry 2" in await run("cluster", "snapshot", "--cluster", address)
        async with actors.open_runtime(Counter, path=tmp_path / "node", cluster=address) as runtime:
            assert await runtime.client.actor(Counter, "a").add(2) == 7
        assert "different" in await run("journal", "verify", there, address, code=Exit.FAILED)
        found = (await trio.to_thread.run_sync(status, address))["snapshot"]
        assert (found["entries"], found["made_by"]) == ([2], "by hand")
        await run("journal", "copy", address, back)
        assert json.loads(await run("journal", "verify", back, address, "-o", "json"))["is_equal"]
        async with actors.open_runtime(Counter, path=back) as runtime:
            assert await runtime.client.actor(Counter, "a").add(1) == 8
        await run("journal", "copy", there, back, code=Exit.USAGE)
        await run("journal", "verify", there, back, there, code=Exit.USAGE)


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
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_SECONDS_AT_MOST)
    assert ran.returncode == Exit.UNAVAILABLE
    assert "/nowhere" in ran.stderr
    assert "secret" not in ran.stderr
    assert "Traceback" not in ran.stderr
