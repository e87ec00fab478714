"""Runs hit a parsing bug: pause them, deploy the fix, check, and resume. Finished downloads are not repeated.

An invocation stays on the code on which it began. A check replays its history on other code, without effects; a resume can then
move it to that code, and it continues where it stopped.

    python examples/remote_control/deploy_the_fix.py
    playhead serve examples/remote_control/deploy_the_fix.py    # in another shell:
    playhead send Import/run '"north"'
    playhead invocations pause --where "last_error_type like '%ValueError'" --reason 'a parsing bug' --yes

Now fix the line with the bug, restart the server, and:

    playhead invocations check --where "status = 'paused'"
    playhead invocations resume --where "status = 'paused'" --deployment latest --reason 'fixed' --yes
"""

import tempfile
from pathlib import Path

import trio

import actors
from actors import Service, handler, step

STUCK = "service = 'Import' and last_error_type like '%ValueError'"
REGIONS = ("north", "east", "south", "west")


@step
async def download(region: str) -> list[str]:
    print(f"downloaded: {region}", flush=True)
    return ["980", "1,020"]


def parse(cell: str) -> int:
    return int(cell)  # the bug: "1,020"


FIX = ("int(cell)", 'int(cell.replace(",", ""))')


@step
async def store(region: str, total: int) -> None:
    print(f"stored: {region}, {total}", flush=True)


class Import(Service):
    @handler
    async def run(self, region: str) -> int:
        cells = await download(region)
        total = sum(parse(cell) for cell in cells)
        await store(region, total)
        return total


def fixed(folder: str) -> Path:
    """A copy of this file with the bug fixed."""
    app = Path(folder, Path(__file__).name)
    app.write_text(Path(__file__).read_text().replace(*FIX, 1))
    return app


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with actors.open_runtime(Import, path=Path(folder, "data")) as runtime:
            client = runtime.client
            runs = [await client.service(Import).run.send(region) for region in REGIONS]
            stuck = client.jobs.where(STUCK)
            while (await stuck.preview()).count < len(REGIONS):
                await trio.sleep(0.05)
            paused = await (await stuck.pause(reason="a parsing bug")).result()
            print(f"paused: {paused.changed}")

            app = fixed(folder)
            summary = await client.check(where="status = 'paused'", app=app)
            print(f"checked on the fix: {summary.checked}, all of them fit: {summary.is_compatible}")
            await client.register_deployment(app)

            await (await stuck.resume(deployment="latest", reason="fixed")).result()
            print("totals:", [await run.result() for run in runs])


if __name__ == "__main__":
    trio.run(main)
