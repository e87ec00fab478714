"""``debounce`` over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors import Actor, handler
from tests.http.served import serving

if TYPE_CHECKING:
    from pathlib import Path


class Index(Actor):
    @handler
    async def refresh(self, page: int) -> int:
        return page


async def test_a_later_message_replaces_an_earlier_one_from_a_client_or_in_its_query(tmp_path: Path) -> None:
    async with serving(tmp_path, Index) as served, served.client() as client:
        refresh = client.actor(Index, "docs").refresh
        first = await refresh.options(delay=3600, debounce="page", max_delay=7200).send(1)
        sent = await served.http.post("/Index/docs/refresh/send?delay=2h&debounce=page&max_delay=2h", json=2)
        second = client.invocation(sent.json()["invocationId"])
        assert (await first.info()).successors == (second.id,)
        due, begun = (await second.info()).scheduled_for, (await first.info()).created_at
        assert due is not None
        assert due - begun < 7200.01
        await second.reschedule()
        assert await second.result() == 2
        for wrong in ("debounce=page", "delay=1s&max_delay=1s", "delay=2s&debounce=page&max_delay=1s"):
            refused = await served.http.post(f"/Index/docs/refresh/send?{wrong}", json=2)
            assert refused.status_code == 400
