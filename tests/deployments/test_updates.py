"""An update is judged by the code of the run that carries it out, whatever the code that is served says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import ConflictError, InvalidArgumentError, NotFoundError
from actors.errors import ErrorCode
from actors.model.requests import CallOptions
from journal.events import Target
from tests.deployments.shop import Shop, shop, waits
from tests.lab import quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.runtime import Runtime

__all__ = ["shop"]
pytestmark = on_virtual_time

OLD = """
    import actors

    def not_twice(order, amount: int) -> None:
        if order.paid:
            raise ValueError("paid already")

    class Order(actors.Workflow):
        paid: int = 0

        @actors.handler
        async def run(self) -> int:
            await actors.signal("end")
            return self.paid

        @actors.update(validate=not_twice)
        async def pay(self, amount: int) -> str:
            self.paid += amount
            return "paid on {version}"

        @actors.update
        async def refund(self, amount: int) -> str:
            self.paid -= amount
            return "refunded on {version}"

        @actors.update
        async def wait(self) -> str:
            return await actors.signal("go", str)
"""

NEW = """
    import actors

    class Order(actors.Workflow):
        paid: int = 0

        @actors.handler
        async def run(self) -> int:
            await actors.signal("end")
            return self.paid

        @actors.update
        async def refund(self, amount: str) -> str:
            return "refunded on {version}"

        @actors.update
        async def send_back(self) -> None: ...
"""


async def call(runtime: Runtime, name: str, *argument: Any) -> Any:
    with trio.fail_after(100):
        return await runtime.client.call(f"Order/7/{name}", *argument)


async def test_an_update_that_only_the_code_of_the_run_has_is_carried_out_by_it(shop: Shop) -> None:
    shop.write(1, OLD)
    async with shop.running() as runtime:
        run = await runtime.client.workflow(shop.app.Order, "7").run.send()
        await waits(run)
    shop.close()
    shop.write(2, NEW)
    async with shop.running() as runtime:
        client = runtime.client
        assert await call(runtime, "pay", 40) == "paid on 1"
        assert await call(runtime, "refund", 0) == "refunded on 1"
        with pytest.raises(InvalidArgumentError, match="paid already"):
            await call(runtime, "pay", 40)
        with pytest.raises(InvalidArgumentError):
            await call(runtime, "pay", "forty")
        for unknown in ("pay_back", "run_again"):
            with pytest.raises(NotFoundError):
                await call(runtime, unknown)
        with pytest.raises(ConflictError) as refused:
            await call(runtime, "send_back")
        assert refused.value.code is ErrorCode.NOT_POSSIBLE

        keyed = CallOptions(idempotency_key="k")
        sent = await client.send_by_name(Target("Order", "7", "wait"), b"", keyed)
        await quiet()
        await client.invocation(run.id).signal("go", "gone")
        assert await client.invocation(sent.invocation_id).result() == "gone"
        await client.invocation(run.id).signal("end")
        assert await client.invocation(run.id).result() == 40
        again, outcome = await client.call_by_name(Target("Order", "7", "wait"), b"", keyed)
        assert (again, outcome.value) == (sent.invocation_id, "gone"), "a repeated request is answered after the end"
        with pytest.raises(ConflictError) as refused:
            await call(runtime, "refund", 5)
        assert refused.value.code is ErrorCode.NO_RUN


async def test_the_parameters_of_an_update_are_those_of_the_code_of_the_run(shop: Shop) -> None:
    shop.write(1, OLD)
    async with shop.running() as runtime:
        run = await runtime.client.workflow(shop.app.Order, "7").run.send()
        await waits(run)
    shop.write(2, NEW)
    async with shop.running() as runtime:
        with pytest.raises(InvalidArgumentError):
            await call(runtime, "refund", "five")
        with pytest.raises(InvalidArgumentError):
            await runtime.client.workflow(shop.app.Order, "7").refund("five")
        assert (await runtime.client.invocation(run.id).info()).status is actors.Status.SUSPENDED
        await runtime.client.invocation(run.id).pause()
        await runtime.client.invocation(run.id).resume(deployment="latest")
        assert await call(runtime, "refund", "five") == "refunded on 2"
        with pytest.raises(NotFoundError):
            await call(runtime, "pay", 40)


async def test_a_message_by_name_reaches_an_update_of_older_code(shop: Shop) -> None:
    shop.write(1, OLD)
    async with shop.running() as runtime:
        run = await runtime.client.workflow(shop.app.Order, "7").run.send()
        await waits(run)
    shop.close()
    shop.write(2, NEW)
    async with shop.running() as runtime:
        of = (await runtime.client.send("Order/7/wait", tags={"a": "b"})).id
        await quiet()
        info = await runtime.client.invocation(of).info()
        assert (info.deployment, info.status) == (
            (await runtime.client.invocation(run.id).info()).deployment,
            actors.Status.SUSPENDED,
        )
