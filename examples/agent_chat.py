"""A chat with an agent of pydantic-ai: a new message aborts the answer in progress, and any answer can be written again.

The model streams its answer in a step, and each piece goes to the output of the invocation. A new message cancels the step, which ends
the stream of the model; the pieces that were shown are kept. ``regenerate`` restarts the last answer from its model request, so nothing
is looked up again. The model here is a function, so that the example needs no key and no network; in its place, put
``"openai:gpt-5"`` or another model. Needs the extra ``pydantic-ai``.

    python examples/agent_chat.py
    playhead serve examples/agent_chat.py   # in another shell:
    playhead call Chat/ada/message '"what is new at sea?"'
    playhead call Chat/ada/message '"no: what is new in the hills?"'
    playhead call Chat/ada/regenerate
    playhead invocations list Answer
"""

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress

import trio
from pydantic_ai import Agent, RunContext
from pydantic_ai.messages import (
    AgentStreamEvent,
    ModelMessage,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

import actors
from actors import Actor, Service, handler, step
from actors.integrations.pydantic_ai import PlayheadDurability

_takes = itertools.count(1)


async def speak(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    """Stand for a model that streams its answer, word by word. Its first answer takes a minute: time enough to interrupt it."""
    take = next(_takes)
    for word in f"take {take}: nothing new,{' and so on' * (200 if take == 1 else 1)} and so forth".split():
        await asyncio.sleep(0.1)
        yield f"{word} "


async def show(context: RunContext, events: AsyncIterable[AgentStreamEvent]) -> None:
    """Give each piece of text to readers of the output, as it arrives."""
    async for event in events:
        if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
            actors.emit(event.part.content)
        elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
            actors.emit(event.delta.content_delta)


agent = Agent(
    FunctionModel(stream_function=speak), name="reporter", capabilities=[PlayheadDurability(event_stream_handler=show)]
)


@step
async def look_up(question: str) -> str:
    print(f"  (looked up: {question})", flush=True)
    return f"notes on {question}"


class Answer(Service):
    @handler
    async def write(self, question: str) -> str:
        notes = await look_up(question)
        return (await actors.aio.host(agent.run, f"{question}\n\n{notes}")).output


class Chat(Actor):
    answer: actors.InvocationId | None = None

    @handler
    async def message(self, question: str) -> actors.InvocationId:
        if self.answer is not None:
            with suppress(actors.ConflictError):  # it has ended
                await actors.invocation(self.answer).cancel(reason="a newer message")
        answer = await actors.service(Answer).write.send(question)
        self.answer = answer.id
        return answer.id

    @handler
    async def regenerate(self) -> actors.InvocationId:
        if self.answer is None:
            raise actors.TerminalError("nothing has been asked yet")
        # An answer that is still being written is cancelled first; what was looked up is kept.
        again = await actors.invocation(self.answer).restart("model stream", stop="cancel", reason="regenerate")
        assert again.successor is not None
        self.answer = again.successor.invocation_id
        return self.answer


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Chat, Answer, path=data) as runtime:
            client = runtime.client
            chat = client.actor(Chat, "ada")
            first = client.invocation(await chat.message("what is new at sea?"))
            async for chunk in first.chunks(live=True):
                print("shown:", chunk.value)
                break
            second = client.invocation(await chat.message("no: what is new in the hills?"))
            outcome = await first.outcome()
            print(f"first: {outcome.kind.value}, {outcome.reason}")
            print("second:", await second.result())
            again = client.invocation(await chat.regenerate())
            print("again:", await again.result())


if __name__ == "__main__":
    trio.run(main)
