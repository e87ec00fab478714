"""Webhooks of foreign senders: only a signed request becomes an invocation, each event once, and no credential is stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import TYPE_CHECKING

import pytest

import actors
from actors import Actor, InvalidArgumentError, Service, Webhook, WebhookRequest, handler
from actors.errors import AccessDeniedError
from actors.http.server.access import NOTED_AT_ONCE
from actors.http.server.webhook_signatures import signature_in, verify
from tests.http.served import serving

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    Scheme = Literal["github", "stripe", "slack", "standard"]

OTHER = "whsec_" + base64.b64encode(b"another secret of 24 byte").decode()
SECRET = "whsec_" + base64.b64encode(b"a shared secret of 24 by").decode()


class Repository(Actor):
    pushes: int = 0

    @handler(webhook=Webhook("github", secret="TEST_WEBHOOK_SECRET"), private=True)
    async def pushed(self, request: WebhookRequest) -> str:
        self.pushes += 1
        return f"{request.json()['after']} {request.query['branch']}"

    @handler
    async def count(self) -> int:
        return self.pushes


class Inbox(Service):
    @handler(webhook=Webhook("standard", secret="TEST_WEBHOOK_SECRET"))
    async def standard(self, request: WebhookRequest) -> dict[str, str]:
        return request.headers

    @handler(webhook=Webhook("stripe", secret="TEST_WEBHOOK_SECRET", body_bytes=100))
    async def stripe(self, request: WebhookRequest) -> bytes:
        return request.body

    @handler(webhook=Webhook("slack", secret="TEST_WEBHOOK_SECRET", tolerance=60))
    async def slack(self, request: WebhookRequest) -> dict[str, list[str]]:
        return request.form

    @handler
    async def plain(self, request: WebhookRequest) -> None:
        pass


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_WEBHOOK_SECRET", SECRET)


def mac(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, hashlib.sha256)


def headers_of(scheme: str, body: bytes, *, at: float | None = None, key: str = SECRET) -> dict[str, str]:
    """What a sender of this scheme sends, by its documentation."""
    now = int(time.time() if at is None else at)
    match scheme:
        case "github":
            return {"X-Hub-Signature-256": "sha256=" + mac(key.encode(), body).hex(), "X-GitHub-Delivery": "d-1"}
        case "stripe":
            signature = mac(key.encode(), b"%d." % now + body).hex()
            return {"Stripe-Signature": f"t={now},v1={'0' * 64},v1={signature},v0=abc"}
        case "slack":
            signature = mac(key.encode(), b"v0:%d:" % now + body).hex()
            return {"X-Slack-Request-Timestamp": str(now), "X-Slack-Signature": f"v0={signature}"}
        case _:
            signed = base64.b64encode(mac(base64.b64decode(key.removeprefix("whsec_")), b"m-1.%d." % now + body))
            return {
                "webhook-id": "m-1",
                "webhook-timestamp": str(now),
                "webhook-signature": f"v1,AAAA v1,{signed.decode()}",
            }


PATHS = {
    "github": "/webhooks/Repository/playhead/pushed?branch=main&branch=dev",
    "stripe": "/webhooks/Inbox/stripe",
    "slack": "/webhooks/Inbox/slack",
    "standard": "/webhooks/Inbox/standard",
}


async def test_each_scheme_is_verified_and_its_request_becomes_an_invocation(tmp_path: Path) -> None:
    async with serving(tmp_path, Repository, Inbox) as served:
        for scheme, path in PATHS.items():
            body = b'{"after": "c0ffee"}' if scheme == "github" else b"text=a%20b&text=c"
            form = {"content-type": "application/x-www-form-urlencoded", "authorization": "Bearer x", "cookie": "a=b"}
            given = headers_of(scheme, body) | form
            for wrong in (
                {},
                headers_of(scheme, body, key=OTHER),
                headers_of(scheme, body + b" "),
                {
                    name: value.replace("sha256=", "sha1=").replace("v1", "v2").replace("v0=", "v9=")
                    for name, value in given.items()
                },
            ):
                refused = await served.bare("POST", path, content=body, headers=form | wrong)
                assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated"), (scheme, wrong)
            taken = await served.bare("POST", path, content=body, headers=given)
            assert (taken.status_code, taken.json()["status"]) == (202, "Accepted"), taken.text
            result = await served.runtime.client.invocation(taken.json()["invocationId"]).result()
            match scheme:
                case "github":
                    assert result == "c0ffee ['main', 'dev']"
                case "slack":
                    assert result == {"text": ["a b", "c"]}
                case "stripe":
                    assert result == body
                case _:
                    assert result["webhook-id"] == "m-1"
                    assert result.keys() & {"authorization", "cookie", "webhook-signature"} == set()
        found = await served.runtime.client.invocations(system=False)
        assert {(one.target.handler, one.created_by) for one in found} == {
            ("pushed", "webhook:Repository/pushed"),
            *((name, f"webhook:Inbox/{name}") for name in ("stripe", "slack", "standard")),
        }


async def test_a_delivery_that_comes_again_is_the_same_invocation(tmp_path: Path) -> None:
    async with serving(tmp_path, Repository, Inbox) as served:
        body, path = b'{"after": "c0ffee"}', PATHS["github"]
        first, again = [
            (
                await served.bare("POST", path, content=body, headers=headers_of("github", body) | {"x-try": str(n)})
            ).json()
            for n in range(2)
        ]
        assert first["invocationId"] == again["invocationId"]
        assert (first["status"], again["status"]) == ("Accepted", "PreviouslyAccepted")
        await served.runtime.client.invocation(first["invocationId"]).result()
        assert await served.runtime.client.actor(Repository, "playhead").count() == 1
        twice = [("webhook-id", "m-2"), *headers_of("standard", body).items()]
        of = {
            (await served.bare("POST", PATHS["standard"], content=body, headers=headers)).json()["invocationId"]
            for headers in (headers_of("standard", body), twice)
        }
        assert len(of) == 1  # the id that is signed counts
        for scheme, field in (("stripe", "id"), ("slack", "event_id")):
            named, unnamed = (b'{"%s": "evt_1"}' % field.encode(), b"text=a")
            ids = [
                (
                    await served.bare("POST", PATHS[scheme], content=sent, headers=headers_of(scheme, sent, at=at))
                ).json()["invocationId"]
                for sent in (named, unnamed)
                for at in (time.time(), time.time() - 1)
            ]
            assert (ids[0] == ids[1], ids[2] == ids[3]) == (True, False)
        nameless = headers_of("github", body)
        del nameless["X-GitHub-Delivery"]
        assert (await served.bare("POST", path, content=body, headers=nameless)).status_code == 400


async def test_slack_is_answered_when_it_asks_whether_the_address_is_right(tmp_path: Path) -> None:
    async with serving(tmp_path, Inbox) as served:
        body = b'{"type": "url_verification", "challenge": "3eZb"}'
        answer = await served.bare("POST", PATHS["slack"], content=body, headers=headers_of("slack", body))
        assert (answer.status_code, answer.json()) == (200, {"challenge": "3eZb"})
        assert (await served.bare("POST", PATHS["slack"], content=body)).status_code == 401
        assert await served.runtime.client.invocations() == []


@pytest.mark.parametrize(("scheme", "tolerance"), [("stripe", 300), ("slack", 60), ("standard", 300)])
def test_a_signature_is_accepted_near_its_time_alone(scheme: Scheme, tolerance: float) -> None:
    webhook = Webhook(scheme, secret="X", tolerance=tolerance)
    headers = {name.lower(): value for name, value in headers_of(scheme, b"x", at=1_000_000).items()}
    for at in (1_000_000 - tolerance, 1_000_000 + tolerance):
        verify(webhook, SECRET, signature_in(webhook, headers, at), b"x")
    for at in (1_000_000 - tolerance - 1, 1_000_000 + tolerance + 1):
        with pytest.raises(AccessDeniedError):
            signature_in(webhook, headers, at)


async def test_what_takes_no_webhook_is_not_found_and_denied_ones_are_audited_with_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, Repository, Inbox) as served:
        for path in (
            "/webhooks/Inbox/plain",
            "/webhooks/Inbox/nothing",
            "/webhooks/Nothing/standard",
            "/webhooks/Inbox/k/stripe",
        ):
            assert (await served.bare("POST", path, content=b"")).status_code == 404
        too_long = b"x" * 101
        answer = await served.bare("POST", PATHS["stripe"], content=too_long, headers=headers_of("stripe", too_long))
        assert answer.status_code == 413
        for _ in range(NOTED_AT_ONCE + 5):
            assert (await served.bare("POST", PATHS["slack"], content=b"")).status_code == 401
        denied = [row for row in (await served.runtime.client.audit()).entries if row.refusal]
        assert len(denied) == NOTED_AT_ONCE
        assert await served.runtime.client.invocations() == []
        body = b'{"after": "c0ffee"}'
        asked = await served.http.post("/Repository/playhead/pushed", json={"headers": {}, "body": "", "query": {}})
        assert asked.status_code == 403  # the handler is private: a token does not reach it
        for value in ("", None):
            monkeypatch.setenv("TEST_WEBHOOK_SECRET", value) if value is not None else monkeypatch.delenv(
                "TEST_WEBHOOK_SECRET"
            )
            unset = await served.bare("POST", PATHS["github"], content=body, headers=headers_of("github", body, key=""))
            assert unset.status_code == 503


async def test_a_webhook_without_a_signature_is_refused_before_its_body_arrives(tmp_path: Path) -> None:
    async with serving(tmp_path, Repository, Inbox) as served:
        for scheme, path in PATHS.items():
            old = headers_of(scheme, b"", at=1_000_000)
            short = {name: value[:20] for name, value in headers_of(scheme, b"").items()}
            for headers in ({}, short, *([old] if scheme != "github" else [])):
                lines = [f"POST {path} HTTP/1.1", "host: localhost", "content-length: 90", "expect: 100-continue"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                answer = await served.raw("\r\n".join([*lines, "connection: close", "", ""]).encode())
                assert answer.startswith(b"HTTP/1.1 401 "), (scheme, headers, answer[:200])


async def test_the_document_lists_them(tmp_path: Path) -> None:
    async with serving(tmp_path, Repository, Inbox) as served:
        paths = (await served.http.get("/openapi.json")).json()["paths"]
        assert {path for path in paths if path.startswith("/webhooks/")} == {
            "/webhooks/Repository/{key}/pushed",
            *(f"/webhooks/Inbox/{name}" for name in ("standard", "stripe", "slack")),
        }


def test_what_cannot_be_a_webhook_is_refused() -> None:
    for wrong in (
        lambda: Webhook("gitlab", secret="X"),  # type: ignore[arg-type]
        lambda: Webhook("github", secret="not a name, a secret"),
        lambda: Webhook("github", secret="X", tolerance=0),
        lambda: Webhook("github", secret="X", body_bytes=26 << 20),
        lambda: handler(webhook="github"),  # type: ignore[call-overload]
        lambda: WebhookRequest(headers={}, body=b"{").json(),
        lambda: WebhookRequest(headers={}, body=b"a=%ff").form,
    ):
        with pytest.raises(InvalidArgumentError):
            wrong()
    assert actors.WebhookRequest(headers={}, body=b"").form == {}
