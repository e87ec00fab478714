"""A research agent of many steps with a budget, and a restart from its middle: what came before is kept, and not paid for again.

The agent plans its sections, looks the sources of each up side by side, drafts the sections one after the other, because each draft
follows on from the one before, and edits the whole. Drafts cost money, and the call has a budget: once it is used up the agent pauses
where it is, and goes on when it is given more. One draft is no good. A restart from that step keeps the plan, the sources and
the drafts before it; only this draft and what follows are written again. The model and the library here are functions, so that the example
needs no key and no network.

    python examples/research.py
    playhead serve examples/research.py        # in another shell:
    playhead send Researcher/report '"the sea"' --budget usd=0.50
    playhead why INVOCATION_ID
    playhead invocations resume INVOCATION_ID --budget usd=+1 --reason 'worth it'
    playhead invocations result INVOCATION_ID
    playhead invocations restart INVOCATION_ID --from 'draft moons' --dry-run
    playhead invocations restart INVOCATION_ID --from 'draft moons' --reason 'too dry'
"""

import tempfile
from functools import partial

import trio

import actors
from actors import Service, handler, step

SECTIONS = ("winds", "tides", "moons", "storms")
SOURCES = ("atlas", "almanac")


@step
async def plan(topic: str) -> list[str]:
    print(f"plan: {topic}", flush=True)
    return [*SECTIONS]


async def look_up(source: str, section: str) -> str:
    print(f"look up: {section}", flush=True)
    await trio.sleep(0.05)
    return f"the {source} on {section}"


async def draft(section: str, sources: list[str], before: str) -> str:
    print(f"draft: {section}", flush=True)
    actors.spend(usd="0.20")  # what the model has charged
    follows = f", after {before}" if before else ""
    return f"{section}{follows}: {len(sources)} sources"


@step
async def edit(drafts: list[str]) -> str:
    print("edit", flush=True)
    return "; ".join(drafts)


class Researcher(Service):
    @handler
    async def report(self, topic: str) -> str:
        sections = await plan(topic)
        found: dict[tuple[str, str], str] = {}

        async def search(section: str, source: str) -> None:
            found[section, source] = await actors.run(look_up, source, section, name=f"look up {section} in {source}")

        async with actors.open_nursery() as nursery:
            for section in sections:
                for source in SOURCES:
                    nursery.start_soon(search, section, source)

        drafts: list[str] = []
        for section, before in zip(sections, ["", *sections], strict=False):
            sources = [found[section, source] for source in SOURCES]
            drafts.append(await actors.run(draft, section, sources, before, name=f"draft {section}"))
        return await edit(drafts)


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Researcher, path=data) as runtime:
            client = runtime.client
            first = await client.service(Researcher).report.options(budget={"usd": "0.50"}).send("the sea")
            async for event in first.follow():
                if event.name == "InvocationPaused":
                    break
            print(f"paused: {(await first.info()).budget_spent['usd']} usd are spent")
            await first.resume(budget={"usd": 1}, reason="worth it")
            print(await first.result())

            restart = partial(first.restart, "draft moons", reason="too dry")
            looked_at = (await restart(dry_run=True)).successor
            assert looked_at is not None
            print(f"kept: {len(looked_at.kept)}, again: {', '.join(each.name for each in looked_at.again)}")

            successor = (await restart()).successor
            assert successor is not None
            print(await client.invocation(successor.invocation_id).result())


if __name__ == "__main__":
    trio.run(main)
