"""Tool loops over the real clients of OpenAI and Anthropic: each model request and each call of a tool is a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import trio

import actors
import actors.integrations.anthropic
import actors.integrations.openai
from actors import Limits, RetryPolicy, Service, handler
from actors.errors import DefinitionError, InvalidArgumentError
from actors.integrations.openai import ModelRefusedError, Price, Tool, ToolError, TooManyTurnsError
from tests.integrations.chat_models import ANTHROPIC, MODEL, OPENAI, Says, anthropic_client, openai_client
from tests.lab import WORLD, Lab

if TYPE_CHECKING:
    from actors.types import InvocationHandle

pytestmark = [
    pytest.mark.virtual_time,
    # The SDKs leave their own generators to the collector when they have read the last event; trio says so by a ResourceWarning.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PRICES = {"small-1": Price(2.0, 10.0, cached=1.0)}
ONCE_AGAIN = RetryPolicy(max_attempts=2, initial_delay=1.0, on_exhausted="fail")
MODULES = {"openai": actors.integrations.openai, "anthropic": actors.integrations.anthropic}


async def weather(city: str, days: int = 1) -> dict[str, Any]:
    """The weather of a city."""
    WORLD.note(f"weather {city}")
    if city == "Atlantis":
        raise ToolError("there is no such city")
    if city == "Oslo" and WORLD.count("weather Oslo") == 1:
        raise OSError("the line is down")
    await trio.sleep(1)
    return {"city": city, "cold": True, "days": days}


def add(a: int, b: int) -> int:
    WORLD.note("add")
    return a + b


async def approve(what: str) -> bool:
    return await actors.signal("approved", bool)


async def endless() -> str:
    return await trio.sleep_forever()


def huge() -> str:
    return "x" * 2_000_000


def secret() -> object:
    return object()


def burnt() -> str:
    WORLD.note("burnt")
    raise actors.TerminalError("it is burnt")


async def shapeless() -> Any:
    return object()


TOOLS = [
    Tool(weather, retry=ONCE_AGAIN),
    add,
    Tool(approve, in_handler=True),
    Tool(endless, timeout=5, retry=RetryPolicy(max_attempts=1, on_exhausted="fail")),
    huge,
    secret,
    burnt,
    Tool(shapeless, in_handler=True),
]


class Chats(Service):
    @handler
    async def ask(self, which: str, stream: bool = False, max_turns: int = 5) -> list[Any]:
        client: Any = openai_client() if which == "openai" else anthropic_client()
        answer = await MODULES[which].run_tools(
            client,
            model="small",
            messages=[{"role": "user", "content": "how is it?"}],
            tools=TOOLS,
            stream=stream,
            max_turns=max_turns,
            retry=ONCE_AGAIN,
            prices=PRICES,
        )
        return [answer.text, answer.turns, answer.usage.cost]


async def asked(runtime: Any, which: str, **arguments: Any) -> InvocationHandle[list[Any]]:
    handle: InvocationHandle[list[Any]] = await runtime.client.service(Chats).ask.send(which, **arguments)
    return handle


async def steps_of(handle: InvocationHandle[Any]) -> list[str]:
    return [entry.details["name"] async for entry in handle.events() if entry.name == "StepScheduled"]


async def attributes_of(handle: InvocationHandle[Any]) -> list[dict[str, Any]]:
    return [entry.details["attributes"] async for entry in handle.events() if entry.name == "StepCompleted"]


async def failure_of(handle: InvocationHandle[Any]) -> actors.types.FailureInfo:
    outcome = await handle.outcome()
    assert outcome.failure is not None
    return outcome.failure


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("which", MODULES)
async def test_requests_and_tools_are_steps_that_a_replay_does_not_repeat(which: str, stream: bool) -> None:
    MODEL.will(
        Says(calls=(("weather", {"city": "Oslo"}), ("weather", {"city": "Atlantis"}), ("add", {"a": 1, "b": 2}))),
        Says("it is cold"),
    )
    async with Lab(Chats).running() as runtime:
        handle = await asked(runtime, which, stream=stream)
        text, turns, cost = await handle.result()
        assert (text.replace(" ", ""), turns) == ("itiscold", 2)
        assert cost == pytest.approx(2 * (60 * 2 + 40 * 1 + 10 * 10) / 1e6)
        assert sorted(await steps_of(handle)) == sorted(
            ["model request", "tool add", "tool weather", "tool weather", "model request"]
        )
        emitted = [piece async for piece in handle.output()]
        assert emitted == (["it", "is", "cold"] if stream else [])
        [asking, *_, answering] = await attributes_of(handle)
        assert (await handle.check()).is_compatible
    assert len(MODEL.requests) == 2
    assert WORLD.count("weather Oslo") == 2, "an error of a tool is tried again"
    assert WORLD.count("weather Atlantis") == 1, "an error for the model is not"
    assert asking["gen_ai.provider.name"] == which
    assert (answering["gen_ai.request.model"], answering["gen_ai.response.model"]) == ("small", "small-1")
    assert (answering["gen_ai.usage.input_tokens"], answering["gen_ai.usage.output_tokens"]) == (100, 10)
    assert answering["gen_ai.usage.cost"] == pytest.approx(cost / 2)
    assert ("gen_ai.server.time_to_first_token" in answering) == stream
    if stream:
        assert 1 <= answering["gen_ai.server.time_to_first_token"] <= 3
    told = str(MODEL.requests[1]["messages"][2:])
    assert "there is no such city" in told
    assert '"cold":true' in told


def without_prompts(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "messages": f"{name}: {len(value['messages'])} messages"}


class Discreet(Service):
    @handler
    async def ask(self, which: str) -> str:
        client: Any = openai_client() if which == "openai" else anthropic_client()
        said = [{"role": "user", "content": " ".join(("my", "diary"))}]
        tools = [Tool(add, redact=("a",))]
        run_tools = MODULES[which].run_tools
        answer = await run_tools(client, model="small", messages=said, tools=tools, redact=without_prompts)
        return str(answer.text)


@pytest.mark.parametrize("which", MODULES)
async def test_what_redact_leaves_out_reaches_the_model_and_is_not_recorded(which: str) -> None:
    MODEL.will(Says(calls=(("add", {"a": 1, "b": 2}),)), Says("three"))
    lab = Lab(Discreet)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Discreet).ask.send(which)
        assert await handle.result() == "three"
        assert (await handle.check()).is_compatible
        asked, told, _ = [entry.details["argument"] async for entry in handle.events() if entry.name == "StepScheduled"]
    assert asked[0]["messages"] == "request: 1 messages"
    assert told == {"a": "[redacted]", "b": 2}
    assert MODEL.requests[0]["messages"][0]["content"] == "my diary"
    assert not any(b"my diary" in value for _, value in lab.store.contents())


@pytest.mark.parametrize("which", MODULES)
async def test_a_restart_keeps_the_answers_before_it_and_a_crash_keeps_all(which: str) -> None:
    MODEL.will(Says(calls=(("add", {"a": 1, "b": 2}),)), Says("three"), Says("three again"))
    lab = Lab(Chats)
    async with lab.running() as runtime:
        handle = await asked(runtime, which)
        assert (await handle.result())[0] == "three"
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        last = [entry.details["step"] async for entry in handle.events() if entry.name == "StepScheduled"][-1]
        answer = await handle.restart(last)
        assert answer.successor is not None
        again = await runtime.client.invocation(answer.successor.invocation_id).result()
    assert again[0] == "three again"
    assert WORLD.count("add") == 1


@pytest.mark.parametrize("which", MODULES)
async def test_a_busy_model_is_asked_again_when_it_says_and_not_earlier(which: str) -> None:
    MODEL.will(
        httpx2.Response(429, headers={"retry-after": "120"}, json={"error": {"message": "slow down"}}), Says("ok")
    )
    async with Lab(Chats).running() as runtime:
        handle = await asked(runtime, which)
        assert (await handle.result())[0] == "ok"
        [failed] = [entry async for entry in handle.events() if entry.name == "StepAttemptFailed"]
    assert 120 <= failed.details["retry_at"] - failed.at <= 132
    first, second = MODEL.at
    assert second - first >= 120


@pytest.mark.parametrize("which", MODULES)
async def test_a_request_that_the_model_refuses_is_not_repeated(which: str) -> None:
    MODEL.will(httpx2.Response(401, json={"error": {"message": "no key"}}))
    async with Lab(Chats).running() as runtime:
        with pytest.raises(ModelRefusedError) as refused:
            await (await asked(runtime, which)).result()
    assert refused.value.status_code == 401
    assert len(MODEL.requests) == 1


EVENTS = {"content-type": "text/event-stream"}
GARBAGE = [
    (False, {"content": b"<html>busy</html>", "headers": {"content-type": "text/html"}}),
    (False, {"content": b"{", "headers": {"content-type": "application/json"}}),
    (False, {"json": {"choices": [], "content": None}}),
    (False, {"json": [1, 2]}),
    (True, {"content": b"data: {\n\n", "headers": EVENTS}),
    (True, {"content": b"data: 7\n\nevent: message_start\ndata: 7\n\n", "headers": EVENTS}),
    (True, {"content": b"\xff\xfe\x00", "headers": EVENTS}),
    (True, {"content": b"", "headers": EVENTS}),
]


@pytest.mark.parametrize(("stream", "answer"), GARBAGE)
@pytest.mark.parametrize("which", MODULES)
async def test_garbage_of_a_model_is_an_error_of_its_own_type(which: str, stream: bool, answer: dict[str, Any]) -> None:
    MODEL.will(httpx2.Response(200, **answer), httpx2.Response(200, **answer))
    async with Lab(Chats).running() as runtime:
        failure = await failure_of(await asked(runtime, which, stream=stream))
    assert "ModelResponseError" in f"{failure.type} {failure.message}"
    assert len(MODEL.requests) == 2, "it is tried again"


WRONG_TYPES = [
    ("openai", ("choices", 0, "message", "content"), 5),
    ("openai", ("choices", 0, "message", "tool_calls"), [{"id": "1", "function": {"name": 7, "arguments": "{}"}}]),
    ("openai", ("choices", 0, "message", "tool_calls"), [{"id": "1", "function": {"name": "add", "arguments": {}}}]),
    ("openai", ("choices", 0, "finish_reason"), 5),
    ("openai", ("usage", "prompt_tokens"), "many"),
    ("anthropic", ("content", 0, "text"), 5),
    ("anthropic", ("content", 0), {"type": "tool_use", "id": "1", "name": 7, "input": {}}),
    ("anthropic", ("usage", "output_tokens"), "many"),
    ("anthropic", ("stop_reason",), 5),
]


@pytest.mark.parametrize(("which", "place", "value"), WRONG_TYPES)
async def test_an_answer_of_wrong_types_is_an_error_of_its_own_type(which: str, place: Any, value: Any) -> None:
    answer = (OPENAI if which == "openai" else ANTHROPIC).whole(Says("fine"))
    at: Any = answer
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = value
    MODEL.will(*[httpx2.Response(200, json=answer)] * 2)
    async with Lab(Chats).running() as runtime:
        failure = await failure_of(await asked(runtime, which))
    assert "ModelResponseError" in f"{failure.type} {failure.message}"


async def test_a_model_that_is_overloaded_in_the_middle_of_a_stream_is_asked_again() -> None:
    [begun, *_] = ANTHROPIC.pieces(Says("it is cold"))
    overloaded = b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}\n\n'
    MODEL.will(httpx2.Response(200, content=begun + overloaded, headers=EVENTS), Says("it is cold"))
    async with Lab(Chats).running() as runtime:
        handle = await asked(runtime, "anthropic", stream=True)
        assert (await handle.result())[0] == "it is cold".replace(" ", "")


@pytest.mark.parametrize("which", MODULES)
async def test_a_call_in_which_the_answer_was_cut_off_is_not_carried_out(which: str) -> None:
    api = OPENAI if which == "openai" else ANTHROPIC
    answer = api.whole(Says(calls=(("add", {"a": 1, "b": 2}), ("weather", {"city": "Rome"}))))
    if which == "openai":
        answer["choices"][0]["finish_reason"] = "length"
    else:
        answer["stop_reason"] = "max_tokens"
    MODEL.will(httpx2.Response(200, json=answer), Says("never mind"))
    async with Lab(Chats).running() as runtime:
        handle = await asked(runtime, which)
        assert (await handle.result())[0] == "never mind"
        assert await steps_of(handle) == ["model request", "tool add", "model request"]
    assert "limit of tokens" in str(MODEL.requests[1]["messages"][-1])


@pytest.mark.parametrize(
    ("tool", "expected"),
    [("endless", "StepTimeoutError"), ("huge", "LimitExceededError"), ("secret", "UnserializableError")],
)
async def test_a_tool_that_never_returns_or_returns_what_cannot_be_stored_is_named(tool: str, expected: str) -> None:
    MODEL.will(Says(calls=((tool, {}),)))
    async with Lab(Chats, limits=Limits(payload_bytes=1 << 20)).running() as runtime:
        failure = await failure_of(await asked(runtime, "openai"))
    assert expected in f"{failure.type} {failure.message}"
    assert f"tool {tool}" in failure.message
    assert len(MODEL.requests) == 1


async def test_the_model_is_told_of_wrong_calls_and_can_ask_again() -> None:
    MODEL.will(
        Says(calls=(("add", {"a": "one"}), ("subtract", {}), ("add", {"a": 1, "b": 2, "c": 3}))), Says("never mind")
    )
    async with Lab(Chats).running() as runtime:
        handle = await asked(runtime, "anthropic")
        assert (await handle.result())[0] == "never mind"
        assert await steps_of(handle) == ["model request", "model request"]
    results = MODEL.requests[1]["messages"][-1]["content"]
    assert [result["is_error"] for result in results] == [True, True, True]


async def test_what_a_tool_in_the_handler_returns_and_json_cannot_have_is_named() -> None:
    MODEL.will(Says(calls=(("shapeless", {}),)))
    async with Lab(Chats).running() as runtime:
        failure = await failure_of(await asked(runtime, "openai"))
    assert (failure.type, "shapeless" in failure.message) == ("actors.errors.UnserializableError", True)


async def test_the_error_of_a_tool_comes_out_of_the_loop_as_it_is() -> None:
    MODEL.will(Says(calls=(("burnt", {}), ("endless", {}))))
    async with Lab(Chats).running() as runtime:
        failure = await failure_of(await asked(runtime, "openai"))
    assert (failure.type, failure.message) == ("actors.errors.TerminalError", "it is burnt")
    assert WORLD.count("burnt") == 1


class Keyed(Service):
    @handler
    async def ask(self, which: str) -> str:
        client: Any = openai_client() if which == "openai" else anthropic_client()
        said = [{"role": "user", "content": "hello"}]
        headers = {"x-team-key": "hunter2"}
        answer = await MODULES[which].run_tools(client, model="small", messages=said, extra_headers=headers)
        return f"{answer.text} {answer.finish_reason}"


@pytest.mark.parametrize(("which", "ended"), [("openai", "stop"), ("anthropic", "end_turn")])
async def test_headers_of_a_request_are_sent_and_not_recorded(which: str, ended: str) -> None:
    MODEL.will(Says("hi"))
    lab = Lab(Keyed)
    async with lab.running() as runtime:
        assert await runtime.client.service(Keyed).ask(which) == f"hi {ended}"
    assert MODEL.headers[0]["x-team-key"] == "hunter2"
    assert b"hunter2" not in b"".join(value for _, value in lab.store.contents())


async def test_a_tool_in_the_handler_may_wait_for_a_person() -> None:
    MODEL.will(Says(calls=(("approve", {"what": "a refund"}),)), Says("done"))
    async with Lab(Chats).running() as runtime:
        handle = await asked(runtime, "openai")
        await trio.sleep(3_600)
        await handle.signal("approved", True)
        assert (await handle.result())[0] == "done"
    assert MODEL.requests[1]["messages"][-1]["content"] == "true"


async def test_a_loop_without_an_end_is_ended() -> None:
    MODEL.will(*[Says(calls=(("add", {"a": 1, "b": 2}),))] * 3)
    async with Lab(Chats).running() as runtime:
        with pytest.raises(TooManyTurnsError) as ended:
            await (await asked(runtime, "openai", max_turns=3)).result()
    assert ended.value.turns == 3
    assert len(MODEL.requests) == 3


async def test_what_no_model_could_call_is_refused() -> None:
    with pytest.raises(InvalidArgumentError):
        Tool(add, name="two words")
    with pytest.raises(DefinitionError):
        Tool(unreadable)
    with pytest.raises(InvalidArgumentError):
        Price(-1.0, 0.0)


async def unreadable(handle: trio.Event) -> None: ...
