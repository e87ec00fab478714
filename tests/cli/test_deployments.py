"""``playhead deployments`` against a server: list, show, move latest, prune, and resume on other code."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from click.testing import CliRunner, Result

import actors
from cli.main import root
from tests.http.test_checks import checked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.http.served import Served


async def run(served: Served, *arguments: str) -> Result:
    command = [*arguments, "--url", served.url, "--token", served.token]
    return await trio.to_thread.run_sync(lambda: CliRunner().invoke(root, command))


@asynccontextmanager
async def two_deployments(tmp_path: Path) -> AsyncIterator[tuple[Served, str, str, str]]:
    """A server with an old deployment that something runs on, and a new one, which is the latest."""
    async with checked(tmp_path) as (served, handle):
        new, old = [deployment.id for deployment in await served.runtime.client.deployments.list()]
        yield served, handle.id, old, new


async def test_list_and_show_tell_what_is_latest_and_what_still_runs(tmp_path: Path) -> None:
    async with two_deployments(tmp_path) as (served, _, old, new):
        table = (await run(served, "deployments", "list")).output.splitlines()
        assert [line.split()[:3] for line in table[1:]] == [[new, "latest", "0"], [old, "draining", "1"]]
        assert (await run(served, "deployments", "list", "-o", "id")).output.split() == [new, old]
        found = json.loads((await run(served, "deployments", "list", "-o", "json")).output)
        assert [(d["id"], d["is_latest"], d["open_invocations"]) for d in found] == [(new, True, 0), (old, False, 1)]
        shown = (await run(served, "deployments", "show", old)).output
        assert "open        1 invocation" in shown
        assert "served by this process" in shown


async def test_latest_goes_back_and_prune_takes_what_is_drained_only(tmp_path: Path) -> None:
    async with two_deployments(tmp_path) as (served, of, old, new):
        result = await run(served, "deployments", "latest", old, "--reason", "new is broken")
        assert result.output.startswith(f"{old}  changed  {new} -> {old}")
        assert "was already the latest" in (await run(served, "deployments", "latest", old)).output
        refused = (await run(served, "deployments", "prune", old)).exception
        assert isinstance(refused, actors.ConflictError)
        assert refused.code == "in_use"
        assert (await run(served, "deployments", "prune", "--drained")).output == f"{new}  pruned\n"
        assert (await run(served, "deployments", "prune", "--drained")).output == ""
        missing = (await run(served, "deployments", "show", new)).exception
        assert isinstance(missing, actors.NotFoundError)
        assert missing.kind == "deployment"
        assert (await run(served, "deployments", "prune")).exit_code == 2
        shown = (await run(served, "deployments", "show", old)).output
        assert "latest" in shown
        assert f"code        {old}" in (await run(served, "invocations", "describe", of)).output


async def test_resume_takes_the_deployment_to_go_on_on(tmp_path: Path) -> None:
    async with two_deployments(tmp_path) as (served, of, _, new):
        await run(served, "invocations", "pause", of)
        result = await run(served, "invocations", "resume", of, "--deployment", "latest", "--no-check")
        assert "paused -> suspended" in result.output, result.output
        assert (await served.runtime.client.invocation(of).info()).deployment == new
