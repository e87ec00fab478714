"""A counter: an object with a key, a durable field and a mailbox.

Every key is an object of its own, with its own value and its own queue: calls to "alice" run one after the other, and do not wait
for calls to "bob". Once ``add`` has returned, its change is on disk, even if the process is killed.

    python examples/counter.py              # run it twice: the counter keeps its value
    playhead serve examples/counter.py      # the same objects over HTTP; in another shell:
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

    @shared  # runs beside the writer, read-only
    async def current(self) -> int:
        return self.value


async def main() -> None:
    async with actors.open_runtime(Counter, path="playhead-data") as runtime:
        alice = runtime.client.actor(Counter, "alice")  # created by its first call
        print("alice:", await alice.add(5))
        print("alice:", await alice.add(2))
        print("bob:", await runtime.client.actor(Counter, "bob").current())


if __name__ == "__main__":
    trio.run(main)
