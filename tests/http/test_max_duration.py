"""``max_duration`` over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import actors
from actors import Service, handler
from tests.http.served import serving

if TYPE_CHECKING:
    from pathlib import Path


class Waiter(Service):
    @handler
    async def wait(self) -> None:
        await actors.signal("go")


async def test_a_message_has_a_bound_from_a_client_or_in_its_query(tmp_path: Path) -> None:
    async with serving(tmp_path, Waiter) as served, served.client() as client:
        await client.service(Waiter).wait.options(max_duration=60).send()
        await served.http.post("/Waiter/wait/send?max_duration=60s")
        for info in await client.invocations():
            assert info.expires_at == pytest.approx(info.created_at + 60, abs=0.01)
        refused = await served.http.post("/Waiter/wait/send?max_duration=soon")
        assert refused.status_code == 400
