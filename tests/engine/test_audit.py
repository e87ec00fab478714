"""The audit: who steered what, in the same commit as its effect, in a chain that shows what was tampered with."""

from __future__ import annotations

import attrs
import pytest
import trio

import actors
from actors import Actor, Limits, Service, handler
from actors.control.local.client import LocalClient
from actors.model.request_ids import requested_id
from actors.model.requests import CallOptions
from actors.query.audit import AuditEntry
from actors.rows.audit import ControlAction
from journal import keys
from journal.events import Target
from journal.ids import parse_invocation_id
from journal.rows import decode_audit
from tests.lab import Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

GONE = parse_invocation_id("inv_1" + "0" * 33)


class Slow(Service):
    @handler
    async def work(self) -> str:
        return str(await actors.signal("go"))


class Boss(Actor):
    @handler
    async def stop(self, task: actors.InvocationId) -> None:
        await actors.invocation(task).cancel(reason="the boss says so")


async def start(client: LocalClient) -> str:
    return (await client.send_by_name(Target("Slow", None, "work"))).invocation_id


async def rows(client: LocalClient, **wanted: str) -> list[AuditEntry]:
    return (await client.audit(**wanted)).entries  # type: ignore[arg-type]  # only texts are asked for here


async def test_it_says_who_did_what_from_where_and_why() -> None:
    async with Lab(Slow).running() as runtime:
        task = await start(runtime.client)
        ada = runtime.client.acting_as("user:ada", "127.0.0.1:5123")
        await ada.invocation(task).pause(reason="maintenance", mode="now")
        (row,) = await rows(runtime.client)
        assert (row.by, row.source, row.verb, row.target) == ("user:ada", "127.0.0.1:5123", "pause", task)
        assert (row.detail, row.reason, row.changed, row.before, row.after) == (
            "now",
            "maintenance",
            True,
            "suspended",
            "paused",
        )
        events = [entry async for entry in runtime.client.invocation(task).events()]
        assert [entry.by for entry in events if entry.name == "InvocationPaused"] == ["user:ada"]


async def test_what_changed_nothing_and_what_was_refused_is_there_too_newest_first() -> None:
    async with Lab(Slow).running() as runtime:
        handle = runtime.client.invocation(await start(runtime.client))
        await handle.pause()
        await handle.pause()
        await handle.kill()
        with raises(actors.ConflictError, code="already_completed"):
            await handle.cancel(reason="too late")
        with raises(actors.NotFoundError, kind="invocation"):
            await runtime.client.invocation(GONE).kill()
        found = await rows(runtime.client)
        assert [row.verb for row in found] == ["kill", "cancel", "kill", "pause", "pause"]
        assert [row.changed for row in found] == [False, False, True, False, True]
        assert [row.refusal.partition(":")[0] for row in found[:2]] == [
            "not_found",
            "already_completed",
        ]


async def test_signals_and_purges_are_acts_but_calls_retention_and_timers_are_not() -> None:
    lab = Lab(Slow, retention=10.0)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(await start(runtime.client))
        await handle.signal("go", "on")
        await handle.result()
        await handle.purge()
        other = runtime.client.invocation(await start(runtime.client))
        await other.signal("go", "on")
        await other.result()
        await lab.clock.sleep_until(lab.clock.now() + 60)
        with raises(actors.NotFoundError, kind="invocation"):
            await other.info()
        assert [row.verb for row in await rows(runtime.client)] == ["signal", "purge", "signal"]


@pytest.mark.parametrize("partitions", [1, 4])
async def test_a_handlers_verb_names_the_handler(partitions: int) -> None:
    async with Lab(Slow, Boss, partitions=partitions).running() as runtime:
        task = await start(runtime.client)
        sent = await runtime.client.send_by_name(Target("Boss", "b", "stop"), f'"{task}"'.encode())
        await runtime.client.invocation(sent.invocation_id).result()
        (row,) = await rows(runtime.client)
        assert (row.by, row.source, row.reason) == (sent.invocation_id, "handler", "the boss says so")


async def test_it_is_as_durable_as_what_it_is_about() -> None:
    lab = Lab(Slow)
    async with lab.running() as runtime:
        task = await start(runtime.client)
        await runtime.client.invocation(task).pause(reason="night")
    async with lab.running() as runtime:
        assert [row.reason for row in await rows(runtime.client)] == ["night"]
        await runtime.client.invocation(task).resume(reason="morning")
        assert [(row.number, row.reason) for row in await rows(runtime.client)] == [(2, "morning"), (1, "night")]
        assert (await runtime.client.verify_audit()).is_whole


async def test_it_can_be_asked_for_by_person_verb_and_target_and_page_by_page_over_all_partitions() -> None:
    lab = Lab(Slow, partitions=3)
    async with lab.running() as runtime:
        tasks = [await start(runtime.client) for _ in range(5)]
        for task in tasks:
            await runtime.client.invocation(task).pause()
            await lab.clock.sleep_until(lab.clock.now() + 1)
        await runtime.client.acting_as("token:ops", "cli").invocation(tasks[0]).resume()
        assert [row.verb for row in await rows(runtime.client, by="token:ops")] == ["resume"]
        assert len(await rows(runtime.client, verb="pause")) == 5
        assert [row.verb for row in await rows(runtime.client, target=tasks[0])] == ["resume", "pause"]
        pages, after = [], None
        while True:
            page = await runtime.client.audit(limit=2, after=after)
            pages.append(page.entries)
            after = page.next
            if after is None:
                break
        assert [row.target for page in pages for row in page] == [tasks[0], *reversed(tasks)]
        assert [len(page) for page in pages] == [2, 2, 2]


async def test_a_cursor_that_no_page_gave_is_refused() -> None:
    async with Lab(Slow).running() as runtime:
        for after in ("x", "1.2", "", "-1", "9" * 30):
            with raises(actors.InvalidArgumentError, path="after"):
                await runtime.client.audit(after=after)


async def test_someone_turned_away_leaves_a_row_and_no_object() -> None:
    lab = Lab(Slow)
    async with lab.running() as runtime:
        stranger = runtime.client.acting_as("anonymous", "10.0.0.7:1")
        await stranger.note(ControlAction(verb="PATCH", target="/invocations/x/kill"), refusal="401", dropped=7)
        (row,) = await rows(runtime.client)
        assert (row.by, row.verb, row.target, row.refusal, row.dropped) == (
            "anonymous",
            "PATCH",
            "/invocations/x/kill",
            "401",
            7,
        )
        assert [head async for head in runtime.engine.journal.heads(0)] == []


@pytest.mark.parametrize("tampering", ["changed", "taken out", "exchanged"])
async def test_the_chain_shows_what_was_tampered_with(tampering: str) -> None:
    lab = Lab(Slow)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(await start(runtime.client))
        for _ in range(4):
            await handle.pause()
        assert (await runtime.client.verify_audit()).is_whole
        rows = runtime.engine.journal.scan(keys.audit_prefix(0), keys.after_prefix(keys.audit_prefix(0)), limit=9)
    contents = dict(lab.store.contents())
    first, second = rows[0], rows[1]
    if tampering == "changed":
        contents[second[0]] = second[1].replace(b"pause", b"purge")
        assert decode_audit(contents[second[0]]).verb == "purge"
    elif tampering == "taken out":
        del contents[second[0]]
    else:
        contents[first[0]], contents[second[0]] = second[1], first[1]
    lab.store = type(lab.store)(contents)
    async with lab.running() as runtime:
        checked = await runtime.client.verify_audit()
        number = 1 if tampering == "exchanged" else 2
        assert checked.broken == [f"partition 0: row {number} is missing or was changed"]


async def test_refused_tries_do_not_fill_the_memory_with_objects_that_are_not_there() -> None:
    async with Lab(Slow, limits=attrs.evolve(Limits(), idle_objects=2)).running() as runtime:
        for number in range(20):
            with raises(actors.NotFoundError, kind="invocation"):
                await runtime.client.invocation(f"inv_1{number:033}").kill()
        await quiet()
        (owner,) = runtime.engine._processors.values()
        assert len(owner._cache) == 0
        task = await start(runtime.client)
        await runtime.client.invocation(task).kill()
        assert len(await rows(runtime.client)) == 21


async def test_an_object_that_is_made_in_the_commit_that_notes_a_refusal_is_whole() -> None:
    target = Target("Slow", None, "work")
    lab = Lab(Slow, limits=attrs.evolve(Limits(), idle_objects=1))
    async with lab.running() as runtime:
        client = runtime.client
        ids = [requested_id(target, f"k{number}", runtime.engine.journal.secret) for number in range(5)]

        async def kill_too_early(of: str) -> None:
            with raises(actors.NotFoundError, kind="invocation"):
                await client.invocation(of).kill()

        async with trio.open_nursery() as nursery:
            for of in ids:
                nursery.start_soon(kill_too_early, of)
            await trio.lowlevel.checkpoint()
            for number in range(5):
                nursery.start_soon(client.send_by_name, target, b"", CallOptions(idempotency_key=f"k{number}"))
        assert len(await rows(client)) == 5
    async with lab.running() as runtime:
        assert [(await runtime.client.invocation(of).kill()).changed for of in ids] == [True] * 5
