"""A money transfer: a saga that undoes its actions when it fails or is cancelled.

A final failure is a ``TerminalError``; any other exception is retried. A cancel is raised at the await in progress, once the call or
the step there has ended, so a compensation never runs beside its own action. The action may or may not have taken effect, so
``reverse`` looks at the account instead of the exception.

    python examples/transfer.py
    playhead serve examples/transfer.py     # in another shell:
    playhead call Account/alice/book '{"entry": "opening", "amount": 100}'
    playhead call Transfer/run '{"source": "alice", "target": "bob", "amount": 30}'
    playhead call Transfer/run '{"source": "alice", "target": "bob", "amount": 1000}'
    playhead call Account/alice/balance
"""

import tempfile

import trio

import actors
from actors import Actor, Service, handler, shared, step


class InsufficientFunds(actors.TerminalError):  # the caller's await raises this class
    http_status = 409


class Suspicious(actors.TerminalError):
    http_status = 409


class Account(Actor):
    entries: dict[str, int] = actors.field(factory=dict)

    @handler
    async def book(self, entry: str, amount: int) -> None:
        total = sum(self.entries.values())
        if total + amount < 0:
            raise InsufficientFunds(f"{self.key} has {total}, asked for {-amount}", details={"balance": total})
        self.entries[entry] = amount

    @handler
    async def reverse(self, entry: str) -> None:
        self.entries.pop(entry, None)

    @shared
    async def balance(self) -> int:
        return sum(self.entries.values())


@step
async def screen(source: str, target: str, amount: int) -> None:
    """A placeholder for an external fraud check. Pass it ``actors.step_key()``, the same at every try, as idempotency key."""
    await trio.sleep(0.3)
    if target == "mallory":
        raise Suspicious(f"{source} sends {amount} to {target}")


class Transfer(Service):
    @handler
    async def run(self, source: str, target: str, amount: int) -> None:
        transfer = actors.current_invocation()
        payer, payee = actors.actor(Account, source), actors.actor(Account, target)
        try:
            await payer.book(transfer, -amount)
            await screen(source, target, amount)
            await payee.book(transfer, amount)
        except (actors.TerminalError, actors.CancelledError):
            await payee.reverse(transfer)
            await payer.reverse(transfer)
            raise


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Account, Transfer, path=data) as runtime:
            client = runtime.client
            alice, bank = client.actor(Account, "alice"), client.service(Transfer)
            await alice.book("opening", 100)

            await bank.run("alice", "bob", 30)
            print("30 to bob, alice has", await alice.balance())

            for target, amount in (("bob", 1000), ("mallory", 50)):
                try:
                    await bank.run("alice", target, amount)
                except (InsufficientFunds, Suspicious) as error:
                    print(f"refused: {error}; alice has", await alice.balance())

            third = await bank.run.send("alice", "carol", 20)
            await trio.sleep(0.1)
            print("20 on the way to carol, alice has", await alice.balance())
            await third.cancel(reason="a slip of the finger")
            outcome = await third.outcome()
            print(f"{outcome.kind.value}: {outcome.reason}; alice has", await alice.balance())


if __name__ == "__main__":
    trio.run(main)
