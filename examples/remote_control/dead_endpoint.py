"""Hundreds of agents are stuck on a dead endpoint: find them by their last error, and cancel all of them with one job.

Each agent has booked a room for its guest and keeps retrying a model that is gone. A cancel reaches an invocation that is backing
off at once, and is raised where it waits: each agent gives its room back. The job runs in the runtime, not in the client.

    python examples/remote_control/dead_endpoint.py
    playhead serve examples/remote_control/dead_endpoint.py     # in another shell:
    playhead send Agent/plan '"ada"'
    playhead send Agent/plan '"bob"'
    playhead sql "select last_error_type, count(*) from sys_invocation group by 1"
    playhead invocations cancel --where "last_error_type like '%EndpointGone'" --dry-run
    playhead invocations cancel --where "last_error_type like '%EndpointGone'" --reason 'the endpoint is gone' --yes
    playhead invocations list Agent
"""

import tempfile

import trio

import actors
from actors import Service, handler, step

PATIENT = actors.RetryPolicy(initial_delay=30.0, max_delay=600.0)
STUCK = "status = 'backing_off' and last_error_type like '%EndpointGone'"
GUESTS = 300


class EndpointGone(Exception):
    pass


@step
async def take_room(guest: str) -> None:
    print(f"room taken: {guest}", flush=True)


@step
async def give_room_back(guest: str) -> None:
    print(f"room given back: {guest}", flush=True)


@step(retry=PATIENT)
async def ask_model(guest: str) -> str:
    raise EndpointGone(f"no answer for {guest}")


class Agent(Service):
    @handler
    async def plan(self, guest: str) -> str:
        await take_room(guest)
        try:
            return await ask_model(guest)
        except actors.CancelledError:
            await give_room_back(guest)
            raise


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Agent, path=data) as runtime:
            client = runtime.client
            agents = [await client.service(Agent).plan.send(f"guest {number}") for number in range(GUESTS)]
            stuck = client.jobs.where(STUCK)
            while (preview := await stuck.preview(sample=1)).count < GUESTS:
                await trio.sleep(0.1)
            failure = preview.sample[0].last_failure
            assert failure is not None
            print(f"{preview.count} are stuck; the oldest: {failure.message}")

            done = await (await stuck.cancel(reason="the endpoint is gone")).result()
            print(f"the job is {done.state.value}: {done.changed} of {done.total} were cancelled")
            ended = [
                (await agent.outcome()).kind.value for agent in agents
            ]  # waits until the last room has been given back
            print(f"cancelled: {ended.count('cancelled')}")


if __name__ == "__main__":
    trio.run(main)
