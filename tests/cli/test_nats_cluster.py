"""Servers that share a journal in NATS: nothing acknowledged is lost or done twice, whatever is killed, and commands take the address."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest
import trio
from click.testing import CliRunner

import actors
from actors.types import ClusterOptions
from cli.exit_codes import Exit
from cli.main import root
from journal.replicated.log import LogUnusable
from journal.replicated.nats.snapshots import NatsSnapshots
from journal.replicated.snapshots import keeper
from tests.cli.test_cluster import Counter, owned, servers, status
from tests.nats_servers import address_of, leader_of, nats_cluster, nats_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.nats_servers import Server

_SECONDS_AT_MOST = 300.0
_KEYS = "abcdefghijkl"
_ROUNDS = int(os.environ.get("NATS_ROUNDS", "1"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with nats_server(tmp_path_factory.mktemp("nats")) as alone:
        yield alone


def test_nothing_is_lost_or_done_twice_whatever_is_killed(tmp_path: Path) -> None:
    with nats_cluster(tmp_path / "nats") as nats:
        address = address_of(nats)
        with servers(tmp_path, address) as (first, second, third):
            assert "durability replicated" in second.printed("(serving .*)")
            url = second.printed(r"console is at (.*)/ui/")
            token = (second.data / "token").read_text().strip()
            replies: dict[str, list[int]] = {key: [] for key in _KEYS}

            def call_all(client: actors.sync.Client) -> None:
                for key, got in replies.items():
                    got.append(client.actor(Counter, key).add(1))

            with actors.sync.connect(url, token=token) as client:
                call_all(client)
                first.process.kill()
                call_all(client)
                for _ in range(_ROUNDS):
                    third.process.send_signal(signal.SIGSTOP)
                    call_all(client)
                    leader = leader_of(nats, "-beats")
                    leader.kill()
                    call_all(client)
                    third.process.send_signal(signal.SIGCONT)
                    leader.start()
                    call_all(client)
                    owned(address, of=2)
            assert replies == {key: [*range(1, 3 * _ROUNDS + 3)] for key in replies}
        assert trio.run(counted, address, tmp_path / "cold") == dict.fromkeys(_KEYS, 3 * _ROUNDS + 2)


async def counted(address: str, path: Path) -> dict[str, int]:
    """The values of the counters, as a node that has nothing reads them."""
    with trio.fail_after(_SECONDS_AT_MOST):
        async with actors.open_runtime(Counter, path=path, cluster=address) as runtime:
            return {key: await runtime.client.actor(Counter, key).add(0) for key in _KEYS}


async def test_a_runtime_keeps_its_journal_and_snapshots_in_nats(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.1)
    address = address_of([server], "runtimes")
    with trio.fail_after(_SECONDS_AT_MOST):
        options = ClusterOptions(address, snapshot_bytes=1)
        for number, node in enumerate(("one", "two"), start=1):
            async with actors.open_runtime(Counter, path=tmp_path / node, cluster=options, partitions=2) as runtime:
                assert await runtime.client.actor(Counter, "a").add(1) == number
                assert runtime.engine.journal.durability.value == "replicated"
                while (shown := await trio.to_thread.run_sync(status, address))["snapshot"] is None:
                    await trio.sleep(0.1)
                assert [each["state"] for each in shown["nodes"] if each["url"] == (runtime.url or "")] == ["alive"]


async def test_a_journal_moves_into_nats_by_command_and_back(server: Server, tmp_path: Path) -> None:
    address = address_of([server], "moved").replace("nats://", "nats://tests:secret@")
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
        await run("journal", "copy", address, back)
        assert json.loads(await run("journal", "verify", back, address, "-o", "json"))["is_equal"]
        async with actors.open_runtime(Counter, path=back) as runtime:
            assert await runtime.client.actor(Counter, "a").add(1) == 8
        ran = await trio.to_thread.run_sync(CliRunner().invoke, root, ["journal", "copy", there, address])
        assert isinstance(ran.exception, actors.errors.JournalError) or ran.exit_code != 0


async def test_a_copy_into_nats_is_whole_or_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, there = address_of([server], "half"), str(tmp_path / "one")
    with trio.fail_after(_SECONDS_AT_MOST):
        async with actors.open_runtime(Counter, path=there) as runtime:
            assert await runtime.client.actor(Counter, "a").add(5) == 5
        publish = NatsSnapshots.publish

        async def publish_and_fail(self: NatsSnapshots, *arguments: object) -> bool:
            await publish(self, *arguments)  # type: ignore[arg-type]
            raise LogUnusable("the command ends here")

        with monkeypatch.context() as patch:
            patch.setattr(NatsSnapshots, "publish", publish_and_fail)
            ran = await trio.to_thread.run_sync(CliRunner().invoke, root, ["journal", "copy", there, address])
            assert isinstance(ran.exception, LogUnusable)
        ran = await trio.to_thread.run_sync(CliRunner().invoke, root, ["cluster", "status", "--cluster", address])
        assert isinstance(ran.exception, LogUnusable)
        assert [name for name in streams_of(server) if name.startswith("half-")] == []
        ran = await trio.to_thread.run_sync(CliRunner().invoke, root, ["journal", "copy", there, address])
        assert ran.exit_code == 0, ran.exception


def streams_of(server: Server) -> list[str]:
    page = server.page("/jsz?streams=1")
    return [each["name"] for account in page["account_details"] for each in account["stream_detail"]]
