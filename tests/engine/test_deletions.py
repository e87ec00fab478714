"""Deleting an object: nothing of it stays, the next call begins a new one, and nothing that has not ended is cut off."""

from __future__ import annotations

import contextlib

import pytest
import trio

import actors
from actors import Actor, Log, Map, Service, Workflow, handler
from actors.engine import deletions
from actors.query.fsck.doctor import examine
from actors.rows.layers import Layer, LayeredRows
from actors.types import ObjectDeletion
from journal.ids import object_prefix, stream_of
from journal.kv.memory import MemoryStore
from tests.lab import Lab, SlowDisk, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class Chat(Actor):
    title: str = "new"
    lines: Log[str]
    members: Map[str, int]

    @handler
    async def say(self, text: str) -> int:
        self.title = text
        self.lines.append(text)
        self.members[text] = self.members.get(text, 0) + 1
        actors.emit(text)
        return self.members[text]

    @handler
    async def count(self) -> tuple[str, int, dict[str, int]]:
        return self.title, len(self.lines), dict(self.members.items())

    @handler
    async def wait(self) -> None:
        await actors.signal("go")


class Order(Workflow):
    @handler
    async def run(self, article: str) -> str:
        return article


class Caller(Service):
    @handler
    async def say_twice(self, text: str) -> list[int]:
        bob = actors.actor(Chat, "bob")
        await bob.say.send(text)
        return [await bob.say(text), await bob.say(text)]


def rows_about(lab: Lab, name: str = "bob") -> list[bytes]:
    """The rows in which the object's number is, or its name."""
    stream = stream_of("Chat", name)
    number, prefix = stream.to_bytes(8, "big"), object_prefix(stream).encode()
    found = [key for key, value in lab.store.scan(b"", b"\xff") if number in key or prefix in key or b"secret" in value]
    return [key for key in found if not key.startswith((b"u", b"d", b"D"))]  # the audit log, and ids of messages


async def test_nothing_of_a_deleted_object_stays_and_a_call_begins_a_new_one() -> None:
    lab = Lab(Chat)
    async with lab.running() as runtime:
        bob, other = runtime.client.actor(Chat, "bob"), runtime.client.actor(Chat, "eve")
        first = await bob.say.options(idempotency_key="k", tags={"of": "secret"}).send("secret")
        await first.result()
        for _ in range(150):  # enough for a snapshot
            await bob.say("secret")
        await other.say("hello")
        deleted = await runtime.client.object(Chat, "bob").delete(reason="asked for")
        assert deleted == ObjectDeletion(changed=True, invocations=151)
        assert rows_about(lab) == []
        assert [name.key for name in await runtime.client.objects("Chat")] == ["eve"]
        assert (await runtime.client.object(Chat, "bob").info()).version == 0
        with raises(actors.NotFoundError, kind="invocation"):
            await first.info()
        assert [one.target.key for one in await runtime.client.invocations()] == ["eve"]
        assert await runtime.client.object(Chat, "bob").delete() == ObjectDeletion(changed=False)
        assert await bob.count() == ("new", 0, {})
        again = await bob.say.options(idempotency_key="k", tags={"of": "secret"}).send("secret")
        assert (again.id, await again.result()) == (first.id, 1)
    async with lab.running() as runtime:
        assert await runtime.client.actor(Chat, "bob").say("a") == 1
        entries = [row for row in (await runtime.client.audit()).entries if row.verb == "delete"]
        assert [(row.target, row.reason, row.changed) for row in entries] == [
            ("Chat/bob", "", False),
            ("Chat/bob", "asked for", True),
        ]
    assert examine(lab.store, lab.partitions).findings == ()


async def test_it_is_refused_while_an_invocation_has_not_ended() -> None:
    async with Lab(Chat).running() as runtime:
        bob = runtime.client.object(Chat, "bob")
        waiting = await runtime.client.actor(Chat, "bob").wait.send()
        later = await runtime.client.actor(Chat, "bob").say.options(delay=1000).send("hi")
        for status in (actors.Status.SUSPENDED, actors.Status.SCHEDULED):
            with raises(actors.ConflictError, code="not_completed", status=status) as refused:
                await bob.delete()
            assert str(waiting.id if status is actors.Status.SUSPENDED else later.id) in str(refused.value)
            if status is actors.Status.SUSPENDED:
                await waiting.kill()
        await later.cancel()
        assert await bob.delete() == ObjectDeletion(changed=True, invocations=2)
        assert [row.refusal[:13] for row in (await runtime.client.audit()).entries if row.verb == "delete"] == [
            "",
            "not_completed",
            "not_completed",
        ]


async def test_a_new_object_sees_no_item_of_the_old_one_while_the_deletion_is_not_on_disk_yet() -> None:
    async with Lab(Chat, store=SlowDisk()).running() as runtime:
        bob = runtime.client.actor(Chat, "bob")
        for text in "abc":
            await bob.say(text)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runtime.client.object(Chat, "bob").delete)
            await quiet()
            for text in "bb":
                nursery.start_soon(bob.say, text)
            await quiet()
            assert await bob.count() == ("b", 2, {"b": 2})


async def test_calls_around_a_deletion_meet_the_old_object_or_the_new_one() -> None:
    lab = Lab(Chat, Caller, store=SlowDisk())
    async with lab.running() as runtime:
        bob, kept = runtime.client.actor(Chat, "bob"), runtime.client.object(Chat, "bob")
        results: list[int] = []
        deleted: list[ObjectDeletion] = []

        async def call(text: str) -> None:
            results.append(await bob.say(text))

        async def delete() -> None:
            with contextlib.suppress(actors.ConflictError):  # a call waits for its turn
                deleted.append(await kept.delete())

        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(call, "abc"[number % 3])
                if number % 7 == 3:
                    nursery.start_soon(delete)
                    nursery.start_soon(runtime.client.service(Caller).say_twice, "a")
                await trio.sleep(0.3)
        assert sum(one.changed for one in deleted) >= 3
        assert results.count(1) >= 2  # the first calls of new objects
        await bob.say("a")
        title, lines, members = await bob.count()
        assert (title, sum(members.values())) == ("a", lines)
        info = await kept.info()
        assert info.logs == {"lines": lines}
    async with lab.running() as runtime:
        assert await runtime.client.actor(Chat, "bob").count() == (title, lines, members)
    assert examine(lab.store, lab.partitions).findings == ()


async def test_the_key_of_a_deleted_workflow_is_free_again() -> None:
    async with Lab(Order).running() as runtime:
        order = runtime.client.workflow(Order, "1")
        assert await order.run("tea") == "tea"
        with raises(actors.ConflictError, code="idempotency_conflict"):
            await order.run("milk")
        assert (await runtime.client.object(Order, "1").delete()).invocations == 1
        assert await order.run("milk") == "milk"


async def test_what_cannot_be_deleted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "MAX_INVOCATIONS", 2)
    async with Lab(Chat, Caller).running() as runtime:
        with raises(actors.ConflictError, code="not_possible"):
            await runtime.client.object("Caller", "x").delete()
        with raises(actors.NotFoundError, kind="service"):
            await runtime.client.object("Nothing", "x").delete()
        with raises(actors.ConflictError, code="not_possible"):
            await runtime.client.object("playhead.Registry", "registry").delete()
        for _ in range(3):
            await runtime.client.actor(Chat, "bob").say("a")
        with raises(actors.LimitExceededError, code="too_many", limit="invocations"):
            await runtime.client.object(Chat, "bob").delete()
        assert await runtime.client.actor(Chat, "bob").say("a") == 4


async def test_an_object_without_its_class_can_be_deleted() -> None:
    lab = Lab(Chat, Caller)
    async with lab.running() as runtime:
        await runtime.client.actor(Chat, "bob").say("a")
    async with lab.running(Caller) as runtime:
        assert (await runtime.client.object("Chat", "bob").delete()).changed
        assert await runtime.client.objects() == []


def test_what_a_layer_clears_is_hidden_below_it_and_not_above() -> None:
    store = MemoryStore()
    below: dict[bytes, bytes | None] = {b"a1": b"2", b"a3": b"3"}
    above: dict[bytes, bytes | None] = {b"a2": b"4"}
    rows = LayeredRows(store, Layer(above), Layer({}, [(b"a", b"b")]), Layer(below))
    assert (rows.get(b"a1"), rows.get(b"a2"), rows.scan(b"a", b"b")) == (None, b"4", [(b"a2", b"4")])
    rows.layers.pop()
    assert (rows.get(b"a3"), rows.scan(b"a", b"b")) == (None, [(b"a2", b"4")])
    rows.layers.pop()
    assert rows.scan(b"a", b"b", reverse=True) == [(b"a2", b"4")]
