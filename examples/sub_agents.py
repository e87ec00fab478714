"""Agents that call agents: each is an invocation of its own, with its own history, and a cancel reaches all of them.

An editor calls a researcher for each topic, side by side, and then a critic, who sends one of them back to work. The callers wait
durably, for seconds or for days. What an agent calls inherits its tags, so one tag finds the whole family; and a cancel of the editor
ends its researchers first, each with its own compensation.

    python examples/sub_agents.py
    playhead serve examples/sub_agents.py        # in another shell:
    playhead send Editor/write '["tides", "moons"]' --tag session=s1
    playhead invocations result INVOCATION_ID
    playhead invocations list --tag session=s1
    playhead send Editor/write '["tides", "slow moons"]' --tag session=s2
    playhead invocations cancel INVOCATION_ID --reason 'not needed'
    playhead invocations list --tag session=s2
"""

import tempfile

import trio

import actors
from actors import Service, handler, step


@step
async def read(topic: str, depth: int) -> str:
    await trio.sleep(3600 if topic.startswith("slow") else 0.05)
    return f"{depth} pages on {topic}"


@step
async def tell(text: str) -> None:
    print(text, flush=True)


class Researcher(Service):
    @handler
    async def look_into(self, topic: str, depth: int = 1) -> str:
        try:
            return await read(topic, depth)
        except actors.CancelledError as cancelled:
            await tell(f"  (the researcher of {topic} puts the books back: {cancelled.reason})")
            raise


class Critic(Service):
    @handler
    async def review(self, notes: dict[str, str]) -> list[str]:
        """Return the topics that need more work: here, the last one."""
        return sorted(topic for topic, note in notes.items() if note.startswith("1 "))[-1:]


class Editor(Service):
    @handler
    async def write(self, topics: list[str]) -> str:
        notes: dict[str, str] = {}

        async def research(topic: str) -> None:
            notes[topic] = await actors.service(Researcher).look_into(topic)

        async with actors.open_nursery() as nursery:
            for topic in topics:
                nursery.start_soon(research, topic)
        for topic in await actors.service(Critic).review(notes):
            notes[topic] = await actors.service(Researcher).look_into(topic, depth=5)
        return "; ".join(notes[topic] for topic in topics)


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Editor, Researcher, Critic, path=data) as runtime:
            client = runtime.client
            editor = client.service(Editor).write
            print(await editor.options(tags={"session": "s1"})(["tides", "moons"]))
            family = await client.invocations(tags={"session": "s1"})
            print(", ".join(sorted(f"{each.target.service}/{each.target.handler}" for each in family)))

            again = await editor.options(tags={"session": "s2"}).send(["tides", "slow moons"])
            async for event in again.follow():
                if event.name == "CallCompleted":
                    break
            await again.cancel(reason="not needed")
            await again.outcome()
            ended = await client.invocations(tags={"session": "s2"})
            print(sorted(each.outcome.kind.value for each in ended if each.outcome is not None))


if __name__ == "__main__":
    trio.run(main)
