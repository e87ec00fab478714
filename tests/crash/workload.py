"""A process that does a bit of everything until it is killed, and says what was acknowledged.

    python -m tests.crash.workload work DIRECTORY LIFE REPEATED_FROM REPEATED_TO
    python -m tests.crash.workload finish DIRECTORY

``work`` first asks again for operations of the life before, then for new ones. ``CRASH_LEDGER`` names the ledger,
``CRASH_BUG`` breaks a promise on purpose.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import chain, count

import trio

import actors
from actors import Client, InvocationInfo
from journal import keys
from journal.events import Status
from tests.crash.bank import Account, Bank, write_line
from tests.crash.bugs import plant
from tests.crash.operations import ACCOUNTS, operation, perform

CLIENTS = 32
PARTITIONS = 2
OPERATIONS_OF_A_LIFE = 1_000_000
PATIENCE_SECONDS = float(os.environ.get("CRASH_PATIENCE", "30"))
_STILL_OPEN = [status for status in Status if status is not Status.COMPLETED]


async def work(directory: str, life: int, repeated: range) -> None:
    numbers = chain(repeated, count(life * OPERATIONS_OF_A_LIFE))
    async with actors.open_runtime(Account, Bank, path=directory, partitions=PARTITIONS) as runtime:

        async def ask() -> None:
            for number in numbers:
                await perform(runtime.client, operation(number), life)

        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(ask)


async def finish(directory: str) -> None:
    """Start once more, help along what waits for somebody, let everything end, and say what the accounts say."""
    async with actors.open_runtime(Account, Bank, path=directory) as runtime:
        with trio.move_on_after(PATIENCE_SECONDS) as patience:
            while await _help_along(runtime.client) or _letters(runtime):
                await trio.sleep(0.05)
        if not patience.cancelled_caught:
            for number in range(ACCOUNTS):
                balance, lines = await runtime.client.actor(Account, f"a{number}").read()
                write_line(1, json.dumps([f"a{number}", balance, lines]))
    write_line(1, "finished")


async def _help_along(client: Client) -> bool:
    waiting = await client.invocations(status=_STILL_OPEN, limit=100_000)
    for info in waiting:
        await _help(client, info)
    return bool(waiting)


async def _help(client: Client, info: InvocationInfo) -> None:
    handle = client.invocation(info.id)
    try:
        if info.status is Status.PAUSED:
            await handle.resume()
        if info.target.handler == "wait":
            await handle.signal("go", 0)
        elif info.target.handler == "endure":
            await handle.cancel(reason="late")
    except actors.AlreadyCompletedError:
        return


def _letters(runtime: actors.Runtime) -> bool:
    journal = runtime.engine.journal
    prefixes = [prefix(n) for n in range(journal.partitions) for prefix in (keys.letters, keys.dated_letters)]
    return any(journal.rows(prefix, keys.after_prefix(prefix), limit=1) for prefix in prefixes)


if __name__ == "__main__":
    if os.environ.get("CRASH_BUG"):
        plant(os.environ["CRASH_BUG"])
    mode, directory, *numbers = sys.argv[1:]
    if mode == "work":
        life, first, last = map(int, numbers)
        trio.run(work, directory, life, range(first, last))
    else:
        trio.run(finish, directory)
