"""The application answers the same behind the own listener and behind a server of ASGI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trio

from actors.http.server.app import ROUTES
from actors.http.server.asgi import AsgiApp
from journal.events import Target
from tests.counter import Counter
from tests.http.served import Served, serving
from tests.http.test_bounds import Big, accepted
from tests.http.test_routes import path_of

if TYPE_CHECKING:
    from pathlib import Path

    from journal.ids import InvocationId

JSON = {"content-type": "application/json"}

NOT_TWICE = ("/metrics", "/changes", "/objects/{service}/{key}/delete")
"""Routes that answer another request otherwise: figures that have grown, a stream, and an object that is deleted once."""

REQUESTS: list[tuple[str, str, bytes, dict[str, str]]] = [
    ("POST", "/Big/echo", b'"x"', JSON),
    ("POST", "/Big/echo/send", b'"x"', JSON),
    ("POST", "/Big/echo/send?delay=1h", b'"x"', JSON),
    ("POST", "/Big/echo/send?delay=soon", b'"x"', JSON),
    ("POST", "/Big/echo?delay=1s", b'"x"', JSON),
    ("POST", "/Big/echo?wait=true", b'"x"', JSON),
    ("POST", "/Big/echo?parameter=text", b'"x"', JSON),
    ("POST", "/Big/echo?nothing=1", b'"x"', JSON),
    ("POST", "/Big/echo?parameter=%ff", b'"x"', JSON),
    ("POST", "/restate/call/Big/echo", b'"x"', JSON),
    ("POST", "/restate/send/Big/echo", b'"x"', JSON),
    ("POST", "/Big/echo", b'"x"', JSON | {"idempotency-key": "k"}),
    ("POST", "/Big/echo", b'"x"', JSON | {"idempotency-key": "k" * 257}),
    ("POST", "/Big/echo", b'"x"', JSON | {"content-encoding": "gzip"}),
    ("POST", "/Big/echo", b'"x"', JSON | {"origin": "http://evil.example"}),
    ("POST", "/Big/echo", b'"x"', JSON | {"host": "evil.example"}),
    ("POST", "/Big/echo", b'"x"', JSON | {"upgrade": "websocket"}),
    ("POST", "/Big/echo", b'"x"', JSON | {"x-long": "x" * 20_000}),
    ("POST", "/Big/echo", b'"x"', JSON | {"authorization": "Bearer nothing"}),
    ("POST", "/Big/echo", b'"x"', {"content-type": "text/plain"}),
    ("POST", "/Big/echo", b'"x"', {}),
    ("POST", "/Big/echo", b"5", JSON),
    ("POST", "/Big/echo", b'{"text": "a", "text": "b"}', JSON),
    ("POST", "/Big/echo", b"{", JSON),
    ("POST", "/Big/echo", b"", {}),
    ("POST", "/Big/echo", b'"' + b"x" * (11 << 20) + b'"', JSON),
    ("POST", "/Big/nothing", b'"x"', JSON),
    ("POST", "/Nothing/echo", b'"x"', JSON),
    ("POST", "/Nothing/k/echo/send", b'"x"', JSON),
    ("POST", "/Counter/add", b"5", JSON),
    ("POST", "/Counter/k/add/more", b"5", JSON),
    ("POST", f"/Counter/{'k' * 1_100}/add", b"5", JSON),
    ("POST", "/Counter//add", b"5", JSON),
    ("POST", "/Counter/%zz/add", b"5", JSON),
    ("POST", "/Counter/%ff/add", b"5", JSON),
    ("GET", "/Counter/k/add", b"", {}),
    ("BREW", "/Counter/k/add", b"", {}),
    ("HEAD", "/services", b"", {}),
    ("HEAD", "/nothing", b"", {}),
    ("GET", "/services?status=x", b"", {}),
    ("GET", "/ui/", b"", {}),
    ("GET", "/", b"", {}),
    *((route.method, path_of(route), b"", {}) for route in ROUTES if route.path not in NOT_TWICE),
]


def plain(response: httpx2.Response) -> tuple[int, list[tuple[str, str]], str]:
    """Status, headers and body, without what differs between two requests or belongs to the connection."""
    own = ("date", "connection", "transfer-encoding")
    headers = [(name, ids(value)) for name, value in response.headers.multi_items() if name not in own]
    if response.content:
        assert response.headers["content-length"] == str(len(response.content))
        headers = [(name, value) for name, value in headers if name != "content-length"]  # times differ in length
    return response.status_code, sorted(headers), ids(response.text)


def ids(text: str) -> str:
    return re.sub(r'inv_1[0-9A-Za-z]{33}|"(now|since|at)":[0-9.e]+', "", text)


async def test_both_servers_answer_every_request_alike(tmp_path: Path) -> None:
    async with serving(tmp_path, Big, Counter) as served:
        transport = httpx2.ASGITransport(app=AsgiApp(served.api, served.closing))
        headers = {"authorization": f"Bearer {served.token}"}
        async with httpx2.AsyncClient(transport=transport, base_url=served.url, headers=headers) as asgi:
            for method, path, body, given in REQUESTS:
                asked: dict[str, Any] = {"content": body, "headers": given, "follow_redirects": False}
                own = plain(await served.http.request(method, path, **asked))
                other = plain(await asgi.request(method, path, **asked))
                assert own == other, (method, path[:100], given)


async def test_a_stream_is_the_same_behind_both_servers(tmp_path: Path) -> None:
    async with serving(tmp_path, Big) as served:
        sent = await served.runtime.client.send_by_name(Target("Big", None, "shout"))
        await served.runtime.client.invocation(sent.invocation_id).result()
        path, headers = f"/invocations/{sent.invocation_id}/events", {"accept": "text/event-stream"}
        own = await served.http.get(path, headers=headers)
        conversation = Conversation(served, "GET", path, accept="text/event-stream")
        await conversation.run()
        assert conversation.status == own.status_code == 200
        assert conversation.body == own.content


async def test_a_server_of_asgi_may_leave_out_the_raw_path(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        for path, encoded in (
            ("/Counter/k/add", b"/Counter/k/add"),
            ("/Counter/ä b%/add", b"/Counter/%C3%A4%20b%25/add"),
        ):
            answers = []
            for given in ({"raw_path": encoded}, {"raw_path": None}, {}):
                conversation = Conversation(served, "GET", "/", accept="application/json")
                del conversation.scope["raw_path"]
                conversation.scope |= {"path": path, **given}
                await conversation.run()
                answers.append((conversation.status, conversation.body))
            assert answers == [answers[0]] * 3


async def test_a_client_of_asgi_that_is_lost_in_a_stream_is_no_error(tmp_path: Path) -> None:
    async with serving(tmp_path, Big) as served:
        sent = await served.runtime.client.send_by_name(Target("Big", None, "shout"))
        path = f"/invocations/{sent.invocation_id}/events"
        conversation = Lost(served, "GET", path, accept="text/event-stream")
        with trio.fail_after(20):
            await conversation.run()
        assert conversation.status == 200


async def test_a_torn_event_of_a_closing_server_of_asgi_has_no_end(tmp_path: Path) -> None:
    async with serving(tmp_path, Big) as served, trio.open_nursery() as nursery:
        path = f"/invocations/{await waiting(served)}/events"
        conversation = Stuck(served, "GET", path, accept="text/event-stream")
        nursery.start_soon(conversation.run)
        with trio.fail_after(20):
            await conversation.is_stuck.wait()
            served.closing.begin.set()
    assert not conversation.is_over


class Conversation:
    """A server of ASGI with one request; ``leave`` is its client's end."""

    def __init__(self, served: Served, method: str, path: str, **headers: str) -> None:
        given = headers | {"host": "localhost", "authorization": f"Bearer {served.token}"}
        self.app = AsgiApp(served.api, served.closing)
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        self.leave = trio.Event()
        self.status = 0
        self.body = b""
        self._is_asked = False

    async def run(self) -> None:
        await self.app(self.scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if not self._is_asked:
            self._is_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")


class Lost(Conversation):
    """Its client is lost after the head: the server of ASGI says so when more is sent."""

    async def _send(self, message: Any) -> None:
        await super()._send(message)
        if message["type"] == "http.response.body":
            raise BrokenPipeError("the client is lost")


class Stuck(Conversation):
    """Its client does not read what is sent after the head."""

    def __init__(self, served: Served, method: str, path: str, **headers: str) -> None:
        super().__init__(served, method, path, **headers)
        self.is_stuck = trio.Event()
        self.is_over = False

    async def _send(self, message: Any) -> None:
        await super()._send(message)
        if message["type"] == "http.response.body":
            self.is_over = not message["more_body"]
            self.is_stuck.set()
            if not self.is_over:
                await trio.sleep_forever()


@pytest.mark.parametrize("what", ["call", "events"])
async def test_a_client_of_asgi_that_leaves_is_noticed(tmp_path: Path, what: str) -> None:
    async with serving(tmp_path, Big) as served, trio.open_nursery() as nursery:
        conversation = Conversation(served, "POST", "/Big/wait")
        if what == "events":
            of = await waiting(served)
            conversation = Conversation(served, "GET", f"/invocations/{of}/events", accept="text/event-stream")
        nursery.start_soon(conversation.run)
        with trio.fail_after(20):
            while not await accepted(served) or (what == "events" and not conversation.body):
                await trio.sleep(0.01)
        conversation.leave.set()
    assert conversation.status in (0, 200, 499)


async def waiting(served: Served) -> InvocationId:
    return (await served.runtime.client.send_by_name(Target("Big", None, "wait"))).invocation_id


async def test_a_web_socket_over_asgi_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, Big) as served:
        sent: list[Any] = []

        async def receive() -> Any:
            await trio.lowlevel.checkpoint()
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            await trio.lowlevel.checkpoint()
            sent.append(message)

        await AsgiApp(served.api, served.closing)({"type": "websocket"}, receive, send)
        assert sent == [{"type": "websocket.close", "code": 1008}]
        with pytest.raises(ValueError, match="webtransport"):
            await AsgiApp(served.api, served.closing)({"type": "webtransport"}, receive, send)
