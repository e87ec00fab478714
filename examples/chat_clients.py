"""A tool loop over OpenAI's own client: each model request and each call of a tool is a step.

The answer streams into the output of the invocation. After a crash it continues with what is recorded, and no recorded request is paid for
twice. The client here asks a model that is a function, so that the example needs no key and no network; make it ``AsyncOpenAI()`` for a
real one. Anthropic's client has the same loop in ``actors.integrations.anthropic``. Needs the extra ``openai``.

    python examples/chat_clients.py
    playhead serve examples/chat_clients.py        # in another shell:
    playhead call Packing/ask '"What do I need for two days in Oslo?"'
    playhead invocations list Packing
"""

import json
import tempfile
from typing import Any

import httpx2
import trio
from openai import AsyncOpenAI

import actors
from actors import Service, handler
from actors.integrations.openai import Price, run_tools


def think(request: httpx2.Request) -> httpx2.Response:
    """Stand for a model: look at the weather, then answer, a word at a time."""
    said = json.loads(request.content)["messages"]
    if said[-1]["role"] == "user":
        call = {"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": '{"city": "Oslo", "days": 2}'}}
        deltas: list[dict[str, Any]] = [{"tool_calls": [call]}]
        reason = "tool_calls"
    else:
        coldest = min(json.loads(said[-1]["content"]))
        deltas, reason = [{"content": word} for word in ("A ", "coat: ", f"it is {coldest} degrees.")], "stop"
    head = {"id": "answer", "object": "chat.completion.chunk", "created": 0, "model": "small"}
    chunks = [{**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    chunks.append({**head, "choices": [], "usage": {"prompt_tokens": 80, "completion_tokens": 9, "total_tokens": 89}})
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, text=f"{events}data: [DONE]\n\n")


client = AsyncOpenAI(api_key="none", http_client=httpx2.AsyncClient(transport=httpx2.MockTransport(think)))


async def weather(city: str, days: int) -> list[int]:
    """The temperatures of a city in the coming days."""
    await trio.sleep(0.1)
    return [4, -3, 2][:days]


class Packing(Service):
    @handler
    async def ask(self, question: str) -> str:
        answer = await run_tools(
            client,
            model="small",
            messages=[{"role": "user", "content": question}],
            tools=[weather],
            stream=True,
            prices={"small": Price(0.5, 2.0)},  # for a million tokens of input and of output
        )
        return answer.text


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Packing, path=data) as runtime:
            asked = await runtime.client.service(Packing).ask.send("What do I need for two days in Oslo?")
            async for word in asked.output():
                print(word, end="")
            print()
            async for entry in asked.events():
                if entry.name == "StepCompleted":
                    attributes = entry.details["attributes"]
                    print(attributes["gen_ai.operation.name"], attributes.get("gen_ai.usage.cost", ""))


if __name__ == "__main__":
    trio.run(main)
