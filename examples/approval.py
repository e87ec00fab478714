"""A human approval: a handler waits for a person, up to a deadline.

A signal is a named value for one invocation. It is buffered until the handler awaits it, and it has a type: a value that does
not fit is refused. ``move_on_after`` works as in trio, but its deadline is a durable timer. While it waits, the invocation is
suspended, and after a minute its handler leaves memory; the signal or the timer wakes it, in this process or in a later one.

    python examples/approval.py
    playhead serve examples/approval.py     # in another shell:
    playhead send Expenses/submit '{"what": "a chair", "amount": 300}'
    playhead invocations signal INVOCATION_ID decision '{"approved": true, "by": "ada"}'
    playhead invocations describe INVOCATION_ID
"""

import tempfile

import attrs
import trio

import actors
from actors import Service, handler

WEEK = 7 * 24 * 3600.0


@attrs.frozen
class Decision:  # values are attrs classes, dataclasses, enums, containers …, stored as readable JSON
    approved: bool
    by: str


class Expenses(Service):
    @handler
    async def submit(self, what: str, amount: int, patience: float = WEEK) -> str:
        if amount <= 50:
            return f"{what}: paid"
        decision: Decision | None = None
        with actors.move_on_after(patience):
            decision = await actors.signal("decision", Decision)
        if decision is None:
            return f"{what}: no decision in time"
        return f"{what}: {'paid' if decision.approved else 'declined'}, says {decision.by}"


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Expenses, path=data) as runtime:
            expenses = runtime.client.service(Expenses)
            print(await expenses.submit("a pencil", 2))
            chair = await expenses.submit.send("a chair", 300)
            yacht = await expenses.submit.send("a yacht", 900_000, patience=0.5)
            await chair.signal("decision", Decision(approved=True, by="ada"))
            print(await chair.result())
            print(await yacht.result())


if __name__ == "__main__":
    trio.run(main)
