"""The "regenerate" button: write an answer again from the same sources.

A restart from a step is an ordinary library call, so a chat can offer it to its users. Everything before the step is kept, so the
sources are not searched again. The old answer stays, and the two invocations link to each other.

    python examples/remote_control/regenerate.py
    playhead serve examples/remote_control/regenerate.py        # in another shell:
    playhead call Chat/ada/ask '"why is the sky blue?"'
    playhead call Chat/ada/regenerate
    playhead call Chat/ada/regenerate
    playhead invocations list Writer
"""

import itertools
import tempfile

import trio

import actors
from actors import Actor, Service, handler, step

_drafts = itertools.count(1)


@step
async def find_sources(question: str) -> list[str]:
    print(f"looked for sources: {question}", flush=True)
    return ["Rayleigh", "Tyndall"]


@step
async def write(question: str, sources: list[str]) -> str:
    """A placeholder for a model, which writes something else every time."""
    draft = f"draft {next(_drafts)} on {question} after {' and '.join(sources)}"
    print(f"wrote: {draft}", flush=True)
    return draft


class Writer(Service):
    @handler
    async def answer(self, question: str) -> str:
        sources = await find_sources(question)
        return await write(question, sources)


class Chat(Actor):
    answer: actors.InvocationId | None = None

    @handler
    async def ask(self, question: str) -> actors.InvocationId:
        answer = await actors.service(Writer).answer.send(question)
        self.answer = answer.id
        return answer.id

    @handler
    async def regenerate(self) -> actors.InvocationId:
        if self.answer is None:
            raise actors.TerminalError("nothing has been asked yet")
        # An answer that is still being written is killed first.
        again = await actors.invocation(self.answer).restart("write", stop="kill", reason="regenerate")
        assert again.successor is not None
        self.answer = again.successor.invocation_id
        return self.answer


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Chat, Writer, path=data) as runtime:
            client = runtime.client
            chat = client.actor(Chat, "ada")
            first = client.invocation(await chat.ask("the blue sky"))
            print("first:", await first.result())
            second = client.invocation(await chat.regenerate())
            print("second:", await second.result())


if __name__ == "__main__":
    trio.run(main)
