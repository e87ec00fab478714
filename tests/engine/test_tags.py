"""Tags: invocations are found by them, and what an invocation calls or sends to has them too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import Actor, InvalidArgumentError, LimitExceededError, Service, handler
from actors.model.tags import MAX_TAG_NAME, MAX_TAG_VALUE, MAX_TAGS
from actors.query.fsck.doctor import examine, rebuild
from actors.rows.audit import Principal
from journal import invocation_keys, keys
from journal.ids import InvocationId
from journal.kv.memory import MemoryView
from journal.kv.store import Batch
from journal.log.kv_journal import KvJournal
from tests.lab import Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.runtime import Runtime

pytestmark = on_virtual_time

ADA = {"session": "s1", "user": "ada"}
BY_TAG = "id in (select invocation_id from sys_tag where name = 'user' and value = 'ada')"


class Tool(Actor):
    @handler
    async def use(self) -> str:
        return "used"


class Agent(Service):
    @handler
    async def run(self) -> list[str]:
        await actors.signal("go")
        await actors.actor(Tool, "inherits").use()
        await actors.actor(Tool, "overrides").use.options(tags={"user": "bot", "tool": "search"})()
        sent = await actors.send("Tool/sent/use", tags={"tool": "mail"})
        await actors.call("Tool/by_name/use", tags={"tool": "read"})
        return [sent.id]

    @handler
    async def too_many(self) -> None:
        tool = actors.actor(Tool, "a")
        await tool.use.options(tags={f"more_{number}": "x" for number in range(MAX_TAGS)})()

    @handler
    async def wait(self) -> None:
        await actors.signal("go")


def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The keys of the rows that queries read from here on."""
    read: list[bytes] = []
    get, scan = MemoryView.get, MemoryView.scan

    def counted_get(view: MemoryView, key: bytes) -> bytes | None:
        read.append(key)
        return get(view, key)

    def counted_scan(view: MemoryView, start: bytes, stop: bytes, **options: Any) -> list[tuple[bytes, bytes]]:
        found = scan(view, start, stop, **options)
        read.extend(key for key, _ in found)
        return found

    monkeypatch.setattr(MemoryView, "get", counted_get)
    monkeypatch.setattr(MemoryView, "scan", counted_scan)
    return read


async def tags_of(runtime: Runtime, key: str) -> dict[str, str]:
    (found,) = await runtime.client.invocations(service="Tool", key=key)
    return found.tags


async def test_an_invocation_shows_its_tags_and_is_found_by_each_of_them() -> None:
    async with Lab(Tool, Agent, partitions=2).running() as runtime:
        client = runtime.client
        at_once = await client.actor(Tool, "a").use.options(tags=ADA).send()
        waits = await client.service(Agent).wait.options(tags={"user": "ada"}).send()
        await client.service(Agent).wait.options(tags={"user": "ben"}).send()
        await client.actor(Tool, "a").use()
        assert (await at_once.info()).tags == ADA
        assert [one.id for one in await client.invocations(tags={"user": "ada"})] == [waits.id, at_once.id]
        assert [one.id for one in await client.invocations(tags={"user": "ada"}, limit=1)] == [waits.id]
        assert [one.id for one in await client.invocations(tags=ADA)] == [at_once.id]
        assert await client.invocations(tags={"user": "ad"}) == []
        assert [one.id for one in await client.invocations(tags=ADA, where="status = 'completed'")] == [at_once.id]
        found = await client.query(
            "select name, value from sys_tag where invocation_id = ? order by name", [at_once.id]
        )
        assert found.rows == [["session", "s1"], ["user", "ada"]]
        found = await client.query("select id, tags ->> 'user' from sys_invocation where tags ->> 'user' is not null")
        assert sorted(str(value) for _, value in found.rows) == ["ada", "ada", "ben"]


async def test_a_search_by_tag_reads_the_index_and_not_every_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(Tool)
    async with lab.running() as runtime:
        client = runtime.client
        for number in range(300):
            await client.actor(Tool, str(number)).use()
        await client.actor(Tool, "one").use.options(tags=ADA)()
        read = rows_read(monkeypatch)
        assert len(await client.invocations(where=BY_TAG)) == 1
        assert len(await client.invocations(tags=ADA)) == 1
        assert 0 < len([key for key in read if invocation_keys.is_invocation(key)]) < 10


async def test_calls_and_sends_inherit_the_tags_also_after_a_restart() -> None:
    lab = Lab(Tool, Agent)
    async with lab.running() as runtime:
        run = await runtime.client.service(Agent).run.options(tags=ADA).send()
    async with lab.running() as runtime:
        handle = runtime.client.invocation(run.id)
        await handle.signal("go")
        await handle.result()
        assert await tags_of(runtime, "inherits") == ADA
        assert await tags_of(runtime, "overrides") == {"session": "s1", "tool": "search", "user": "bot"}
        assert await tags_of(runtime, "sent") == {**ADA, "tool": "mail"}
        assert await tags_of(runtime, "by_name") == {**ADA, "tool": "read"}


async def test_a_restart_keeps_the_tags_and_a_purge_removes_them_from_the_index() -> None:
    lab = Lab(Tool, Agent)
    async with lab.running() as runtime:
        client = runtime.client
        done = await client.actor(Tool, "a").use.options(tags=ADA).send()
        await done.result()
        again = (await done.restart()).successor.invocation_id
        await client.invocation(again).result()
        assert (await client.invocation(again).info()).tags == ADA
        await done.purge()
        assert [one.id for one in await client.invocations(where=BY_TAG)] == [again]
    assert examine(lab.store, 1).is_sound


async def test_a_job_takes_the_invocations_with_a_tag() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        for user in ("ada", "ada", "ben"):
            await client.service(Agent).wait.options(tags={"user": user}).send()
        job = await client.jobs.where(BY_TAG).cancel(reason="ada has left")
        await job.result()
        left = await client.invocations(where="status <> 'completed'")
        assert [one.tags for one in left] == [{"user": "ben"}]


async def test_the_index_of_tags_is_rebuilt_from_the_events() -> None:
    lab = Lab(Tool, Agent)
    async with lab.running() as runtime:
        await runtime.client.actor(Tool, "a").use.options(tags=ADA)()
        await runtime.client.service(Agent).wait.options(tags=ADA).send()
    prefix = invocation_keys.tag_prefix(0)
    stored = dict(lab.store.scan(prefix, keys.after_prefix(prefix), limit=10))
    assert len(stored) == 4
    strange = invocation_keys.tag(0, "user", "eve", 1.0, InvocationId(invocation_keys.id_at_end(next(iter(stored)))))
    lab.store.apply(Batch({**dict.fromkeys(stored), strange: b""}))
    assert {finding.where for finding in examine(lab.store, 1).findings} == {"the index by tag"}
    journal = KvJournal(lab.store, partitions=1, clock=lab.clock, secret="lab")
    assert (await rebuild(journal, Principal("me", "here"), retention_seconds=60.0)).is_sound
    assert dict(lab.store.scan(prefix, keys.after_prefix(prefix), limit=10)) == stored


@pytest.mark.parametrize(
    "wrong",
    [
        {"1st": "x"},
        {"": "x"},
        {"a b": "x"},
        {"x" * (MAX_TAG_NAME + 1): "x"},
        {"a": ""},
        {"a": "\n"},
        {"a": 5},
        {5: "a"},
        ["a"],
    ],
    ids=repr,
)
async def test_a_tag_that_cannot_be_stored_or_written_is_refused(wrong: object) -> None:
    async with Lab(Tool).running() as runtime:
        with pytest.raises(InvalidArgumentError):
            runtime.client.actor(Tool, "a").use.options(tags=wrong)  # type: ignore[arg-type]


async def test_too_many_and_too_long_tags_are_refused_with_the_limit() -> None:
    async with Lab(Tool, Agent).running() as runtime:
        use = runtime.client.actor(Tool, "a").use
        with raises(LimitExceededError, limit="tags", maximum=MAX_TAGS, found=MAX_TAGS + 1):
            use.options(tags={f"tag_{number}": "x" for number in range(MAX_TAGS + 1)})
        with raises(LimitExceededError, limit="tag_value", found=MAX_TAG_VALUE + 1):
            use.options(tags={"a": "x" * (MAX_TAG_VALUE + 1)})
        with raises(LimitExceededError, limit="tags", found=MAX_TAGS + 1):
            await runtime.client.service(Agent).too_many.options(tags={"user": "ada"})()


async def test_no_tags_are_as_good_as_none() -> None:
    async with Lab(Tool).running() as runtime:
        handle = await runtime.client.actor(Tool, "a").use.options(tags={}).send()
        assert (await handle.info()).tags == {}
