"""Models behind the real clients: answers in the formats of OpenAI and Anthropic, from a script, with no network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import httpx2
import trio
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@attrs.frozen
class Says:
    """An answer: a text, or calls of tools as (name, arguments)."""

    text: str = ""
    calls: tuple[tuple[str, Any], ...] = ()


class Pieces(httpx2.AsyncByteStream):
    """A body that arrives piece by piece, one a second."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await trio.sleep(1)
            yield piece


class Model(httpx2.AsyncBaseTransport):
    """Gives the answers of a script, in order, and keeps the requests. An answer may be a whole response."""

    def __init__(self) -> None:
        self.script: list[Says | httpx2.Response | Callable[[], httpx2.Response]] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[httpx2.Headers] = []
        self.at: list[float] = []

    def will(self, *script: Says | httpx2.Response) -> None:
        """Begin again with this script."""
        self.script = [*script]
        self.requests, self.headers, self.at = [], [], []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = json.loads(await request.aread())
        self.requests.append(asked)
        self.headers.append(request.headers)
        self.at.append(trio.current_time())
        says = self.script.pop(0)
        if not isinstance(says, Says):
            assert isinstance(says, httpx2.Response)
            return says
        make = OPENAI if request.url.path.endswith("/chat/completions") else ANTHROPIC
        if not asked.get("stream"):
            return httpx2.Response(200, json=make.whole(says))
        return httpx2.Response(
            200, headers={"content-type": "text/event-stream"}, stream=Pieces(list(make.pieces(says)))
        )


class OPENAI:
    @staticmethod
    def whole(says: Says) -> dict[str, Any]:
        calls = [
            {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for n, (name, arguments) in enumerate(says.calls)
        ]
        message = {"role": "assistant", "content": says.text or None, **({"tool_calls": calls} if calls else {})}
        reason = "tool_calls" if calls else "stop"
        return {
            "id": "answer_1",
            "object": "chat.completion",
            "created": 1,
            "model": "small-1",
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": {
                "prompt_tokens": 100,
                "completion_tokens": 10,
                "total_tokens": 110,
                "prompt_tokens_details": {"cached_tokens": 40},
            },
        }

    @staticmethod
    def pieces(says: Says) -> list[bytes]:
        whole = OPENAI.whole(says)
        [choice] = whole.pop("choices")
        whole["object"] = "chat.completion.chunk"
        usage = whole.pop("usage")
        deltas: list[dict[str, Any]] = [{"content": word} for word in says.text.split(" ")] if says.text else []
        for index, call in enumerate(choice["message"].get("tool_calls", ())):
            function = call["function"]
            half = len(function["arguments"]) // 2
            start = {"name": function["name"], "arguments": function["arguments"][:half]}
            deltas.append({"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": start}]})
            rest = {"arguments": function["arguments"][half:]}
            deltas.append({"tool_calls": [{"index": index, "function": rest}]})
        chunks: list[dict[str, Any]] = [
            {**whole, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
        ]
        chunks.append({**whole, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
        chunks.append({**whole, "choices": [], "usage": usage})
        return [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks] + [b"data: [DONE]\n\n"]


class ANTHROPIC:
    @staticmethod
    def whole(says: Says) -> dict[str, Any]:
        blocks: list[dict[str, Any]] = [{"type": "text", "text": says.text}] if says.text else []
        blocks += [
            {"type": "tool_use", "id": f"call_{n}", "name": name, "input": arguments}
            for n, (name, arguments) in enumerate(says.calls)
        ]
        return {
            "id": "answer_1",
            "type": "message",
            "role": "assistant",
            "model": "small-1",
            "content": blocks,
            "stop_reason": "tool_use" if says.calls else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 60, "cache_read_input_tokens": 40, "output_tokens": 10},
        }

    @staticmethod
    def pieces(says: Says) -> list[bytes]:
        whole = ANTHROPIC.whole(says)
        begun = {**whole, "content": [], "stop_reason": None}
        events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}]
        for index, block in enumerate(whole["content"]):
            is_text = block["type"] == "text"
            empty = {**block, "text": ""} if is_text else {**block, "input": {}}
            events.append({"type": "content_block_start", "index": index, "content_block": empty})
            parts = block["text"].split(" ") if is_text else [json.dumps(block["input"])]
            for part in parts:
                delta = (
                    {"type": "text_delta", "text": part}
                    if is_text
                    else {"type": "input_json_delta", "partial_json": part}
                )
                events.append({"type": "content_block_delta", "index": index, "delta": delta})
            events.append({"type": "content_block_stop", "index": index})
        ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
        events.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": 10}})
        events.append({"type": "message_stop"})
        return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


MODEL = Model()


def openai_client() -> AsyncOpenAI:
    return AsyncOpenAI(api_key="none", http_client=httpx2.AsyncClient(transport=MODEL))


def anthropic_client() -> AsyncAnthropic:
    return AsyncAnthropic(api_key="none", http_client=httpx2.AsyncClient(transport=MODEL))
