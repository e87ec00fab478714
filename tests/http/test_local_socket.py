"""The Unix socket of a data directory: who gets in, as whom, and what becomes of its file."""

from __future__ import annotations

import getpass
import logging
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
import trio

import actors
from actors.errors import AccessDeniedError
from actors.http.local_socket import SOCKET, socket_path
from actors.http.routes import TokenScope
from actors.http.tokens import TokenBook
from tests.counter import Counter
from tests.raising import raises
from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a while")
NOBODY = 65_534


class Approval(actors.Service):
    @actors.handler
    async def ask(self) -> bool:
        return await actors.signal("approved", bool)


def left_by_a_killed_process(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


async def test_a_client_of_the_directory_controls_the_process_that_holds_it(tmp_path: Path) -> None:
    async with (
        actors.open_runtime(Counter, Approval, path=tmp_path),
        actors.connect(path=tmp_path, user=getpass.getuser()) as client,
    ):
        assert await client.actor(Counter, "a").add(5) == 5
        handle = await client.service(Approval).ask.send()
        await handle.pause(reason="a look first")
        await handle.resume()
        await handle.signal("approved", value=True)
        assert await handle.result() is True
        assert len(await client.invocations()) == 2
        first = (await client.audit(verb="pause")).entries[0]
        assert (first.by, first.source) == (f"user:{getpass.getuser()}", f"socket, process {os.getpid()}")
        assert not (tmp_path / "token").exists(), "nobody needs one"


async def test_the_socket_belongs_to_its_owner_and_ends_with_the_runtime(tmp_path: Path) -> None:
    async with actors.open_runtime(Counter, path=tmp_path / "data"):
        status = (tmp_path / "data" / SOCKET).lstat()
        assert stat.S_ISSOCK(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert status.st_uid == os.geteuid()
    assert not (tmp_path / "data" / SOCKET).exists()
    async with actors.connect(path=tmp_path / "data") as client:
        with raises(actors.UnavailableError, code="unavailable", match=str(tmp_path)):
            await client.invocations()


async def test_a_socket_that_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    left_by_a_killed_process(tmp_path / "left")
    async with actors.open_runtime(Counter, path=tmp_path / "data"):
        pass
    (tmp_path / "left").rename(tmp_path / "data" / SOCKET)
    async with (
        actors.open_runtime(Counter, path=tmp_path / "data"),
        actors.connect(path=tmp_path / "data") as client,
    ):
        assert await client.actor(Counter, "a").add(1) == 1


async def test_a_client_finds_the_next_process_of_the_directory(tmp_path: Path) -> None:
    async with actors.open_runtime(Counter, path=tmp_path):
        pass
    async with actors.connect(path=tmp_path) as client:
        for total in (1, 2):
            async with actors.open_runtime(Counter, path=tmp_path):
                assert await client.actor(Counter, "a").add(1) == total


async def test_the_path_of_a_directory_may_be_longer_than_a_socket_address(tmp_path: Path) -> None:
    data = tmp_path / ("x" * 200)
    async with actors.open_runtime(Counter, path=data), actors.connect(path=data) as client:
        assert await client.actor(Counter, "a").add(1) == 1
    assert not (data / SOCKET).exists()


def a_file(path: Path) -> None:
    path.write_text("mine")


@pytest.mark.parametrize("make", [a_file, Path.mkdir])
async def test_what_is_not_a_socket_stays_and_the_runtime_works_without_one(
    make: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with actors.open_runtime(Counter, path=tmp_path):
        pass
    make(tmp_path / SOCKET)
    async with actors.open_runtime(Counter, path=tmp_path) as runtime:
        assert await runtime.client.actor(Counter, "a").add(1) == 1
    assert (tmp_path / SOCKET).exists()
    assert [record.levelname for record in caplog.records if "not a socket" in record.getMessage()] == ["WARNING"]


async def test_on_a_file_system_without_sockets_the_runtime_works_without_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WithoutFiles(socket.socket):
        def bind(self, address: object) -> None:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("actors.http.local_socket.socket.socket", WithoutFiles)
    async with actors.open_runtime(Counter, path=tmp_path) as runtime:
        assert await runtime.client.actor(Counter, "a").add(1) == 1
        assert not (tmp_path / SOCKET).exists()
    (record,) = (record for record in caplog.records if "no Unix socket" in record.getMessage())
    assert record.levelno == logging.WARNING


async def test_a_runtime_may_be_opened_without_a_socket(tmp_path: Path) -> None:
    async with actors.open_runtime(Counter, path=tmp_path, socket=False), actors.connect(path=tmp_path) as client:
        assert not (tmp_path / SOCKET).exists()
        with pytest.raises(actors.UnavailableError):
            await client.invocations()


async def test_the_socket_of_another_process_is_left_alone_at_the_end(tmp_path: Path) -> None:
    async with actors.open_runtime(Counter, path=tmp_path):
        (tmp_path / SOCKET).unlink()
        left_by_a_killed_process(tmp_path / SOCKET)
    assert (tmp_path / SOCKET).exists()


async def test_a_token_limits_a_client_of_the_socket_to_its_scope(tmp_path: Path) -> None:
    async with actors.open_runtime(Approval, path=tmp_path) as runtime:
        secret = TokenBook(tmp_path).create("dashboard", TokenScope.READ)
        handle = await runtime.client.service(Approval).ask.send()
        async with actors.connect(path=tmp_path, token=secret) as client:
            assert [found.id for found in await client.invocations()] == [handle.id]
            with pytest.raises(AccessDeniedError, match="dashboard"):
                await client.invocation(handle.id).cancel()
        async with actors.connect(path=tmp_path, token="x" * 40) as client:
            with pytest.raises(AccessDeniedError):
                await client.invocations()


async def test_a_program_acts_for_a_person_whom_it_names(tmp_path: Path) -> None:
    async with actors.open_runtime(Counter, path=tmp_path), actors.connect(path=tmp_path, user="ada") as client:
        await client.gates.close("everything")
        (entry,) = (await client.audit(verb="close-gate")).entries
        assert entry.by == f"user:{getpass.getuser()} (ada)"


async def test_a_page_cannot_use_the_socket_through_a_proxy_that_keeps_its_headers(tmp_path: Path) -> None:
    async with actors.open_runtime(Counter, path=tmp_path):
        with socket_path(tmp_path) as path:
            transport = httpx2.AsyncHTTPTransport(uds=path)
            async with httpx2.AsyncClient(transport=transport, base_url="http://evil.example") as http:
                assert (await http.get("/services")).status_code == 421
                given = {"host": "localhost", "origin": "http://evil.example"}
                assert (await http.get("/services", headers=given)).status_code == 403


@AS_ROOT
async def test_a_directory_of_another_user_gets_no_socket(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.chown(tmp_path, NOBODY, NOBODY)
    async with actors.open_runtime(Counter, path=tmp_path) as runtime:
        assert await runtime.client.actor(Counter, "a").add(1) == 1
        assert not (tmp_path / SOCKET).exists()
    assert any("belongs to user" in record.getMessage() for record in caplog.records)


ANOTHER_USER = """
import os, socket, sys
os.setgroups([]), os.setgid(65534), os.setuid(65534)
with socket.socket(socket.AF_UNIX) as visitor:
    visitor.settimeout(60)
    try:
        visitor.connect(sys.argv[1])
        visitor.sendall(b"GET /services HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n")
        print(visitor.recv(100))
    except OSError as error:
        print(type(error).__name__)
"""


@AS_ROOT
@pytest.mark.parametrize(
    ("mode", "told"), [(0o600, {"PermissionError"}), (0o666, {"b''", "BrokenPipeError", "ConnectionResetError"})]
)
async def test_another_user_is_refused_by_the_file_and_by_the_process(mode: int, told: set[str]) -> None:
    data = Path("/tmp") / f"playhead-{os.getpid()}-{mode:o}"  # every folder above must let the other user through
    try:
        async with actors.open_runtime(Counter, path=data):
            data.chmod(0o755)
            (data / SOCKET).chmod(mode)
            command = [sys.executable, "-c", ANOTHER_USER, str(data / SOCKET)]
            ran = await trio.run_process(command, capture_stdout=True, cwd="/")
            assert ran.stdout.decode().strip() in told
    finally:
        shutil.rmtree(data)


NEVER_VISITED = """
import sys, trio, actors
from tests.counter import Counter

async def main() -> None:
    async with actors.open_runtime(Counter, path=sys.argv[1]) as runtime:
        await runtime.client.actor(Counter, "a").add(1)
        print([name for name in ("h11", "actors.http.server.app", "actors.http.tokens") if name in sys.modules])

trio.run(main)
"""


def test_a_program_that_nobody_controls_does_not_import_the_server(tmp_path: Path) -> None:
    command = [sys.executable, "-c", NEVER_VISITED, str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.strip() == "[]"
