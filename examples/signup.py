"""A sign-up: a workflow runs once per key, and accepts calls while it runs.

A second ``run`` with the same key returns the first one, so a form that is submitted twice does no harm. The ``@shared`` handlers
can be called meanwhile. The key determines the id of the run, so a signal can be sent to it by key.

    python examples/signup.py
    playhead serve examples/signup.py       # in another shell:
    playhead send Signup/ada/run '"ada@example.org"'
    playhead call Signup/ada/status
    playhead call Signup/ada/click
    playhead call Signup/ada/run '"ada@example.org"'
"""

import tempfile

import trio

import actors
from actors import Workflow, handler, shared, step

DAY = 24 * 3600.0


@step
async def mail(address: str, text: str) -> None:
    print(f"  to {address}: {text}", flush=True)


class Signup(Workflow):
    stage: str = "new"

    @handler
    async def run(self, email: str) -> bool:
        for text in ("click here, please", "we are still waiting for your click"):
            await mail(email, text)
            self.stage = f"waiting: {text}"
            with actors.move_on_after(DAY):
                await actors.signal("clicked")
                self.stage = "confirmed"
                return True
        self.stage = "given up"
        return False

    @shared
    async def click(self) -> None:
        await actors.invocation(actors.workflow_id(Signup, self.key)).signal("clicked")

    @shared
    async def status(self) -> str:
        return self.stage


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Signup, path=data) as runtime:
            ada = runtime.client.workflow(Signup, "ada")
            run = await ada.run.send("ada@example.org")
            again = await ada.run.send("ada@example.org")
            print("the same run:", run.id == again.id)
            async for entry in run.follow():  # its journal, live
                if entry.name == "SignalAwaited":
                    break
            print(await ada.status())
            await ada.click()
            print("confirmed:", await run.result())


if __name__ == "__main__":
    trio.run(main)
