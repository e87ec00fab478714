"""What a server bears: clients that do not read, that do not write, that come in crowds; and how it ends."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import actors
from actors import Limits, Service, handler, step
from actors.http.routes import TokenScope
from actors.http.server import connections
from actors.http.server.connections import Rank, Seat
from actors.http.server_options import ServerLimits
from journal.events import Status, Target
from tests.counter import Counter
from tests.http.served import Served, serving, until_closed, without_tls

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONG = "x" * (4 << 20)
"""More than the buffers between two sockets hold."""


@step
async def pause_a_moment() -> None:
    await trio.lowlevel.checkpoint()


class Big(Service):
    @handler
    async def echo(self, text: str) -> str:
        return text

    @handler
    async def shout(self) -> None:
        for _ in range(40):
            actors.emit("x" * 200_000)
            await pause_a_moment()

    @handler
    async def wait(self) -> str:
        return str(await actors.signal("go"))


def request(served: Served, line: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [
        f"{line} HTTP/1.1",
        "host: localhost",
        f"authorization: Bearer {served.token}",
        *headers,
        *([f"content-length: {len(body)}", "content-type: application/json"] if body else []),
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


async def deaf_client(served: Served) -> trio.SocketStream:
    """A client with a small buffer, so that the server feels at once that it does not read."""
    bare = trio.socket.socket()
    bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await bare.connect(("127.0.0.1", served.port))
    return trio.SocketStream(bare)


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(20):
        while not condition():
            await trio.sleep(0.01)


async def accepted(served: Served) -> int:
    return len(await served.runtime.client.invocations(status=[Status.RUNNING, Status.SUSPENDED, Status.QUEUED]))


@pytest.mark.parametrize("what", ["call", "events", "output"])
async def test_a_client_that_does_not_read_is_dropped_and_holds_up_nobody(what: str, tmp_path: Path) -> None:
    limits = ServerLimits(send_seconds=0.3, grace_seconds=20, last_call_seconds=20)
    async with serving(tmp_path, Big, limits=limits) as served:
        if what == "call":
            asked = request(served, "POST /Big/echo", body=f'"{LONG}"'.encode())
        else:
            sent = await served.runtime.client.send_by_name(Target("Big", None, "shout"))
            await served.runtime.client.invocation(sent.invocation_id).result()
            asked = request(served, f"GET /invocations/{sent.invocation_id}/{what}", "accept: text/event-stream")
        async with await deaf_client(served) as stream:
            await stream.send_all(asked)
            assert (await served.http.get("/health")).status_code == 200
            await served.http.aclose()
            await served.stranger.aclose()
            served.closing.begin.set()
            with trio.fail_after(10):
                await served.ended.wait()
            assert len(await until_closed(stream)) < len(LONG)


@pytest.mark.parametrize(
    "beginning", [b"", b"GET", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nhost: localhost\r\nx-a: "]
)
async def test_a_head_that_does_not_come_in_time_is_given_up(beginning: bytes, tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, limits=ServerLimits(head_seconds=0.2)) as served:
        assert await served.raw(beginning) == b""


async def test_a_head_that_drips_is_given_up_too(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, limits=ServerLimits(head_seconds=0.2)) as served:
        stream = await served.connected()
        with trio.fail_after(10), pytest.raises(trio.BrokenResourceError):
            while True:
                await stream.send_all(b"x")
                await trio.sleep(0.01)
        await stream.aclose()


async def test_a_body_that_does_not_come_in_time_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.http.server.bodies.BODY_SECONDS", 0.2)
    async with serving(tmp_path, Counter) as served:
        asked = request(served, "POST /Counter/k/add", "connection: close", body=b"12345")[:-2]
        assert status_of(await served.raw(asked)) == 408
        assert await served.runtime.client.invocations() == []


async def test_half_a_body_leaves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        stream = await served.connected()
        async with stream:
            await stream.send_all(request(served, "POST /Counter/k/add", body=b"12345")[:-2])
        assert (await served.http.get("/health")).status_code == 200
        assert await served.runtime.client.invocations() == []


HALF_A_BODY = "POST /Counter/k/add"
NOT_READ = b"GET /ui/ HTTP/1.1\r\nhost: localhost\r\n\r\n" * 400


@pytest.mark.parametrize(
    "kind", ["half a head", "half a body", "half a body of a stranger", "an answer that is not read"]
)
async def test_clients_that_keep_the_server_waiting_keep_nobody_out(kind: str, tmp_path: Path) -> None:
    limits = ServerLimits(connections_of_one_peer=5, head_seconds=600, send_seconds=600)
    async with serving(tmp_path, Counter, limits=limits) as served:
        secret = served.tokens.create("app", TokenScope.INVOKE)
        half = request(served, HALF_A_BODY, body=b"12345")[:-2]
        sent = {
            "half a head": b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: ",
            "half a body": half.replace(served.token.encode(), secret.encode()),
            "half a body of a stranger": half.replace(served.token.encode(), b"nothing"),
            "an answer that is not read": NOT_READ,
        }[kind]
        slow = [await deaf_client(served) for _ in range(5)]
        for stream in slow:
            await stream.send_all(sent)
        await until(lambda: served.connections() == 5)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(7):
            assert status_of(await served.raw(request(served, "GET /services", "connection: close"))) == 200
        for stream in slow:
            await stream.aclose()


def test_those_make_place_first_that_lose_least_by_it() -> None:
    room = Room(ServerLimits(connections_of_one_peer=5))
    busy, waiting, streaming, slow, idle = (room.sit() for _ in range(5))
    idle.is_idle = True  # it has come last, and its request may be on its way
    waiting.begin_wait()
    waiting._apart.clear()  # as one beyond the limit of calls that wait
    streaming.is_streaming = True
    slow.waits_for_client = True
    for expected in (slow, idle, streaming):
        assert room.connections.make_room("peer")
        assert room.dropped == [expected]
        room.dropped.clear()
    assert not room.connections.make_room("peer"), "the rest is at work"
    assert busy.rank is Rank.BUSY


def test_connections_leave_descriptors_to_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (connections._OWN_DESCRIPTORS + 600, 4_096))
    room = Room(ServerLimits())
    operators = [room.sit() for _ in range(200)]
    for seat in operators:
        seat.take_control_seat()
    waiting = [room.sit() for _ in range(400)]
    for seat in waiting:
        seat._take("waiting", 10_000)
    assert room.connections.make_room("peer")
    assert room.dropped == waiting[:1], "a call can be attached to again"


class Room:
    """Connections of one peer, without sockets."""

    def __init__(self, limits: ServerLimits) -> None:
        self.limits = limits
        self.connections = connections.Connections(limits)
        self.dropped: list[Seat] = []
        self._all = ExitStack()

    def sit(self) -> Seat:
        def shutdown(_: int) -> None:
            self.dropped.append(seat)

        stream: Any = SimpleNamespace(socket=SimpleNamespace(shutdown=shutdown))
        seat = Seat("peer", stream, self.connections, self.limits, is_idle=False)
        self._all.enter_context(self.connections.counted(seat))
        return seat


async def test_bodies_heads_keys_and_depths_have_limits_with_their_own_answers(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, Big) as served:
        post, patch = served.http.post, served.http.patch
        gone = "inv_1" + "0" * 33
        kind = {"content-type": "application/json"}
        limit = served.runtime.client.runtime_limits.payload_bytes
        assert (await post("/Big/echo", content=b'"' + b"x" * limit + b'"', headers=kind)).status_code == 413
        assert (await post("/Big/echo", content=_chunks(limit + 2), headers=kind)).status_code == 413
        assert (await patch(f"/invocations/{gone}/cancel", json={"reason": "x" * 70_000})).status_code == 413
        assert (await patch(f"/invocations/{gone}/cancel", json={"reason": "x" * 2_000})).status_code == 400
        assert (await post(f"/Counter/{'k' * 1_025}/add", json=1)).status_code == 413
        assert (await post(f"/Counter/{'%C3%A4' * 600}/add", json=1)).status_code == 413
        assert (await post("/Counter/k/add", json=1, headers={"idempotency-key": "k" * 257})).status_code == 400
        assert (await post(f"/invocations/{gone}/signals/{'n' * 257}", json=1)).status_code in (400, 404)
        assert (await served.http.get(f"/invocations/{'i' * 129}")).status_code == 400
        assert (await post("/Big/echo", content=b"[" * 65 + b"]" * 65, headers=kind)).status_code == 400
        assert (await post("/Big/echo", content=b"[" * 100_000, headers=kind)).status_code == 400
        assert (await post("/Counter/k/add", content=b"1" * 5_000, headers=kind)).status_code == 400
        assert (await served.http.get("/services", headers={"x-long": "x" * 20_000})).status_code == 431
        assert (await served.http.get(f"/services?{'x' * 20_000}")).status_code == 431
        assert await served.runtime.client.invocations() == []


async def _chunks(size: int) -> trio.abc.ReceiveChannel[bytes]:  # type: ignore[misc]  # an async generator, which httpx2 takes
    yield b'"'
    for _ in range(0, size, 1 << 20):
        yield b"x" * (1 << 20)
    yield b'"'


@pytest.mark.parametrize(
    "bad",
    [
        b"POST /Counter/k/add HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n{auth}\r\n1\r\n5\r\n0\r\n\r\n",
        b"POST /Counter/k/add HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n{auth}\r\n55",
        b"POST /Counter/k/add HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n{auth}\r\n5",
        b"POST /Counter/k/add HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n{auth}\r\nzz\r\n5\r\n0\r\n\r\n",
        b"POST /Counter/k/add HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip, chunked\r\n{auth}\r\n1\r\n5\r\n0\r\n\r\n",
        b"POST /Counter/k/add HTTP/1.1\r\nhost: localhost\r\nidempotency-key: a\x00b\r\ncontent-length: 1\r\n{auth}\r\n5",
        b"POST /Counter/k/add HTTP/1.1\r\nhost: localhost\r\nidempotency-key: a\rb\r\ncontent-length: 1\r\n{auth}\r\n5",
        b"POST /Counter/k/add HTTP/1.1\r\nhost : localhost\r\ncontent-length: 1\r\n{auth}\r\n5",
        b"POST /Counter/k/add\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_could_be_framed_in_two_ways_is_refused_and_leaves_nothing(bad: bytes, tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, limits=ServerLimits(head_seconds=0.5)) as served:
        own = (
            f"authorization: Bearer {served.token}\r\ncontent-type: application/json\r\nconnection: close\r\n".encode()
        )
        answer = await served.raw(bad.replace(b"{auth}", own))
        assert status_of(answer) in (400, 501), answer
        assert await served.runtime.client.invocations() == []


async def test_a_value_cannot_split_a_header(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        for path in ("/nothing%0d%0ax-evil:%20yes", "/Counter/k%0d%0ax-evil:%20yes/nothing", "/%00"):
            answered = await served.http.get(path)
            assert answered.status_code in (404, 405)
            assert "x-evil" not in answered.headers


# The end.


async def test_a_call_under_way_ends_before_the_server_does(tmp_path: Path) -> None:
    async with serving(tmp_path, Big) as served, trio.open_nursery() as nursery:
        answers: list[str] = []

        async def call() -> None:
            answers.append((await served.http.post("/Big/wait")).json())

        nursery.start_soon(call)
        with trio.fail_after(20):
            while not await accepted(served):
                await trio.sleep(0.01)
        served.closing.begin.set()
        (info,) = await served.runtime.client.invocations()
        with pytest.raises(OSError, match="all attempts to connect"):
            while True:
                await (await served.connected()).aclose()
        await served.runtime.client.invocation(info.id).signal("go", "done")
        with trio.fail_after(20):
            await served.ended.wait()
        assert answers == ["done"]


async def test_a_call_that_does_not_end_is_told_that_it_goes_on(tmp_path: Path) -> None:
    limits = ServerLimits(grace_seconds=0.2, last_call_seconds=20)
    async with serving(tmp_path, Big, limits=limits) as served, trio.open_nursery() as nursery:
        answers: list[int] = []

        async def call() -> None:
            answers.append((await served.http.post("/Big/wait")).status_code)

        nursery.start_soon(call)
        with trio.fail_after(20):
            while not await accepted(served):
                await trio.sleep(0.01)
        served.closing.begin.set()
        with trio.fail_after(20):
            await served.ended.wait()
        assert answers == [503]
        assert await accepted(served) == 1


async def test_streams_end_when_the_server_begins_to(tmp_path: Path) -> None:
    async with serving(tmp_path, Big, limits=ServerLimits(grace_seconds=20)) as served:
        sent = await served.runtime.client.send_by_name(Target("Big", None, "wait"))
        path = f"/invocations/{sent.invocation_id}/events"
        async with served.http.stream("GET", path, headers={"accept": "text/event-stream"}) as answered:
            served.closing.begin.set()
            with trio.fail_after(10):
                async for _ in answered.aiter_lines():
                    pass
        with trio.fail_after(10):
            await served.ended.wait()


async def test_a_caller_that_leaves_stops_waiting_and_the_invocation_lives_on(tmp_path: Path) -> None:
    async with serving(tmp_path, Big) as served:
        stream = await served.connected()
        async with stream:
            await stream.send_all(request(served, "POST /Big/wait"))
            with trio.fail_after(20):
                while not await accepted(served):
                    await trio.sleep(0.01)
        await until(lambda: served.connections() == 0)
        (info,) = await served.runtime.client.invocations()
        await served.runtime.client.invocation(info.id).signal("go", "on")
        assert await served.runtime.client.invocation(info.id).result() == "on"


async def test_a_follower_that_leaves_is_noticed(tmp_path: Path) -> None:
    async with serving(tmp_path, Big) as served:
        sent = await served.runtime.client.send_by_name(Target("Big", None, "wait"))
        stream = await served.connected()
        async with stream:
            await stream.send_all(
                request(served, f"GET /invocations/{sent.invocation_id}/events", "accept: text/event-stream")
            )
            heard = b""
            while b"InvocationAccepted" not in heard:
                heard += await stream.receive_some()
        await until(lambda: served.connections() == 0)


async def test_a_quiet_stream_is_kept_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.http.server.event_streams.HEARTBEAT_SECONDS", 0.05)
    async with serving(tmp_path, Big) as served:
        sent = await served.runtime.client.send_by_name(Target("Big", None, "wait"))
        async with await served.connected() as stream:
            await stream.send_all(request(served, f"GET /invocations/{sent.invocation_id}/output"))
            heard = b""
            with trio.fail_after(10):
                while b": still here" not in heard:
                    heard += await stream.receive_some()


async def test_a_small_limit_of_the_runtime_is_a_413_naming_it(tmp_path: Path) -> None:
    async with serving(tmp_path, Big, runtime_limits=Limits(payload_bytes=100)) as served:
        answered = await served.http.post("/Big/echo", json="x" * 200)
        assert (answered.status_code, answered.json()["limit"]) == (413, "payload_bytes")
        assert "100" in answered.json()["detail"]


async def test_heads_that_never_come_keep_no_operator_out(tmp_path: Path) -> None:
    limits = ServerLimits(connections=8, connections_of_one_peer=5, head_seconds=60)
    async with serving(tmp_path, Counter, limits=limits) as served:
        idlers = [await served.connected() for _ in range(5)]
        for stream in idlers:
            await stream.send_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: ")
        await until(lambda: served.connections() >= 5)
        for _ in range(3):
            async with without_tls() as client:
                headers = {"authorization": f"Bearer {served.token}"}
                assert (await client.get(f"{served.url}/services", headers=headers)).status_code == 200
        assert await until_closed(idlers[0]) == b""
        for stream in idlers:
            await stream.aclose()


async def test_calls_that_wait_keep_nobody_out(tmp_path: Path) -> None:
    limits = ServerLimits(connections_of_one_peer=5)
    async with serving(tmp_path, Big, Counter, limits=limits) as served, trio.open_nursery() as nursery:
        secret = served.tokens.create("app", TokenScope.INVOKE)
        headers = {"authorization": f"Bearer {secret}"}

        async def wait() -> None:
            async with without_tls() as client:
                await client.post(f"{served.url}/Big/wait", headers=headers, timeout=60)

        for number in range(20):
            nursery.start_soon(wait)
            while await accepted(served) <= number:
                await trio.sleep(0.01)
        async with without_tls() as client:
            assert (await client.post(f"{served.url}/Counter/a/add", json=1, headers=headers)).json() == 1
        nursery.cancel_scope.cancel()


async def test_control_is_counted_apart_up_to_its_own_limit(tmp_path: Path) -> None:
    limits = ServerLimits(connections_of_one_peer=2, control_connections=4)
    async with serving(tmp_path, Counter, limits=limits) as served:
        line = request(served, "GET /services")
        streams = []
        for _ in range(6):
            stream = await served.connected()
            streams.append(stream)
            await stream.send_all(line)
            assert status_of(await stream.receive_some(4096)) == 200
        for stream in streams:
            await stream.aclose()
