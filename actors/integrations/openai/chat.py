"""The tool loop over OpenAI's chat completions, which many other servers speak too."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import openai

from actors.integrations.chat.errors import ModelResponseError, model_errors
from actors.integrations.chat.loop import ModelTurn, ToolCall, converse, in_steps
from actors.integrations.chat.prices import checked_prices
from actors.integrations.chat.records import RequestNotes, Usage
from actors.integrations.chat.tools import tools_by_name
from actors.model.verbs.output import emit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openai import AsyncOpenAI, AsyncStream
    from openai.types.chat import ChatCompletionChunk

    from actors.integrations.chat.loop import Conversation
    from actors.integrations.chat.prices import Prices
    from actors.integrations.chat.tools import ModelTool, ToolLike, ToolResult
    from actors.model.step_options import Redactor
    from actors.values.arguments import Seconds
    from actors.values.retries import RetryPolicy


async def run_tools(
    client: AsyncOpenAI,
    *,
    model: str,
    messages: Iterable[dict[str, Any]],
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

    Each request is a step named ``model request``, each call of a tool a step named ``tool NAME``; see :class:`Tool`. ``retry`` and ``timeout``
    are those of a request: the client's own retries are off, and ``Retry-After`` is honoured. With ``stream`` the text is emitted while it
    arrives (:func:`actors.emit`). ``options`` are further parameters of the API, such as ``temperature``; ``extra_headers`` and ``extra_query`` are not recorded.
    ``redact`` is that of the step (:func:`actors.step`): it is called with ``"request"`` and the request, with its prompts, and returns what is recorded.

    The attributes of the step have the model, the tokens, the time to the first token of a stream, and the cost if ``prices`` has
    the model. Raises :class:`ModelRefusedError` and :class:`TooManyTurnsError`. An answer that is not what the API promises is a
    :class:`ModelResponseError`, and is tried again.

    ::

        answer = await run_tools(client, model="gpt-5", messages=[{"role": "user", "content": question}], tools=[weather])
        return answer.text
    """
    by_name = tools_by_name(tools)
    request = {"model": model, **options}
    if by_name:
        request["tools"] = [_declared(tool) for tool in by_name.values()]
    send = partial(_streamed if stream else _whole, client.with_options(max_retries=0), checked_prices(prices))
    ask = in_steps(send, _turn, request, retry=retry, timeout=timeout, redact=redact)
    return await converse(ask, _told, messages, by_name, max_turns)


def _declared(tool: ModelTool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    return {"type": "function", "function": function}


def _told(results: Sequence[ToolResult]) -> list[dict[str, Any]]:
    return [
        {
            "role": "tool",
            "tool_call_id": result.call_id,
            "content": f"error: {result.text}" if result.is_error else result.text,
        }
        for result in results
    ]


def _turn(answer: dict[str, Any]) -> ModelTurn:
    read = msgspec.convert(answer, _ChatAnswer)
    return ModelTurn(
        message=answer["message"],
        text=read.message.content or "",
        calls=[
            ToolCall(call_id=call.id, name=call.function.name, arguments=call.function.arguments.encode())
            for call in read.message.tool_calls
        ],
        finish_reason=read.finish_reason,
        is_cut=read.finish_reason == "length",
        usage=read.usage,
    )


class _ChatFunction(msgspec.Struct):
    name: str
    arguments: str


class _ChatCall(msgspec.Struct):
    id: str
    function: _ChatFunction


class _ChatMessage(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_ChatCall] = []


class _ChatAnswer(msgspec.Struct):
    """The part of a recorded answer that the loop reads. The client does not validate responses."""

    message: _ChatMessage
    finish_reason: str
    usage: Usage


# Requests: the bodies of steps.


async def _whole(client: AsyncOpenAI, prices: Prices, request: dict[str, Any]) -> dict[str, Any]:
    notes = RequestNotes(provider="openai", model=request["model"], prices=prices)
    with model_errors(openai):
        answer = await client.chat.completions.create(**request)
        choice = answer.choices[0]
        message = choice.message.model_dump(mode="json", exclude_none=True)
        return _recorded(notes, answer, message, choice.finish_reason, answer.usage)


async def _streamed(client: AsyncOpenAI, prices: Prices, request: dict[str, Any]) -> dict[str, Any]:
    notes = RequestNotes(provider="openai", model=request["model"], prices=prices)
    parts, last, finish_reason, usage = _Parts(), None, "", None
    with model_errors(openai):
        streaming = {**request, "stream": True, "stream_options": {"include_usage": True}}
        stream: AsyncStream[ChatCompletionChunk]
        async with await client.chat.completions.create(**streaming) as stream:
            async for chunk in stream:
                last, usage = chunk, chunk.usage or usage
                for choice in chunk.choices[:1]:
                    notes.token_came()
                    parts.add(choice.delta)
                    finish_reason = choice.finish_reason or finish_reason
        if last is None or not finish_reason:
            raise ModelResponseError("the model's answer ended before its finish_reason; expected a whole stream")
        return _recorded(notes, last, parts.message(), finish_reason, usage)


class _Parts:
    """The parts of a message that have arrived. Its text is emitted as it comes."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {"content": [], "refusal": []}
        self._calls: dict[int, dict[str, Any]] = {}

    def add(self, delta: Any) -> None:
        if delta.content:
            emit(delta.content)
        for name, texts in self._texts.items():
            texts.append(getattr(delta, name) or "")
        for part in delta.tool_calls or ():
            call = self._calls.setdefault(
                part.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
            )
            call["id"] = part.id or call["id"]
            call["function"]["name"] += part.function.name or ""
            call["function"]["arguments"] += part.function.arguments or ""

    def message(self) -> dict[str, Any]:
        texts = {name: "".join(texts) for name, texts in self._texts.items()}
        calls = [self._calls[index] for index in sorted(self._calls)]
        return {
            "role": "assistant",
            **{name: text for name, text in texts.items() if text},
            **({"tool_calls": calls} if calls else {}),
        }


def _recorded(
    notes: RequestNotes, answer: Any, message: dict[str, Any], finish_reason: str, usage: Any
) -> dict[str, Any]:
    """Return the record of an answer, after a check that the next turn can read it."""
    details = None if usage is None else usage.prompt_tokens_details
    spent = (
        Usage()
        if usage is None
        else Usage(
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            cached_tokens=(details and details.cached_tokens) or 0,
        )
    )
    spent = notes.answered(model=answer.model, answer_id=answer.id, finish_reason=finish_reason, usage=spent)
    recorded = {"id": answer.id, "finish_reason": finish_reason, "message": message, "usage": attrs.asdict(spent)}
    _turn(recorded)
    return recorded
