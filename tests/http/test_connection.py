"""One connection, byte by byte: pipelining, framing that is wrong, permission to send a body, HTTP/1.0, and how it ends."""

from __future__ import annotations

import re
import socket
import struct
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from actors.http.messages import HttpResponse, StreamedResponse
from actors.http.routes import TokenScope
from actors.http.server import app as app_module
from actors.http.server_options import ServerLimits
from actors.http.tokens import TokenBook
from journal.events import Target
from tests.counter import Counter
from tests.http.served import Served, serving, until_closed
from tests.http.test_bounds import Big, accepted, deaf_client, request, until

if TYPE_CHECKING:
    from pathlib import Path

    from actors.http.messages import SendPiece
    from journal.ids import InvocationId

JSON = "content-type: application/json"
CLOSE = "connection: close"


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


def bodies(answer: bytes) -> list[bytes]:
    """The bodies of responses with a length."""
    found = []
    while answer:
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]  # each has one
        found.append(rest[:length])
        answer = rest[length:]
    return found


def add(served: Served, *headers: str, body: bytes = b"5") -> bytes:
    return request(served, "POST /Counter/k/add", *headers, body=body)


def chunked(served: Served, body: bytes, *headers: str) -> bytes:
    return request(served, "POST /Counter/k/add", "transfer-encoding: chunked", JSON, *headers) + body


async def value(served: Served) -> int:
    """What the counter has been given."""
    return sum([5 for _ in await served.runtime.client.invocations(service="Counter")])


# Requests that follow each other.


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        answer = await served.raw(add(served) + chunked(served, b"1\r\n5\r\n0\r\n\r\n") + add(served, CLOSE))
        assert statuses(answer) == [200, 200, 200]
        assert bodies(answer) == [b"5", b"10", b"15"]


async def test_nothing_after_a_request_that_closes_is_carried_out(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        assert statuses(await served.raw(add(served, CLOSE) + add(served))) == [200]
        assert await value(served) == 5


@pytest.mark.parametrize("split", [1, 2, 7])
async def test_a_request_may_arrive_in_any_pieces(tmp_path: Path, split: int) -> None:
    async with serving(tmp_path, Counter) as served, await served.connected() as stream:
        sent = add(served) + chunked(served, b"1;x=y\r\n5\r\n0\r\nx-trailer: z\r\n\r\n", CLOSE)
        for start in range(0, len(sent), split):
            await stream.send_all(sent[start : start + split])
            await trio.testing.wait_all_tasks_blocked()
        assert bodies(await until_closed(stream)) == [b"5", b"10"]


async def test_a_client_that_sends_much_at_once_does_not_keep_the_loop(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served, trio.open_nursery() as nursery:
        seen: list[int] = []

        async def ask() -> None:
            async with await served.connected() as stream:
                await stream.send_all(request(served, "GET /health") * 200 + request(served, "GET /health", CLOSE))
                seen.append(len(statuses(await until_closed(stream))))

        nursery.start_soon(ask)
        assert (await served.http.get("/health")).status_code == 200
        await until(lambda: seen == [201])


# Framing that two readers could understand differently.

LENGTHS = ("content-length: 1", "transfer-encoding: chunked")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (LENGTHS, b"1\r\n5\r\n0\r\n\r\n"),
        (LENGTHS[::-1], b"1\r\n5\r\n0\r\n\r\n"),
        (("content-length: 1", "content-length: 2"), b"55"),
        (("content-length: 1, 2",), b"55"),
        (("content-length: +1",), b"5"),
        (("content-length: 0x1",), b"5"),
        (("content-length: 1 1",), b"5"),
        (("content-length:",), b"5"),
        (("content-length: 99999999999999999999999",), b"5"),
        (("transfer-encoding: chunked", "transfer-encoding: chunked"), b"1\r\n5\r\n0\r\n\r\n"),
        (("transfer-encoding: chunked, identity",), b"1\r\n5\r\n0\r\n\r\n"),
        (("transfer-encoding: xchunked",), b"1\r\n5\r\n0\r\n\r\n"),
        (("transfer-encoding: identity",), b"5"),
        (("transfer-encoding\t: chunked",), b"1\r\n5\r\n0\r\n\r\n"),
        (("transfer-encoding: chunked",), b"-1\r\n5\r\n0\r\n\r\n"),
        (("transfer-encoding: chunked",), b"0x1\r\n5\r\n0\r\n\r\n"),
        (("transfer-encoding: chunked",), b" 1\r\n5\r\n0\r\n\r\n"),
        (("transfer-encoding: chunked",), b"fffffffffffffffffffffff\r\n5\r\n0\r\n\r\n"),
        (("transfer-encoding: chunked",), b"1\r\n55\r\n0\r\n\r\n"),
        (("transfer-encoding: chunked",), b"1\r\n5XX0\r\n\r\n"),
        (("transfer-encoding: chunked",), b"\r\n1\r\n5\r\n0\r\n\r\n"),
        (("x: a\nhost: evil",), b""),
        (("x: a\x0bb\x00",), b""),
        ((": nothing",), b""),
        (("x",), b""),
    ],
    ids=repr,
)
async def test_wrong_framing_is_refused_and_ends_the_connection(
    tmp_path: Path, headers: tuple[str, ...], body: bytes
) -> None:
    async with serving(tmp_path, Counter) as served:
        smuggled = add(served, CLOSE)
        answer = await served.raw(request(served, "POST /Counter/k/add", JSON, *headers) + body + smuggled)
        assert len(statuses(answer)) == 1
        assert statuses(answer)[0] in (400, 413, 431, 501)
        assert b"application/problem+json" in answer
        assert b"connection: close" in answer.lower()
        assert await value(served) == 0
        assert (await served.http.get("/health")).status_code == 200


@pytest.mark.parametrize(
    ("target", "host", "more"),
    [
        ("/Counter/k/add", "evil.example", ()),
        ("/Counter/k/add", "localhost", ("origin: http://evil.example",)),
        ("/Counter/k/add", "localhost", ("sec-fetch-site: cross-site",)),
        ("/Counter/k/add", "localhost", ("origin: http://localhost", "origin: http://evil.example")),
        ("/Counter/k/add", "localhost", ("x-long: " + "x" * 16_000, "x-longer: " + "x" * 4_000)),
        ("http://localhost/Counter/k/add", "localhost", ()),
    ],
    ids=["host", "origin", "site", "two origins", "long head", "absolute target"],
)
async def test_two_lengths_end_the_connection_whatever_else_is_wrong(
    tmp_path: Path, target: str, host: str, more: tuple[str, ...]
) -> None:
    async with serving(tmp_path, Counter) as served:
        refused = "\r\n".join([f"POST {target} HTTP/1.1", f"host: {host}", JSON, *LENGTHS, *more, "", ""]).encode()
        answer = await served.raw(refused + b"1\r\n5\r\n0\r\n\r\n" + add(served, CLOSE))
        assert len(statuses(answer)) == 1
        assert statuses(answer)[0] in (400, 431)
        assert b"connection: close" in answer
        assert await value(served) == 0


@pytest.mark.parametrize("beginning", [b"1;", b"1\r\n5\r\n0\r\nx: "])
async def test_a_chunk_or_a_trailer_that_never_ends_is_refused(tmp_path: Path, beginning: bytes) -> None:
    async with serving(tmp_path, Counter) as served:
        answer = await served.raw(chunked(served, beginning + b"x" * (200 << 10)))
        assert statuses(answer) == [431]
        assert await value(served) == 0


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET",
        "GET /health",
        "GET  /health HTTP/1.1",
        "GET /health HTTP/1.1 x",
        "GET /hea lth HTTP/1.1",
        "GET /health HTTP/x",
        "GET /health http/1.1",
        "G@T /health HTTP/1.1",
        "GET /\x00 HTTP/1.1",
        "GET /\xff HTTP/1.1",
    ],
)
async def test_a_line_that_asks_for_nothing_is_refused(tmp_path: Path, line: str) -> None:
    async with serving(tmp_path, Counter) as served:
        answer = await served.raw(f"{line}\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode("latin-1"))
        assert statuses(answer) == [400]
        assert b'"code":"invalid_argument"' in answer


async def test_a_wrong_request_after_a_good_one_ends_the_connection(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        answer = await served.raw(add(served) + b"nonsense\r\n\r\n" + add(served))
        assert statuses(answer) == [200, 400]
        assert b"connection: close" in answer
        assert await value(served) == 5


# Bodies.


async def read_head(stream: trio.SocketStream) -> bytes:
    found = b""
    with trio.fail_after(20):
        while b"\r\n\r\n" not in found:
            found += await stream.receive_some()
    return found


async def test_permission_to_send_a_body_is_given_when_it_is_read(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served, await served.connected() as stream:
        asked = add(served, "expect: 100-continue", CLOSE)
        await stream.send_all(asked[:-1])
        assert statuses(await read_head(stream)) == [100]
        await stream.send_all(asked[-1:])
        assert bodies(await until_closed(stream)) == [b"5"]


async def test_a_body_that_would_be_refused_is_not_asked_for(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        for line, headers, expected in [
            ("POST /Counter/k/add", (JSON, "content-length: 999999999"), 413),
            ("POST /Counter/k/add", ("content-type: text/plain", "content-length: 9"), 415),
            ("POST /nothing/at/all/x", (JSON, "content-length: 9"), 404),
            ("GET /health", ("content-length: 9",), 200),
        ]:
            async with await served.connected() as stream:
                await stream.send_all(request(served, line, "expect: 100-continue", *headers))
                answer = await until_closed(stream)
                assert statuses(answer) == [expected]
                assert b"connection: close" in answer


async def test_a_client_of_http_1_0_is_not_told_to_continue(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        asked = add(served, "expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
        assert statuses(await served.raw(asked)) == [200]


@pytest.mark.parametrize("size", [1 << 20, 12 << 20])
async def test_a_client_that_sends_too_much_still_reads_why(tmp_path: Path, size: int) -> None:
    async with serving(tmp_path, Counter) as served, await served.connected() as stream:
        secret = served.tokens.create("app", TokenScope.INVOKE)
        asked = request(served, "PATCH /invocations/x/kill", JSON, f"content-length: {size}")
        await stream.send_all(asked.replace(served.token.encode(), secret.encode()))
        await stream.send_all(b"x" * size)
        assert statuses(await read_head(stream)) == [403]
        await stream.send_all(add(served, CLOSE))
        assert statuses(await until_closed(stream)) == [200]


async def test_a_client_that_never_ends_its_body_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "_DRAIN_BYTES", 1 << 20)
    async with serving(tmp_path, Counter) as served, await served.connected() as stream:
        await stream.send_all(request(served, "PATCH /invocations/x/kill", JSON, "content-length: 999999999"))
        with trio.fail_after(20), pytest.raises(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"x" * (64 << 10))


async def test_a_client_that_closes_its_side_gets_the_response(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served, await served.connected() as stream:
        await stream.send_all(request(served, "GET /services"))
        await stream.send_eof()
        assert statuses(await until_closed(stream)) == [200]


# Versions and methods.


async def test_http_1_0_is_answered_and_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        for headers in ((), ("connection: keep-alive",)):
            asked = request(served, "GET /health", *headers).replace(b"HTTP/1.1", b"HTTP/1.0")
            answer = await served.raw(asked)
            assert statuses(answer) == [200]
            assert b"connection: close" in answer.lower()


async def test_a_stream_to_http_1_0_has_no_chunks(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        of = await ended(served)
        asked = request(served, f"GET /invocations/{of}/events", "accept: text/event-stream")
        old, new = await served.raw(asked.replace(b"HTTP/1.1", b"HTTP/1.0")), await served.raw(asked + b"")
        assert b"transfer-encoding" not in old.lower()
        assert old.partition(b"\r\n\r\n")[2].startswith(b"id: ")
        assert b"transfer-encoding: chunked" in new.lower()


async def ended(served: Served) -> InvocationId:
    await served.http.post("/Counter/k/add", json=5)
    (info,) = await served.runtime.client.invocations()
    return info.id


async def test_head_has_the_headers_of_get_and_no_body(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        of = await ended(served)
        for path, *headers in (
            ["/health"],
            ["/services"],
            ["/ui/"],
            ["/nothing"],
            [f"/invocations/{of}/events", "accept: text/event-stream"],
        ):
            got = await served.raw(request(served, f"GET {path}", CLOSE, *headers))
            told = await served.raw(request(served, f"HEAD {path}", CLOSE, *headers))
            head, _, body = told.partition(b"\r\n\r\n")
            assert body == b""
            assert without_date(head) == without_date(got.partition(b"\r\n\r\n")[0])


def without_date(head: bytes) -> bytes:
    return re.sub(rb"date: [^\r]*", b"", head)


async def test_after_head_the_connection_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        answer = await served.raw(request(served, "HEAD /services") + add(served, CLOSE))
        assert statuses(answer) == [200, 200]


# Tokens.


async def test_a_token_that_another_process_revokes_opens_nothing_more(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served, await served.connected() as stream:
        secret = served.tokens.create("app", TokenScope.INVOKE)
        asked = add(served).replace(served.token.encode(), secret.encode())
        for _ in range(2):
            await stream.send_all(asked)
            assert statuses(await read_head(stream)) == [200]
        TokenBook(tmp_path).revoke("app")
        await stream.send_all(asked)
        assert statuses(await read_head(stream)) == [401]
        assert await value(served) == 10


# Clients that leave.


async def test_a_call_whose_client_leaves_behind_unread_requests_gives_up(tmp_path: Path) -> None:
    async with serving(tmp_path, Big, Counter) as served:
        stream = await served.connected()
        await stream.send_all(request(served, "POST /Big/wait") + add(served))
        await until_accepted(served, 1)
        await stream.aclose()
        await until(lambda: served.connections() == 0)
        assert await value(served) == 0
        assert await accepted(served) == 1


async def until_accepted(served: Served, count: int) -> None:
    with trio.fail_after(20):
        while await accepted(served) < count:
            await trio.sleep(0.01)


async def test_many_clients_that_leave_at_once_are_all_noticed(tmp_path: Path) -> None:
    async with serving(tmp_path, Big) as served:
        streams = [await served.connected() for _ in range(50)]
        for stream in streams:
            await stream.send_all(request(served, "POST /Big/wait"))
        await until_accepted(served, 50)
        for stream in streams:
            await stream.aclose()
        await until(lambda: served.connections() == 0)
        assert await accepted(served) == 50


# The end.


async def test_the_last_response_of_a_closing_server_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path, Big) as served:
        async with await served.connected() as stream:
            await stream.send_all(request(served, "POST /Big/wait"))
            await until_accepted(served, 1)
            served.closing.begin.set()
            (info,) = await served.runtime.client.invocations()
            await served.runtime.client.invocation(info.id).signal("go", "on")
            answer = await until_closed(stream)
        assert statuses(answer) == [200]
        assert b"connection: close" in answer


async def test_a_closing_server_closes_connections_that_are_free(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, limits=ServerLimits(head_seconds=600, grace_seconds=600)) as served:
        fresh, used = await served.connected(), await served.connected()
        await used.send_all(request(served, "GET /health"))
        await read_head(used)
        await trio.testing.wait_all_tasks_blocked()
        served.closing.begin.set()
        assert await until_closed(fresh) == b""
        assert await until_closed(used) == b""
        await served.http.aclose()
        await served.stranger.aclose()
        with trio.fail_after(10):
            await served.ended.wait()
        await fresh.aclose()
        await used.aclose()


async def shouted(served: Served) -> InvocationId:
    """An invocation whose history is longer than the buffers between two sockets."""
    sent = await served.runtime.client.send_by_name(Target("Big", None, "shout"))
    await served.runtime.client.invocation(sent.invocation_id).result()
    return sent.invocation_id


async def slow_stream(served: Served) -> trio.SocketStream:
    """A client whose stream is in the middle of an event that the client does not read."""
    of = await shouted(served)
    stream = await deaf_client(served)
    await stream.send_all(request(served, f"GET /invocations/{of}/events", "accept: text/event-stream"))
    await read_head(stream)
    await trio.testing.wait_all_tasks_blocked(0.05)
    return stream


async def test_a_torn_event_of_a_closing_server_has_no_end(tmp_path: Path) -> None:
    async with serving(tmp_path, Big, limits=ServerLimits(send_seconds=600)) as served:
        async with await slow_stream(served) as stream:
            served.closing.begin.set()
            read = await until_closed(stream)
        assert read, "the client reads what was sent"
        assert not read.endswith(b"0\r\n\r\n"), "the client sees that the body is not whole"


async def test_a_stream_of_a_closing_server_ends_whole_before_unread_requests(tmp_path: Path) -> None:
    async with serving(tmp_path, Big) as served:
        sent = await served.runtime.client.send_by_name(Target("Big", None, "wait"))
        asked = request(served, f"GET /invocations/{sent.invocation_id}/events", "accept: text/event-stream")
        async with await served.connected() as stream:
            await stream.send_all(asked)
            read = await read_head(stream)
            await stream.send_all(add(served))
            served.closing.begin.set()
            with trio.fail_after(20):
                while piece := await stream.receive_some():  # a reset would raise
                    read += piece
        assert statuses(read) == [200]
        assert read.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("end", ["slow", "reset"])
async def test_a_stream_whose_client_is_lost_is_no_error_of_the_server(
    tmp_path: Path, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    limits = ServerLimits(send_seconds=0.1 if end == "slow" else 600)
    async with serving(tmp_path, Big, limits=limits) as served:
        async with await slow_stream(served) as stream:
            if end == "reset":
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await stream.aclose()
            await until(lambda: served.connections() == 0)
        assert (await served.http.get("/health")).status_code == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


class _Broken(StreamedResponse):
    async def stream(self, send: SendPiece) -> None:
        await send(b"a beginning")
        raise RuntimeError("the source failed")


@pytest.mark.parametrize("response", [_Broken(), HttpResponse(headers={"x": "a\r\nx-evil: yes"})])
async def test_a_response_that_fails_ends_its_connection_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, response: HttpResponse, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, Counter) as served:
        answer = app_module.Api._answer

        async def answer_once(api: app_module.Api, request: app_module.HttpRequest) -> HttpResponse:
            return response if request.raw_path == b"/broken" else await answer(api, request)

        monkeypatch.setattr(app_module.Api, "_answer", answer_once)
        failed = await served.raw(request(served, "GET /broken"))
        assert b"x-evil" not in failed
        assert not failed.endswith(b"0\r\n\r\n"), "the client sees that the body is not whole"
        assert (await served.http.get("/health")).status_code == 200
    assert [record.levelname for record in caplog.records] == ["ERROR"]
