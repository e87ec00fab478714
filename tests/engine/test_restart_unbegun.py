"""Restart of an invocation that ended, or waits, before its handler ran: there is nothing to rewind, and nothing breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import actors
from actors import Actor, InvocationHandle, Service, Status, handler
from tests.lab import Lab, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = on_virtual_time


class Ledger(Actor):
    total: int = 0

    @handler
    async def hold(self) -> None:
        await actors.signal("release", bool)

    @handler
    async def book(self, amount: int) -> int:
        approved = await actors.signal("approve", bool)
        self.total += amount if approved else 0
        return self.total


class Mail(Service):
    @handler
    async def approve(self) -> bool:
        return await actors.signal("approve", bool)


@pytest.fixture
async def client() -> AsyncIterator[actors.Client]:
    async with Lab(Ledger, Mail).running() as runtime:
        yield runtime.client


async def queued(client: actors.Client) -> InvocationHandle[int]:
    """A booking that waits for its key."""
    await client.actor(Ledger, "a").hold.send()
    booking = await client.actor(Ledger, "a").book.send(5)
    await quiet()
    assert (await booking.info()).status is Status.QUEUED
    return booking


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("end", ["kill", "cancel", None])
async def test_what_never_began_cannot_be_rewound(client: actors.Client, end: str | None, dry_run: bool) -> None:
    booking = await queued(client)
    if end is not None:
        await getattr(booking, end)()
    with raises(actors.ConflictError, code="not_possible") as refusal:
        await booking.restart(rewind_state=True, stop="kill", dry_run=dry_run)
    assert "rewind_state" in str(refusal.value)
    assert (await booking.info()).successors == ()


async def test_a_rewinding_restart_from_the_end_is_refused_too(client: actors.Client) -> None:
    booking = await queued(client)
    await booking.signal("approve", True)
    await booking.kill()
    with raises(actors.ConflictError, code="not_possible"):
        await booking.restart("end", rewind_state=True)


@pytest.mark.parametrize("point", ["end", "entry 0", None])
async def test_without_rewinding_it_begins_with_the_fields_as_they_are(
    client: actors.Client, point: str | None
) -> None:
    booking = await queued(client)
    await booking.kill()
    again = client.invocation((await booking.restart(point)).successor.invocation_id)
    await release(client)
    await again.signal("approve", True)
    assert await again.result() == 5


@pytest.mark.parametrize("point", ["end", "entry 1"])
async def test_signals_that_came_before_it_began_are_kept(client: actors.Client, point: str) -> None:
    booking = await queued(client)
    await booking.signal("approve", True)
    await booking.kill()
    again = client.invocation((await booking.restart(point)).successor.invocation_id)
    await release(client)
    assert await again.result() == 5


async def test_signals_of_a_service_that_never_began_are_kept(client: actors.Client) -> None:
    mail = await client.service(Mail).approve.options(delay=100.0).send()
    await mail.signal("approve", True)
    await mail.kill()
    again = client.invocation((await mail.restart("end")).successor.invocation_id)
    assert await again.result() is True


@pytest.mark.parametrize("point", ["", " "])
async def test_an_empty_step_is_not_the_beginning(client: actors.Client, point: str) -> None:
    booking = await queued(client)
    with pytest.raises(actors.InvalidArgumentError) as refusal:
        await booking.restart(point, stop="kill")
    assert refusal.value.path == "from_step"
    with pytest.raises(actors.InvalidArgumentError):
        await client.jobs.where("status = 'queued'").restart(point, stop="kill")
    assert (await booking.info()).successors == ()


async def release(client: actors.Client) -> None:
    holding, *_ = await client.invocations(handler="hold")
    await client.invocation(holding.id).signal("release", True)
