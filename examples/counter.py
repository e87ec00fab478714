"""A counter: an object with a key, a durable field and a mailbox.

Every key is an object of its own, with its own value and its own queue: what arrives for "alice" is done one after the other, and
does not wait for "bob". What ``add`` has returned is on disk, whatever becomes of the process.

    python examples/counter.py              # and once more: it goes on from where it was
    playhead serve examples/counter.py      # the same objects, for everybody; in another shell:
    playhead call Counter/alice/add 5
    playhead call Counter/alice/current
"""

import trio

import actors
from actors import Actor, handler, shared


class Counter(Actor):
    value: int = 0  # typed, with a default, recorded whenever it has changed

    @handler  # one at a time for a key, first come first served
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    @shared  # beside the writer, and may only read
    async def current(self) -> int:
        return self.value


async def main() -> None:
    async with actors.open_runtime(Counter, path="playhead-data") as runtime:
        alice = runtime.client.actor(Counter, "alice")  # made when it is first called
        print("alice:", await alice.add(5))
        print("alice:", await alice.add(2))
        print("bob:", await runtime.client.actor(Counter, "bob").current())


if __name__ == "__main__":
    trio.run(main)
