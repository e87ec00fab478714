"""A NATS server, or a stream, that could lose what it has acknowledged is refused by name, with what to do."""

from __future__ import annotations

import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from journal.errors import LogDiverged, LogTrimmed, Unavailable, WrongStore
from journal.replicated.log import LogUnusable
from journal.replicated.nats.log import open_nats_log
from journal.replicated.open import identify, open_replica
from tests.journal.test_contract import append
from tests.nats_servers import SYNCING, address_of, free_ports, nats_server
from tests.raising import raises
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from journal.replicated.journal import ReplicatedJournal
    from journal.replicated.nats.log import NatsLog
    from tests.nats_servers import Server

pytestmark = [pytest.mark.virtual_time, pytest.mark.usefixtures("nats_is_patient")]


@asynccontextmanager
async def node(address: str, path: Path) -> AsyncIterator[tuple[NatsLog, ReplicatedJournal]]:
    async with (
        open_nats_log(address) as log,
        open_replica(path, log, await identify(log, partitions=1), clock=VirtualClock()) as journal,
    ):
        yield log, journal


async def refusal(address: str, kind: type[Exception] = LogUnusable) -> str:
    """Why no log can be opened."""
    with pytest.raises(kind) as refused:
        async with open_nats_log(address) as log:
            await identify(log, partitions=1)
    assert "secret" not in str(refused.value)
    return str(refused.value)


# Servers.


async def test_a_server_that_could_lose_what_it_has_acknowledged_is_refused(tmp_path: Path) -> None:
    with nats_server(tmp_path, "jetstream { store_dir: STORE }\n") as server:
        found = await refusal(address_of([server]))
        assert "syncs its disk every 120 s" in found
        assert "sync_interval: always" in found
        port = free_ports(1)[0]
        assert f"cannot be read at 127.0.0.1:{port}" in await refusal(f"nats://127.0.0.1:{server.port}?monitor={port}")


async def test_what_cannot_be_checked_is_used_and_said_if_the_operator_wants_that(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with nats_server(tmp_path, "jetstream { store_dir: STORE }\n") as server:
        async with open_nats_log(f"nats://127.0.0.1:{server.port}?sync=unchecked") as log:
            await identify(log, partitions=1)
            await log.append(0, 0, b"one")
    assert "sync=unchecked" in caplog.text


async def test_a_server_without_jetstream_is_refused(tmp_path: Path) -> None:
    with nats_server(tmp_path, "") as server:
        assert "without JetStream" in await refusal(address_of([server]))
        assert "without JetStream" in await refusal(f"nats://127.0.0.1:{server.port}?sync=unchecked")


async def test_a_wrong_user_is_refused_and_the_right_one_let_in(tmp_path: Path) -> None:
    users = "authorization { users: [{ user: app, password: right }] }\n"
    with nats_server(tmp_path, SYNCING + users) as server:
        for who in ("", "app:secret@", "secret@"):
            address = address_of([server]).replace("nats://", f"nats://{who}")
            assert "Authorization Violation" in await refusal(address)
        async with open_nats_log(address_of([server]).replace("nats://", "nats://app:right@")) as log:
            await identify(log, partitions=1)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for this machine that nobody else has signed, and its key."""
    made, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    names = ["-subj", "/CN=tests", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(["openssl", *kind, *names, "-keyout", key, "-out", made], check=True, capture_output=True)
    return made, key


async def test_a_connection_is_encrypted_if_it_begins_with_tls_and_only_with_the_right_server(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    made, key = certificate
    tls = f'tls {{ cert_file: "{made}", key_file: "{key}" }}\n'
    with nats_server(tmp_path / "server", SYNCING + tls) as server:
        plain = address_of([server])
        assert "tls://" in await refusal(plain)
        encrypted = plain.replace("nats://", "tls://")
        assert "no encrypted connection" in await refusal(encrypted)
        async with open_nats_log(f"{encrypted}&tls_ca={made}") as log:
            await identify(log, partitions=1)
            await log.append(0, 0, b"one")


class Pretender:
    """Something that listens, and says at once what it is told to."""

    def __init__(self, greeting: bytes) -> None:
        self.greeting = greeting

    async def run(self, *, task_status: trio.TaskStatus[int]) -> None:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        task_status.started(listener.socket.getsockname()[1])
        await trio.serve_listeners(self._greet, [listener])

    async def _greet(self, stream: trio.SocketStream) -> None:
        await stream.send_all(self.greeting)
        async for _ in stream:
            await stream.send_all(b"PONG\r\n")


@pytest.mark.parametrize(
    ("greeting", "why"),
    [
        (b'INFO {"version":"2.14.9","headers":true}\r\n', "has version 2.14.9, expected 2.15 or later"),
        (b'INFO {"version":"v3","headers":true}\r\n', "has version v3"),
        (b'INFO {"version":"2.15.0"}\r\n', "takes no headers"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is not a NATS server"),
    ],
)
async def test_what_is_no_server_or_an_old_one_is_refused(greeting: bytes, why: str) -> None:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(Pretender(greeting).run)
        assert why in await refusal(f"nats://127.0.0.1:{port}?sync=unchecked")
        nursery.cancel_scope.cancel()


async def test_a_server_that_is_away_is_named_and_another_one_is_used(one_nats_server: Server, schema: str) -> None:
    [port] = free_ports(1)
    assert f"127.0.0.1:{port} accepts no connection" in await refusal(f"nats://127.0.0.1:{port}", Unavailable)
    server = f"127.0.0.1:{one_nats_server.port}"
    monitors = f"{port},{one_nats_server.monitor}"
    async with open_nats_log(f"nats://127.0.0.1:{port},{server}/{schema}?monitor={monitors}") as log:
        await identify(log, partitions=1)


async def test_every_server_of_a_cluster_must_be_named_for_each_is_checked(nats_servers: list[Server]) -> None:
    found = await refusal(address_of(nats_servers[:1]))
    assert "has 3 servers with JetStream, and the address names 1" in found


async def test_a_single_replica_in_a_cluster_is_warned_of(
    nats_servers: list[Server], schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_nats_log(address_of(nats_servers, schema, "&replicas=1")) as log:
        await identify(log, partitions=1)
    assert "have one replica although NATS is a cluster" in caplog.text


# Streams.


async def change(log: NatsLog, stream: str, **settings: Any) -> None:
    """Do what an operator does with a tool of NATS."""
    config = (await log.js.info(stream))["config"]
    await log.js.ask(f"STREAM.UPDATE.{stream}", {**config, **settings})


async def test_a_stream_that_would_lose_entries_is_refused(nats_address: str) -> None:
    async with open_nats_log(nats_address) as log:
        await identify(log, partitions=1)
        await change(log, log.names.log(0), max_age=3_600 * 10**9)
    assert "max_age = 3600000000000, expected 0" in await refusal(nats_address)


async def test_a_stream_of_something_else_is_refused_and_left_as_it_is(nats_address: str, schema: str) -> None:
    async with open_nats_log(nats_address) as log:
        await log.js.ask_once(f"STREAM.CREATE.{schema}", {"name": schema, "subjects": [f"{schema}.other"]})
        assert "subjects" in await refusal(nats_address)
        assert (await log.js.info(schema))["config"]["subjects"] == [f"{schema}.other"]


async def test_a_missing_stream_is_missed_and_never_made_again(nats_address: str, tmp_path: Path) -> None:
    async with node(nats_address, tmp_path / "node") as (log, journal):
        async with journal.claim(0, "me") as partition:
            await partition.commit([append(0, 1)])
        stream = log.names.log(0)
        await log.js.ask(f"STREAM.DELETE.{stream}")
        with pytest.raises(LogUnusable, match=f"{stream} is missing"):
            await log.read(0, 1)
    assert f"the stream {stream} is missing" in await refusal(nats_address)


@pytest.mark.parametrize("is_cold", [False, True])
async def test_a_log_that_has_lost_its_end_is_not_joined(nats_address: str, tmp_path: Path, is_cold: bool) -> None:
    async with node(nats_address, tmp_path / "node") as (log, journal), journal.claim(0, "me") as partition:
        await partition.commit([append(0, 1)])
    async with open_nats_log(nats_address) as log:
        await identify(log, partitions=1)
        stream = log.names.log(0)
        config = (await log.js.info(stream))["config"]
        if is_cold:
            await log.js.ask(f"STREAM.PURGE.{stream}")
        else:
            await log.js.ask(f"STREAM.DELETE.{stream}")
            await log.js.ask(f"STREAM.CREATE.{stream}", config)
    with raises(LogTrimmed if is_cold else LogDiverged, partition=0):
        async with node(nats_address, tmp_path / ("another" if is_cold else "node")):
            raise AssertionError("it was opened")


async def test_a_directory_of_another_journal_is_refused(nats_address: str, tmp_path: Path) -> None:
    async with node(nats_address, tmp_path / "node"):
        pass
    with pytest.raises(WrongStore):
        async with node(nats_address.replace("?", "-other?"), tmp_path / "node"):
            raise AssertionError("it was opened")
