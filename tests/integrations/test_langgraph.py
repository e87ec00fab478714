"""Graphs of langgraph in a handler: no recorded node runs again, interrupts wait for signals, and threads are kept in objects."""

from __future__ import annotations

import operator
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import pytest
import trio
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel

import actors
from actors import Actor, Map, RetryPolicy, Service, handler
from actors.errors import DefinitionError, InvalidArgumentError
from actors.integrations.langgraph import MapSaver, durable
from actors.integrations.langgraph.stored import restored, stored
from tests.integrations.deaths import killed_at_each_recorded_step
from tests.lab import WORLD, Lab
from tests.raising import raises
from tests.terminal import ROOT

if TYPE_CHECKING:
    from pathlib import Path


class Notes(TypedDict, total=False):
    notes: Annotated[list[str], operator.add]
    rounds: int


async def plan(state: Notes) -> Notes:
    WORLD.note("plan")
    return {"notes": ["plan"], "rounds": state.get("rounds", 0) + 1}


async def left(state: Notes) -> Notes:
    WORLD.note("left")
    if WORLD.count("left") == 1:
        raise OSError("the line is down")
    return {"notes": ["left"]}


def right(state: Notes) -> Notes:
    WORLD.note("right")
    return {"notes": ["right"]}


async def fan_out(state: Notes) -> Command[Literal["worker"]]:
    return Command(goto=[Send("worker", {"rounds": number}) for number in range(3)])


async def worker(state: Notes) -> Notes:
    WORLD.note(f"worker {state['rounds']}")
    return {"notes": [f"worker {state['rounds']}"]}


def research() -> Any:
    builder = StateGraph(Notes)
    builder.add_node("plan", plan)
    builder.add_node("left", left)
    builder.add_node("right", right)
    builder.add_node("fan_out", fan_out, defer=True)
    builder.add_node("worker", worker)
    builder.add_edge(START, "plan")
    builder.add_edge("plan", "left")
    builder.add_edge("plan", "right")
    builder.add_edge("left", "fan_out")
    builder.add_edge("right", "fan_out")
    builder.add_conditional_edges("worker", lambda state: END)
    return builder


outer = StateGraph(Notes)
outer.add_node("inside", research().compile())
outer.add_edge(START, "inside")

GRAPHS = {
    "flat": durable(research().compile(), retry=RetryPolicy(max_attempts=3, initial_delay=0.001)),
    "nested": durable(outer.compile(), retry=RetryPolicy(max_attempts=3, initial_delay=0.001)),
}
RESULT = ["plan", "left", "right", "worker 0", "worker 1", "worker 2"]


class Decision(BaseModel):
    pays: bool


class Claim(TypedDict, total=False):
    amount: int
    first: str
    second: bool
    told: str


async def ask(state: Claim) -> Claim:
    WORLD.note("ask")
    first = interrupt({"question": "What is it for?"})
    second = interrupt("Do we pay?", response_schema=Decision)
    return {"first": first, "second": second.pays}


async def meanwhile(state: Claim) -> Claim:
    WORLD.note("meanwhile")
    return {"told": "the customer"}


claims = StateGraph(Claim)
claims.add_node("ask", ask)
claims.add_node("meanwhile", meanwhile)
claims.add_edge(START, "ask")
claims.add_edge(START, "meanwhile")
asking = durable(claims.compile())


async def waits(state: Claim) -> Claim:
    await actors.sleep(3600)
    return {"told": await actors.signal("told", str)}


async def calls_a_graph(state: Claim) -> Claim:
    return await claims.compile().ainvoke({})  # type: ignore[return-value]


one = StateGraph(Claim)
one.add_node("waits", waits)
one.add_edge(START, "waits")
waiting = durable(one.compile(), in_handler=["waits"])

wrong = StateGraph(Claim)
wrong.add_node("calls_a_graph", calls_a_graph)
wrong.add_edge(START, "calls_a_graph")
calling = durable(wrong.compile())


class Chat(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


async def reply(state: Chat) -> Chat:
    WORLD.note("reply")
    usage = {"input_tokens": 4, "output_tokens": 2, "total_tokens": 6}
    said = AIMessage(f"reply {len(state['messages'])}", usage_metadata=usage, response_metadata={"model_name": "m"})  # type: ignore[arg-type]
    return {"messages": [said]}


chat = StateGraph(Chat)
chat.add_node("reply", reply)
chat.add_edge(START, "reply")


class Graphs(Service):
    @handler
    async def run(self, name: str) -> list[str]:
        async def main() -> list[str]:
            done = await GRAPHS[name].ainvoke({"notes": [], "rounds": 0})
            return list(done["notes"])

        return await actors.aio.host(main, threads="inline")

    @handler
    async def updates(self) -> list[str]:
        async def main() -> list[str]:
            return [next(iter(update)) async for update in GRAPHS["flat"].astream({}, stream_mode="updates")]

        return await actors.aio.host(main, threads="inline")

    @handler
    async def claim(self, graph: str) -> dict[str, Any]:
        async def main() -> dict[str, Any]:
            return dict(await {"asking": asking, "waiting": waiting, "calling": calling}[graph].ainvoke({"amount": 1}))

        return await actors.aio.host(main)


class Conversation(Actor):
    checkpoints: Map[str, str]

    @handler
    async def say(self, text: str, durability: Literal["async", "exit"] = "async") -> list[str]:
        async def main() -> list[str]:
            graph = durable(chat.compile(checkpointer=MapSaver(self.checkpoints, keep=2)))
            thread = {"configurable": {"thread_id": "ada"}}
            done = await graph.ainvoke({"messages": [("user", text)]}, thread, durability=durability)  # type: ignore[arg-type]
            await actors.sleep(60)
            return [str(message.text) for message in done["messages"]]

        return await actors.aio.host(main)


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", GRAPHS)
async def test_nodes_are_steps_that_a_replay_does_not_repeat(name: str) -> None:
    async with Lab(Graphs).running() as runtime:
        handle = await runtime.client.service(Graphs).run.send(name)
        assert await handle.result() == RESULT
        events = [entry async for entry in handle.events()]
        ran = Counter(WORLD.entries)
        assert (await handle.check()).is_compatible
    steps = [entry.details["name"] for entry in events if entry.name == "StepScheduled"]
    assert Counter(steps) == {"plan": 1, "left": 1, "right": 1, "fan_out": 1, "worker": 3}
    assert ran == {"plan": 1, "left": 2, "right": 1, "worker 0": 1, "worker 1": 1, "worker 2": 1}
    assert Counter(WORLD.entries) == ran


@pytest.mark.virtual_time
async def test_a_restart_from_a_node_runs_only_what_follows() -> None:
    async with Lab(Graphs).running() as runtime:
        handle = await runtime.client.service(Graphs).run.send("flat")
        await handle.result()
        [step] = [e.details["step"] async for e in handle.events() if e.details.get("name") == "fan_out"]
        WORLD.clear()
        answer = await handle.restart(step)
        assert answer.successor is not None
        assert await runtime.client.invocation(answer.successor.invocation_id).result() == RESULT
    assert Counter(WORLD.entries) == {"worker 0": 1, "worker 1": 1, "worker 2": 1}


@pytest.mark.virtual_time
async def test_updates_can_be_streamed() -> None:
    async with Lab(Graphs).running() as runtime:
        assert Counter(await runtime.client.service(Graphs).updates()) == {
            "plan": 1,
            "left": 1,
            "right": 1,
            "fan_out": 1,
            "worker": 3,
        }


@pytest.mark.virtual_time
async def test_an_interrupt_waits_for_a_signal_and_returns_its_value() -> None:
    lab = Lab(Graphs)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Graphs).claim.send("asking")
        await trio.sleep(1)
        assert WORLD.count("meanwhile") == 1, "other nodes go on"
        await handle.signal("ask", "a desk")
        await trio.sleep(1)
        await handle.signal("ask", {"pays": "perhaps"})
        await trio.sleep(7 * 24 * 3600)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await handle.signal("ask", {"pays": True})
        assert await handle.result() == {"amount": 1, "first": "a desk", "second": True, "told": "the customer"}
        pieces = [piece async for piece in handle.output()]
        assert (await handle.check()).is_compatible
    assert [piece.get("interrupt") for piece in pieces] == [{"question": "What is it for?"}, "Do we pay?", None]
    assert "pays" in pieces[2]["refused"]
    assert Counter(WORLD.entries) == {"ask": 4, "meanwhile": 1}


@pytest.mark.virtual_time
async def test_a_node_in_the_handler_may_use_durable_verbs() -> None:
    async with Lab(Graphs).running() as runtime:
        handle = await runtime.client.service(Graphs).claim.send("waiting")
        await handle.signal("told", "ada")
        assert await handle.result() == {"amount": 1, "told": "ada"}


@pytest.mark.virtual_time
async def test_an_interrupt_that_cannot_be_answered_is_an_error() -> None:
    async with Lab(Graphs).running() as runtime:
        with pytest.raises(actors.TerminalError, match="Add that graph as a node"):
            await runtime.client.service(Graphs).claim("calling")


@pytest.mark.virtual_time
@pytest.mark.parametrize("durability", ["async", "exit"])
async def test_a_thread_is_kept_in_an_object_and_read_from_outside(durability: Literal["async", "exit"]) -> None:
    lab = Lab(Conversation)
    for number, text in enumerate(("hello", "again", "bye")):
        async with lab.running() as runtime:
            said = await runtime.client.actor(Conversation, "ada").say.send(text, durability)
            await trio.sleep(30)
        async with lab.running() as runtime:  # it dies between the graph and the end of the handler
            handle = runtime.client.invocation(said.id)
            replies = await handle.result()
            assert len(replies) == 2 * number + 2
            assert (await handle.check()).is_compatible
    assert replies == ["hello", "reply 1", "again", "reply 3", "bye", "reply 5"]
    assert WORLD.count("reply") == 3
    async with lab.running() as runtime:
        saver = await MapSaver.read(runtime.client.object("Conversation", "ada"), "checkpoints")
    thread = {"configurable": {"thread_id": "ada"}}
    graph = chat.compile(checkpointer=saver)
    assert [message.text for message in graph.get_state(thread).values["messages"]] == replies  # type: ignore[arg-type]
    kept = list(saver.list(thread))  # type: ignore[arg-type]
    assert len(kept) == 2
    assert [one.config["configurable"]["checkpoint_id"] for one in kept] == sorted(
        (one.config["configurable"]["checkpoint_id"] for one in kept), reverse=True
    )
    assert [len(list(saver.list(thread, limit=1))), len(list(saver.list(None, filter={"source": "input"})))] == [1, 0]  # type: ignore[arg-type]
    saver.delete_thread("ada")
    assert graph.get_state(thread).values == {}  # type: ignore[arg-type]


@pytest.mark.virtual_time
async def test_the_messages_of_a_node_describe_its_step() -> None:
    async with Lab(Conversation).running() as runtime:
        said = await runtime.client.actor(Conversation, "ada").say.send("hello")
        await said.result()
        [described] = [e.details["attributes"] async for e in said.events() if e.name == "StepCompleted"]
    assert described == {
        "langgraph.node": "reply",
        "gen_ai.usage.input_tokens": 4,
        "gen_ai.usage.output_tokens": 2,
        "gen_ai.response.model": "m",
    }


@pytest.mark.parametrize(
    "value", [None, {"a": [1, 1.5, True, "x"]}, {1: "a"}, {"a": AIMessage("hi", id="1")}, float("inf")]
)
def test_an_output_comes_back_as_it_was(value: Any) -> None:
    serde = MapSaver({}).serde
    again = restored(serde, stored(serde, value))
    assert again == value
    assert type(again) is type(value)


def test_what_is_no_compiled_graph_is_refused() -> None:
    with raises(DefinitionError, reason="integration"):
        durable(research())
    with raises(DefinitionError, reason="integration", name="plam"):
        durable(research().compile(), in_handler=["plam"])
    with pytest.raises(InvalidArgumentError):
        MapSaver({}, keep=0)


def test_a_missing_package_names_its_extra() -> None:
    code = "import sys; sys.modules['langgraph'] = None\nimport actors.integrations.langgraph"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "pip install 'playhead[langgraph]'" in done.stderr


def test_a_process_killed_at_each_recorded_step_repeats_no_recorded_model_call(tmp_path: Path) -> None:
    story = killed_at_each_recorded_step(
        tmp_path,
        "examples.langgraph_approval:Expenses.claim",
        {"text": "a desk", "amount": 900},
        "examples.langgraph_approval:ask_model",
        {"approve": "the desk is fine"},
    )
    assert story.result == "A DESK: THE DESK IS FINE"
    assert story.asked_again == []
    assert (len(story.recorded), len(set(story.asked))) == (4, 2), "the node that interrupts runs twice"
    assert story.kills >= 3
