"""A process in which a job of many items runs until it is killed.

    python -m tests.crash.bulk begin DIRECTORY ITEMS
    python -m tests.crash.bulk go-on DIRECTORY JOB
    python -m tests.crash.bulk judge DIRECTORY JOB

``begin`` says the job's id, and both it and ``go-on`` then say how many items are done, again and again, until the job has ended.
``judge`` says, as JSON, what the job tells of itself, what its outcomes tell, and what the invocations tell.
"""

from __future__ import annotations

import json
import sys
from collections import Counter

import trio

import actors
from actors import Service, handler
from actors.control.jobs import JobHandle
from actors.types import JobState
from journal import events as e
from journal.ids import stream_of_invocation

CLIENTS = 64


class Claim(Service):
    @handler
    async def decide(self) -> int:
        return await actors.signal("verdict", int)


async def begin(directory: str, items: int) -> None:
    async with actors.open_runtime(Claim, path=directory, durability="os", partitions=2) as runtime:
        left = iter(range(items))

        async def send() -> None:
            for _ in left:
                await runtime.client.service(Claim).decide.send()

        async with trio.open_nursery() as nursery:
            for _ in range(CLIENTS):
                nursery.start_soon(send)
        job = await runtime.client.jobs.where("service = 'Claim'").signal("verdict", 7)
        print(job.id, flush=True)
        await tell(job)


async def go_on(directory: str, job: str) -> None:
    async with actors.open_runtime(Claim, path=directory, durability="os") as runtime:
        await tell(runtime.client.jobs.job(job))


async def tell(job: JobHandle) -> None:
    while (info := await job.info()).state in (JobState.SELECTING, JobState.RUNNING):
        print(info.done, flush=True)
        await trio.sleep(0.01)
    print("ended", flush=True)


async def judge(directory: str, job_id: str) -> None:
    async with actors.open_runtime(Claim, path=directory, durability="os") as runtime:
        job = runtime.client.jobs.job(job_id)
        info = await job.result()
        told = [(item.id, item.result.value) async for item in job.items()]
        ids = [
            str(of)
            for (of,) in (await runtime.client.query("SELECT id FROM sys_invocation WHERE service = 'Claim'")).rows
        ]
        verdicts: Counter[int] = Counter()
        for of in ids:
            history = runtime.engine.journal.read(stream_of_invocation(actors.InvocationId(of)))
            verdicts[len([r async for r in history if isinstance(r.event, e.SignalReceived)])] += 1
        said = {
            "state": info.state.value,
            "counts": [info.total, info.changed, info.unchanged, info.refused],
            "told": Counter(result for _, result in told),
            "told_once": len({of for of, _ in told}) == len(told) and {of for of, _ in told} == {*ids},
            "verdicts": verdicts,
        }
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    what, directory, argument = sys.argv[1:]
    match what:
        case "begin":
            trio.run(begin, directory, int(argument))
        case "go-on":
            trio.run(go_on, directory, argument)
        case "judge":
            trio.run(judge, directory, argument)
