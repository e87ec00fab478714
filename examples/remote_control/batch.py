"""Fifty thousand documents: a limit on how many are read at once, and one job that reads again all that failed.

Each document is an invocation. The batch calls them in parts, a few parts at a time, and waits for all. Scanned documents fail, because
the scanner is broken, and do not hold up the others. A limit protects the reader, and a gate holds everything that has not begun. When
the scanner works again, a job restarts what has failed: 500 of 50,000, however many there are.

    python examples/remote_control/batch.py 50000
    playhead serve examples/remote_control/batch.py             # in another shell:
    playhead limits set service:Document --concurrency 100
    playhead send Batch/run 50000 --tag batch=spring
    playhead gates close service:Document --reason 'a look first'
    playhead sql "select status, count(*) from sys_invocation where service = 'Document' group by 1"
    playhead gates open service:Document
    playhead invocations result INVOCATION_ID
    touch scanner-works
    playhead invocations restart Document --where "outcome = 'failed'" --reason 'the scanner works' --yes
"""

import sys
import tempfile

import trio

import actors
from actors import Service, handler, step

PART = 250
WORKERS = 4
SCANNED = 100
"""Each document with a number of which this is a divisor is scanned."""

SCANNER = trio.Path("scanner-works")


class ScannerBroken(actors.TerminalError):
    pass


@step
async def words_in(document: int) -> int:
    await trio.sleep(0.01)
    if document % SCANNED == 0 and not await SCANNER.exists():
        raise ScannerBroken(f"document {document} is scanned, and the scanner is broken")
    return 100 + document % 7


class Document(Service):
    @handler
    async def read(self, number: int) -> int:
        return await words_in(number)


class Batch(Service):
    @handler
    async def run(self, count: int) -> dict[str, int]:
        """Read the documents from 1 to ``count``. Return how many were read."""
        done: list[int] = []
        parts = iter(range(1, count + 1, PART))

        async def work() -> None:
            # Each worker takes the next part.
            done.extend([await actors.service(Batch).part(begin, min(begin + PART, count + 1)) for begin in parts])

        async with actors.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(work)
        return {"read": sum(done), "failed": count - sum(done)}

    @handler
    async def part(self, begin: int, end: int) -> int:
        read: list[int] = []

        async def one(number: int) -> None:
            try:
                await actors.service(Document).read(number)
                read.append(number)
            except ScannerBroken:
                pass  # it is counted, and found by its outcome

        async with actors.open_nursery() as nursery:
            for number in range(begin, end):
                nursery.start_soon(one, number)
        return len(read)


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Batch, Document, path=data) as runtime:
            client = runtime.client
            await client.limits.set("service:Document", concurrency=100)
            batch = await client.service(Batch).run.options(tags={"batch": "spring"}).send(count)
            print(f"the batch: {await batch.result()}")

            await SCANNER.touch()
            failed = client.jobs.where("service = 'Document' and outcome = 'failed'")
            job = await (await failed.restart(reason="the scanner works")).result()
            print(f"the job is {job.state.value}: {job.changed} of {job.total} were restarted")
            while (left := await client.jobs.where("outcome is null").preview(sample=1)).count:
                await trio.sleep(0.1)
            print(f"still to be read: {left.count}")
            await SCANNER.unlink()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
