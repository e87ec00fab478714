"""What clients want of the bank. An operation follows from its number alone, so that it can be asked for again, by any client
and in any life of the server, until it is answered."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import attrs

import actors
from tests.crash.bank import Account, Bank

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors import Client, InvocationHandle

ACCOUNTS = 8
WEIGHTS = {
    "deposit": 4,
    "append": 4,
    "read": 2,
    "note": 2,
    "later": 1,
    "transfer": 2,
    "post": 2,
    "steps": 2,
    "nap": 2,
    "wait": 2,
    "cancel": 1,
    "kill": 1,
    "pause": 1,
    "restart": 1,
    "job": 1,
}
IN_A_JOB = 3


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

    def part(self, index: int) -> str:
        """The key of one of several invocations."""
        return f"part {index} of {self.key}"


@attrs.frozen
class Heard:
    """An acknowledgement: what was done for an operation, with what the server said."""

    verb: str
    number: int
    what: str = ""


def operation(number: int) -> Operation:
    """The operation of this number."""
    random = Random(number)
    (kind,) = random.choices([*WEIGHTS], [*WEIGHTS.values()])
    account, other = (f"a{random.randrange(ACCOUNTS)}" for _ in range(2))
    return Operation(number, kind, account, other, random.randrange(1, 10), round(random.random() / 4, 3))


def number_of(key: str) -> int | None:
    """The number of the operation that has this idempotency key; None if it is of a part of one."""
    return int(key.removeprefix("operation ")) if key.startswith("operation ") else None


async def perform(client: Client, wanted: Operation, hear: Callable[[Heard], None]) -> None:
    """Ask for it; each acknowledgement is heard at once. May be repeated from its beginning after any error."""

    def said(verb: str, what: object = "") -> None:
        hear(Heard(verb, wanted.number, str(what)))

    account = client.actor(Account, wanted.account)
    bank = client.service(Bank)
    key = wanted.key
    match wanted.kind:
        case "deposit":
            said("done", json.dumps(await account.deposit.options(idempotency_key=key)(wanted.amount)))
        case "append":
            said("done", json.dumps(await account.note.options(idempotency_key=key)(wanted.number)))
        case "read":
            said("read", (await account.read())[1])
        case "transfer":
            transfer = bank.transfer.options(idempotency_key=key)
            said("done", json.dumps(await transfer(wanted.account, wanted.other, wanted.amount)))
        case "note":
            said("sent", (await account.note.options(idempotency_key=key).send(wanted.number)).id)
        case "later":
            later = account.note.options(idempotency_key=key, delay=wanted.seconds)
            said("sent", (await later.send(wanted.number)).id)
        case "post":
            said("sent", (await bank.post.options(idempotency_key=key).send(wanted.account, wanted.number)).id)
        case "steps":
            said("sent", (await bank.steps.options(idempotency_key=key).send(wanted.number)).id)
        case "nap":
            said("sent", (await bank.nap.options(idempotency_key=key).send(wanted.seconds)).id)
        case "job":
            await _ask_many(client, wanted, said)
        case _:
            await _steer(bank, wanted, said)


async def _steer(bank: Bank, wanted: Operation, said: Callable[..., None]) -> None:
    handle = await _steered(bank, wanted)
    said("sent", handle.id)
    try:
        match wanted.kind:
            case "wait":
                await handle.signal("go", wanted.number, idempotency_key=wanted.key)
                said("signalled", wanted.number)
            case "cancel":
                await handle.cancel(reason="enough")
                said("cancelled")
            case "kill":
                await handle.kill(reason="enough")
                said("killed")
            case "pause":
                await handle.pause(reason="wait")
                said("paused")
                await handle.resume()
                said("resumed")
            case "restart":
                answer = await handle.restart(stop="kill", again=True, reason="again", idempotency_key=wanted.key)
                said("restarted", answer.successor.invocation_id)
    except actors.ConflictError:
        return


async def _steered(bank: Bank, wanted: Operation) -> InvocationHandle[Any]:
    match wanted.kind:
        case "wait":
            return await bank.wait.options(idempotency_key=wanted.key).send()
        case "pause":
            return await bank.nap.options(idempotency_key=wanted.key).send(wanted.seconds)
        case "restart":
            return await bank.steps.options(idempotency_key=wanted.key).send(wanted.number)
        case _:
            return await bank.endure.options(idempotency_key=wanted.key).send()


async def _ask_many(client: Client, wanted: Operation, said: Callable[..., None]) -> None:
    """Several wait for a signal, and a job sends it to all of them."""
    bank = client.service(Bank)
    waiting = [await bank.wait.options(idempotency_key=wanted.part(i)).send() for i in range(IN_A_JOB)]
    chosen = client.jobs.of(handle.id for handle in waiting)
    options = {"name": "go", "value": wanted.number}
    job = await chosen.start("signal", options, idempotency_key=wanted.key)
    said("asked", json.dumps([job.id, *(handle.id for handle in waiting)]))
