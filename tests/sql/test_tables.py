"""What the tables say of a runtime, while it runs and at rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, InvalidArgumentError, LimitExceededError, RetryPolicy, Service, handler, shared, step
from actors.query.snapshot import JournalSnapshot
from actors.query.sql.statement import query
from actors.query.sql.tables import TABLES, describe
from journal.events import Target
from journal.log.open import open_for_reading
from tests.deployments.shop import Shop, shop
from tests.lab import Lab, quiet
from tests.raising import raises
from tests.virtual import EPOCH, on_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["shop"]

pytestmark = on_virtual_time


@step(retry=RetryPolicy(max_attempts=2, initial_delay=10.0))
async def unreachable() -> None:
    raise ConnectionError("refused")


class Chat(Actor):
    """A chat."""

    topic: str = ""
    lines: actors.Log[str]
    votes: actors.Map[str, int]
    by_number: actors.Map[int, str]

    @handler
    async def say(self, line: str) -> int:
        self.topic = "weather"
        self.lines.append(line)
        self.votes[line] = len(self.votes)
        self.by_number[len(self.lines)] = line
        return len(self.lines)

    @handler
    async def wait(self, name: str) -> str:
        return await actors.signal(name, str)

    @shared
    async def read(self) -> list[str]:
        return list(self.lines)


class Agent(Service):
    @handler
    async def fail(self) -> None:
        raise actors.TerminalError("no such order")

    @handler
    async def stuck(self) -> None:
        await unreachable()

    @handler
    async def ask(self, key: str) -> str:
        return await actors.actor(Chat, key).wait("answer")


async def one(client: actors.Client, sql: str, *parameters: Any) -> dict[str, Any]:
    result = await client.query(sql, parameters)
    (row,) = result.rows
    return dict(zip(result.columns, row, strict=True))


async def all_of(client: actors.Client, sql: str, *parameters: Any) -> list[list[Any]]:
    return (await client.query(sql, parameters)).rows


async def test_an_invocation_that_ended_tells_everything_of_itself() -> None:
    async with Lab(Chat).running() as runtime:
        client = runtime.client
        await client.actor(Chat, "alice").say.options(idempotency_key="once").send("hello")
        await quiet()
        found = await one(client, "SELECT * FROM sys_invocation")
        assert found.pop("id").startswith("inv_1")
        assert found.pop("created_by").startswith("user:")
        assert found.pop("purge_at") > EPOCH
        assert found == {
            "target": "Chat/alice/say",
            "service": "Chat",
            "key": "alice",
            "handler": "say",
            "kind": "actor",
            "mode": "exclusive",
            "status": "completed",
            "outcome": "succeeded",
            "created_at": pytest.approx(EPOCH, abs=1),
            "started_at": pytest.approx(EPOCH, abs=1),
            "completed_at": pytest.approx(EPOCH, abs=1),
            "modified_at": pytest.approx(EPOCH, abs=1),
            "scheduled_for": None,
            "expires_at": None,
            "status_text": None,
            "spent": "{}",
            "budget": None,
            "budget_spent": "{}",
            "pause_cause": None,
            "duration": pytest.approx(0, abs=1),
            "deployment": None,
            "failed_attempts": 0,
            "failed_tries": 0,
            "last_error_type": None,
            "last_error": None,
            "awaited_signal": None,
            "awaited_since": None,
            "pause_reason": None,
            "cancel_reason": None,
            "outcome_reason": None,
            "idempotency_key": "once",
            "caller_id": None,
            "caller_step": None,
            "restarted_from": None,
            "restarted_at_step": None,
            "tags": "{}",
            "traceparent": None,
            "argument": '"hello"',
            "value": "1",
        }


async def test_what_went_wrong_is_found_by_its_error() -> None:
    async with Lab(Agent).running() as runtime:
        client = runtime.client
        with pytest.raises(actors.TerminalError):
            await client.service(Agent).fail()
        stuck = await client.service(Agent).stuck.send()
        cancelled = await client.service(Agent).stuck.options(delay=3600).send()
        await trio.sleep(60)
        await client.invocation(cancelled.id).cancel(reason="not needed")
        sql = "SELECT status, outcome, last_error_type, last_error, outcome_reason FROM sys_invocation WHERE "
        assert await all_of(client, sql + "handler = 'fail'") == [
            ["completed", "failed", "actors.errors.TerminalError", "no such order", None]
        ]
        assert await all_of(client, sql + "last_error_type LIKE '%ConnectionError'") == [
            ["paused", None, "builtins.ConnectionError", "refused", None]
        ]
        assert await all_of(client, sql + "id = ?", cancelled.id) == [
            ["completed", "cancelled", None, None, "not needed"]
        ]
        assert [info.id for info in await client.invocations(where="last_error LIKE '%refused%'")] == [stuck.id]
        duration = await one(client, "SELECT duration FROM sys_invocation WHERE id = ?", stuck.id)
        assert duration["duration"] == pytest.approx(60, abs=1)


async def test_a_call_names_who_waits_for_it() -> None:
    async with Lab(Agent, Chat).running() as runtime:
        client = runtime.client
        asked = await client.service(Agent).ask.send("bob")
        await quiet()
        found = await one(
            client,
            "SELECT a.id, b.target, b.caller_step FROM sys_invocation a JOIN sys_invocation b ON b.caller_id = a.id",
        )
        assert found == {"id": asked.id, "target": "Chat/bob/wait", "caller_step": "1"}


async def test_the_journal_of_an_invocation_is_its_own_while_others_of_its_object_lie_between() -> None:
    async with Lab(Chat).running() as runtime:
        client = runtime.client
        first = await client.actor(Chat, "a").wait.send("go")
        second = await client.actor(Chat, "a").say.send("hi")
        await quiet()
        names = "SELECT name FROM sys_journal WHERE invocation_id = ?"
        assert await all_of(client, names, first.id) == [
            ["InvocationAccepted"],
            ["InvocationStarted"],
            ["SignalAwaited"],
        ]
        assert await all_of(client, names, second.id) == [["InvocationAccepted"]]
        await client.invocation(first.id).signal("go", "on")
        await quiet()
        for of in (first.id, second.id):
            entries = [entry async for entry in client.invocation(of).events()]
            rows = await all_of(
                client,
                'SELECT number, at, "by", cause, name, summary, details FROM sys_journal WHERE invocation_id = ?',
                of,
            )
            assert [(*row[:6], json.loads(row[6])) for row in rows] == [
                (e.number, e.at, e.by, e.cause, e.name, e.summary, _as_json(e.details)) for e in entries
            ]
        everything = await one(client, "SELECT count(*) AS n, max(number) AS last FROM sys_journal")
        assert everything["n"] == everything["last"]


def _as_json(details: dict[str, Any]) -> Any:
    return json.loads(json.dumps(details))


async def test_events_of_either_of_two_invocations_are_found_once_each() -> None:
    async with Lab(Chat).running() as runtime:
        client = runtime.client
        first = await client.actor(Chat, "alice").say.send("one")
        second = await client.actor(Chat, "bob").say.send("two")
        await second.result()
        names = "SELECT name FROM sys_journal WHERE invocation_id = ?"
        whole, start = await all_of(client, names, first.id), await all_of(client, names + " AND number = 2", second.id)
        either = "SELECT name FROM sys_journal WHERE invocation_id = ? OR (invocation_id = ? AND number = 2)"
        assert len(start) == 1
        assert sorted(await all_of(client, either, first.id, second.id)) == sorted(whole + start)


async def test_events_are_taken_apart_with_json() -> None:
    async with Lab(Chat).running() as runtime:
        await runtime.client.actor(Chat, "a").say("hi")
        rows = await all_of(
            runtime.client, "SELECT details ->> '$.argument' FROM sys_journal WHERE name = 'InvocationAccepted'"
        )
        assert rows == [["hi"]]


async def test_state_shows_values_logs_and_maps_as_of_the_last_handler_that_ended() -> None:
    async with Lab(Chat, Agent).running() as runtime:
        client = runtime.client
        for line in ("rain", 'the "sun"'):
            await client.actor(Chat, "a").say(line)
        await client.actor(Chat, "b").say("fog")
        rows = await all_of(
            client, "SELECT field, shape, value, length FROM sys_state WHERE service='Chat' AND key='a'"
        )
        assert [(field, shape, json.loads(value), length) for field, shape, value, length in rows] == [
            ("by_number", "map", {"1": "rain", "2": 'the "sun"'}, 2),
            ("lines", "log", ["rain", 'the "sun"'], 2),
            ("topic", "value", "weather", None),
            ("votes", "map", {"rain": 0, 'the "sun"': 1}, 2),
        ]
        assert await all_of(client, "SELECT key, value FROM sys_state WHERE field = 'lines' ORDER BY key") == [
            ["a", '["rain","the \\"sun\\""]'],
            ["b", '["fog"]'],
        ]
        assert await all_of(client, "SELECT * FROM sys_state WHERE service = 'Chat' AND key = 'nobody'") == []


async def test_an_inbox_names_who_has_the_object_and_who_waits_in_order() -> None:
    async with Lab(Chat, Agent).running() as runtime:
        client = runtime.client
        sent = [await client.actor(Chat, "a").wait.send("go") for _ in range(3)]
        other = await client.actor(Chat, "b").wait.send("go")
        await client.service(Agent).stuck.send()
        await quiet()
        expected = [["Chat", "a", n, handle.id, "wait", "queued"] for n, handle in enumerate(sent)]
        expected[0][-1] = "suspended"
        columns = "SELECT service, key, position, invocation_id, handler, status FROM sys_inbox"
        assert await all_of(client, f"{columns} WHERE service = 'Chat' AND key = 'a'") == expected
        assert await all_of(client, f"{columns} WHERE invocation_id = ?", sent[2].id) == [expected[2]]
        everybody = await all_of(client, f"{columns} ORDER BY key, position")
        assert everybody == [*expected, ["Chat", "b", 0, other.id, "wait", "suspended"]]


async def test_a_service_that_is_no_longer_served_is_known_by_what_it_left() -> None:
    lab = Lab(Chat, Agent)
    async with lab.running() as runtime:
        await runtime.client.actor(Chat, "a").say("hi")
        await runtime.client.actor(Chat, "a").read()
    async with lab.running(Agent) as runtime:
        rows = await all_of(
            runtime.client,
            "SELECT name, kind, is_served, handlers, doc FROM sys_service WHERE name NOT LIKE 'playhead.%'",
        )
        assert [(name, kind, served) for name, kind, served, _, _ in rows] == [
            ("Agent", "service", 1),
            ("Chat", "actor", 0),
        ]
        assert [h["name"] for h in json.loads(rows[0][3])] == ["ask", "fail", "stuck"]
        assert [(h["name"], h["mode"]) for h in json.loads(rows[1][3])] == [("read", "shared"), ("say", "exclusive")]


@pytest.mark.parametrize("partitions", [1, 3])
async def test_the_audit_tells_who_steered_what_and_why_by_time(partitions: int) -> None:
    async with Lab(Agent, partitions=partitions).running() as runtime:
        client = runtime.client
        stuck = [await client.service(Agent).stuck.send() for _ in range(3)]
        await quiet()
        for handle in stuck:
            await trio.sleep(1.0)
            await client.acting_as("user:ada", "cli").invocation(handle.id).pause(reason="look", mode="now")
        await trio.sleep(1.0)
        await client.invocation(stuck[1].id).kill(reason="gone")
        await trio.sleep(1.0)
        with raises(actors.ConflictError, code="already_completed"):
            await client.invocation(stuck[1].id).pause()
        paused = "SELECT target, reason, changed, status_after, source FROM sys_audit WHERE by = 'user:ada' ORDER BY at"
        assert await all_of(client, paused) == [[handle.id, "look", 1, "paused", "cli"] for handle in stuck]
        newest = await all_of(client, "SELECT verb, target, refusal IS NULL FROM sys_audit ORDER BY at DESC LIMIT 2")
        assert newest == [["pause", stuck[1].id, 0], ["kill", stuck[1].id, 1]]


WAITING = """
import actors

VERSION = {version}

class Waiting(actors.Service):
    @actors.handler
    async def wait(self) -> None:
        await actors.signal("go", bool)
"""


async def test_deployments_are_told_with_what_still_runs_on_them(shop: Shop) -> None:
    first = shop.write(1, WAITING)
    async with shop.running() as runtime:
        sent = await runtime.client.send_by_name(Target("Waiting", None, "wait"))
        await quiet()
        second = shop.write(2, WAITING)
        await runtime.client.register_deployment(shop.folder / "src" / "app.py")
        rows = await all_of(runtime.client, "SELECT id, is_latest, open_invocations, files FROM sys_deployment")
        assert rows == [[first, 0, 1, 1], [second, 1, 0, 1]]
        found = await runtime.client.invocations(where=f"deployment = '{first}'")
        assert [info.id for info in found] == [sent.invocation_id]


async def test_closed_gates_and_their_exceptions_are_rows() -> None:
    lab = Lab(Chat)
    async with lab.running() as runtime:
        asked = "SELECT scope, state, mode, since, by, reason FROM sys_gate ORDER BY scope"
        assert await all_of(runtime.client, asked) == []
        await runtime.client.gates.close("service:Chat", reason="the database is down")
        closed_at = lab.clock.now()
        await trio.sleep(5)
        (principal,) = {gate.by for gate in await runtime.client.gates.list()}
        await runtime.client.gates.open("key:Chat/a")
        assert await all_of(runtime.client, asked) == [
            ["key:Chat/a", "open", "drain", lab.clock.now(), principal, None],
            ["service:Chat", "closed", "drain", closed_at, principal, "the database is down"],
        ]
        await runtime.client.gates.open("service:Chat")
        assert await all_of(runtime.client, asked) == []


async def test_a_query_sees_one_moment_while_calls_go_on() -> None:
    lab = Lab(Chat)
    async with lab.running() as runtime:
        chat = runtime.client.actor(Chat, "a")
        for n in range(3):
            await chat.say(str(n))
        async with runtime.engine.journal.view() as view:
            source = JournalSnapshot(view=view, partitions=1, now=lab.clock.now())
            for n in range(3, 6):
                await chat.say(str(n))
            counts = query(
                source,
                "SELECT (SELECT count(*) FROM sys_invocation), (SELECT length FROM sys_state WHERE field = 'lines'), "
                "(SELECT count(*) FROM sys_journal WHERE name = 'InvocationCompleted')",
            )
            assert counts.rows == [[3, 3, 3]]
        assert (await one(runtime.client, "SELECT count(*) AS n FROM sys_invocation"))["n"] == 6


async def test_several_partitions_are_one_table() -> None:
    lab = Lab(Chat, partitions=3)
    async with lab.running() as runtime:
        client = runtime.client
        for n in range(9):
            await client.actor(Chat, f"k{n}").say("hi")
            await trio.sleep(1)
        keys = await all_of(client, "SELECT key FROM sys_invocation ORDER BY created_at DESC")
        assert [key for (key,) in keys] == [f"k{n}" for n in reversed(range(9))]
        assert (await one(client, "SELECT count(*) AS n FROM sys_state WHERE field = 'topic'"))["n"] == 9
        assert await all_of(client, "SELECT service, field FROM sys_state WHERE service='Chat' AND key='k3'") == [
            ["Chat", field] for field in ("by_number", "lines", "topic", "votes")
        ]


async def test_a_runtimes_limits_hold_for_its_queries() -> None:
    async with Lab(Chat, limits=actors.Limits(query_rows=2)).running() as runtime:
        for n in range(3):
            await runtime.client.actor(Chat, str(n)).say("hi")
        with raises(LimitExceededError, limit="query_rows"):
            await runtime.client.query("SELECT id FROM sys_invocation")
        with raises(InvalidArgumentError, path="query"):
            await runtime.client.invocations(where="1) OR (1")


def test_every_table_and_column_is_described() -> None:
    text = describe()
    for table in TABLES:
        assert table.about
        assert table.name in text
        for column in table.columns:
            assert column.about
            assert column.name in text


def test_a_data_directory_at_rest_answers_as_it_did_when_it_ran(tmp_path: Path) -> None:
    questions = [
        "SELECT * FROM sys_invocation ORDER BY created_at",
        "SELECT * FROM sys_journal",
        "SELECT service, key, field, shape, value, length, version, stored_as FROM sys_state",
        "SELECT * FROM sys_inbox",
    ]
    answers: list[Any] = []

    async def live() -> None:
        async with actors.open_runtime(Chat, path=tmp_path) as runtime:
            for key in ("a", "b", "a"):
                await runtime.client.actor(Chat, key).say("hi")
            answers.extend([(await runtime.client.query(sql)).rows for sql in questions])

    trio.run(live)
    reader, identity = open_for_reading(tmp_path)
    try:
        source = JournalSnapshot(view=reader, partitions=identity.partitions, now=0)
        ours = "name NOT LIKE 'playhead.%'"
        assert [query(source, sql).rows for sql in questions] == answers
        assert query(source, f"SELECT name, is_served FROM sys_service WHERE {ours}").rows == [["Chat", 0]]
        assert query(source, "SELECT DISTINCT is_declared FROM sys_state").rows == [[None]]
    finally:
        reader.close()
