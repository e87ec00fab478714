"""A validator refuses arguments before anything is recorded, whoever calls, with the error that it raises."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import Actor, InvalidArgumentError, Service, TerminalError, handler, shared
from actors.errors import DefinitionError
from actors.model.classes import definition_of
from tests.lab import WORLD, Lab
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class TooMuch(TerminalError):
    http_status = 422


def check_payment(amount: int, to: str = "bank") -> None:
    WORLD.note(f"validated {amount!r} to {to}")
    if amount <= 0:
        raise ValueError(f"the amount is {amount}, expected more than 0")
    if amount > 100:
        raise TooMuch("at most 100", details={"to": to})
    if amount == 13:
        raise RuntimeError  # without a text


def check_key(wanted: str) -> None:
    if not wanted:
        raise InvalidArgumentError("the key is empty", path="wanted")


class Account(Actor):
    paid: int = 0

    @handler(validate=check_payment)
    async def pay(self, amount: int, to: str = "bank") -> int:
        self.paid += amount
        return self.paid

    @shared(validate=check_key)
    async def look(self, wanted: str) -> str:
        return wanted


class Clerk(Service):
    @handler
    async def pay(self, amount: int) -> str:
        try:
            await actors.actor(Account, "a").pay(amount)
        except TooMuch as error:
            await actors.sleep(1.0)
            return f"{error} {error.details}"
        except InvalidArgumentError as error:
            return str(error)
        return "paid"

    @handler
    async def pay_by_name(self, amount: int) -> None:
        await actors.send("Account/a/pay", {"amount": amount})


async def refusal(asked: Any, kind: type[Exception]) -> Any:
    with pytest.raises(kind) as refused:
        await asked
    return refused.value


async def test_a_refused_call_leaves_nothing_and_gets_the_error_that_was_raised() -> None:
    async with Lab(Account).running() as runtime:
        account, client = runtime.client.actor(Account, "a"), runtime.client
        assert "expected more than 0" in str(await refusal(account.pay(0), InvalidArgumentError))
        assert (await refusal(account.pay.send(101, to="ada"), TooMuch)).details == {"to": "ada"}
        assert (await refusal(client.call("Account/a/pay", {"amount": 101}), TooMuch)).details == {"to": "bank"}
        assert "RuntimeError" in str(await refusal(client.send("Account/a/pay", 13), InvalidArgumentError))
        assert (await refusal(account.look(""), InvalidArgumentError)).path == "wanted"
        assert not await client.invocations()
        assert await account.pay(5) == 5
        assert WORLD.count("validated 5 to bank") == 1  # a replay of the handler runs no validator of its own


async def test_a_handler_gets_it_at_its_call_also_when_it_is_replayed() -> None:
    lab = Lab(Account, Clerk)
    async with lab.running() as runtime:
        clerk = runtime.client.service(Clerk)
        handle = await clerk.pay.send(200)
        assert await clerk.pay(3) == "paid"
        assert "more than 0" in await clerk.pay(-1)
        with pytest.raises(TooMuch):
            await clerk.pay_by_name(101)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == "at most 100 {'to': 'bank'}"
        assert [info.target.handler for info in await runtime.client.invocations(service="Account")] == ["pay"]


async def test_a_restart_with_other_input_is_validated_too() -> None:
    async with Lab(Account).running() as runtime:
        handle = await runtime.client.actor(Account, "a").pay.send(5)
        assert await handle.result() == 5
        await refusal(handle.restart(input={"amount": 101}), TooMuch)
        await refusal(handle.restart(input={"amount": -1}), InvalidArgumentError)
        assert not (await handle.info()).successors


async def wait_for(amount: int) -> None:
    """No validator."""


@pytest.mark.parametrize("validator", [wait_for, lambda other: None, lambda: None, 7])
def test_a_validator_that_does_not_fit_is_refused_with_the_class(validator: Any) -> None:
    class Shop(Service):
        @handler(validate=validator)
        async def buy(self, amount: int) -> None: ...

    with pytest.raises(DefinitionError):
        definition_of(Shop)
