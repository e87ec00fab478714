"""Two agents of openai-agents, of which one hands over to the other: each model request and each tool call is a step.

The agents are ordinary ones, made durable by one call. They run in the handler as asyncio code; after a crash they continue with the
answers that are recorded, with the agent that was in charge, and nothing is refunded twice. The model here is a script, so that the
example needs no key and no network; in its place, put ``"gpt-5"`` or another model. Needs the extra ``openai-agents``.

    python examples/openai_agents_handoff.py
    playhead serve examples/openai_agents_handoff.py        # in another shell:
    playhead call Support/ask '"My lamp arrived broken: order 17."'
    playhead invocations list Support
"""

import tempfile
from collections.abc import AsyncIterator
from typing import Any

import trio
from agents import Agent, Model, ModelResponse, RunConfig, Runner, function_tool
from agents.items import TResponseOutputItem, TResponseStreamEvent
from agents.testing import ModelCall, ModelStep, ScriptedModel, assistant_message, function_call

import actors
from actors import Service, handler
from actors.integrations.openai_agents import durable

ORDERS = {17: 40}


def think(call: ModelCall) -> list[TResponseOutputItem]:
    """Stand for a model: hand over, look the order up, pay the price back, then answer."""
    if call.handoffs:
        return [function_call(call.handoffs[0].tool_name, {}, call_id="to-refunds")]
    seen = {item["call_id"]: item["output"] for item in call.input if item.get("type") == "function_call_output"}
    if "price" not in seen:
        return [function_call("price", {"order": 17}, call_id="price")]
    if "refund" not in seen:
        return [function_call("refund", {"order": 17, "amount": int(seen["price"])}, call_id="refund")]
    return [assistant_message(f"Sorry about that. {seen['refund']}")]


class Script(Model):
    async def get_response(self, *args: Any, **options: Any) -> ModelResponse:
        return await ScriptedModel([ModelStep.respond(think)]).get_response(*args, **options)

    def stream_response(self, *args: Any, **options: Any) -> AsyncIterator[TResponseStreamEvent]:
        return ScriptedModel([ModelStep.respond(think)]).stream_response(*args, **options)


model = Script()  # or "gpt-5", with OPENAI_API_KEY in the environment


@function_tool
async def price(order: int) -> int:
    """Look up what an order has cost."""
    return ORDERS[order]


@function_tool
def refund(order: int, amount: int) -> str:
    """Pay the price of an order back."""
    return f"{amount} for order {order} were refunded."


refunds = Agent(name="refunds", instructions="Refund what arrived broken.", model=model, tools=[price, refund])
triage = Agent(name="triage", instructions="Hand over to the agent who can help.", model=model, handoffs=[refunds])
support = durable(triage)


class Support(Service):
    @handler
    async def ask(self, message: str) -> str:
        async def main() -> str:
            done = await Runner.run(support, message, run_config=RunConfig(tracing_disabled=True))
            return f"{done.last_agent.name}: {done.final_output}"

        return await actors.aio.host(main)


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Support, path=data) as runtime:
            asked = await runtime.client.service(Support).ask.send("My lamp arrived broken: order 17.")
            print(await asked.result())
            async for entry in asked.events():
                if entry.name == "StepScheduled":
                    print(entry.details["step"], entry.details["name"])


if __name__ == "__main__":
    trio.run(main)
