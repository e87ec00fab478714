"""Runs hit a parsing bug: pause them, deploy the fix, check, and resume. What has been downloaded is not downloaded again.

What is under way stays on the code that it began on. A check replays its history on other code, with no effect; a resume may
then move it there, and it goes on where it stopped.

    python examples/remote_control/deploy_the_fix.py
    playhead serve examples/remote_control/deploy_the_fix.py    # in another shell:
    playhead send Import/run '"north"'
    playhead invocations pause --where "last_error_type like '%ValueError'" --reason 'a parsing bug' --yes

Now mend the line with the bug, stop the server, start it again, and:

    playhead invocations check --where "status = 'paused'"
    playhead invocations resume --where "status = 'paused'" --deployment latest --reason 'it is mended' --yes
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


def mended(folder: str) -> Path:
    """This file with the bug taken out, as an editor would leave it."""
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

            app = mended(folder)
            summary = await client.check(where="status = 'paused'", app=app)
            print(f"checked on the fix: {summary.checked}, all of them fit: {summary.is_compatible}")
            await client.register_deployment(app)

            await (await stuck.resume(deployment="latest", reason="it is mended")).result()
            print("totals:", [await run.result() for run in runs])


if __name__ == "__main__":
    trio.run(main)
