"""Updates over HTTP: they are called as any handler is, answered by the run, and refused with the status of their error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import actors
from actors import ConflictError, InvalidArgumentError, Workflow, handler, update
from actors.errors import ErrorCode, UpdateLostError
from tests.http.served import serving

if TYPE_CHECKING:
    from pathlib import Path


def check_address(order: Order, address: str) -> None:
    if address == order.address:
        raise ValueError(f"it goes to {address} already")


class Order(Workflow):
    address: str = ""

    @handler
    async def run(self, address: str) -> str:
        self.address = address
        await actors.signal("paid")
        return self.address

    @update(validate=check_address)
    async def change_address(self, address: str) -> str:
        self.address = address
        return f"will be sent to {address}"

    @update
    async def wait(self) -> None:
        await actors.signal("never")


async def test_an_update_is_answered_and_refused_over_http_as_in_the_process(tmp_path: Path) -> None:
    async with serving(tmp_path, Order) as served, served.client() as client:
        order = client.workflow(Order, "7")
        early = await served.http.post("/Order/7/change_address", json="1 New Street")
        assert (early.status_code, early.json()["code"]) == (409, "no_run")
        run = await order.run.send("1 Old Street")
        assert await order.change_address("1 New Street") == "will be sent to 1 New Street"
        plain = await served.http.post("/Order/7/change_address", json="2 New Street")
        assert plain.json() == "will be sent to 2 New Street"
        with pytest.raises(InvalidArgumentError, match="goes to 2 New Street already"):
            await order.change_address("2 New Street")
        assert (await served.http.post("/Order/7/change_address", json="2 New Street")).status_code == 400

        await run.pause(reason="a look")
        paused = await served.http.post("/Order/7/change_address", json="3 New Street")
        assert (paused.status_code, paused.json()["code"]) == (503, "paused")
        assert run.id in paused.json()["detail"]
        await run.resume()
        later = f"/restate/invocation/{paused.json()['invocation_id']}/attach"
        assert (await served.http.get(later)).json() == "will be sent to 3 New Street"

        handle = await order.wait.send()
        assert run.id in (await handle.why())[0].text
        with pytest.raises(ConflictError) as refused:
            await handle.pause()
        assert refused.value.code is ErrorCode.NOT_POSSIBLE
        await run.signal("paid")
        assert await run.result() == "3 New Street"
        with pytest.raises(UpdateLostError):
            await handle.result()
        found = await client.query(
            "select mode, count(*) from sys_invocation where service = 'Order' group by 1 order by 1"
        )
        assert found.rows == [["exclusive", 1], ["update", 4]]
        document = (await served.http.get("/openapi.json")).json()
        assert "/Order/{key}/change_address" in document["paths"]
