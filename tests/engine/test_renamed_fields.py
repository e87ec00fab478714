"""A field that is renamed keeps its stored values under its aliases, whichever code reads and writes them next."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import actors
from actors import Actor, Log, Map, handler, shared, step
from actors.errors import DefinitionError, DefinitionReason
from tests.lab import Lab, quiet
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def note(text: str) -> str:
    return text


def old_code() -> type:
    class Account(Actor):
        total: int = 0
        opened: list[str] = actors.field(factory=lambda: ["once"])
        lines: Log[str]
        prices: Map[str, int]
        rows: list[str] = actors.field(factory=list)

        @handler
        async def fill(self, amount: int) -> None:
            self.total += amount
            self.lines.append(f"line {amount}")
            self.prices["x"] = amount
            self.rows.append(f"row {amount}")

        @handler
        async def slowly(self, amount: int) -> int:
            self.total += amount
            self.prices["y"] = amount
            await note("before")
            await actors.signal("go")
            self.total += amount
            self.lines.append("slow")
            return self.total

        @shared
        async def see(self) -> tuple[int, list[str], dict[str, int]]:
            return self.total, list(self.lines), dict(self.prices.items())

    return Account


def new_code() -> type:
    class Account(Actor):
        balance: int = actors.field(default=0, aliases=("sum", "total"))
        since: list[str] = actors.field(factory=lambda: ["never"], aliases=("opened",))
        entries: Log[str] = actors.field(aliases=("lines",))
        costs: Map[str, int] = actors.field(aliases=["prices"])
        records: list[str] = actors.field(factory=list, aliases=("rows",))

        @handler
        async def fill(self, amount: int) -> None:
            self.balance += amount
            self.entries.append(f"line {amount}")
            self.costs["z"] = amount
            self.records.append(f"row {amount}")

        @handler
        async def slowly(self, amount: int) -> int:
            self.balance += amount
            self.costs["y"] = amount
            await note("before")
            await actors.signal("go")
            self.balance += amount
            self.entries.append("slow")
            return self.balance

        @shared
        async def see(self) -> tuple[int, list[str], dict[str, int]]:
            return self.balance, list(self.entries), dict(self.costs.items())

        @shared
        async def see_all(self) -> tuple[list[str], list[str]]:
            return list(self.since), list(self.records)

        @shared
        async def see_later(self) -> tuple[int, int]:
            first = self.balance
            await actors.signal("go")
            return first, self.balance

    return Account


OLD: Any = old_code()
NEW: Any = new_code()


async def test_stored_values_are_read_and_changed_under_the_new_name() -> None:
    lab = Lab(NEW)
    async with lab.running(OLD) as runtime:
        await runtime.client.actor(OLD, "a").fill(5)
    async with lab.running(NEW) as runtime:
        account = runtime.client.actor(NEW, "a")
        assert await account.see() == (5, ["line 5"], {"x": 5})
        await account.fill(2)
        assert await account.see() == (7, ["line 5", "line 2"], {"x": 5, "z": 2})
        assert await account.see_all() == (["once"], ["row 5", "row 2"])
    async with lab.running(NEW) as runtime:  # also from the disk
        assert await runtime.client.actor(NEW, "a").see() == (7, ["line 5", "line 2"], {"x": 5, "z": 2})
        fresh = runtime.client.actor(NEW, "b")
        assert await fresh.see_all() == (["never"], [])
        await fresh.fill(1)
        assert await fresh.see() == (1, ["line 1"], {"z": 1})


async def test_a_list_under_an_alias_becomes_a_log() -> None:
    class Account(Actor):
        records: Log[str] = actors.field(aliases=("rows",))

        @handler
        async def fill(self, amount: int) -> list[str]:
            self.records.append(f"row {amount}")
            return list(self.records)

    lab = Lab(Account)
    async with lab.running(OLD) as runtime:
        await runtime.client.actor(OLD, "a").fill(5)
    for amount, expected in ((6, ["row 5", "row 6"]), (7, ["row 5", "row 6", "row 7"])):
        async with lab.running(Account) as runtime:
            assert await runtime.client.actor(Account, "a").fill(amount) == expected
            assert (await runtime.client.object("Account", "a").info()).logs == {"lines": 1, "records": amount - 4}


async def test_the_code_before_the_change_reads_what_the_code_after_it_wrote() -> None:
    lab = Lab(NEW)
    async with lab.running(OLD) as runtime:
        await runtime.client.actor(OLD, "a").fill(5)
    async with lab.running(NEW) as runtime:
        await runtime.client.actor(NEW, "a").fill(2)
    async with lab.running(OLD) as runtime:
        assert await runtime.client.actor(OLD, "a").see() == (7, ["line 5", "line 2"], {"x": 5, "z": 2})


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_handler_that_is_under_way_goes_on_with_the_new_name(is_stored: bool) -> None:
    lab = Lab(NEW)
    async with lab.running(OLD) as runtime:
        account = runtime.client.actor(OLD, "a")
        if is_stored:
            await account.fill(5)
        handle = await account.slowly.send(10)
        await quiet()
    async with lab.running(NEW) as runtime:
        account = runtime.client.actor(NEW, "a")
        assert await account.see() == ((15, ["line 5"], {"x": 5, "y": 10}) if is_stored else (10, [], {"y": 10}))
        reads = await account.see_later.send()
        await quiet()
        (check,) = [await runtime.client.invocation(handle.id).check()]
        assert check.is_compatible
        await runtime.client.invocation(handle.id).signal("go")
        assert await runtime.client.invocation(handle.id).result() == (25 if is_stored else 20)
        await runtime.client.invocation(reads.id).signal("go")
        first, then = await reads.result()
        assert first == then == (15 if is_stored else 10)
        assert (await account.see())[0] == (25 if is_stored else 20)
        assert (await runtime.client.object("Account", "a").info()).undeclared == ()
        again = await runtime.client.invocation(handle.id).restart(from_step="note", rewind_state=True)
        assert await runtime.client.invocation(again.successor.invocation_id).result() == (25 if is_stored else 20)


async def test_everything_outside_shows_the_new_name() -> None:
    lab = Lab(NEW)
    async with lab.running(OLD) as runtime:
        await runtime.client.actor(OLD, "a").fill(5)
    async with lab.running(NEW) as runtime:
        kept = runtime.client.object("Account", "a")
        info = await kept.info()
        assert info.fields == {"balance": 5, "records": ["row 5"], "since": ["once"]}
        assert info.logs == {"entries": 1}
        assert info.maps == ("costs",)
        assert info.undeclared == ()
        assert [item.value for item in await kept.items("entries")] == ["line 5"]
        assert [item.item for item in await kept.items("costs")] == ['"x"']
        assert [change.value for change in await kept.history("balance")] == [5]
        edited = await kept.edit(set={"balance": 8}, items={"costs": {'"x"': 6}})
        assert edited.before == {"balance": 5, 'costs["x"]': 5}
        await runtime.client.actor(NEW, "a").fill(1)
        assert [change.value for change in await kept.history("balance")] == [5, 8, 9]
        rows = await runtime.client.query(
            "select field, value, length, stored_as, is_declared from sys_state where key = 'a' and field in ('balance', 'costs', 'records')"
        )
        assert rows.rows == [
            ["balance", "9", None, "total", 1],
            ["costs", '{"x":6,"z":1}', 2, "prices", 1],
            ["records", '["row 5","row 1"]', None, "rows", 1],
        ]
        services = await runtime.client.services()
        assert [field.aliases for field in services[0].fields][:2] == [("sum", "total"), ("opened",)]


async def test_of_values_under_several_names_the_field_has_that_of_the_first() -> None:
    class Account(Actor):
        balance: int = 0

        @handler
        async def fill(self, amount: int) -> None:
            self.balance += amount

    lab = Lab(NEW)
    async with lab.running(OLD) as runtime:
        await runtime.client.actor(OLD, "a").fill(5)
    async with lab.running(Account) as runtime:
        await runtime.client.actor(Account, "a").fill(1)
    async with lab.running(NEW) as runtime:
        assert (await runtime.client.actor(NEW, "a").see())[0] == 1
        info = await runtime.client.object("Account", "a").info()
        assert info.undeclared == ("total",)
        assert info.fields["total"] == 5


async def test_a_stored_field_without_a_declaration_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    class Account(Actor):
        prices: Map[str, int]
        rows: list[str] = actors.field(factory=list)

        @handler
        async def touch(self) -> int:
            return len(self.prices)

    lab = Lab(Account)
    async with lab.running(OLD) as runtime:
        await runtime.client.actor(OLD, "a").fill(5)
        await runtime.client.actor(OLD, "b").fill(6)
    with caplog.at_level(logging.WARNING, logger="actors"):
        async with lab.running(Account) as runtime:
            for key in ("a", "b", "a"):
                assert await runtime.client.actor(Account, key).touch() == 1
            assert (await runtime.client.object("Account", "b").info()).undeclared == ("lines", "opened", "total")
            rows = await runtime.client.query(
                "select key, field from sys_state where is_declared = 0 and field = 'total'"
            )
            assert [row[0] for row in rows.rows] == ["a", "b"]
    logged = [record.args for record in caplog.records if record.name == "actors.engine.undeclared_fields"]
    assert [args[1] for args in logged if isinstance(args, tuple)] == ["lines", "opened", "total"]
    async with lab.running(OLD) as runtime:
        assert (await runtime.client.actor(OLD, "b").see())[0] == 6


async def test_a_subclass_that_changes_the_default_keeps_the_aliases() -> None:
    class Base(Actor):
        balance: int = actors.field(default=0, aliases=("total",))

        @handler
        async def get(self) -> int:
            return self.balance

    class Account(Base):
        balance = 7

    lab = Lab(Account)
    async with lab.running(OLD) as runtime:
        await runtime.client.actor(OLD, "a").fill(5)
    async with lab.running(Account) as runtime:
        assert await runtime.client.actor(Account, "a").get() == 5
        assert await runtime.client.actor(Account, "b").get() == 7


@pytest.mark.parametrize(
    ("aliases", "reason"),
    [
        ("total", DefinitionReason.NAME),
        (("not a name",), DefinitionReason.NAME),
        ((7,), DefinitionReason.NAME),
        (tuple(f"a{n}" for n in range(33)), DefinitionReason.NAME),
        (("a", "a"), DefinitionReason.DUPLICATE),
        (("balance",), DefinitionReason.DUPLICATE),
        (("other",), DefinitionReason.DUPLICATE),
        (("former",), DefinitionReason.DUPLICATE),
    ],
)
def test_an_alias_that_cannot_be_is_refused(aliases: Any, reason: DefinitionReason) -> None:
    with pytest.raises(DefinitionError) as refused:

        class Account(Actor):
            other: int = actors.field(default=0, aliases=("former",))
            balance: int = actors.field(default=0, aliases=aliases)

            @handler
            async def get(self) -> int:
                return self.balance

    assert refused.value.reason is reason
