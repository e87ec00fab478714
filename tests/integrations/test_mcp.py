"""The remote control for assistants: what it shows, what it permits, and how much it says."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Any

import mcp
import msgspec
import pytest
import trio

import actors
from actors import Service, handler
from actors.http.routes import TokenScope
from actors.integrations.mcp import remote_control
from actors.integrations.mcp.answers import ANSWER_BYTES, bounded
from actors.integrations.mcp.tools import TOOLS
from tests.http.served import serving
from tests.lab import Lab
from tests.terminal import ROOT

if TYPE_CHECKING:
    from pathlib import Path

VERBS = {tool.name for tool in TOOLS if tool.changes}


class Desk(Service):
    @handler
    async def decide(self, claim: str) -> str:
        return await actors.signal("decision", str)

    @handler
    async def repeat(self, size: int, times: int) -> int:
        for _ in range(times):
            await actors.run("x".__mul__, size, result_type=str)
        return times


async def told(assistant: mcp.Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The answer of a tool that must succeed."""
    result = await assistant.call_tool(tool, arguments)
    assert not result.is_error, result
    answer: dict[str, Any] = result.structured_content
    assert len(msgspec.json.encode(answer)) <= ANSWER_BYTES
    [text] = result.content
    assert isinstance(text, mcp.types.TextContent)
    assert msgspec.json.decode(text.text) == answer
    return answer


async def refused(assistant: mcp.Client, tool: str, **arguments: Any) -> str:
    """The code with which a tool refuses."""
    result = await assistant.call_tool(tool, arguments)
    assert result.is_error
    assert result.structured_content["message"]
    code: str = result.structured_content["code"]
    return code


@pytest.mark.virtual_time
async def test_an_assistant_finds_an_invocation_learns_what_it_waits_for_and_signals_it() -> None:
    async with Lab(Desk).running() as runtime:
        handle = await runtime.client.service(Desk).decide.options(tags={"user": "ada"}).send("claim 7")
        await trio.sleep(1)
        async with mcp.Client(remote_control(runtime.client, allow="control")) as assistant:
            [found] = (await told(assistant, "list", service="Desk", tag=["user=ada"]))["invocations"]
            assert (found["id"], found["status"]) == (handle.id, "suspended")
            [reason] = (await told(assistant, "why", invocation_id=handle.id))["reasons"]
            assert reason["waits_for"] == "signal"
            assert (await told(assistant, "describe", invocation_id=handle.id))["invocation"]["tags"] == {"user": "ada"}
            assert (await told(assistant, "signal", invocation_id=handle.id, name="decision", value="yes"))["changed"]
            assert await handle.result() == "yes"
            names = [event["name"] for event in (await told(assistant, "events", invocation_id=handle.id))["events"]]
            assert "SignalReceived" in names
            plan = await told(assistant, "restart", invocation_id=handle.id, dry_run=True)
            assert not plan["changed"]


@pytest.mark.virtual_time
async def test_an_assistant_may_only_read_unless_control_is_allowed() -> None:
    async with Lab(Desk).running() as runtime:
        handle = await runtime.client.service(Desk).decide.send("claim 7")
        async with mcp.Client(remote_control(runtime.client)) as assistant:
            offered = {tool.name for tool in (await assistant.list_tools()).tools}
            assert offered == {"list", "describe", "why", "events"}
            assert await refused(assistant, "cancel", invocation_id=handle.id) == "forbidden"
        async with mcp.Client(remote_control(runtime.client, allow="control")) as assistant:
            tools = (await assistant.list_tools()).tools
            assert {tool.name for tool in tools} == offered | VERBS
            assert {tool.name for tool in tools if tool.annotations and tool.annotations.read_only_hint} == offered
        assert (await handle.info()).status.name != "COMPLETED"


@pytest.mark.virtual_time
async def test_a_wrong_call_is_an_error_with_a_code() -> None:
    async with (
        Lab(Desk).running() as runtime,
        mcp.Client(remote_control(runtime.client, allow="control")) as assistant,
    ):
        missing = "inv_1" + "0" * 33
        assert await refused(assistant, "describe", invocation_id="inv_1") == "invalid_argument"
        assert await refused(assistant, "why", invocation_id=missing) in ("not_found", "invalid_argument")
        assert await refused(assistant, "events", invocation_id=missing, limits=3) == "invalid_argument"
        assert await refused(assistant, "list", status=["asleep"]) == "invalid_argument"
        assert await refused(assistant, "cancel", invocation_id=missing, raison="none") == "invalid_argument"
        assert await refused(assistant, "delete") == "not_found"
        for tool in ("describe", "cancel"):
            misnamed = await assistant.call_tool(tool, {"id": missing})
            assert "no argument 'id'" in misnamed.structured_content["message"], (
                "a verb says it as the tools that read do"
            )


@pytest.mark.virtual_time
async def test_a_long_history_is_read_in_pages_that_leave_no_event_out() -> None:
    async with Lab(Desk).running() as runtime:
        handle = await runtime.client.service(Desk).repeat.send(20_000, 30)
        await handle.result()
        numbers, pages, after = list[int](), 0, 0
        async with mcp.Client(remote_control(runtime.client)) as assistant:
            while True:
                page = await told(assistant, "events", invocation_id=handle.id, after=after, limit=50)
                numbers += [event["number"] for event in page["events"]]
                pages += 1
                if page["next"] is None:
                    break
                after = page["next"]
        assert numbers == [entry.number async for entry in handle.events()]
    assert pages > 1


def nested(depth: int) -> Any:
    return [nested(depth - 1)] * 3 if depth else "deep " * 20


@pytest.mark.parametrize(
    "answer",
    [
        {"text": "x" * 9_000},
        {"texts": ["x" * 90] * 900},
        {"x" * 9_000: 1},
        {str(number): "x" * 90 for number in range(900)},
        {"nested": nested(8)},
        {"\x00" * 9_000: ["\x00" * 900] * 90},
    ],
)
def test_an_answer_that_is_too_long_is_cut_until_it_fits_and_says_so(answer: dict[str, Any]) -> None:
    shown = bounded(answer, 1_000)
    assert len(msgspec.json.encode(shown)) <= 1_000
    assert shown["is_cut"]
    assert bounded(answer, 100_000_000) is answer


async def test_the_scope_of_the_token_decides_and_the_audit_log_names_the_token(tmp_path: Path) -> None:
    async with serving(tmp_path, Desk) as served:
        handle = await served.runtime.client.service(Desk).decide.send("claim 7")
        for name, scope, expected in (("reader", TokenScope.READ, "forbidden"), ("operator", TokenScope.CONTROL, "")):
            async with (
                served.client(served.tokens.create(name, scope)) as client,
                mcp.Client(remote_control(client, allow="control")) as assistant,
            ):
                assert (await told(assistant, "describe", invocation_id=handle.id))["invocation"]["id"] == handle.id
                if expected:
                    refusal = await assistant.call_tool("cancel", {"invocation_id": handle.id})
                    assert refusal.structured_content["code"] == expected
                else:
                    assert (await told(assistant, "cancel", invocation_id=handle.id, reason="a typo"))["changed"]
        by_reader = (await served.runtime.client.audit(by="token:reader")).entries
        by_operator = (await served.runtime.client.audit(by="token:operator")).entries
    [entry] = by_reader
    assert entry.refusal.startswith("forbidden")
    assert entry.request in refusal.structured_content["message"]
    assert [(entry.verb, entry.target, entry.reason) for entry in by_operator] == [("cancel", handle.id, "a typo")]


async def test_the_command_serves_an_assistant_over_stdin_and_stdout(tmp_path: Path) -> None:
    parameters = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "playhead", "mcp", "--allow", "control", "--data", str(tmp_path)],
        cwd=ROOT,
    )
    async with actors.open_runtime(Desk, path=tmp_path, durability="os", code=None) as runtime:
        handle = await runtime.client.service(Desk).decide.send("claim 7")
        with trio.fail_after(120):
            async with mcp.Client(parameters) as assistant:
                [found] = (await told(assistant, "list"))["invocations"]
                assert found["id"] == handle.id
                assert (await told(assistant, "cancel", invocation_id=handle.id))["changed"]
        assert (await handle.outcome()).kind.value == "cancelled"
        [entry] = (await runtime.client.audit(verb="cancel")).entries
        assert entry.by == f"user:{getpass.getuser()}"
