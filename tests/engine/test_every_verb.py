"""Every verb, with every option, on an invocation in every state: it is obeyed, or refused by a type that says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import Actor, InvocationHandle, handler, step
from actors.engine.containment import log as set_aside_log
from actors.engine.faults import log as faults_log
from tests.lab import Lab, quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = on_virtual_time


@step(retry=actors.RetryPolicy(max_attempts=2, initial_delay=1000.0))
async def charge(amount: int) -> int:
    if amount < 0:
        raise ValueError("below zero")
    return amount


class Till(Actor):
    total: int = 0

    @handler
    async def pay(self, amount: int) -> int:
        self.total += amount
        await charge(amount)
        approved = await actors.signal("approve", bool)
        if not approved:
            raise actors.TerminalError("declined")
        return self.total


Handle = InvocationHandle[int]


async def scheduled(till: Any) -> Handle:
    handle: Handle = await till.pay.options(delay=500.0).send(1)
    return handle


async def queued(till: Any) -> Handle:
    await till.pay.send(1)
    handle: Handle = await till.pay.send(2)
    return handle


async def queued_with_signal(till: Any) -> Handle:
    handle = await queued(till)
    await handle.signal("approve", True)
    return handle


async def queued_and_paused(till: Any) -> Handle:
    handle = await queued(till)
    await handle.pause()
    return handle


async def waiting(till: Any) -> Handle:
    handle: Handle = await till.pay.send(1)
    return handle


async def backing_off(till: Any) -> Handle:
    handle: Handle = await till.pay.send(-1)
    return handle


async def paused(till: Any) -> Handle:
    handle = await waiting(till)
    await handle.pause()
    return handle


async def killed_before_it_began(till: Any) -> Handle:
    handle = await queued_with_signal(till)
    await handle.kill()
    return handle


async def cancelled_before_its_date(till: Any) -> Handle:
    handle = await scheduled(till)
    await handle.cancel()
    return handle


async def cancelled(till: Any) -> Handle:
    handle = await waiting(till)
    await quiet()
    await handle.cancel()
    return handle


async def succeeded(till: Any) -> Handle:
    handle = await waiting(till)
    await handle.signal("approve", True)
    return handle


async def failed(till: Any) -> Handle:
    handle = await waiting(till)
    await handle.signal("approve", False)
    return handle


STATES: dict[str, Callable[[Till], Awaitable[Handle]]] = {
    make.__name__: make
    for make in (
        scheduled,
        queued,
        queued_with_signal,
        queued_and_paused,
        waiting,
        backing_off,
        paused,
        killed_before_it_began,
        cancelled_before_its_date,
        cancelled,
        succeeded,
        failed,
    )
}

VERBS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("cancel", (), {}),
    ("cancel", (), {"children": "all", "kill_after": 10.0}),
    ("kill", (), {}),
    ("pause", (), {}),
    ("pause", (), {"mode": "now"}),
    ("resume", (), {}),
    ("resume", (), {"dry_run": True}),
    ("check", (), {"deployment": "keep"}),
    ("signal", ("approve", True), {}),
    ("reschedule", (), {}),
    ("reschedule", (), {"delay": 1000.0}),
    ("purge", (), {}),
    ("info", (), {}),
    ("why", (), {}),
    *(
        ("restart", (point,), {"rewind_state": rewinds, "stop": stop, "input": given, "dry_run": is_dry})
        for point in (None, "charge", "approve", "end", "entry 1", "9")
        for rewinds in (False, True)
        for stop, given, is_dry in ((None, None, False), ("kill", None, False), ("cancel", 3, False), ("kill", 3, True))
    ),
]


@pytest.mark.parametrize("state", STATES)
async def test_a_verb_is_obeyed_or_refused_with_a_type(state: str, caplog: pytest.LogCaptureFixture) -> None:
    async with Lab(Till).running() as runtime:
        for number, (verb, positional, options) in enumerate(VERBS):
            handle = await STATES[state](runtime.client.actor(Till, str(number)))
            await quiet()
            try:
                await getattr(handle, verb)(*positional, **options)
            except actors.TerminalError as refusal:
                assert not isinstance(refusal, actors.errors.InternalError), (verb, positional, options)
        await quiet()
    assert [record for record in caplog.records if record.name in (faults_log.name, set_aside_log.name)] == []
