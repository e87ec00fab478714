"""Servers that accept connections and do not answer, and servers whose TLS cannot be trusted, as a client is told about them."""

from __future__ import annotations

import math
import ssl
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

import actors
from actors.errors import ErrorCode
from actors.http.client import opening
from actors.http.client.opening import open_connection
from journal.ids import InvocationId
from tests.counter import Counter
from tests.raising import raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from actors.http.client.connection import Connection

OF = InvocationId("inv_1" + "0" * 33)


@attrs.define(eq=False)
class Deaf:
    """A server that accepts each request, and answers those for its health while it lives."""

    url: str = ""
    lives: bool = True
    asked: list[str] = attrs.field(factory=list)

    async def answer(self, stream: trio.SocketStream) -> None:
        path = (await stream.receive_some()).split(b" ", 2)[1].decode()
        self.asked.append(path)
        if path == "/health" and self.lives:
            await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
            return
        await trio.sleep_forever()


@asynccontextmanager
async def deaf() -> AsyncIterator[Deaf]:
    server = Deaf()
    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(trio.serve_tcp, server.answer, 0)
        server.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        yield server
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(server: Deaf) -> AsyncIterator[Connection]:
    async with open_connection(server.url, token="x") as connection:
        yield connection


@pytest.mark.virtual_time
async def test_a_request_that_is_not_answered_fails_after_the_answer_timeout() -> None:
    async with deaf() as server, actors.connect(server.url, token="x", answer_timeout=7) as client:
        began = trio.current_time()
        with raises(actors.UnavailableError, code="unavailable"):
            await client.invocations()
        assert trio.current_time() - began == pytest.approx(7)
        with raises(actors.UnknownOutcomeError, code="outcome_unknown"):
            await client.actor(Counter, "a").add.send(1)
        with raises(actors.UnknownOutcomeError, code="outcome_unknown"):
            await client.invocation(OF).cancel()


@pytest.mark.virtual_time
async def test_what_waits_for_an_outcome_waits_as_long_as_the_server_lives() -> None:
    async with deaf() as server, actors.connect(server.url, token="x") as client, trio.open_nursery() as nursery:
        errors: list[Exception] = []

        async def wait_for_result() -> None:
            try:
                await client.invocation(OF).result()
            except actors.UnavailableError as error:
                errors.append(error)

        nursery.start_soon(wait_for_result)
        await trio.sleep(600)
        assert not errors
        assert "/health" in server.asked
        server.lives = False
        await trio.sleep(60)
        assert [error.code for error in errors if isinstance(error, actors.UnavailableError)] == [ErrorCode.UNAVAILABLE]


@pytest.mark.virtual_time
async def test_a_call_to_a_server_that_falls_silent_has_an_unknown_outcome() -> None:
    async with deaf() as server, actors.connect(server.url, token="x") as client:
        server.lives = False
        began = trio.current_time()
        with raises(actors.UnknownOutcomeError, code="outcome_unknown"):
            await client.actor(Counter, "a").add(1)
        assert trio.current_time() - began < 60
    assert len([path for path in server.asked if path != "/health"]) == 1, "a silent server is not asked again"


@pytest.mark.virtual_time
async def test_a_timeout_of_the_caller_is_its_own() -> None:
    async with deaf() as server, actors.connect(server.url, token="x") as client:
        with raises(actors.TooSlowError):
            await client.actor(Counter, "a").add.options(timeout=100)(1)


@pytest.mark.virtual_time
async def test_a_history_is_followed_past_the_answer_timeout_of_a_short_request() -> None:
    async with deaf() as server, connected(server) as connection:
        began = trio.current_time()
        with raises(actors.UnavailableError):
            await connection.send("GET", "/invocations", takes=30)
        assert trio.current_time() - began == pytest.approx(60)


@pytest.mark.virtual_time
async def test_a_silence_is_remarked_once_before_it_is_an_error() -> None:
    said: list[tuple[float, str]] = []
    async with deaf() as server:
        began = trio.current_time()

        def remark(text: str) -> None:
            said.append((trio.current_time() - began, text))

        async with open_connection(server.url, token="x", remark=remark) as connection:
            with raises(actors.UnavailableError):
                await connection.send("GET", "/invocations")
    assert [(5 <= at <= 7, server.url in text) for at, text in said] == [(True, True)]


@pytest.mark.parametrize("wrong", [0, -1, math.inf, math.nan, "30"])
async def test_an_answer_timeout_is_a_number_of_seconds(wrong: object) -> None:
    with raises(actors.InvalidArgumentError, path="answer_timeout"):
        async with actors.connect("http://127.0.0.1:9", answer_timeout=wrong):  # type: ignore[arg-type]
            pass


# TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a private CA (``ca.pem``), and a certificate and key for the host ``localhost`` that it has signed (``host.pem``)."""
    folder = tmp_path_factory.mktemp("tls")
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    for command in (
        ("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=our own"),
        ("req", *new_key[:-2], "-keyout", "key", "-out", "request", "-subj", "/CN=localhost"),
        (
            "x509",
            "-req",
            "-in",
            "request",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-out",
            "cert",
            "-extfile",
            "names",
        ),
    ):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    (folder / "host.pem").write_bytes((folder / "cert").read_bytes() + (folder / "key").read_bytes())
    (folder / "own.pem").write_bytes((folder / "ca.pem").read_bytes() + (folder / "ca.key").read_bytes())
    opening._trusted.cache_clear()
    yield folder
    opening._trusted.cache_clear()


@asynccontextmanager
async def secured(certificate: Path) -> AsyncIterator[int]:
    """A server with TLS that answers each request with an empty list of invocations. Yields its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def answer(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            await stream.receive_some()
            await stream.send_all(
                b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 18\r\nconnection: close\r\n\r\n{"invocations":[]}'
            )
            await stream.aclose()
        except trio.BrokenResourceError:
            pass  # the client does not trust it

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_ssl_over_tcp, answer, 0, context)
        yield listeners[0].transport_listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def refusal(url: str, ca: Path | None = None) -> str:
    async with actors.connect(url, token="x", ca=ca) as client:
        with raises(actors.UnavailableError, code="unavailable") as caught:
            await client.invocations()
    return str(caught.value)


async def test_a_failure_of_tls_is_named(authority: Path) -> None:
    async with secured(authority / "host.pem") as port:
        assert "unknown CA" in await refusal(f"https://localhost:{port}")
        assert "another host" in await refusal(f"https://127.0.0.1:{port}", authority / "ca.pem")
    async with secured(authority / "own.pem") as port:
        assert "self-signed" in await refusal(f"https://localhost:{port}")

    async def plain(stream: trio.SocketStream) -> None:
        said = await stream.receive_some()
        alert = b"\x15\x03\x01\x00\x02\x02\x46"
        await stream.send_all(
            alert if said.startswith(b"GET") else b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"
        )

    async with trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(trio.serve_tcp, plain, 0)
        port = listeners[0].socket.getsockname()[1]
        assert "does not speak TLS" in await refusal(f"https://127.0.0.1:{port}")
        assert "write https://" in await refusal(f"http://127.0.0.1:{port}")
        nursery.cancel_scope.cancel()


async def test_a_private_ca_is_trusted_once_it_is_given(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with secured(authority / "host.pem") as port:
        async with actors.connect(f"https://localhost:{port}", token="x", ca=authority / "ca.pem") as client:
            assert await client.invocations() == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
        async with actors.connect(f"https://localhost:{port}", token="x") as client:
            assert await client.invocations() == []
    with raises(actors.InvalidArgumentError, path="ca"):
        async with actors.connect("https://localhost", token="x", ca=authority / "absent.pem"):
            pass
    with raises(actors.InvalidArgumentError, path="ca"):
        async with actors.connect("https://localhost", token="x", ca=authority / "key"):
            pass
