"""A runtime as an application of ASGI, mounted in Starlette behind real servers, on trio and on asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import httpx2
import pytest
import trio
import uvicorn
from hypercorn.config import Config
from hypercorn.trio import serve as serve_on_trio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import actors
import actors.aio
import actors.http
import actors.sync
from actors.errors import ConflictError, MisuseError
from actors.http.own_token import make_token
from actors.http.server.asgi import below_mount
from tests.children import ROOT, python_path
from tests.counter import Counter
from tests.http.served import NO_TLS, without_tls
from tests.raising import raises
from tests.test_readme import BOTH, blocks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    Opened = AbstractAsyncContextManager["Mounted"]

EVENTS = b"accept: text/event-stream\r\n"
MOUNT = "/for staff"
PATH = "/for%20staff"


class Gate(actors.Service):
    @actors.handler
    async def wait(self) -> str:
        return await actors.signal("go", str)

    @actors.handler
    async def echo(self, text: str) -> str:
        return text


@attrs.frozen
class Mounted:
    """A server with a mounted runtime; ``leave`` ends the runtime, and the server goes on."""

    port: int
    token: str
    leave: Callable[[], None]
    left: trio.Event

    def http(self, token: str | None = None) -> httpx2.AsyncClient:
        headers = {"authorization": f"Bearer {self.token if token is None else token}"}
        return without_tls(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=60)

    async def sent(self, method: str, path: str, more: bytes = b"") -> trio.SocketStream:
        """A connection on which a request has been sent."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        head = (
            f"{method} {PATH}{path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\nauthorization: Bearer {self.token}\r\n"
        )
        await stream.send_all(head.encode() + more + b"\r\n")
        return stream

    async def counted(self, series: str) -> float:
        """A figure of the metrics."""
        async with self.http() as http:
            lines = (await http.get(f"{PATH}/metrics")).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series))


async def own(_: Any) -> PlainTextResponse:
    return PlainTextResponse("its own")


def framework(runtime: Any, **options: Any) -> Starlette:
    return Starlette(routes=[Route("/own", own), Mount(MOUNT, app=actors.http.asgi(runtime, **options))])


@asynccontextmanager
async def on_trio(data: Path) -> AsyncIterator[Mounted]:
    """Hypercorn, in the loop of the runtime."""
    config, leave, left, is_over = Config(), trio.Event(), trio.Event(), trio.Event()
    config.bind, config.graceful_timeout = ["127.0.0.1:0"], 1
    async with trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[actors.Runtime]) -> None:
            async with actors.open_runtime(Counter, Gate, path=data, drain=1) as runtime:
                task_status.started(runtime)
                await leave.wait()
            left.set()

        app = framework(await nursery.start(run))
        (bound,) = await nursery.start(
            partial(serve_on_trio, app, config, shutdown_trigger=is_over.wait)  # type: ignore[arg-type]
        )
        yield Mounted(int(bound.rpartition(":")[2]), make_token(data), leave.set, left)
        leave.set()
        is_over.set()


@contextlib.contextmanager
def uvicorn_in_a_thread(app: Any) -> Any:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, lifespan="auto")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
        thread.start()
        try:
            yield server, listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()


async def started(server: uvicorn.Server) -> None:
    with trio.fail_after(60):
        while not server.started:
            await trio.sleep(0.01)


@asynccontextmanager
async def on_asyncio(data: Path) -> AsyncIterator[Mounted]:
    """Uvicorn in another thread, and the runtime in the loop of the test."""
    leave, left = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:

        async def run(*, task_status: trio.TaskStatus[actors.Runtime]) -> None:
            async with actors.open_runtime(Counter, Gate, path=data, drain=1) as runtime:
                task_status.started(runtime)
                await leave.wait()
            left.set()

        app = framework(await nursery.start(run))
        with uvicorn_in_a_thread(app) as (server, port):
            await started(server)
            yield Mounted(port, make_token(data), leave.set, left)
        leave.set()


@asynccontextmanager
async def in_a_lifespan(data: Path) -> AsyncIterator[Mounted]:
    """Uvicorn, whose application opens a runtime of ``actors.aio`` in its lifespan and mounts it then."""
    token, left = trio.lowlevel.current_trio_token(), trio.Event()
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        leave = asyncio.Event()
        loops.append((asyncio.get_running_loop(), leave))

        async def run(is_up: asyncio.Future[None]) -> None:
            async with actors.aio.open_runtime(Counter, Gate, path=data, drain=1) as runtime:
                app.mount(MOUNT, actors.http.asgi(runtime))
                is_up.set_result(None)
                await leave.wait()
            token.run_sync_soon(left.set)

        is_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(run(is_up))
        await is_up
        yield
        leave.set()
        await running

    app = Starlette(routes=[Route("/own", own)], lifespan=lifespan)
    with uvicorn_in_a_thread(app) as (server, port):
        await started(server)
        ((loop, leave),) = loops
        yield Mounted(port, make_token(data), lambda: loop.call_soon_threadsafe(leave.set), left)


@pytest.fixture(params=[on_trio, on_asyncio, in_a_lifespan])
async def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Mounted]:
    async with request.param(tmp_path) as opened:
        yield opened


async def test_a_mounted_runtime_has_what_a_server_has(mounted: Mounted) -> None:
    async with mounted.http() as http:
        assert (await http.get("/own")).text == "its own"
        assert (await http.post(f"{PATH}/Counter/a%2Fb/add", json=5)).json() == 5
        large = "ä" * 500_000
        assert (await http.post(f"{PATH}/Gate/echo", json=large)).json() == large
        assert (await http.get(f"{PATH}/openapi.json")).json()["servers"] == [{"url": PATH}]
        assert (await http.head(f"{PATH}/services")).content == b""
        assert (await http.get(f"{PATH}/nothing")).status_code == 404
        assert (await http.get(f"{PATH}/services", headers={"host": "evil.example"})).status_code == 421
        assert (await http.get(f"{PATH}/services", headers={"origin": "http://evil.example"})).status_code == 403
    async with mounted.http("x" * 40) as stranger:
        assert (await stranger.get(f"{PATH}/services")).status_code == 401


async def test_the_console_is_found_below_the_mount(mounted: Mounted) -> None:
    async with mounted.http() as http:
        for path in (PATH, f"{PATH}/", f"{PATH}/ui"):
            found = await http.get(path, follow_redirects=True)
            assert (found.status_code, found.url.raw_path) == (200, f"{PATH}/ui/".encode())
        assert b'href="style.css"' in found.content, "its addresses are relative"
        assert (await http.get(f"{PATH}/ui/style.css")).status_code == 200


async def until(stream: trio.SocketStream, wanted: bytes) -> bytes:
    found = b""
    with trio.fail_after(60):
        while wanted not in found:
            piece = await stream.receive_some()
            assert piece, found
            found += piece
    return found


async def test_a_stream_is_sent_as_it_grows_and_a_lost_client_is_noticed(mounted: Mounted) -> None:
    async with mounted.http() as http, await mounted.sent("GET", "/changes", EVENTS) as stream:
        assert b"text/event-stream" in await until(stream, b"data: ")
        await http.post(f"{PATH}/Counter/a/add", json=1)
        await until(stream, b"data: ")
        assert await mounted.counted("playhead_http_streams") == 1
    with trio.fail_after(60):
        while await mounted.counted("playhead_http_streams"):
            await trio.sleep(0.01)


async def test_a_waiting_call_of_a_lost_client_is_given_up_and_its_invocation_goes_on(mounted: Mounted) -> None:
    stream = await mounted.sent("POST", "/Gate/wait", b"content-length: 0\r\n")
    async with mounted.http() as http:
        with trio.fail_after(60):
            while not (found := (await http.get(f"{PATH}/invocations")).json()["invocations"]):
                await trio.sleep(0.01)
            await stream.aclose()
            while not await mounted.counted('playhead_http_requests_total{method="POST",code="499"'):
                await trio.sleep(0.01)
        (invocation,) = found
        signalled = await http.post(f"{PATH}/invocations/{invocation['id']}/signals/go", json="on")
        assert signalled.json()["changed"]
        attached = await http.get(f"{PATH}/restate/invocation/{invocation['id']}/attach")
        assert attached.json() == "on"


async def test_the_end_of_the_runtime_ends_streams_and_then_refuses(mounted: Mounted) -> None:
    async with mounted.http() as http, await mounted.sent("GET", "/changes", EVENTS) as stream:
        await until(stream, b"data: ")
        mounted.leave()
        with trio.fail_after(60):
            await mounted.left.wait()
            await until(stream, b"0\r\n\r\n")
        refused = await http.get(f"{PATH}/services")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert (await http.get("/own")).text == "its own"


def test_a_runtime_ends_although_the_loop_of_its_server_has_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.http.server.asgi_from_asyncio._CANCEL_SECONDS", 0.01)
    loop, messages = asyncio.new_event_loop(), [{"type": "http.request"}]
    scope = {"type": "http", "method": "POST", "path": "/Gate/wait", "query_string": b"", "server": ("127.0.0.1", 80)}

    async def receive() -> Any:
        if messages:
            return messages.pop()
        loop.stop()  # with a request in flight, and not closed
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        pass

    runtime = actors.sync.open_runtime(Gate, path=tmp_path, drain=0.01)
    app = actors.http.asgi(runtime, open=True)
    request = loop.create_task(app({**scope, "headers": [(b"host", b"localhost")]}, receive, send))
    loop.run_forever()
    closing = threading.Thread(target=runtime.close, daemon=True)
    closing.start()
    closing.join(60)
    assert not closing.is_alive()
    with actors.sync.open_runtime(Gate, path=tmp_path):  # nobody holds it
        pass
    loop.run_until_complete(request)
    loop.close()


async def test_without_tokens_it_answers_on_loopback_only(tmp_path: Path) -> None:
    async with actors.open_runtime(Counter, durability="memory") as runtime:
        with raises(ConflictError, code="not_possible"):
            actors.http.asgi(runtime)
        app = actors.http.asgi(runtime, open=True, hosts=["objects.example"])
        for base, status in (("http://127.0.0.1:80", 200), ("http://objects.example", 403)):
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url=base) as http:
                assert (await http.get("/services")).status_code == status


async def test_a_lifespan_is_taken_part_in_and_opens_and_closes_nothing(tmp_path: Path) -> None:
    async with actors.open_runtime(Counter, path=tmp_path) as runtime:
        asked, told = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}], []

        async def receive() -> Any:
            await trio.lowlevel.checkpoint()
            return asked.pop(0)

        async def send(message: Any) -> None:
            await trio.lowlevel.checkpoint()
            told.append(message["type"])

        await actors.http.asgi(runtime)({"type": "lifespan"}, receive, send)
        assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert await runtime.client.actor(Counter, "a").add(1) == 1


async def test_a_server_in_another_trio_loop_is_told_what_to_do(tmp_path: Path) -> None:
    async with actors.open_runtime(Counter, path=tmp_path) as runtime:
        app = actors.http.asgi(runtime)
        with raises(MisuseError, code="wrong_loop"):
            await trio.to_thread.run_sync(trio.run, app, {"type": "http", "method": "GET"}, None, None)


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ({"raw_path": b"/a/add"}, ("", b"/a/add")),
        ({"raw_path": b"/tools/a%2Fb/add", "root_path": "/tools"}, ("/tools", b"/a%2Fb/add")),
        ({"raw_path": b"/tools", "root_path": "/tools"}, ("/tools", b"")),
        ({"raw_path": b"/tools/", "root_path": "/tools/"}, ("/tools", b"/")),
        ({"raw_path": b"/toolset/x", "root_path": "/tools"}, ("/tools", b"/toolset/x")),
        ({"raw_path": b"/for%20staff/x", "root_path": "/for staff"}, ("/for staff", b"/x")),
        ({"path": "/for staff/ä", "root_path": "/for staff"}, ("/for staff", b"/%C3%A4")),
        ({"raw_path": b"/x", "root_path": "/api"}, ("/api", b"/x")),  # a proxy has removed it
        ({"raw_path": b"/tools/x", "root_path": "/api/tools", "app_root_path": "/api"}, ("/api/tools", b"/x")),
    ],
)
def test_the_path_below_a_mount_is_found_however_servers_name_it(scope: dict[str, Any], found: Any) -> None:
    assert below_mount(scope) == found


def test_the_application_of_the_documents_serves_the_console(tmp_path: Path) -> None:
    for block in blocks(BOTH):
        if block.lines[0] in ("# app.py", "# mounted.py"):
            (tmp_path / block.lines[0].removeprefix("# ")).write_text("\n".join(block.lines))
    command = [sys.executable, "-m", "uvicorn", "mounted:web", "--port", "0", "--timeout-graceful-shutdown", "1"]
    environment = os.environ | {"PYTHONPATH": python_path(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, stderr=subprocess.PIPE) as server:
        assert server.stderr is not None
        said = next(line for line in server.stderr if "running on" in line)
        address = re.search(r"http://[0-9.:]+", said)
        assert address is not None
        token = make_token(tmp_path / "web-data")
        with httpx2.Client(base_url=f"{address[0]}/playhead", trust_env=False, timeout=60, verify=NO_TLS) as http:
            assert http.get("/ui/").status_code == 200
            headers = {"authorization": f"Bearer {token}"}
            assert http.post("/Counter/a/add", json=5, headers=headers).json() == 5
        with actors.sync.connect(path=tmp_path / "web-data") as client:
            assert client.actor(Counter, "a").add(1) == 6, "the socket is there as well"
        server.terminate()
        server.stderr.read()
    assert not (tmp_path / "web-data" / "SOCKET").exists()
