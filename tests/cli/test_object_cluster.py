"""Servers that share a journal in an object store: nothing acknowledged is lost or done twice, whatever is killed, and commands take the address."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import trio
from click.testing import CliRunner

import actors
from cli.exit_codes import Exit
from cli.main import root
from journal.errors import ClusterExists
from journal.replicated.log import LogUnusable
from journal.replicated.objects import bucket
from journal.replicated.objects.address import parse_address
from journal.replicated.objects.log import ObjectLog
from tests.cli.test_cluster import APP, Counter, Server, owned, printed
from tests.s3_server import SECRET, S3Server, s3_server, use_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECONDS_AT_MOST = 300.0
_KEYS = "abcdefgh"
_ROUNDS = int(os.environ.get("OBJECT_ROUNDS", "1"))


@pytest.fixture(scope="module")
def store() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    use_credentials(monkeypatch)


def test_nothing_is_lost_or_done_twice_whatever_is_killed(store: S3Server, tmp_path: Path) -> None:
    address = store.address("killed/app")
    (tmp_path / "app.py").write_text(APP)
    with ExitStack() as stack:

        def started(name: str) -> Server:
            server = Server(tmp_path, name, address)
            stack.callback(server.process.wait)
            stack.callback(server.process.kill)
            server.printed("(serving .*)")
            return server

        first, second = started("one"), started("two")
        assert "durability replicated" in second.printed("(serving .*)")
        owned(address, of=2)
        url = second.printed(r"console is at (.*)/ui/")
        token = (second.data / "token").read_text().strip()
        replies: dict[str, list[int]] = {key: [] for key in _KEYS}

        def call_all(client: actors.sync.Client) -> None:
            for key, got in replies.items():
                got.append(client.actor(Counter, key).add(1))

        with actors.sync.connect(url, token=token) as client:
            call_all(client)
            for number in range(_ROUNDS):
                first.process.send_signal(signal.SIGSTOP)
                call_all(client)
                first.process.send_signal(signal.SIGCONT)
                owned(address, of=2)
                store.process.send_signal(signal.SIGSTOP)
                trio.run(_hang, store)
                call_all(client)
                owned(address, of=2)
                first.process.kill()
                call_all(client)
                first = started(f"one, {number}")
                owned(address, of=2)
        assert replies == {key: [*range(1, 3 * _ROUNDS + 2)] for key in replies}
        assert [server.end() for server in (first, second)] == [0, 0]
        for server in tmp_path.glob("*.log"):
            assert SECRET not in server.read_text()
    assert trio.run(counted, address, tmp_path / "cold") == dict.fromkeys(_KEYS, 3 * _ROUNDS + 1)


async def _hang(store: S3Server) -> None:
    """Let the server hang for longer than one request may take."""
    await trio.sleep(bucket.SECONDS_TO_ANSWER + 0.5)
    store.process.send_signal(signal.SIGCONT)


async def counted(address: str, path: Path) -> dict[str, int]:
    """The values of the counters, as a node that has nothing reads them."""
    with trio.fail_after(_SECONDS_AT_MOST):
        async with actors.open_runtime(Counter, path=path, cluster=address) as runtime:
            return {key: await runtime.client.actor(Counter, key).add(0) for key in _KEYS}


async def test_a_journal_moves_into_a_folder_by_command_and_back(tmp_path: Path) -> None:
    address = f"file://{tmp_path}/objects"
    there, back = str(tmp_path / "one"), str(tmp_path / "two")

    async def run(*words: str, code: int = 0) -> str:
        ran = await trio.to_thread.run_sync(CliRunner().invoke, root, words)
        assert ran.exit_code == code, (ran.output, ran.exception)
        return ran.output

    with trio.fail_after(_SECONDS_AT_MOST):
        async with actors.open_runtime(Counter, path=there) as runtime:
            assert await runtime.client.actor(Counter, "a").add(5) == 5
        assert "object" in await run("journal", "copy", there, address)
        assert (await run("journal", "verify", there, address)).endswith("equal\n")
        assert "up to entry 2" in await run("cluster", "snapshot", "--cluster", address)
        async with actors.open_runtime(Counter, path=tmp_path / "node", cluster=address) as runtime:
            assert await runtime.client.actor(Counter, "a").add(2) == 7
            shown = json.loads(await run("cluster", "status", "--cluster", address, "-o", "json"))
            assert [node["state"] for node in shown["nodes"]] == ["alive"]
            assert shown["snapshot"] is not None
        assert "different" in await run("journal", "verify", there, address, code=Exit.FAILED)
        await run("journal", "copy", address, back)
        assert json.loads(await run("journal", "verify", back, address, "-o", "json"))["is_equal"]
        async with actors.open_runtime(Counter, path=back) as runtime:
            assert await runtime.client.actor(Counter, "a").add(1) == 8
        ran = await trio.to_thread.run_sync(CliRunner().invoke, root, ["journal", "copy", there, address])
        assert isinstance(ran.exception, ClusterExists)


async def test_a_copy_into_an_object_store_is_whole_or_nothing(
    store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, there = store.address("half"), str(tmp_path / "one")

    async def publish_and_fail(self: ObjectLog, identity: bytes) -> bool:
        await trio.lowlevel.checkpoint()
        raise LogUnusable("the command ends here")

    with trio.fail_after(_SECONDS_AT_MOST):
        async with actors.open_runtime(Counter, path=there) as runtime:
            assert await runtime.client.actor(Counter, "a").add(5) == 5
        with monkeypatch.context() as patch:
            patch.setattr(ObjectLog, "publish_identity", publish_and_fail)
            ran = await trio.to_thread.run_sync(CliRunner().invoke, root, ["journal", "copy", there, address])
            assert isinstance(ran.exception, LogUnusable)
        ran = await trio.to_thread.run_sync(CliRunner().invoke, root, ["cluster", "status", "--cluster", address])
        assert isinstance(ran.exception, LogUnusable)
        left = await bucket.open_bucket(parse_address(address)).listed("")
        assert left == []
        ran = await trio.to_thread.run_sync(CliRunner().invoke, root, ["journal", "copy", there, address])
        assert ran.exit_code == 0, ran.exception
        assert await trio.to_thread.run_sync(printed, "journal", "verify", there, address)
