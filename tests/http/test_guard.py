"""Who comes in: hosts, senders, tokens, media types; and who is turned away is on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, Service, handler
from actors.http.routes import TokenScope
from actors.http.server.access import NOTED_AT_ONCE
from actors.http.server_options import ServerLimits
from tests.http.served import Served, serving, until_closed

if TYPE_CHECKING:
    from pathlib import Path

GONE = "inv_1" + "0" * 33


class Counter(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    @handler
    async def reset(self) -> None:
        self.value = 0


class Slow(Service):
    @handler
    async def work(self) -> str:
        return str(await actors.signal("go"))


def head(served: Served, *lines: str, target: str = "/services", method: str = "GET") -> bytes:
    own = f"authorization: Bearer {served.token}"
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, own, "connection: close", "", ""]).encode()


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "localhost.",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "[::2]",
        "::1",
        "user@localhost",
        "localhost:x",
        "localhost/",
        "",
    ],
)
async def test_a_request_for_another_host_is_misdirected(host: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        for method, target in (
            ("GET", "/services"),
            ("POST", "/Counter/k/reset"),
            ("DELETE", "/x"),
            ("GET", "/health"),
        ):
            named = f"host: {host.format(port=served.port)}"
            answer = await served.raw(head(served, named, method=method, target=target))
            assert status_of(answer) == 421, answer


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:{port}", "127.0.0.1:{port}", "[::1]:{port}", "127.0.0.1:1234"]
)
async def test_loopback_has_several_names_and_any_port(host: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        answer = await served.raw(head(served, f"host: {host.format(port=served.port)}"))
        assert status_of(answer) == 200, answer


async def test_further_names_are_allowed_by_name(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, hosts=frozenset({"objects.example"})) as served:
        assert status_of(await served.raw(head(served, "host: objects.example"))) == 200
        assert status_of(await served.raw(head(served, "host: x.objects.example"))) == 421


@pytest.mark.parametrize(
    "lines", [(), ("host: localhost", "host: localhost"), ("host: localhost", "host: evil.example")]
)
async def test_no_host_and_two_hosts_are_refused(lines: tuple[str, ...], tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        assert status_of(await served.raw(head(served, *lines))) in (400, 421)


@pytest.mark.parametrize(
    "target", ["http://evil.example/services", "http://localhost/services", "*", "services", "localhost:1"]
)
async def test_a_target_that_is_no_path_is_refused(target: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        assert status_of(await served.raw(head(served, "host: localhost", target=target))) in (400, 421)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1"},
        {"origin": "http://localhost:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "surprise"},
    ],
)
async def test_pages_of_other_sites_may_neither_read_nor_write(headers: dict[str, str], tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, is_open=True) as served:
        for method, path in (
            ("GET", "/services"),
            ("GET", "/health"),
            ("POST", "/Counter/k/reset"),
            ("PATCH", f"/invocations/{GONE}/kill"),
            ("OPTIONS", "/services"),
            ("GET", f"/invocations/{GONE}/events"),
        ):
            answered = await served.bare(method, path, headers=headers)
            assert answered.status_code == 403, (method, path)
            assert "access-control-allow-origin" not in answered.headers


async def test_a_link_of_another_site_leads_to_the_console_and_nowhere_else(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, is_open=True) as served:
        link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
        assert (await served.bare("GET", "/ui/", headers=link)).status_code == 200
        assert (await served.bare("GET", "/", headers=link, follow_redirects=False)).status_code == 307
        for method, path, changed in (
            ("GET", "/services", {}),
            ("GET", "/ui/app.js", {}),
            ("POST", "/ui/", {}),
            ("GET", "/ui/", {"sec-fetch-dest": "iframe"}),
            ("GET", "/ui/", {"sec-fetch-mode": "cors"}),
            ("GET", "/ui/", {"origin": "http://evil.example"}),
        ):
            assert (await served.bare(method, path, headers=link | changed)).status_code == 403, (method, path, changed)


async def test_the_servers_own_pages_may(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, is_open=True) as served:
        own = {"origin": served.url, "sec-fetch-site": "same-origin"}
        assert (await served.bare("POST", "/Counter/k/reset", headers=own)).status_code == 200


async def test_a_web_socket_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        upgrade = (
            "host: localhost",
            "upgrade: websocket",
            "sec-websocket-version: 13",
            "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
        )
        asked = head(served, *upgrade).replace(b"connection: close", b"connection: upgrade")
        assert status_of(await served.raw(asked)) == 403


async def test_http_2_in_clear_text_is_not_spoken(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, limits=ServerLimits(head_seconds=0.3)) as served:
        assert not (await served.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).startswith(b"\x00")
        upgrade = head(served, "host: localhost", "upgrade: h2c", "http2-settings: AAMAAABkAAQAAP__")
        assert status_of(await served.raw(upgrade.replace(b": close", b": upgrade, http2-settings"))) == 200


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", ""],
)
async def test_a_body_that_is_not_said_to_be_json_is_refused(kind: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        headers = {"content-type": kind} if kind else {}
        for method, path in (("POST", "/Counter/k/add"), ("PATCH", f"/invocations/{GONE}/cancel")):
            assert (await served.http.request(method, path, content=b"5", headers=headers)).status_code == 415
        assert (await served.http.get("/invocations")).json()["invocations"] == []


async def test_json_may_say_its_charset_and_nothing_needs_no_type(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        headers = {"content-type": "application/json; charset=utf-8"}
        assert (await served.http.post("/Counter/k/add", content=b"5", headers=headers)).json() == 5
        assert (await served.http.post("/Counter/k/reset")).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer x",
        "Basic {token}",
        "{token}",
        "Bearer {token}x",
        "Bearer \udcff",
        "bearer  {token} x",
    ],
)
async def test_what_is_no_token_of_ours_opens_nothing(header: str, tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        value = header.format(token=served.token).encode("utf-8", "surrogateescape")
        answered = await served.bare("GET", "/services", headers={b"authorization": value})
        assert (answered.status_code, answered.headers["www-authenticate"]) == (401, "Bearer")
        assert served.token not in answered.text


async def test_named_tokens_reach_as_far_as_they_say_until_they_are_revoked(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        secret = served.tokens.create("ops", TokenScope.READ)
        headers = {"authorization": f"Bearer {secret}"}
        assert (await served.bare("GET", "/services", headers=headers)).status_code == 200
        refused = await served.bare("PATCH", f"/invocations/{GONE}/kill", headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        served.tokens.revoke("ops")
        assert (await served.bare("GET", "/services", headers=headers)).status_code == 401


async def test_a_token_that_only_observes_reads_everything_and_calls_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter, Slow) as served:
        headers = {"authorization": f"Bearer {served.tokens.create('graphs', TokenScope.OBSERVE)}"}
        sent = (await served.http.post("/Slow/work/send")).json()["invocationId"]
        for path in ("/services", "/metrics", "/whoami", "/openapi.json", f"/invocations/{sent}"):
            assert (await served.bare("GET", path, headers=headers)).status_code == 200, path
        for method, path in (
            ("POST", "/Counter/k/reset"),
            ("POST", "/restate/call/Counter/k/reset"),
            ("POST", "/Counter/k/reset/send"),
            ("PATCH", f"/invocations/{sent}/kill"),
        ):
            refused = await served.bare(method, path, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path
        assert TokenScope.READ.covers(TokenScope.OBSERVE)
        assert not TokenScope.OBSERVE.covers(TokenScope.INVOKE)
        assert not TokenScope.INVOKE.covers(TokenScope.READ)


async def test_a_stream_ends_when_its_token_is_revoked(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served, await served.connected() as stream:
        secret = served.tokens.create("ops", TokenScope.OBSERVE)
        asked = head(served, f"host: 127.0.0.1:{served.port}", "accept: text/event-stream", target="/changes")
        await stream.send_all(asked.replace(served.token.encode(), secret.encode()))
        received = b""
        await served.http.post("/Counter/before/reset")
        while b"before" not in received:
            received += await stream.receive_some()
        served.tokens.revoke("ops")
        await served.http.post("/Counter/after/reset")
        with trio.fail_after(60):
            assert b"after" not in received + await until_closed(stream)


async def test_a_request_whose_token_is_revoked_while_it_waits_learns_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.http.server.request_context.BRIEF_SECONDS", 0.0)
    async with serving(tmp_path, Slow) as served, trio.open_nursery() as nursery:
        headers = {"authorization": f"Bearer {served.tokens.create('ops', TokenScope.READ)}"}
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await served.bare("POST", "/Slow/work", headers=headers))

        nursery.start_soon(ask)
        while not (waiting := await served.runtime.client.invocations(status=["suspended"])):
            await trio.lowlevel.checkpoint()
        served.tokens.revoke("ops")
        await served.runtime.client.invocation(waiting[0].id).signal("go", "the result")
        with trio.fail_after(60):
            while not answers:
                await trio.lowlevel.checkpoint()
        assert (answers[0].status_code, answers[0].json()["code"]) == (401, "unauthenticated")
        assert "the result" not in answers[0].text


async def test_verbs_name_the_token_and_the_address_in_history_and_audit(tmp_path: Path) -> None:
    async with serving(tmp_path, Slow) as served:
        secret = served.tokens.create("ops", TokenScope.CONTROL)
        sent = (await served.http.post("/Slow/work/send")).json()["invocationId"]
        async with served.client(secret) as client:
            await client.invocation(sent).pause(reason="look first")
        (row,) = (await served.runtime.client.audit()).entries
        assert (row.by, row.verb, row.target, row.reason) == ("token:ops", "pause", sent, "look first")
        assert row.source.startswith("127.0.0.1:")
        events = [entry async for entry in served.runtime.client.invocation(sent).events()]
        assert {entry.by for entry in events} >= {"token:main", "token:ops"}


async def test_who_is_turned_away_is_in_the_audit_with_what_was_tried(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        secret = served.tokens.create("app", TokenScope.INVOKE)
        await served.bare("PATCH", f"/invocations/{GONE}/kill")
        await served.bare("PATCH", f"/invocations/{GONE}/kill", headers={"authorization": f"Bearer {secret}"})
        await served.bare("GET", "/services", headers={"origin": "http://evil.example"})
        found = (await served.runtime.client.audit()).entries
        assert [(row.by, row.verb, row.refusal.partition(":")[0]) for row in reversed(found)] == [
            ("anonymous", "PATCH", "unauthenticated"),
            ("token:app", "PATCH", "forbidden"),
            ("anonymous", "GET", "forbidden"),
        ]
        assert found[-1].target == f"/invocations/{GONE}/kill"
        assert not any(secret in str(row) for row in found)


async def test_a_flood_of_denied_tries_is_counted_and_does_not_fill_the_disk(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        tries = 10 * NOTED_AT_ONCE
        for _ in range(tries):
            assert (await served.bare("GET", "/services")).status_code == 401
        found = (await served.runtime.client.audit(limit=1_000)).entries
        assert NOTED_AT_ONCE <= len(found) < 2 * NOTED_AT_ONCE
        assert sum(row.dropped for row in found) <= tries - len(found)


async def test_one_principals_idempotency_key_says_nothing_to_another(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        ids = set()
        for name in ("ada", "bob"):
            secret = served.tokens.create(name, TokenScope.INVOKE)
            headers: dict[str, Any] = {"authorization": f"Bearer {secret}", "idempotency-key": "same"}
            for _ in range(2):
                answered = await served.bare("POST", "/Counter/k/add", json=1 if name == "ada" else 2, headers=headers)
                assert answered.json() == (1 if name == "ada" else 3)
                ids.add(answered.headers["x-restate-id"])
            body = {
                "target": "idempotentInvocation",
                "service": "Counter",
                "key": "k",
                "handler": "add",
                "idempotencyKey": "same",
            }
            found = await served.bare(
                "POST", "/restate/lookup", json=body, headers={"authorization": f"Bearer {secret}"}
            )
            assert found.json()["invocationId"] == answered.headers["x-restate-id"]
        assert len(ids) == 2


async def test_one_principals_verb_under_a_key_is_not_anothers(tmp_path: Path) -> None:
    async with serving(tmp_path, Slow) as served:
        sent = (await served.http.post("/Slow/work/send")).json()["invocationId"]
        answers = []
        for name in ("ada", "bob"):
            secret = served.tokens.create(name, TokenScope.CONTROL)
            headers = {"authorization": f"Bearer {secret}", "idempotency-key": "same"}
            for _ in range(2):
                answered = await served.bare("PATCH", f"/invocations/{sent}/pause", headers=headers)
                answers.append(answered.json()["changed"])
        assert answers == [True, True, False, False]


async def test_every_response_forbids_what_a_browser_could_do_with_it(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        for method, path in (
            ("GET", "/health"),
            ("GET", "/nothing"),
            ("POST", "/Counter/k/reset"),
            ("GET", "/openapi.json"),
        ):
            headers = (await served.http.request(method, path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "no-referrer"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "server" not in headers
