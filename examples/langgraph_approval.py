"""A graph of langgraph that asks a person: each node is a step, and the interrupt waits for a signal.

The graph is an ordinary one, made durable by one call. It runs in the handler as asyncio code; after a crash it continues behind the last
node that is recorded, and it waits for the person as long as it takes. The model here is a function, so that the example needs no key and no
network; in its place, call a real one. Needs the extra ``langgraph``.

    python examples/langgraph_approval.py
    playhead serve examples/langgraph_approval.py       # in another shell:
    playhead send Expenses/claim '{"text": "a desk", "amount": 900}'
    playhead invocations output INVOCATION_ID --no-follow
    playhead invocations signal INVOCATION_ID approve '"the desk is fine"'
    playhead invocations follow INVOCATION_ID
"""

import tempfile
from typing import NotRequired, TypedDict

import trio
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

import actors
from actors import Service, handler
from actors.integrations.langgraph import durable


class Claim(TypedDict):
    text: str
    amount: int
    summary: NotRequired[str]
    answer: NotRequired[str]


async def ask_model(prompt: str) -> str:
    """Stand for a model; for a real one, ``(await model.ainvoke(prompt)).text``."""
    return prompt.upper()


async def assess(state: Claim) -> dict[str, str]:
    return {"summary": await ask_model(f"{state['text']} for {state['amount']}")}


async def approve(state: Claim) -> dict[str, str]:
    return {"answer": interrupt(f"May we pay {state.get('summary')}?")}


async def tell(state: Claim) -> dict[str, str]:
    return {"answer": await ask_model(f"{state['text']}: {state.get('answer', 'paid')}")}


def next_node(state: Claim) -> str:
    return "approve" if state["amount"] > 100 else "tell"


builder = StateGraph(Claim)
builder.add_node("assess", assess)
builder.add_node("approve", approve)
builder.add_node("tell", tell)
builder.add_edge(START, "assess")
builder.add_conditional_edges("assess", next_node)
builder.add_edge("approve", "tell")
builder.add_edge("tell", END)
graph = durable(builder.compile())


class Expenses(Service):
    @handler
    async def claim(self, text: str, amount: int) -> str:
        async def main() -> str:
            done = await graph.ainvoke({"text": text, "amount": amount})
            return str(done["answer"])

        return await actors.aio.host(main, threads="inline")  # inline: the functions of conditional edges


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Expenses, path=data) as runtime:
            expenses = runtime.client.service(Expenses)
            print(await expenses.claim("a pencil", 2))
            desk = await expenses.claim.send("a desk", 900)
            async for piece in desk.output():
                print(piece)
                await desk.signal("approve", "the desk is fine")
            print(await desk.result())


if __name__ == "__main__":
    trio.run(main)
