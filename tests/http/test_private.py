"""Private handlers are called by other handlers and by the program that runs them, and not over HTTP; a validator refuses requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import actors
from actors import Actor, InvalidArgumentError, Service, TerminalError, handler, shared
from actors.errors import AccessDeniedError, ErrorCode
from tests.http.served import serving

if TYPE_CHECKING:
    from pathlib import Path


class Ledger(Actor, private=True, aliases=("Book",)):
    total: int = 0

    @handler
    async def enter(self, amount: int) -> int:
        self.total += amount
        return self.total


class SubLedger(Ledger, name="SubLedger"):
    pass


class Overdrawn(TerminalError):
    http_status = 422


def check_amount(amount: int) -> None:
    if amount < 0:
        raise Overdrawn("nothing is left", details={"left": 0})


class Account(Actor):
    @handler(validate=check_amount)
    async def pay(self, amount: int) -> int:
        await self.note.send("paid")
        return await actors.actor(Ledger, self.key).enter(amount)

    @handler(private=True, aliases=("remark",))
    async def note(self, text: str) -> None:
        """Note it."""

    @shared(private=True)
    async def look(self) -> int:
        return 1


PATHS = (
    "/Ledger/a/enter",
    "/Book/a/enter",
    "/SubLedger/a/enter",
    "/Ledger/a/enter/send",
    "/restate/call/Ledger/a/enter",
    "/restate/send/Account/a/note",
    "/Account/a/remark",
    "/Account/a/look",
)


async def test_what_is_private_is_refused_over_http_under_all_names(tmp_path: Path) -> None:
    async with serving(tmp_path, Ledger, SubLedger, Account) as served, served.client() as client:
        for path in PATHS:
            answer = await served.http.post(path, json=1)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
        with pytest.raises(AccessDeniedError) as refused:
            await client.actor(Ledger, "a").enter(1)
        assert refused.value.code is ErrorCode.FORBIDDEN
        with pytest.raises(AccessDeniedError):
            await client.send("Account/a/note", "x")
        assert not await client.invocations()
        document = (await served.http.get("/openapi.json")).json()["paths"]
        assert [path for path in document if "Account" in path or "Ledger" in path] == [
            "/Account/{key}/pay",
            "/Account/{key}/pay/send",
        ]
        described = {(one.name, each.name): each.private for one in await client.services() for each in one.handlers}
        assert [name for name, is_private in described.items() if not is_private] == [("Account", "pay")]


async def test_handlers_and_the_program_itself_call_it_and_a_validator_refuses_the_others(tmp_path: Path) -> None:
    async with serving(tmp_path, Ledger, Account) as served, served.client() as client:
        refused = await served.http.post("/Account/a/pay", json=-1)
        assert (refused.status_code, refused.json()["details"]) == (422, {"left": 0})
        with pytest.raises(Overdrawn):
            await client.send("Account/a/pay", -1)
        assert not await client.invocations()
        assert await client.actor(Account, "a").pay(3) == 3
        assert await served.runtime.client.actor(Ledger, "a").enter(4) == 7
        assert await served.runtime.client.call("Ledger/a/enter", 5) == 12


def test_what_is_no_truth_value_is_refused_at_the_definition() -> None:
    with pytest.raises(InvalidArgumentError):

        class Odd(Service, private="yes"):  # type: ignore[call-arg]
            @handler
            async def run(self) -> None: ...
