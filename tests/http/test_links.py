"""Signed links over HTTP: a page that asks, a form or JSON that answers, and nobody else; what an answer does is tested in ``engine``."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING

import pytest
import trio

import actors
from actors import Service, handler, step
from actors.control.local.webhooks import SECRET_PREFIX, webhook_secret
from actors.core.notifications import NoticeKind, NotificationRule
from actors.http.server.access import NOTED_AT_ONCE
from actors.model.link_signer import LinkSigner
from actors.types import ServeOptions, SignedLink
from journal.ids import InvocationId
from tests.http.served import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.http.served import Served

SENT: dict[str, str] = {}

PAGE = {"accept": "text/html,application/xhtml+xml", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
"""What a browser sends when a person follows a link."""


@step
async def mail(to: str, link: SignedLink) -> None:
    SENT[to] = link.url


class Claim(Service):
    @handler
    async def approve(self, who: str) -> bool:
        question = await actors.ask("approval", text=f"Pay <b>{who}</b>?")
        await mail(who, question.link)
        return await question.answer()


async def path_to(served: Served, who: str) -> str:
    """Ask about somebody, and return the path of the link."""
    SENT.pop(who, None)
    await served.runtime.client.service(Claim).approve.send(who)
    with trio.fail_after(30):
        while who not in SENT:
            await trio.sleep(0.005)
    return SENT[who].removeprefix("https://objects.example.com")


async def test_a_person_answers_on_a_page_that_changes_nothing_when_opened(tmp_path: Path) -> None:
    async with serving(tmp_path, Claim, public_url="https://objects.example.com") as served:
        path = await path_to(served, "ann")
        for method, headers in (("HEAD", {}), ("GET", PAGE | {"sec-fetch-site": "cross-site"}), ("GET", PAGE)):
            page = await served.bare(method, path, headers=headers)
            assert page.status_code == 200, page.text
        assert "Pay &lt;b&gt;ann&lt;/b&gt;?" in page.text
        assert set(re.findall(r'name="answer" value="(\w+)"', page.text)) == {"approve", "reject"}
        assert "<script" not in page.text
        policy = page.headers["content-security-policy"]
        assert "form-action 'self'" in policy
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["cache-control"] == "no-store"
        assert (await served.bare("GET", path)).json()["choices"] == ["approve", "reject"]

        own = {"origin": served.url, "sec-fetch-site": "same-origin"}
        answered = await served.bare("POST", path, data={"answer": "approve"}, headers=PAGE | own)
        assert (answered.status_code, "approve" in answered.text) == (200, True)
        assert answered.headers["content-type"].startswith("text/html")
        again = await served.bare("POST", path, data={"answer": "reject"}, headers=PAGE | own)
        assert again.status_code == 410
        assert (await served.bare("GET", path, headers=PAGE)).status_code == 410
        [claim] = await served.runtime.client.invocations(service="Claim")
        assert await served.runtime.client.invocation(claim.id).result() is True
        rows = (await served.runtime.client.audit()).entries
        assert [(row.verb, row.by.startswith("link:"), row.changed) for row in rows if row.verb == "signal"] == [
            ("signal", True, True)
        ]


async def test_a_program_answers_with_json(tmp_path: Path) -> None:
    async with serving(tmp_path, Claim, public_url="https://objects.example.com") as served:
        path = await path_to(served, "bob")
        for wrong, status in (
            ({"json": {"answer": "maybe"}}, 400),
            ({"json": {"answer": 1}}, 400),
            ({"json": {"answers": "approve"}}, 400),
            ({"content": b"approve", "headers": {"content-type": "text/plain"}}, 415),
            ({"content": b"answer=%ff", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400),
            ({"data": {"answer": "approve", "more": "x"}}, 400),
            ({"json": {"answer": "x" * 5000}}, 413),
        ):
            assert (await served.bare("POST", path, **wrong)).status_code == status, wrong  # type: ignore[arg-type]
        answered = await served.bare("POST", path, json={"answer": "reject"})
        assert answered.json()["answer"] == "reject"
        closed = await served.bare("POST", path, json={"answer": "reject"})
        assert (closed.status_code, closed.json()["code"]) == (410, "question_closed")


async def test_a_changed_link_and_a_form_of_another_site_are_refused_and_audited_with_bounds(tmp_path: Path) -> None:
    async with serving(tmp_path, Claim, public_url="https://objects.example.com") as served:
        path = await path_to(served, "cy")
        foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
        assert (await served.bare("POST", path, data={"answer": "approve"}, headers=PAGE | foreign)).status_code == 403
        changed = path[:-1] + ("A" if path[-1] != "A" else "B")
        for _ in range(NOTED_AT_ONCE + 5):
            assert (await served.bare("GET", changed)).status_code == 403
        page = await served.bare("POST", changed, data={"answer": "approve"}, headers=PAGE)
        assert (page.status_code, "<form" in page.text) == (403, False)
        assert (await served.bare("GET", path[:-1])).status_code == 403
        denied = [row for row in (await served.runtime.client.audit()).entries if row.refusal]
        assert len(denied) == NOTED_AT_ONCE
        signature = path.rpartition(".")[2]
        assert not any(signature[:8] in row.target or changed[-8:] in row.target for row in denied)
        assert (await served.bare("POST", path, json={"answer": "approve"})).status_code == 200


def test_the_keys_of_links_and_of_webhooks_are_different() -> None:
    """Whoever receives notices, and so knows the secret of their notification, can sign no link."""
    secret, of, question = "the secret of the store", InvocationId("inv_1" + "0" * 33), "q" * 22
    rule = NotificationRule(
        name="pager", url="", on=(NoticeKind.PAUSED,), service="", key=None, handler="", tags={}, note="", life="life",
        secret_number=1, created_at=0, created_by="", changed_at=0, changed_by="",
    )  # fmt: skip
    known = base64.b64decode(webhook_secret(secret, rule).removeprefix(SECRET_PREFIX))
    signature = LinkSigner(secret, lambda: None).token(of, question).rpartition(".")[2]
    for key in (known, secret.encode(), b""):
        forged = hmac.digest(key, f"{of}.{question}".encode(), hashlib.sha256)
        assert base64.urlsafe_b64encode(forged).decode().rstrip("=") != signature


@pytest.mark.parametrize("public_url", [None, "https://objects.example.com/below/"])
async def test_links_begin_with_the_public_address_or_that_of_the_server(
    public_url: str | None, tmp_path: Path
) -> None:
    SENT.clear()
    options = ServeOptions("127.0.0.1:0", open=True)
    async with actors.open_runtime(
        Claim, path=tmp_path / "data", durability="os", serve=options, public_url=public_url
    ) as runtime:
        claim = await runtime.client.service(Claim).approve.send("dee")
        with trio.fail_after(30):
            while "dee" not in SENT:
                await trio.sleep(0.005)
        base = "https://objects.example.com/below" if public_url else runtime.url
        assert SENT["dee"].startswith(f"{base}/links/{claim.id}.")


@pytest.mark.parametrize(
    "wrong", ["objects.example.com", "ftp://a", "https://a/?b", "https://", "https://u@a", "https://a b"]
)
async def test_a_public_address_is_one(wrong: str) -> None:
    with pytest.raises(actors.InvalidArgumentError):
        async with actors.open_runtime(Claim, durability="memory", public_url=wrong):
            pass
