"""Limits over HTTP, from a client and by plain requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import actors
from actors import Service, handler
from tests.http.served import serving

if TYPE_CHECKING:
    from pathlib import Path


class Agent(Service):
    @handler
    async def run(self) -> None:
        await actors.signal("go")


async def test_a_limit_is_set_listed_queried_and_deleted(tmp_path: Path) -> None:
    async with serving(tmp_path, Agent) as served, served.client() as client:
        answer = await client.limits.set("agents", "service:Agent", concurrency=2, reason="small")
        assert (answer.changed, answer.before, answer.after and answer.after.concurrency) == (True, None, 2)
        assert [(one.name, one.scope, one.concurrency) for one in await client.limits.list()] == [
            ("agents", "service:Agent", 2)
        ]
        found = await client.query("SELECT name, scope, concurrency, reason FROM sys_limit")
        assert found.rows == [["agents", "service:Agent", 2, "small"]] or [*map(tuple, found.rows)] == [
            ("agents", "service:Agent", 2, "small")
        ]
        assert (await client.limits.delete("agents")).changed
        assert not (await client.limits.delete("agents")).changed
        verbs = [entry.verb for entry in (await client.audit()).entries]
        assert verbs == ["delete-limit", "delete-limit", "set-limit"]
        refused = await served.http.patch("/limits/agents/set", json={"scope": "Agent", "concurrency": 1})
        assert refused.status_code == 400
