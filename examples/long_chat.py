"""A long chat: a ``Log`` only grows, and an append costs the same after a million lines as after one.

An item or a slice is read without the rest of the log. Items are typed, as all values are.

    python examples/long_chat.py
    playhead serve examples/long_chat.py    # in another shell:
    playhead call Room/trio/say '{"author": "ada", "text": "hello"}'
    playhead call Room/trio/latest 10
    playhead call Room/trio/page '{"start": 0, "stop": 2}'
"""

import tempfile

import attrs
import trio

import actors
from actors import Actor, Log, handler, shared


@attrs.frozen
class Line:
    at: float
    author: str
    text: str


class Room(Actor):
    lines: Log[Line]

    @handler
    async def say(self, author: str, text: str) -> int:
        self.lines.append(Line(actors.current_time(), author, text))  # recorded, so a replay sees the same time
        return len(self.lines)

    @shared
    async def latest(self, count: int) -> list[Line]:
        return self.lines[max(0, len(self.lines) - count) :]

    @shared
    async def page(self, start: int, stop: int) -> list[Line]:
        return self.lines[start:stop]


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Room, path=data) as runtime:
            room = runtime.client.actor(Room, "trio")
            async with trio.open_nursery() as nursery:  # outside handlers, plain trio
                for number in range(1000):
                    nursery.start_soon(room.say, "ada", f"line {number}")
            print("lines:", await room.say("bob", "that was a lot"))
            print("the last one:", (await room.latest(1))[0].text)
            print("in the middle:", len(await room.page(500, 510)))


if __name__ == "__main__":
    trio.run(main)
