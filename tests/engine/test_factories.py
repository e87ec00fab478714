"""Factories of fields: called once for an object, before anybody sees the field, and recorded."""

from __future__ import annotations

from itertools import count

import pytest

import actors
from actors import Actor, RetryPolicy, handler, shared, step
from tests.lab import WORLD, Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

_NUMBERS = count(1)


def number() -> str:
    WORLD.note("number")
    return f"number {next(_NUMBERS)}"


def unlucky() -> str:
    WORLD.note("unlucky")
    if WORLD.count("unlucky") < 3:
        raise ConnectionError("no numbers left")
    return "late"


@step
async def pay(ident: str) -> None:
    WORLD.note(ident)


@step
async def pause() -> None:
    if WORLD.count("go") == 0:
        raise ConnectionError("not yet")


class Tenant(Actor):
    ident: str = actors.field(factory=number)
    notes: list[str] = actors.field(factory=lambda: ["first"])
    count: int = 0

    @handler
    async def who(self) -> str:
        return self.ident

    @shared
    async def look(self) -> str:
        return self.ident

    @shared
    async def look_long(self) -> tuple[str, str, list[str]]:
        before = self.ident
        await actors.signal("go")
        return before, self.ident, self.notes

    @handler
    async def note(self, text: str) -> list[str]:
        self.notes.append(text)
        return self.notes

    @handler(retry=RetryPolicy(max_attempts=3, initial_delay=0.1))
    async def unsteady(self) -> str:
        WORLD.note(("seen", self.ident))
        if WORLD.count(("seen", self.ident)) < 3:
            raise ConnectionError("not yet")
        return self.ident

    @handler(atomic=True)
    async def pay_and_fail(self) -> None:
        self.count = 1
        await pay(self.ident)
        raise actors.TerminalError("declined")

    @handler
    async def charge(self) -> str:
        self.count += 1
        await pay(self.ident)
        return self.ident


class Unlucky(Actor):
    ident: str = actors.field(factory=unlucky)

    @handler(retry=RetryPolicy(max_attempts=5, initial_delay=0.1))
    async def who(self) -> str:
        return self.ident


class Wrong(Actor):
    ident: str = actors.field(factory=lambda: 5)  # type: ignore[arg-type, return-value]

    @handler
    async def who(self) -> str:
        return self.ident


class Durable(Actor):
    ident: str = actors.field(factory=lambda: str(actors.uuid4()))

    @handler(retry=RetryPolicy(max_attempts=1))
    async def who(self) -> str:
        return self.ident


@pytest.fixture(autouse=True)
def _no_effects_yet() -> None:
    WORLD.clear()


async def test_what_a_factory_gave_is_the_same_for_everybody_ever_after() -> None:
    lab = Lab(Tenant)
    async with lab.running() as runtime:
        carol = runtime.client.actor(Tenant, "carol")
        first = await carol.who()
        assert [await carol.who(), await carol.look()] == [first, first]
        assert await runtime.client.actor(Tenant, "dora").who() != first
    async with lab.running() as runtime:
        assert await runtime.client.actor(Tenant, "carol").look() == first
        assert (await runtime.client.object(Tenant, "carol").info()).fields["ident"] == first
    assert WORLD.count("number") == 2


async def test_a_reader_that_comes_first_sees_what_all_others_see() -> None:
    lab = Lab(Tenant)
    async with lab.running() as runtime:
        seen = await runtime.client.actor(Tenant, "k").look()
    async with lab.running() as runtime:
        assert await runtime.client.actor(Tenant, "k").who() == seen
    assert WORLD.count("number") == 1


async def test_a_reader_that_waits_sees_the_same_in_its_replay() -> None:
    lab = Lab(Tenant)
    async with lab.running() as runtime:
        reader = await runtime.client.actor(Tenant, "k").look_long.send()
        assert await runtime.client.actor(Tenant, "k").note("second") == ["first", "second"]
        ident = await runtime.client.actor(Tenant, "k").who()
    async with lab.running() as runtime:
        reader = runtime.client.invocation(reader.id)
        await reader.signal("go")
        assert await reader.result() == (ident, ident, ["first"])


async def test_it_is_kept_when_the_handler_fails() -> None:
    lab = Lab(Tenant)
    async with lab.running() as runtime:
        k = runtime.client.actor(Tenant, "k")
        ident = await k.unsteady()
        assert WORLD.count(("seen", ident)) == 3
        other = runtime.client.actor(Tenant, "l")
        with pytest.raises(actors.TerminalError, match="declined"):
            await other.pay_and_fail()
        assert WORLD.count(await other.who()) == 1
        assert (await runtime.client.object(Tenant, "l").info()).fields["count"] == 0
    assert WORLD.count("number") == 2


async def test_a_restart_keeps_it_and_so_does_rewinding() -> None:
    lab = Lab(Tenant)
    async with lab.running() as runtime:
        k = runtime.client.actor(Tenant, "k")
        charge = await k.charge.send()
        ident = await charge.result()
        for options in ({}, {"rewind_state": True}, {"from_step": "pay"}, {"from_step": "pay", "rewind_state": True}):
            again = await charge.restart(**options, again=True)  # type: ignore[arg-type]
            assert await runtime.client.invocation(again.successor.invocation_id).result() == ident
            report = await runtime.client.invocation(again.successor.invocation_id).check(deployment="keep")
            assert report.is_compatible, options
        assert await k.who() == ident
    assert WORLD.count("number") == 1


async def test_it_is_in_the_history_and_changes_no_version() -> None:
    async with Lab(Tenant).running() as runtime:
        k = runtime.client.object(Tenant, "k")
        assert "ident" not in (await k.info()).fields
        who = await runtime.client.actor(Tenant, "k").who.send()
        ident = await who.result()
        assert "FieldsInitialized" in [event.name async for event in who.events()]
        assert [(change.value, change.invocation_id) for change in await k.history("ident")] == [(ident, who.id)]
        edited = await k.edit(set={"count": 3}, if_version=0)
        assert edited.before == {"count": 0}
        cleared = await k.edit(clear=["ident"])
        assert cleared.before == {"ident": ident}
        assert cleared.after == {"ident": await runtime.client.actor(Tenant, "k").who()} != cleared.before


async def test_a_factory_that_raises_fails_the_attempt() -> None:
    async with Lab(Unlucky).running() as runtime:
        assert await runtime.client.actor(Unlucky, "k").who() == "late"


async def test_what_does_not_fit_and_what_needs_a_handler_is_refused_by_name() -> None:
    async with Lab(Wrong, Durable).running() as runtime:
        with pytest.raises(actors.errors.UnserializableError, match="field ident"):
            await runtime.client.actor(Wrong, "k").who()
        with raises(actors.errors.MisuseError, code="outside_handler"):
            await runtime.client.actor(Durable, "k").who()
