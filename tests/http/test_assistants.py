"""The remote control for assistants over HTTP: each message has its own token, which decides what it may do."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import mcp
import pytest
from mcp.client.streamable_http import streamable_http_client

import actors
from actors import Service, handler
from actors.http.routes import TokenScope
from tests.http.served import Served, serving, without_tls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

READ = {"list", "describe", "why", "events"}


class Desk(Service):
    @handler
    async def decide(self, claim: str) -> str:
        return await actors.signal("decision", str)


@asynccontextmanager
async def assistant(served: Served, token: str) -> AsyncIterator[mcp.Client]:
    async with (
        without_tls(headers={"authorization": f"Bearer {token}"}) as http,
        mcp.Client(streamable_http_client(f"{served.url}/mcp", http_client=http)) as client,
    ):
        yield client


async def told(client: mcp.Client, tool: str, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.call_tool(tool, arguments)).structured_content
    return answer


async def test_an_assistant_over_http_may_do_what_its_token_may(tmp_path: Path) -> None:
    async with serving(tmp_path, Desk) as served:
        handle = await served.runtime.client.service(Desk).decide.send("claim 7")
        async with assistant(served, served.tokens.create("reader", TokenScope.READ)) as reader:
            assert {tool.name for tool in (await reader.list_tools()).tools} == READ
            assert (await told(reader, "describe", invocation_id=handle.id))["invocation"]["id"] == handle.id
            refusal = await told(reader, "cancel", invocation_id=handle.id)
            assert refusal["code"] == "forbidden"
            assert (await told(reader, "cancel", invocation_id="none"))["code"] == "forbidden"
        async with assistant(served, served.tokens.create("operator", TokenScope.CONTROL)) as operator:
            assert {tool.name for tool in (await operator.list_tools()).tools} > READ
            assert (await told(operator, "cancel", invocation_id=handle.id, reason="a typo"))["changed"]
        audit = (await served.runtime.client.audit()).entries
        [unknown, denied] = [entry for entry in audit if entry.by == "token:reader"]
        [done] = [entry for entry in audit if entry.by == "token:operator"]
    assert (denied.verb, denied.target, denied.refusal.partition(":")[0]) == ("cancel", handle.id, "forbidden")
    assert denied.request in refusal["message"]
    assert (unknown.verb, unknown.target) == ("cancel", "/mcp")
    assert (done.verb, done.target, done.reason) == ("cancel", handle.id, "a typo")


async def test_a_token_that_is_revoked_ends_what_an_assistant_may_do_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, Desk) as served:
        async with assistant(served, served.tokens.create("reader", TokenScope.READ)) as reader:
            assert (await told(reader, "list"))["invocations"] == []
            served.tokens.revoke("reader")
            with pytest.raises(mcp.MCPError):
                await reader.call_tool("list", {})
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert (await served.bare("POST", "/mcp", json=message)).status_code == 401
        invoker = {"authorization": f"Bearer {served.tokens.create('invoker', TokenScope.INVOKE)}"}
        assert (await served.bare("POST", "/mcp", json=message, headers=invoker)).status_code == 403


MESSAGES = [
    (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}', 200),
    (b'{"jsonrpc": "2.0", "method": "notifications/initialized"}', 202),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "burn"}', 200),
    (b"[1]", 400),
    (b"{", 400),
    (b"", 400),
]


async def test_a_message_is_answered_by_json_and_without_a_session(tmp_path: Path) -> None:
    accept = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
    async with serving(tmp_path, Desk) as served:
        for body, status in MESSAGES:
            answer = await served.http.post("/mcp", content=body, headers=accept)
            assert answer.status_code == status, body
            assert "mcp-session-id" not in answer.headers
        assert (await served.http.get("/mcp")).status_code == 405
