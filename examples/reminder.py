"""A reminder: a timer that outlives the process, and a step with a side effect.

A handler is an ordinary coroutine whose awaits are recorded. ``actors.sleep`` is a durable timer: it fires even if the process was
restarted in between. Side effects belong in a step: its body runs at least once, its outcome is recorded once, and a replay uses
the recorded outcome instead of running the body again.

    python examples/reminder.py
    playhead serve examples/reminder.py     # in another shell:
    playhead send Reminder/remind '{"text": "tea", "seconds": 20}'
                                            # now stop the server (kill -9 will do), and start it again
    playhead invocations list Reminder
"""

import tempfile

import trio

import actors
from actors import Service, handler, step


@step
async def ring(text: str) -> str:
    print(f"  * {text} *", flush=True)
    return f"rang for {text}"


class Reminder(Service):  # no key and no state: invocations run in parallel
    @handler
    async def remind(self, text: str, seconds: float) -> str:
        await actors.sleep(seconds)
        return await ring(text)


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Reminder, path=data) as runtime:
            tea = await runtime.client.service(Reminder).remind.send("tea", 1.0)  # durable once this returns
            print("stopped, with a timer that is still to fire")
        await trio.sleep(1.5)  # no process is running
        async with actors.open_runtime(Reminder, path=data) as runtime:
            print("started again")
            print(await runtime.client.invocation(tea.id).result())


if __name__ == "__main__":
    trio.run(main)
