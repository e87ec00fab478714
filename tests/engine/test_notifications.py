"""Notifications: each change that is recorded is reported, once it is, and until the address takes it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from typing import Any

import httpx2
import pytest
import trio

import actors
from actors import (
    Actor,
    ConflictError,
    InvalidArgumentError,
    LimitExceededError,
    Limits,
    NotFoundError,
    Service,
    handler,
)
from actors.control.local import webhooks
from actors.control.local.notifications import LocalNotifications
from actors.core.notifications import MAX_NOTIFICATIONS
from actors.system.notification import DELAYS
from tests.lab import Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

URL = "https://hooks.example/in"


class Claim(Actor):
    @handler
    async def approve(self, text: str) -> bool:
        return await actors.signal("approved", bool)

    @handler
    async def settle(self, text: str) -> str:
        return text

    @handler
    async def fail(self) -> None:
        raise actors.TerminalError("no money")


class Quick(Service):
    @handler
    async def run(self) -> str:
        return "done"


class Inbox:
    """The address outside: keeps what it takes, and answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int | None] = []
        """The next answers; None hangs. Without any, 204."""
        self.tries = 0

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.tries += 1
        status = self.answers.pop(0) if self.answers else 204
        if status is None:
            await trio.sleep_forever()
            raise AssertionError
        body = await request.aread()
        if status < 300:
            self.taken.append((dict(request.headers), body))
        return httpx2.Response(status, headers={"location": "https://elsewhere.example/"})

    @property
    def kinds(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.taken]

    @property
    def invocations(self) -> list[dict[str, Any]]:
        return [json.loads(body)["data"]["invocation"] for _, body in self.taken]


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Inbox:
    inbox = Inbox()
    monkeypatch.setattr(
        webhooks, "open_http", lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(inbox.answer), timeout=None)
    )
    return inbox


async def test_a_message_that_a_later_one_replaces_is_not_reported(inbox: Inbox) -> None:
    async with Lab(Claim).running() as runtime:
        await runtime.client.notifications.create("all", URL, on="ended")
        settle = runtime.client.actor(Claim, "ann").settle.options(delay=30, debounce="ann")
        await settle.send("an estimate")
        last = await settle.send("the bill")
        await last.result()
        await trio.sleep(1)
    assert [found["id"] for found in inbox.invocations] == [last.id]


@pytest.mark.parametrize("partitions", [1, 3])
async def test_each_kind_of_change_is_reported_and_no_other(inbox: Inbox, partitions: int) -> None:
    lab = Lab(Claim, Quick, partitions=partitions)
    async with lab.running() as runtime:
        client = runtime.client
        await client.service(Quick).run()  # before there is a notification
        await client.notifications.create("all", URL, on=["paused", "waiting", "ended"])
        await client.notifications.create("claims", URL + "/2", on="failed", service="Claim", tags={"team": "red"})
        ann, bob = client.actor(Claim, "ann"), client.actor(Claim, "bob")
        waiting = await ann.approve.options(tags={"team": "red"}).send("the roof")
        await trio.sleep(1)
        await waiting.pause(reason="a look")
        await trio.sleep(1)
        await waiting.resume()
        await trio.sleep(1)
        await waiting.signal("approved", True)
        await trio.sleep(1)
        await bob.settle("fine")
        for key, team in (("bob", "red"), ("cy", "blue")):
            with pytest.raises(actors.TerminalError):
                await client.actor(Claim, key).fail.options(tags={"team": team})()
        stopped = await bob.approve.send("x")
        await trio.sleep(1)
        await stopped.cancel(reason="not needed")
        killed = await bob.approve.send("x")
        await trio.sleep(1)
        await killed.kill(reason="broken")
        await client.service(Quick).run()
        await trio.sleep(5)
        assert sorted(inbox.kinds) == sorted(
            [
                *("invocation.waiting", "invocation.paused", "invocation.succeeded", "invocation.succeeded"),
                *("invocation.failed", "invocation.failed", "invocation.failed"),
                *("invocation.waiting", "invocation.cancelled", "invocation.waiting", "invocation.killed"),
                "invocation.succeeded",
            ]
        )
        first = inbox.invocations[0]
        assert (first["id"], first["signals"], first["tags"]) == (waiting.id, ["approved"], {"team": "red"})
        assert "the roof" not in str(inbox.taken), "an argument is not in a notice"
        errors = [each["error"]["message"] for each in inbox.invocations if each["error"]]
        assert errors == ["no money"] * 3
        assert {each["reason"] for each in inbox.invocations} == {"", "a look", "not needed", "broken"}
        assert [(info.delivered, info.waiting) for info in await client.notifications.list()] == [(11, 0), (1, 0)]


async def test_the_signature_is_that_of_the_standard_and_the_secret_is_stored_nowhere(inbox: Inbox) -> None:
    lab = Lab(Quick)
    async with lab.running() as runtime:
        pager = await runtime.client.notifications.create("pager", URL, on="succeeded")
        await runtime.client.service(Quick).run()
        await trio.sleep(1)
        again = await runtime.client.notifications.create("pager", URL, on=["succeeded"])
        assert again.secret == ""
        rotated = (await pager.rotate(reason="it leaked")).secret
        await runtime.client.service(Quick).run()
        await trio.sleep(1)
        rows = (await runtime.client.query("select * from sys_notification")).rows
        assert pager.secret not in str(rows)
    for secret, (headers, body) in zip((pager.secret, rotated), inbox.taken, strict=True):
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
    stored = b"".join(key + value for key, value in lab.store.contents())
    for secret in (pager.secret, rotated):
        assert secret.encode() not in stored
        assert base64.b64decode(secret.removeprefix("whsec_")) not in stored


async def test_a_refused_notice_is_sent_again_with_the_same_id_and_holds_up_no_other(inbox: Inbox) -> None:
    async with Lab(Quick).running() as runtime:
        pager = await runtime.client.notifications.create("pager", URL, on="succeeded")
        inbox.answers = [500, None, 302]
        await runtime.client.service(Quick).run()
        await trio.sleep(1)
        info = await pager.info()
        assert (info.failed_tries, info.waiting, info.last_error) == (1, 1, "the answer was HTTP 500")
        assert info.failing_since is not None
        await trio.sleep(4 + 0.5 + 15 + 1)
        assert (await pager.info()).last_error == "no answer within 15 seconds"
        await trio.sleep(DELAYS[1] * 1.1 + DELAYS[2] * 1.1 + 1)
        info = await pager.info()
        assert (info.delivered, info.failed_tries, info.waiting, info.failing_since) == (1, 3, 0, None)
        assert inbox.tries == 4
        for _ in range(20):  # in every lane
            inbox.answers = []
            await runtime.client.service(Quick).run()
        await trio.sleep(1)
        assert (await pager.info()).delivered == 21
        assert len({headers["webhook-id"] for headers, _ in inbox.taken}) == 21


async def test_after_three_days_a_notice_is_given_up_and_that_is_audited(inbox: Inbox) -> None:
    async with Lab(Quick).running() as runtime:
        pager = await runtime.client.notifications.create("pager", URL, on="succeeded")
        inbox.answers = [503] * (len(DELAYS) + 1)
        await runtime.client.service(Quick).run()
        await trio.sleep(sum(DELAYS) * 1.1 + 60)
        info = await pager.info()
        assert (info.given_up, info.failed_tries, info.waiting) == (1, len(DELAYS) + 1, 0)
        [entry] = (await runtime.client.audit(verb="give-up-notice")).entries
        assert (entry.target, entry.reason) == ("pager", "the answer was HTTP 503")
        inbox.answers = [410]  # the address says that it wants no further try
        await runtime.client.service(Quick).run()
        await trio.sleep(60)
        assert (await pager.info()).given_up == 2


async def test_a_notice_is_given_up_once_though_a_crash_comes_between_the_entry_and_its_record(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up = LocalNotifications.give_up_notice

    async def give_up_and_hang(*args: Any) -> None:
        await give_up(*args)
        await trio.sleep_forever()

    inbox.answers = [410]
    lab = Lab(Quick)
    monkeypatch.setattr(LocalNotifications, "give_up_notice", give_up_and_hang)
    async with lab.running() as runtime:
        await runtime.client.notifications.create("pager", URL, on="succeeded")
        await runtime.client.service(Quick).run()
        await trio.sleep(1)
    monkeypatch.undo()
    async with lab.running() as runtime:
        await trio.sleep(1)
        [info] = await runtime.client.notifications.list()
        assert (info.given_up, info.waiting) == (1, 0)
        assert len((await runtime.client.audit(verb="give-up-notice")).entries) == 1
    assert inbox.tries == 1, "the try itself was on record"


async def test_without_the_extra_a_notice_says_what_is_missing_and_is_sent_once_it_is_there(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    lab = Lab(Quick)
    async with lab.running() as runtime:
        with monkeypatch.context() as installed:
            installed.setitem(sys.modules, "httpx2", httpx2)
            pager = await runtime.client.notifications.create("pager", URL, on="succeeded")
        await runtime.client.service(Quick).run()
        await trio.sleep(1)
        info = await pager.info()
        assert (info.failed_tries, info.waiting) == (1, 1)
        assert "playhead[client]" in info.last_error
        monkeypatch.setitem(sys.modules, "httpx2", httpx2)
        await trio.sleep(DELAYS[0] * 2)
        assert (await pager.info()).delivered == 1


async def test_a_name_that_is_used_again_begins_with_no_counts_whenever_its_deletion_ends(inbox: Inbox) -> None:
    async with Lab(Quick).running() as runtime:
        notifications = runtime.client.notifications
        pager = await notifications.create("pager", URL, on="succeeded")
        for _ in range(20):
            await runtime.client.service(Quick).run()
        await trio.sleep(1)
        assert (await pager.info()).delivered == 20
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pager.delete)
            while await notifications.list():
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        again = await notifications.create("pager", URL, on="succeeded")
        assert (await again.info()).delivered == 0
        await trio.sleep(1)
        await runtime.client.service(Quick).run()
        await trio.sleep(1)
        assert (await again.info()).delivered == 1


async def test_notices_beyond_the_limit_of_a_mailbox_are_kept(inbox: Inbox) -> None:
    async with Lab(Quick, limits=Limits(mailbox=5)).running() as runtime:
        await runtime.client.notifications.create("pager", URL, on="succeeded")
        inbox.answers = [None] * 8
        for _ in range(100):
            await runtime.client.service(Quick).run()
        await trio.sleep(600)
        [info] = await runtime.client.notifications.list()
        assert (info.delivered, info.waiting) == (100, 0)


@pytest.mark.parametrize("partitions", [1, 3])
async def test_no_notice_is_lost_or_doubled_in_the_journal_by_a_crash(inbox: Inbox, partitions: int) -> None:
    lab = Lab(Quick, partitions=partitions)
    async with lab.running() as runtime:
        await runtime.client.notifications.create("pager", URL, on="succeeded")
        inbox.answers = [None] * 8
        for _ in range(16):
            await runtime.client.service(Quick).run()
        await trio.sleep(1)
    assert inbox.taken == []
    inbox.answers = []
    async with lab.running() as runtime:
        await trio.sleep(600)
        [info] = await runtime.client.notifications.list()
        assert (info.delivered, info.waiting) == (16, 0)
        assert len({headers["webhook-id"] for headers, _ in inbox.taken}) == 16
        await runtime.client.notifications.notification("pager").delete(reason="done")
        await runtime.client.service(Quick).run()
        await trio.sleep(60)
        assert len(inbox.taken) == 16
        again = await runtime.client.notifications.create("pager", URL, on="succeeded")
        assert (await again.info()).delivered == 0


async def test_a_deleted_notification_drops_what_waits_and_an_updated_one_sends_it_elsewhere(inbox: Inbox) -> None:
    async with Lab(Quick).running() as runtime:
        notifications = runtime.client.notifications
        pager = await notifications.create("pager", URL, on="succeeded")
        other = await notifications.create("other", URL, on="succeeded")
        inbox.answers = [500, 500]
        await runtime.client.service(Quick).run()
        await trio.sleep(1)
        await other.delete()
        assert (await pager.update(url=URL + "/new", note="moved")).changed
        assert not (await pager.update(note="moved")).changed
        await trio.sleep(DELAYS[0] * 2)
        assert len(inbox.taken) == 1
        assert (await pager.info()).url == URL + "/new"
        verbs = [entry.verb for entry in (await runtime.client.audit()).entries if "notification" in entry.verb]
        assert verbs[::-1] == [
            *("create-notification", "create-notification", "delete-notification"),
            *("update-notification", "update-notification"),
        ]


async def test_a_test_says_at_once_whether_the_address_takes_it(inbox: Inbox) -> None:
    async with Lab(Quick).running() as runtime:
        pager = await runtime.client.notifications.create("pager", URL, on="paused")
        inbox.answers = [404]
        assert (await pager.test()).error == "the answer was HTTP 404"
        assert (await pager.test()).error == ""
        assert inbox.kinds == ["invocation.paused"]
        assert (await pager.info()).failed_tries == 0


async def test_what_cannot_work_is_refused_by_name(inbox: Inbox) -> None:
    async with Lab(Quick).running() as runtime:
        notifications = runtime.client.notifications
        for url in ("ftp://example.org", "example.org", "https://", "https://a:b@example.org/", "https://a b/", 5):
            with raises(InvalidArgumentError, path="url"):
                await notifications.create("x", url, on="failed")  # type: ignore[arg-type]
        for kinds in ([], ["explodes"], ""):
            with raises(InvalidArgumentError, path="on"):
                await notifications.create("x", URL, on=kinds)
        with raises(InvalidArgumentError, path="name"):
            await notifications.create("a\x1bb", URL, on="failed")
        await notifications.create("x", URL, on="failed")
        with raises(ConflictError, code="already_exists"):
            await notifications.create("x", URL, on="paused")
        with raises(NotFoundError, kind="notification"):
            await notifications.notification("y").info()
        with raises(NotFoundError, kind="notification"):
            await notifications.notification("y").test()
        with raises(InvalidArgumentError, path="colour"):
            await notifications.notification("x").update(colour="red")
        for number in range(MAX_NOTIFICATIONS - 1):
            await notifications.create(f"n{number}", URL, on="failed")
        with raises(LimitExceededError, limit="notifications"):
            await notifications.create("one-more", URL, on="failed")


async def test_a_program_follows_changes_as_they_become_durable() -> None:
    seen: list[tuple[str, str]] = []
    async with Lab(Claim, Quick).running() as runtime, trio.open_nursery() as nursery:
        client = runtime.client

        async def follow() -> None:
            async for info in client.notifications.follow(on=["paused", "waiting", "failed"], service="Claim"):
                seen.append((info.target.handler, info.status.value))  # noqa: PERF401

        nursery.start_soon(follow)
        await trio.sleep(1)
        waiting = await client.actor(Claim, "ann").approve.send("x")
        await trio.sleep(1)
        await waiting.pause()
        await trio.sleep(1)
        with pytest.raises(actors.TerminalError):
            await client.actor(Claim, "bob").fail()
        await client.service(Quick).run()
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert seen == [("approve", "suspended"), ("approve", "paused"), ("fail", "completed")]
