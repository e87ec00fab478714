"""A client may send an error instead of the value of a signal, and the wait of the handler raises it."""

from __future__ import annotations

import pytest

import actors
from actors import Service, SignalFailedError, Status, handler
from actors.errors import ErrorCode, UnserializableError
from tests.lab import WORLD, Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class Claim(Service):
    @handler
    async def settle(self) -> str:
        try:
            amount = await actors.signal("approved", int)
        except SignalFailedError as error:
            WORLD.note(f"{error.signal}: {error}")
            amount = await actors.signal("approved", int)
            return f"{amount} after {error.details}"
        return str(amount)

    @handler
    async def insist(self) -> int:
        return await actors.signal("approved", int)

    @handler
    async def decline(self, of: str) -> bool:
        return (await actors.invocation(of).signal("approved", error="by a handler")).changed


async def test_the_wait_raises_the_error_and_the_next_wait_gets_the_next_signal() -> None:
    lab = Lab(Claim)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Claim).settle.send()
        await handle.signal("approved", {"left": 3}, error="the budget is gone")
        await quiet()
        assert WORLD.count("approved: the budget is gone") == 1
        summaries = [entry.summary async for entry in handle.events() if entry.name == "SignalReceived"]
        assert "the budget is gone" in summaries[0]
        (row,) = (await runtime.client.audit()).entries
        assert (row.verb, row.detail, row.reason) == ("signal", "approved", "the budget is gone")
    async with lab.running() as runtime:  # a replay raises it again, at the same wait
        again = runtime.client.invocation(handle.id)
        await again.signal("approved", 5)
        assert await again.result() == "5 after {'left': 3}"


async def test_one_that_is_sent_before_the_wait_is_kept_for_it() -> None:
    async with Lab(Claim).running() as runtime:
        handle = await runtime.client.service(Claim).insist.options(delay=10.0).send()
        await handle.signal("approved", error="no")
        with pytest.raises(SignalFailedError) as failed:
            await handle.result()
        assert (failed.value.signal, str(failed.value), failed.value.code) == (
            "approved",
            "no",
            ErrorCode.SIGNAL_FAILED,
        )
        assert (await handle.info()).status is Status.COMPLETED  # it is terminal: the handler is not tried again


async def test_a_restart_from_the_wait_asks_again_and_one_from_the_end_keeps_the_error() -> None:
    async with Lab(Claim).running() as runtime:
        handle = await runtime.client.service(Claim).settle.send()
        await handle.signal("approved", "late", error="no")
        await handle.signal("approved", 5)
        assert await handle.result() == "5 after late"
        kept = runtime.client.invocation((await handle.restart("end")).successor.invocation_id)
        assert await kept.result() == "5 after late"
        asked = runtime.client.invocation((await handle.restart("1", again=True)).successor.invocation_id)
        await asked.signal("approved", 7)
        assert await asked.result() == "7"


async def test_handlers_and_jobs_send_errors_too() -> None:
    async with Lab(Claim).running() as runtime:
        claims = [await runtime.client.service(Claim).insist.send() for _ in range(3)]
        await quiet()
        assert await runtime.client.service(Claim).decline(claims[0].id)
        waiting = runtime.client.jobs.where("awaited_signal = 'approved'")
        assert (await (await waiting.signal("approved", error="closed")).result()).changed == 2
        assert [str((await claim.outcome()).failure.message) for claim in claims] == [
            "by a handler",
            "closed",
            "closed",
        ]


async def test_details_that_json_does_not_have_are_refused_before_anything_is_sent() -> None:
    async with Lab(Claim).running() as runtime:
        handle = await runtime.client.service(Claim).insist.send()
        with pytest.raises(UnserializableError):
            await handle.signal("approved", (1, 2), error="no")
        assert not [entry async for entry in handle.events() if entry.name == "SignalReceived"]
        await handle.kill()
