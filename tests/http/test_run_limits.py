"""Limits over HTTP, from a client and by plain requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

import actors
from actors import Actor, handler
from journal.events import Status
from tests.http.served import serving

if TYPE_CHECKING:
    from pathlib import Path


class Agent(Actor):
    @handler
    async def run(self) -> None:
        actors.spend(tokens=7)
        await actors.signal("go")


async def test_an_invocation_has_a_budget_and_gets_more(tmp_path: Path) -> None:
    async with serving(tmp_path, Agent) as served, served.client() as client:
        handle = await client.actor(Agent, "a").run.options(budget={"tokens": 7, "usd": "0.50"}).send()
        other = (await served.http.post("/Agent/b/run/send?budget=tokens=7&budget=usd=0.5")).json()["invocationId"]
        for one in (handle, client.invocation(other)):
            while (info := await one.info()).status is not Status.PAUSED:
                await trio.sleep(0.01)
            assert (info.budget, info.budget_spent) == ({"tokens": "7", "usd": "0.5"}, {"tokens": "7"})
        for budget, status in (({"tokens": 1, "usdd": 1}, 409), ({"usd": 0}, 400)):
            refused = await served.http.patch(f"/invocations/{other}/resume", json={"budget": budget})
            assert refused.status_code == status
        assert (await handle.resume(budget={"tokens": 3}, reason="worth it")).changed
        given = await served.http.patch(f"/invocations/{other}/resume", json={"budget": {"tokens": "3"}})
        assert given.json()["changed"]
        for one in (handle, client.invocation(other)):
            await one.signal("go")
            await one.result()
            assert ((await one.info()).budget or {})["tokens"] == "10"
        (row,) = (
            await client.query("SELECT count(*) FROM sys_audit WHERE verb = 'resume' AND detail LIKE '%tokens%'")
        ).rows
        assert row == [3], "one was refused"
        for wrong in ("budget=tokens", "budget=tokens=1e3", "budget=tokens=1&budget=tokens=2", "budget=tokens=-1"):
            assert (await served.http.post(f"/Agent/c/run/send?{wrong}")).status_code == 400
        assert "not below 0" in (await served.http.post("/Agent/c/run/send?budget=usd=-1")).text
        drifting = await served.http.patch(f"/invocations/{other}/resume", json={"budget": {"usd": 0.04}})
        assert drifting.status_code == 400


async def test_a_limit_is_set_listed_queried_and_deleted(tmp_path: Path) -> None:
    async with serving(tmp_path, Agent) as served, served.client() as client:
        answer = await client.limits.set("key:Agent/a/b", concurrency=2, rate=100, period=30, reason="small")
        assert answer.changed
        assert answer.before is None
        assert [(one.scope, one.concurrency, one.rate, one.period) for one in await client.limits.list()] == [
            ("key:Agent/a/b", 2, 100, 30.0)
        ]
        await client.limits.set("tag:user=ada")
        found = await client.query("SELECT * FROM sys_limit WHERE scope = 'tag:user=ada'")
        assert [(row[0], row[1], row[2]) for row in found.rows] == [("tag:user=ada", None, None)]
        assert (await client.limits.delete("tag:user=ada")).changed
        found = await client.query("SELECT scope, concurrency, rate, period, reason FROM sys_limit")
        assert [*map(list, found.rows)] == [["key:Agent/a/b", 2, 100, 30.0, "small"]]
        assert (await client.limits.delete("key:Agent/a/b")).changed
        assert not (await client.limits.delete("key:Agent/a/b")).changed
        await client.limits.set("everything", budget={"tokens": 100, "euros": "0.50"})
        (limit,) = await client.limits.list()
        assert (limit.budget, limit.spent) == ({"tokens": "100", "euros": "0.5"}, {})
        drifting = await served.http.patch("/limits/everything/set", json={"budget": {"euros": 0.04}})
        assert drifting.status_code == 400
        await client.limits.delete("everything")
        verbs = [entry.verb for entry in (await client.audit()).entries]
        assert verbs == ["delete-limit", "set-limit", *["delete-limit"] * 3, "set-limit", "set-limit"]
        refused = await served.http.patch("/limits/Agent/set", json={"concurrency": 1})
        assert refused.status_code == 400
