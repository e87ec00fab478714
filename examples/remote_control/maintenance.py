"""The database is down for maintenance: hold a service with all new calls, and resume it afterwards.

A closed gate holds every invocation of the service. A running step ends first; waiting, scheduled and new invocations are accepted
and held. Nothing is refused, and nothing is lost.

    python examples/remote_control/maintenance.py
    playhead serve examples/remote_control/maintenance.py       # in another shell:
    playhead gates close service:Orders --reason 'the database is being moved'
    playhead send Orders/take '"tea"'
    playhead why INVOCATION_ID
    playhead gates list
    playhead gates open service:Orders --reason 'the database is back'
    playhead gates list
"""

import tempfile

import trio

import actors
from actors import Service, handler, step


@step
async def insert(article: str) -> None:
    print(f"inserted: {article}", flush=True)


@step
async def dispatch(article: str) -> None:
    print(f"dispatched: {article}", flush=True)


class Orders(Service):
    @handler
    async def take(self, article: str) -> str:
        await insert(article)
        await actors.signal("packed")
        await dispatch(article)
        return f"{article} is on its way"


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Orders, path=data) as runtime:
            client = runtime.client
            tea = await client.service(Orders).take.send("tea")
            async for event in tea.follow():
                if event.name == "SignalAwaited":
                    break

            await client.gates.close("service:Orders", reason="the database is being moved")
            cups = await client.service(Orders).take.send("cups")
            for order in (tea, cups):
                await order.signal("packed")
            for order in (tea, cups):
                info = await order.info()
                assert info.gate is not None
                print(f"{info.status.value}, {info.phase}: {info.gate.reason}")

            await client.gates.open("service:Orders", reason="the database is back")
            for order in (tea, cups):
                print(await order.result())


if __name__ == "__main__":
    trio.run(main)
