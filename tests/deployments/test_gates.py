"""A gate before a deployment holds what runs on that code, and lets go of what moves to other code."""

from __future__ import annotations

import trio

from actors import NotFoundError
from journal.events import Status
from tests.deployments.shop import Shop, shop, waits
from tests.deployments.test_pinning import APP
from tests.raising import raises
from tests.virtual import on_virtual_time

__all__ = ["shop"]
pytestmark = on_virtual_time


async def test_old_code_is_held_and_new_code_goes_on(shop: Shop) -> None:
    one = shop.write(1, APP)
    async with shop.running() as runtime:
        old = await runtime.client.service(shop.app.Agent).run.send()
        await waits(old)
    two = shop.write(2, APP)
    async with shop.running() as runtime:
        gates = runtime.client.gates
        assert (await gates.close(f"deployment:{one}", reason="it parses badly")).changed
        held = runtime.client.invocation(old.id)
        await held.signal("go", "on")
        await trio.sleep(60.0)
        info = await held.info()
        assert (info.phase, info.gate and info.gate.scope) == ("held", f"deployment:{one}")
        assert await runtime.client.service(shop.app.Agent).think() == 2
        await gates.close(f"deployment:{two}")
        waiting = await runtime.client.service(shop.app.Agent).think.send()
        await trio.sleep(60.0)
        assert (await waiting.info()).status is Status.QUEUED
        for deployment in (one, two):
            await gates.open(f"deployment:{deployment}")
        assert await held.result() == [1, 2]
        assert await waiting.result() == 2


async def test_what_waits_behind_a_gate_before_old_code_starts_when_it_is_moved_to_new_code(shop: Shop) -> None:
    one = shop.write(1, APP)
    async with shop.running() as runtime:
        await runtime.client.gates.close(f"deployment:{one}")
        queued = await runtime.client.service(shop.app.Agent).think.send()
        paused = await runtime.client.service(shop.app.Agent).think.send()
        await paused.pause()
    shop.write(2, APP)
    async with shop.running() as runtime:
        for handle in (queued, paused):
            moved = runtime.client.invocation(handle.id)
            await moved.resume(deployment="latest")
            assert await moved.result() == 2
        assert [gate.scope for gate in await runtime.client.gates.list()] == [f"deployment:{one}"]


async def test_a_gate_before_code_that_is_not_known_is_refused(shop: Shop) -> None:
    shop.write(1, APP)
    async with shop.running() as runtime:
        with raises(NotFoundError, kind="deployment"):
            await runtime.client.gates.close("deployment:dep_none")
