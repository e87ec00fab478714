"""A runtime that serves itself: ``open_runtime(serve=…)``."""

from __future__ import annotations

import json
import os
from contextlib import aclosing
from typing import TYPE_CHECKING

import httpx2
import pytest
import trio

import actors
from actors.errors import ConflictError
from actors.http.address import read_address
from actors.http.token_path import token_path
from actors.types import ServeOptions, ServerLimits
from journal.kv.data_directory import DataDirectory
from tests.counter import Counter
from tests.http.served import without_tls
from tests.raising import raises

if TYPE_CHECKING:
    from pathlib import Path


EVENTS = {"accept": "text/event-stream"}


class Gate(actors.Service):
    @actors.handler
    async def wait(self) -> str:
        return await actors.signal("go", str)


def http_of(runtime: actors.Runtime, token: str | None = None) -> httpx2.AsyncClient:
    assert runtime.url is not None
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return without_tls(base_url=runtime.url, headers=headers)


async def first_of_stream(url: str, token: str) -> bytes:
    """What a stream of changes begins with."""
    address = httpx2.URL(url)
    async with await trio.open_tcp_stream(address.host, address.port or 80) as stream:
        head = (
            f"GET /changes HTTP/1.1\r\nhost: {address.netloc.decode()}\r\nauthorization: Bearer {token}\r\n"
        ).encode()
        await stream.send_all(head + b"accept: text/event-stream\r\n\r\n")
        found = b""
        with trio.fail_after(30):
            while b"data: " not in found:
                found += await stream.receive_some()
        return found


def own_token(data: Path) -> str:
    return token_path(data).read_text().strip()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "LocalHost"])
async def test_it_serves_what_a_server_serves(host: str, tmp_path: Path) -> None:
    async with actors.open_runtime(Counter, path=tmp_path, serve=f"{host}:0") as runtime:
        assert runtime.url is not None
        assert runtime.url.startswith(f"http://{host.lower()}:")
        address = read_address(tmp_path)
        assert address is not None
        assert (address.url, address.pid) == (runtime.url, os.getpid())
        async with http_of(runtime, own_token(tmp_path)) as http:
            assert (await http.post("/Counter/a/add", json=5)).json() == 5
            assert "/Counter/{key}/add" in (await http.get("/openapi.json")).json()["paths"]
            assert (await http.get("/ui/")).status_code == 200
            assert "playhead_" in (await http.get("/metrics")).text
        assert b"\r\nid: " in await first_of_stream(runtime.url, own_token(tmp_path))
        async with http_of(runtime) as stranger:
            assert (await stranger.get("/services")).status_code == 401


async def test_a_port_that_is_taken_is_refused_before_anything_runs(tmp_path: Path) -> None:
    async with actors.open_runtime(Counter, path=tmp_path / "first", serve="127.0.0.1:0") as runtime:
        assert runtime.url is not None
        taken = runtime.url.removeprefix("http://")
        with raises(actors.UnavailableError, code="unavailable"):
            async with actors.open_runtime(Counter, path=tmp_path / "second", serve=taken):
                raise AssertionError
    assert not DataDirectory(tmp_path / "second").exists()


@pytest.mark.parametrize(
    "address", ["", "9070", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:9070", "http://127.0.0.1:9070", "a b:1"]
)
async def test_an_address_that_is_none_is_refused(address: str, tmp_path: Path) -> None:
    with raises(actors.InvalidArgumentError, path="serve") as refused:
        async with actors.open_runtime(Counter, path=tmp_path / "data", serve=address):
            raise AssertionError
    assert refused.value.path == "serve"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "objects.example:0"])
def test_beyond_loopback_the_rules_of_a_server_hold(address: str) -> None:
    with raises(actors.InvalidArgumentError, path="serve"):
        ServeOptions(address)
    with raises(actors.InvalidArgumentError, path="serve"):
        ServeOptions(address, open=True, insecure_network=True)
    assert ServeOptions(address, insecure_network=True).port == 0


async def test_its_options_are_those_of_a_server(tmp_path: Path) -> None:
    options = ServeOptions("127.0.0.1:0", hosts=("Objects.Example",), open=True)
    async with actors.open_runtime(Counter, path=tmp_path, serve=options) as runtime, http_of(runtime) as http:
        assert (await http.post("/Counter/a/add", json=5)).json() == 5
        assert (await http.get("/services", headers={"host": "objects.example"})).status_code == 200
        assert (await http.get("/services", headers={"host": "evil.example"})).status_code == 421


async def test_without_a_directory_there_are_no_tokens_so_none_may_be_required(tmp_path: Path) -> None:
    with raises(ConflictError, code="not_possible"):
        async with actors.open_runtime(Counter, durability="memory", serve="127.0.0.1:0"):
            raise AssertionError
    options = ServeOptions("127.0.0.1:0", open=True)
    async with (
        actors.open_runtime(Counter, durability="memory", serve=options) as runtime,
        http_of(runtime) as http,
    ):
        assert (await http.post("/Counter/a/add", json=5)).json() == 5


async def test_running_requests_are_answered_before_it_ends(tmp_path: Path) -> None:
    """A stream ends at once; a call that waits gets until the drain is over, and is told that it continues."""
    answers: list[httpx2.Response] = []
    ended: list[str] = []
    async with trio.open_nursery() as nursery:
        options = ServeOptions("127.0.0.1:0", limits=ServerLimits(grace_seconds=0.2))
        async with actors.open_runtime(Gate, path=tmp_path, serve=options) as runtime:
            http = await nursery.start(_client_for, runtime, own_token(tmp_path))

            async def call() -> None:
                answers.append(await http.post("/Gate/wait"))

            async def follow(*, task_status: trio.TaskStatus[None]) -> None:
                async with (
                    http.stream("GET", "/changes", headers=EVENTS) as stream,
                    aclosing(stream.aiter_raw()) as pieces,
                ):
                    await anext(pieces)
                    task_status.started()
                    async for _ in pieces:
                        pass
                    ended.append("stream")

            await nursery.start(follow)
            nursery.start_soon(call)
            while not await runtime.client.invocations():
                await trio.lowlevel.checkpoint()
        with trio.fail_after(30):
            while not (answers and ended):
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert answers[0].status_code == 503
    assert "continues after the next start" in answers[0].json()["detail"]
    async with actors.open_runtime(Gate, path=tmp_path) as runtime:
        (found,) = await runtime.client.invocations()
        assert found.id == answers[0].json()["invocation_id"]


async def _client_for(runtime: actors.Runtime, token: str, *, task_status: trio.TaskStatus[httpx2.AsyncClient]) -> None:
    async with http_of(runtime, token) as http:
        task_status.started(http)
        await trio.sleep_forever()


async def test_a_damaged_token_file_is_refused_before_anything_runs(tmp_path: Path) -> None:
    token_path(tmp_path).write_text("short")
    token_path(tmp_path).chmod(0o600)
    with raises(actors.UnavailableError, code="damaged"):
        async with actors.open_runtime(Counter, path=tmp_path, serve="127.0.0.1:0"):
            raise AssertionError
    assert json.dumps(sorted(os.listdir(tmp_path))) == '["token"]'
