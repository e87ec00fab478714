"""An agent of pydantic-ai: each model request and each tool call is a step.

The agent is ordinary pydantic-ai with one capability. It runs in the handler as asyncio code; after a crash it continues with the
answers that are recorded, and a restart from a step asks the model only for what follows. The model here is a function, so that the
example needs no key and no network; in its place, put ``"openai:gpt-5"`` or another model. Needs the extra ``pydantic-ai``.

    python examples/agent.py
    playhead serve examples/agent.py        # in another shell:
    playhead call Forecast/ask '"Is it warmer in Oslo or in Rome?"'
    playhead invocations list Forecast
"""

import asyncio
import tempfile

import trio
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import actors
from actors import Service, handler
from actors.integrations.pydantic_ai import PlayheadDurability

TEMPERATURES = {"Oslo": 4, "Rome": 21}


async def think(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Stand for a model: look both cities up, compare them, then answer."""
    await asyncio.sleep(0.1)
    found = [part.content for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
    if not found:
        return ModelResponse(parts=[ToolCallPart("temperature", {"city": city}) for city in TEMPERATURES])
    if len(found) == len(TEMPERATURES):
        return ModelResponse(parts=[ToolCallPart("difference", {"one": found[1], "other": found[0]})])
    return ModelResponse(parts=[TextPart(f"It is {found[-1]} degrees warmer in Rome.")])


agent = Agent(FunctionModel(think), name="forecast", capabilities=[PlayheadDurability()])


@agent.tool_plain
async def temperature(city: str) -> int:
    await asyncio.sleep(0.1)
    return TEMPERATURES[city]


@agent.tool_plain
def difference(one: int, other: int) -> int:
    return one - other


class Forecast(Service):
    @handler
    async def ask(self, question: str) -> str:
        answer = await actors.aio.host(agent.run, question)
        return answer.output


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Forecast, path=data) as runtime:
            asked = await runtime.client.service(Forecast).ask.send("Is it warmer in Oslo or in Rome?")
            print(await asked.result())
            async for entry in asked.events():
                if entry.name == "StepScheduled":
                    print(entry.details["step"], entry.details["name"])


if __name__ == "__main__":
    trio.run(main)
