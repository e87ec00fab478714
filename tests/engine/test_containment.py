"""An invocation that makes the engine fail is paused, or its object is set aside. The runtime and its next start go on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

import actors
from actors import Actor, RetryPolicy, Service, handler, step
from journal.events import PauseCause, Status
from tests.hostile.errors import refuse
from tests.lab import Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    pass

pytestmark = on_virtual_time


class Unasked(type):
    """Classes of errors that cannot be asked whether an error is one of them."""

    __instancecheck__ = refuse


class Strange(Exception, metaclass=Unasked):
    """Named by a policy."""


STRANGE = RetryPolicy(terminal=(Strange,))
ODD = attrs.evolve(RetryPolicy())
for name, value in {"max_attempts": "ten", "initial_delay": math.nan}.items():
    object.__setattr__(ODD, name, value)  # as no definition lets it be


@step
async def first() -> int:
    await trio.sleep(0.05)
    return 1


@step(retry=STRANGE)
async def refused_under_a_strange_policy() -> None:
    raise ValueError("no")


@step(retry=ODD)
async def refused_under_an_odd_policy() -> None:
    raise ValueError("no")


class Poison(Service):
    @handler(retry=STRANGE)
    async def strange_policy(self) -> None:
        await first()
        raise ValueError("no")

    @handler(retry=ODD)
    async def odd_policy(self) -> None:
        await first()
        raise ValueError("no")

    @handler
    async def strange_policy_of_a_step(self) -> None:
        await first()
        await refused_under_a_strange_policy()

    @handler
    async def odd_policy_of_a_step(self) -> None:
        await first()
        await refused_under_an_odd_policy()


class Bystander(Actor):
    count: int = 0

    @handler
    async def add(self) -> int:
        self.count += 1
        return self.count


async def alive(runtime: actors.Runtime) -> None:
    """Somebody else's object answers, and what it says is durable."""
    with trio.fail_after(5):
        await runtime.client.actor(Bystander, "b").add()


POISONS = [
    name
    for name, value in vars(Poison).items()
    if isinstance(value, object) and name.islower() and not name.startswith("_")
]


@pytest.mark.parametrize("name", POISONS)
async def test_what_makes_the_engine_fail_pauses_its_invocation(name: str) -> None:
    lab = Lab(Poison, Bystander)
    async with lab.running() as runtime:
        handle = await getattr(runtime.client.service(Poison), name).send()
        await trio.sleep(60)
        await alive(runtime)
    for _ in range(2):
        async with lab.running() as runtime:
            await trio.sleep(60)
            await alive(runtime)
            held = runtime.client.invocation(handle.id)
            info = await held.info()
            assert info.status is Status.PAUSED
            assert "Traceback" in info.pause_reason
            paused = [entry async for entry in held.events()][-1]
            assert paused.name == "InvocationPaused"
            assert paused.details["cause"] == PauseCause.HANDLER.value
            await held.resume()
    async with lab.running() as runtime:
        await runtime.client.invocation(handle.id).kill()
        await alive(runtime)
