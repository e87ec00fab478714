"""The loop of an agent: ask the model, run the tools that it calls, and send it the results, until it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.integrations.chat.errors import TooManyTurnsError
from actors.integrations.chat.records import Usage
from actors.integrations.chat.tools import ToolResult
from actors.model.verbs.scopes import open_nursery
from actors.model.verbs.steps import run
from actors.values.arguments import checked_count

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from actors.integrations.chat.tools import ModelTool
    from actors.model.step_options import Redactor
    from actors.values.arguments import Seconds
    from actors.values.retries import RetryPolicy

_UNRECORDED = ("extra_headers", "extra_query")
"""The parameters of a request that are not part of the API and may contain a secret."""


@attrs.frozen(kw_only=True)
class ToolCall:
    """A call that the model asks for. ``arguments`` is an object as JSON."""

    call_id: str
    name: str
    arguments: bytes


@attrs.frozen(kw_only=True)
class ModelTurn:
    """One answer of the model: the ``message`` as the next request repeats it, its text, and the tools that it calls. ``is_cut`` says
    that it reached its limit of tokens, so that its last call may lack a part."""

    message: dict[str, Any]
    text: str
    calls: Sequence[ToolCall]
    finish_reason: str
    is_cut: bool
    usage: Usage


@attrs.frozen(kw_only=True)
class Conversation:
    """The end of a loop: the model's last text, all messages, the number of model requests, and their usage together.

    ``finish_reason`` is why the last answer ended, in the words of its API: a text that reached its limit of tokens has ``length``
    with OpenAI and ``max_tokens`` with Anthropic.
    """

    text: str
    finish_reason: str
    messages: list[dict[str, Any]]
    turns: int
    usage: Usage


def in_steps(
    send: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]],
    read: Callable[[dict[str, Any]], ModelTurn],
    request: dict[str, Any],
    *,
    retry: RetryPolicy | None,
    timeout: Seconds | None,
    redact: Redactor | None,
) -> Callable[[list[dict[str, Any]]], Awaitable[ModelTurn]]:
    """Return what sends the request with the messages that it is given, in a step, and reads the recorded answer.

    The arguments of a step are recorded, and the headers and the query that a user adds may have a key: the step has them beside it.
    """
    unrecorded = {name: request[name] for name in _UNRECORDED if name in request}
    recorded = {name: value for name, value in request.items() if name not in _UNRECORDED}

    async def body(
        request: dict[str, Any],
    ) -> dict[str, Any]:  # a closure: arguments are copied, and a client cannot be
        return await send({**request, **unrecorded})

    async def ask(said: list[dict[str, Any]]) -> ModelTurn:
        whole = {**recorded, "messages": said}
        return read(
            await run(
                body,
                whole,
                name="model request",
                retry=retry,
                timeout=timeout,
                redact=redact or (),
                result_type=dict[str, Any],
            )
        )

    return ask


async def converse(
    ask: Callable[[list[dict[str, Any]]], Awaitable[ModelTurn]],
    tell: Callable[[Sequence[ToolResult]], Iterable[dict[str, Any]]],
    messages: Iterable[dict[str, Any]],
    tools: Mapping[str, ModelTool],
    max_turns: int,
) -> Conversation:
    """Run the loop. ``ask`` sends the messages to the model, and ``tell`` returns the messages with the results of tools.

    The tools of one answer run side by side. Raises :class:`TooManyTurnsError`.
    """
    checked_count(max_turns, "max_turns")
    said, usage = [dict(message) for message in messages], Usage()
    for number in range(1, max_turns + 1):
        turn = await ask(said)
        said.append(turn.message)
        usage = usage.plus(turn.usage)
        if not turn.calls:
            return Conversation(
                text=turn.text, finish_reason=turn.finish_reason, messages=said, turns=number, usage=usage
            )
        said += tell(await _results(turn, tools))
    raise TooManyTurnsError(
        f"the model still calls tools after {max_turns} requests; give it more with max_turns, or change its instructions",
        turns=max_turns,
    )


async def _results(turn: ModelTurn, tools: Mapping[str, ModelTool]) -> list[ToolResult]:
    calls = turn.calls
    found: dict[int, ToolResult] = {}

    async def carry_out(number: int, call: ToolCall) -> None:
        tool = tools.get(call.name)
        # The arguments of a call that is cut off may be readable, and still lack the end of a number.
        if turn.is_cut and number == len(calls) - 1:
            text = "the call was not carried out: the answer reached its limit of tokens in it. Ask again with a shorter answer"
            found[number] = ToolResult(call.call_id, text, is_error=True)
        elif tool is None:
            text = f"there is no tool {call.name[:80]!r}; there are {', '.join(tools) or 'none'}"
            found[number] = ToolResult(call.call_id, text, is_error=True)
        else:
            found[number] = await tool.call(call.call_id, call.arguments)

    try:
        async with open_nursery() as nursery:
            for number, call in enumerate(calls):
                nursery.start_soon(carry_out, number, call)
    except ExceptionGroup as failed:
        first, *others = failed.exceptions
        if others:
            raise
        raise first from None  # as a tool that is called alone raises it
    return [found[number] for number in range(len(calls))]
