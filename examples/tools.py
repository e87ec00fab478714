"""Parallel tool calls: a durable nursery.

``open_nursery`` works as in trio: the block ends when every child has ended, and a child's error cancels its siblings. A child is
identified by where it was started, never by when it ran. So after a crash, results that were recorded are read from the journal,
and only the other tools are called again.

    python examples/tools.py
    playhead serve examples/tools.py        # in another shell:
    playhead call Research/ask '"the tides"'
    playhead invocations list Research
"""

import tempfile
import time

import trio

import actors
from actors import Service, handler, step

SECONDS = {"encyclopedia": 0.3, "atlas": 0.5, "almanac": 0.4}


@step(timeout=10.0, retry=actors.RetryPolicy(max_attempts=3, on_exhausted="fail"))
async def use_tool(tool: str, query: str) -> str:
    await trio.sleep(SECONDS[tool])
    return f"the {tool} on {query}"


class Research(Service):
    @handler
    async def ask(self, query: str) -> list[str]:
        found: dict[str, str] = {}

        async def look_up(tool: str) -> None:
            try:
                found[tool] = await use_tool(tool, query)
            except actors.StepFailedError as error:  # all tries failed; keep the results of the other tools
                found[tool] = str(error)

        async with actors.open_nursery() as nursery:
            for tool in SECONDS:
                nursery.start_soon(look_up, tool)
        return list(found.values())  # in the order of the answers, which is the same in every replay


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Research, path=data) as runtime:
            started = time.monotonic()
            for finding in await runtime.client.service(Research).ask("the tides"):
                print(finding)
            took = time.monotonic() - started
            print("side by side" if took < sum(SECONDS.values()) else "one after the other")


if __name__ == "__main__":
    trio.run(main)
