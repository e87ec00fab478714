"""Locks over several keys: two shifts are swapped, and nobody else changes one of them meanwhile.

``actors.lock`` takes both keys in one order, whatever order they are given in, so two swaps never wait for each other. A swap that is
killed, or whose process dies, gives its keys up when it ends.

    python examples/swap.py
    playhead serve examples/swap.py         # in another shell:
    playhead call Shift/monday/assign '"alice"'
    playhead call Shift/tuesday/assign '"bob"'
    playhead call Roster/swap '{"one": "monday", "other": "tuesday"}'
    playhead sql 'select * from sys_lock'
"""

import tempfile

import trio

import actors
from actors import Actor, Service, handler, shared, step


class Shift(Actor):
    person: str = ""

    @handler
    async def assign(self, person: str) -> None:
        self.person = person

    @shared
    async def who(self) -> str:
        return self.person


@step
async def check_rest(person: str, shift: str) -> None:
    """A placeholder for a question to the payroll system: may this person work this shift?"""
    await trio.sleep(0.2)


class Roster(Service):
    @handler
    async def swap(self, one: str, other: str) -> str:
        async with actors.lock(Shift, [one, other]):
            first, second = actors.actor(Shift, one), actors.actor(Shift, other)
            early, late = await first.who(), await second.who()
            await check_rest(early, other)
            await check_rest(late, one)
            await first.assign(late)
            await second.assign(early)
        return f"{early} and {late} have swapped"


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Shift, Roster, path=data) as runtime:
            client = runtime.client
            week = {"monday": "alice", "tuesday": "bob", "wednesday": "carol"}
            for day, person in week.items():
                await client.actor(Shift, day).assign(person)

            first = await client.service(Roster).swap.send("tuesday", "monday")
            second = await client.service(Roster).swap.send("tuesday", "wednesday")
            await trio.sleep(0.1)
            for reason in await second.why():
                print("the second swap:", reason.text.partition(" (")[0])
            print(await first.result())
            print(await second.result())
            for day in week:
                print(day, await client.actor(Shift, day).who())


if __name__ == "__main__":
    trio.run(main)
