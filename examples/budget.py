"""Agents that share a budget: once it is used up, all of them pause before their next request, and they continue when there is more.

What an agent calls inherits its tags. So a limit of `tag:research` counts the editor and its researchers together, and each value of the
tag on its own. Steps that are under way when the budget is used up end and are recorded. The integrations of models count their tokens
themselves; the model here is a function, so that the example needs no key and no network.

    python examples/budget.py
    playhead serve examples/budget.py        # in another shell:
    playhead limits set tag:research --budget tokens=1000
    playhead send Editor/write '["tides", "moons", "storms"]' --tag research=r1
    playhead limits set tag:research --budget tokens=5000 --reason 'worth it'
    playhead invocations result INVOCATION_ID
    playhead sql "select spent from sys_limit"
"""

import tempfile

import trio

import actors
from actors import Service, handler, step


@step
async def ask(question: str) -> str:
    await trio.sleep(0.05)
    actors.spend(tokens=400, euros="0.02")  # what the model has charged
    return f"an answer to {question!r}"


class Researcher(Service):
    @handler
    async def look_into(self, topic: str) -> str:
        await ask(f"what is known about {topic}?")
        return await ask(f"what is new about {topic}?")


class Editor(Service):
    @handler
    async def write(self, topics: list[str]) -> str:
        found: dict[str, str] = {}

        async def research(topic: str) -> None:
            found[topic] = await actors.service(Researcher).look_into(topic)

        async with actors.open_nursery() as nursery:
            for topic in topics:
                nursery.start_soon(research, topic)
        return await ask(f"a summary of {len(found)} topics")


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Editor, Researcher, path=data) as runtime:
            client = runtime.client
            await client.limits.set("tag:research", budget={"tokens": 1000})
            report = (
                await client.service(Editor).write.options(tags={"research": "r1"}).send(["tides", "moons", "storms"])
            )

            while True:
                paused = await client.query("SELECT DISTINCT pause_cause FROM sys_invocation WHERE status = 'paused'")
                if paused.rows:
                    break
                await trio.sleep(0.05)
            print(f"paused: {paused.rows[0][0]}")
            await client.limits.set("tag:research", budget={"tokens": 5000}, reason="worth it")
            print(await report.result())
            print((await client.limits.list())[0].spent)


if __name__ == "__main__":
    trio.run(main)
