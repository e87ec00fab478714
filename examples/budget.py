"""Agents that share a budget: once it is used up, all of them pause before their next request, and they continue when there is more.

The call of the editor has a budget of its own, which the researchers that it calls spend too. Steps that are under way when it is used
up end and are recorded. A limit has a budget as well, for all calls together: here for everything that has the tag `team`. The
integrations of models count their tokens themselves; the model here is a function, so that the example needs no key and no network.

    python examples/budget.py
    playhead serve examples/budget.py        # in another shell:
    playhead send Editor/write '["tides", "moons", "storms"]' --budget tokens=1000
    playhead invocations resume INVOCATION_ID --budget tokens=+4000 --reason 'worth it'
    playhead invocations result INVOCATION_ID
    playhead limits set tag:team --budget tokens=1000
    playhead send Editor/write '["tides", "moons", "storms"]' --tag team=sea
    playhead limits set tag:team --budget tokens=5000 --reason 'worth it'
    playhead invocations result INVOCATION_ID
    playhead sql "select spent from sys_limit"
"""

import tempfile

import trio

import actors
from actors import Service, Status, handler, step


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


async def until_paused(client: actors.Client) -> None:
    while True:
        if await client.invocations(status=[Status.PAUSED]):
            print("paused")
            return
        await trio.sleep(0.05)


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Editor, Researcher, path=data) as runtime:
            client = runtime.client
            editor = client.service(Editor)
            report = await editor.write.options(budget={"tokens": 1000}).send(["tides", "moons", "storms"])
            await until_paused(client)
            await report.resume(budget={"tokens": 4000}, reason="worth it")
            print(await report.result())
            print((await report.info()).budget_spent)

            await client.limits.set("tag:team", budget={"tokens": 1000})
            report = await editor.write.options(tags={"team": "sea"}).send(["tides", "moons", "storms"])
            await until_paused(client)
            await client.limits.set("tag:team", budget={"tokens": 5000}, reason="worth it")
            print(await report.result())
            print((await client.limits.list())[0].spent)


if __name__ == "__main__":
    trio.run(main)
