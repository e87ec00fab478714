"""What clients want of the bank. An operation follows from its number alone, so that it can be asked for again."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import trio

import actors
from tests.crash.bank import Account, Bank, write_line

if TYPE_CHECKING:
    from actors import Client, InvocationHandle

ACCOUNTS = 8
KINDS = ("deposit", "note", "later", "transfer", "post", "steps", "nap", "wait", "cancel", "kill", "pause")
_WEIGHTS = (4, 4, 1, 2, 2, 2, 2, 2, 1, 1, 1)


@attrs.frozen
class Operation:
    """One of them; ``key`` is its idempotency key."""

    number: int
    kind: str
    account: str
    other: str
    amount: int
    seconds: float

    @property
    def key(self) -> str:
        return f"operation {self.number}"


def operation(number: int) -> Operation:
    """The operation of this number."""
    random = Random(number)
    kind = random.choices(KINDS, _WEIGHTS)[0]
    account, other = (f"a{random.randrange(ACCOUNTS)}" for _ in range(2))
    return Operation(number, kind, account, other, random.randrange(1, 10), round(random.random() / 2, 3))


def number_of(key: str) -> int:
    """The number of the operation that has this idempotency key."""
    return int(key.removeprefix("operation "))


async def perform(client: Client, wanted: Operation, life: int) -> None:
    """Ask for it; each acknowledgement is a line on stdout, the moment it is here."""
    account = client.actor(Account, wanted.account)
    bank = client.service(Bank)
    key = wanted.key
    match wanted.kind:
        case "deposit":
            _done(wanted, await account.deposit.options(idempotency_key=key)(wanted.amount))
        case "transfer":
            transfer = bank.transfer.options(idempotency_key=key)
            _done(wanted, await transfer(wanted.account, wanted.other, wanted.amount))
        case "note":
            _sent(wanted, await account.note.options(idempotency_key=key).send(wanted.number))
        case "later":
            later = account.note.options(idempotency_key=key, delay=wanted.seconds)
            _sent(wanted, await later.send(wanted.number))
        case "post":
            _sent(wanted, await bank.post.options(idempotency_key=key).send(wanted.account, wanted.number))
        case "steps":
            _sent(wanted, await bank.steps.options(idempotency_key=key).send(wanted.number))
        case "nap":
            _sent(wanted, await bank.nap.options(idempotency_key=key).send(wanted.seconds))
        case _:
            await _steer(bank, wanted, life)


async def _steer(bank: Bank, wanted: Operation, life: int) -> None:
    key = wanted.key
    handle: InvocationHandle[Any]
    if wanted.kind == "wait":
        handle = await bank.wait.options(idempotency_key=key).send()
    elif wanted.kind == "pause":
        handle = await bank.nap.options(idempotency_key=key).send(wanted.seconds)
    else:
        handle = await bank.endure.options(idempotency_key=key).send()
    _sent(wanted, handle)
    await trio.sleep(0.004)
    try:
        match wanted.kind:
            case "wait":
                await handle.signal("go", life)
                _acknowledge("signalled", wanted, life)
            case "cancel":
                await handle.cancel(reason="enough")
                _acknowledge("cancelled", wanted)
            case "kill":
                await handle.kill(reason="enough")
                _acknowledge("killed", wanted)
            case "pause":
                await handle.pause(reason="wait")
                _acknowledge("paused", wanted)
                await handle.resume()
    except actors.AlreadyCompletedError:
        return


def _sent(wanted: Operation, handle: InvocationHandle[Any]) -> None:
    _acknowledge("sent", wanted, handle.id)


def _done(wanted: Operation, result: object) -> None:
    _acknowledge("done", wanted, json.dumps(result))


def _acknowledge(verb: str, wanted: Operation, what: object = "") -> None:
    write_line(1, f"{verb} {wanted.number} {what}")
