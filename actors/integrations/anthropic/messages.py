"""The tool loop over Anthropic's messages."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anthropic
import attrs
import msgspec

from actors.integrations.chat.errors import ModelResponseError, model_errors
from actors.integrations.chat.loop import ModelTurn, ToolCall, converse, in_steps
from actors.integrations.chat.prices import checked_prices
from actors.integrations.chat.records import RequestNotes, Usage
from actors.integrations.chat.tools import tools_by_name
from actors.model.verbs.output import emit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from anthropic import AsyncAnthropic

    from actors.integrations.chat.loop import Conversation
    from actors.integrations.chat.prices import Prices
    from actors.integrations.chat.tools import ToolLike, ToolResult
    from actors.model.step_options import Redactor
    from actors.values.arguments import Seconds
    from actors.values.retries import RetryPolicy


async def run_tools(
    client: AsyncAnthropic,
    *,
    model: str,
    messages: Iterable[dict[str, Any]],
    max_tokens: int = 4_096,
    tools: Iterable[ToolLike] = (),
    stream: bool = False,
    max_turns: int = 20,
    retry: RetryPolicy | None = None,
    timeout: Seconds | None = None,  # noqa: ASYNC109 - an option of the steps
    prices: Prices | None = None,
    redact: Redactor | None = None,
    **options: Any,
) -> Conversation:
    """In a handler: ask the model, carry out the tools that it calls, and repeat until it answers with a text.

    The same as :func:`actors.integrations.openai.run_tools`, with the messages and the parameters of Anthropic's API: ``options`` are, for example,
    ``system`` and ``temperature``. ``max_tokens`` limits each answer.

    ::

        answer = await run_tools(client, model="claude-sonnet-4-5", messages=[{"role": "user", "content": question}], tools=[weather])
        return answer.text
    """
    by_name = tools_by_name(tools)
    request = {"model": model, "max_tokens": max_tokens, **options}
    if by_name:
        request["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": tool.schema}
            for tool in by_name.values()
        ]
    send = partial(_streamed if stream else _whole, client.with_options(max_retries=0), checked_prices(prices))
    ask = in_steps(send, _turn, request, retry=retry, timeout=timeout, redact=redact)
    return await converse(ask, _told, messages, by_name, max_turns)


def _told(results: Sequence[ToolResult]) -> list[dict[str, Any]]:
    content = [
        {
            "type": "tool_result",
            "tool_use_id": result.call_id,
            "content": result.text,
            **({"is_error": True} if result.is_error else {}),
        }
        for result in results
    ]
    return [{"role": "user", "content": content}]


def _turn(answer: dict[str, Any]) -> ModelTurn:
    read = msgspec.convert(answer, _MessageRead)
    blocks = answer["message"]["content"]
    calls = [msgspec.convert(block, _ToolUse) for block in blocks if block["type"] == "tool_use"]
    return ModelTurn(
        message=answer["message"],
        text="".join(msgspec.convert(block, _Text).text for block in blocks if block["type"] == "text"),
        calls=[ToolCall(call_id=call.id, name=call.name, arguments=msgspec.json.encode(call.input)) for call in calls],
        finish_reason=read.finish_reason,
        is_cut=read.finish_reason == "max_tokens",
        usage=read.usage,
    )


class _ToolUse(msgspec.Struct):
    id: str
    name: str
    input: Any


class _Text(msgspec.Struct):
    text: str


class _Content(msgspec.Struct):
    content: list[dict[str, Any]]


class _MessageRead(msgspec.Struct):
    """The part of a recorded answer that the loop reads. The client does not validate responses."""

    message: _Content
    finish_reason: str
    usage: Usage


# Requests: the bodies of steps.


async def _whole(client: AsyncAnthropic, prices: Prices, request: dict[str, Any]) -> dict[str, Any]:
    notes = RequestNotes(provider="anthropic", model=request["model"], prices=prices)
    with model_errors(anthropic):
        return _recorded(notes, await client.messages.create(**request))


async def _streamed(client: AsyncAnthropic, prices: Prices, request: dict[str, Any]) -> dict[str, Any]:
    notes = RequestNotes(provider="anthropic", model=request["model"], prices=prices)
    with model_errors(anthropic):
        async with client.messages.stream(**request) as stream:
            async for event in stream:
                if event.type == "content_block_delta":
                    notes.token_came()
                elif event.type == "text":
                    emit(event.text)
            return _recorded(notes, await stream.get_final_message())


def _recorded(notes: RequestNotes, answer: Any) -> dict[str, Any]:
    """Return the record of an answer, after a check that the next turn can read it."""
    if answer.stop_reason is None:
        raise ModelResponseError("the model's answer ended before its stop_reason; expected a whole stream")
    blocks = [block.model_dump(mode="json", exclude_none=True) for block in answer.content]
    read, written = answer.usage.cache_read_input_tokens or 0, answer.usage.cache_creation_input_tokens or 0
    spent = Usage(
        input_tokens=answer.usage.input_tokens + read + written,
        output_tokens=answer.usage.output_tokens,
        cached_tokens=read,
    )
    spent = notes.answered(model=answer.model, answer_id=answer.id, finish_reason=answer.stop_reason, usage=spent)
    message = {"role": "assistant", "content": blocks}
    recorded = {"id": answer.id, "finish_reason": answer.stop_reason, "message": message, "usage": attrs.asdict(spent)}
    _turn(recorded)
    return recorded
