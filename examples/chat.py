"""A chat with an agent: a new message cancels the answer in progress.

The chat is an actor that remembers the answer in progress; the agent is a service that writes it. A cancel is an event: it is
recorded, stops the running step first, and is then raised in the handler, which can clean up.

    python examples/chat.py
    playhead serve examples/chat.py         # in another shell:
    playhead call Chat/alice/message '"why is the sky blue?"'
    playhead call Chat/alice/message '"no: why is the sea green?"'
    playhead invocations list Agent
"""

import tempfile
from contextlib import suppress

import trio

import actors
from actors import Actor, Service, handler, shared, step


@step
async def generate(prompt: str) -> str:
    """A placeholder for a model that streams. A step may contain any trio code; a cancel stops it at its next await."""
    words = f"a careful answer to {prompt!r}".split()
    pause = 0.1 if "no: " in prompt else 5.0  # the first answer takes long: time enough to interrupt it
    for word in words:
        await trio.sleep(pause)
        actors.emit(word)  # the output stream, which a client can follow live
    return " ".join(words)


@step
async def note(text: str) -> None:
    print(f"  (agent: {text})", flush=True)


class Agent(Service):
    @handler
    async def answer(self, question: str) -> str:
        try:
            draft = await generate(question)
            return await generate(f"the same, but shorter: {draft}")
        except actors.CancelledError as cancelled:  # once, here; later awaits work again
            await note(f"{question!r} was dropped: {cancelled.reason}")
            raise


class Chat(Actor):
    current: actors.InvocationId | None = None
    questions: list[str] = actors.field(factory=list)

    @handler
    async def message(self, question: str) -> actors.InvocationId:
        if self.current is not None:
            with suppress(actors.ConflictError):
                await actors.invocation(self.current).cancel(reason="a newer message came")
        answer = await actors.service(Agent).answer.send(question)  # one-way: the chat stays free
        self.current = answer.id
        self.questions.append(question)  # in place, and still seen
        return answer.id

    @shared
    async def asked(self) -> list[str]:
        return self.questions


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Chat, Agent, path=data) as runtime:
            alice = runtime.client.actor(Chat, "alice")
            first = await alice.message("why is the sky blue?")
            await trio.sleep(0.25)
            second = await alice.message("no: why is the sea green?")
            outcome = await runtime.client.invocation(first).outcome()
            print(f"first: {outcome.kind.value}, {outcome.reason}")
            async for chunk in runtime.client.invocation(second).chunks(live=True):
                print("once more:" if chunk.is_reset else chunk.value, end=" ", flush=True)
            print()
            print("second:", await runtime.client.invocation(second).result())


if __name__ == "__main__":
    trio.run(main)
