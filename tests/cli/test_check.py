"""Checking from the command line: beside a runtime that has the directory open, with an exit code for CI."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio
from click.testing import CliRunner, Result

import actors
from actors.code.discovery import snapshot_of
from actors.code.loading import load, unload
from cli.main import root
from journal.events import Target
from tests.deployments.apps import write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.model.handles import InvocationHandle
    from actors.runtime import Runtime

APP = """
    import actors
    from tests.lab import WORLD

    @actors.step
    async def fetch(what: str) -> str:
        WORLD.note(f"fetch {what}")
        return what

    class Import(actors.Service):
        @actors.handler
        async def run(self, what: str) -> str:
            text = await fetch(what)
            await actors.signal("go", str)
            return text
"""


@asynccontextmanager
async def serving(tmp_path: Path) -> AsyncIterator[tuple[Runtime, InvocationHandle[Any]]]:
    """A runtime on a directory, with an invocation that waits for its signal."""
    app = write(tmp_path / "src", app=APP) / "app.py"
    snapshot = snapshot_of(app)
    loaded = load(snapshot, tmp_path / "served")
    try:
        async with actors.open_runtime(
            *loaded.classes, path=tmp_path / "data", durability="os", code=snapshot
        ) as runtime:
            handle = await runtime.client.service(loaded.module("app").Import).run.send("a")
            with trio.fail_after(30):
                while not any(wait.kind == "signal" for wait in (await handle.info()).waits):
                    await trio.lowlevel.checkpoint()
            yield runtime, handle
    finally:
        unload(snapshot.deployment)


async def check(tmp_path: Path, *arguments: str) -> Result:
    command = ["invocations", "check", *arguments, "--data", str(tmp_path / "data")]
    return await trio.to_thread.run_sync(lambda: CliRunner().invoke(root, command))


async def test_the_exit_code_says_whether_everything_can_be_moved(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, handle):
        for arguments in ([handle.id], ["--where", "service = 'Import'"], [handle.id, "--deployment", "keep"]):
            result = await check(tmp_path, *arguments)
            assert (result.exit_code, "same" in result.output) == (0, True), result.output
        app = write(tmp_path / "src", app=APP.replace("await fetch(what)", "str(await actors.sleep(1))")) / "app.py"
        result = await check(tmp_path, handle.id, "--app", str(app))
        assert result.exit_code == 1
        assert "recorded:  step 'fetch' (step 1) at app.py:13" in result.output
        assert "attempted: a sleep (step 1) at app.py:13" in result.output
        result = await check(tmp_path, "--where", "service = 'Import'", "--app", str(app))
        assert result.exit_code == 1
        assert "diverges after 0 operations" in result.output
        result = await check(tmp_path, handle.id, "--app", str(app), "-o", "json")
        (report,) = json.loads(result.output)
        assert report["verdict"] == "diverges"
        assert report["divergence"]["recorded_source"] == "app.py:13"


async def test_a_condition_that_fits_nothing_is_no_yes(tmp_path: Path) -> None:
    async with serving(tmp_path):
        result = await check(tmp_path, "--where", "service = 'Imports'")
        assert (result.exit_code, "nothing was checked" in result.stderr) == (4, True), result.output


async def test_a_sample_is_never_a_yes(tmp_path: Path) -> None:
    async with serving(tmp_path) as (runtime, _):
        await runtime.client.send_by_name(Target("Import", None, "run"), b'"b"')
        everything = await check(tmp_path, "--where", "service = 'Import'")
        assert everything.exit_code == 0, everything.output
        sample = await check(tmp_path, "--where", "service = 'Import'", "--limit", "1")
        assert sample.exit_code == 6, sample.output
        summary = await runtime.client.check(where="service = 'Import'", limit=1)
        assert (summary.is_complete, summary.is_compatible) == (False, False)


async def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, handle):
        assert (await check(tmp_path)).exit_code == 2
        assert (await check(tmp_path, handle.id, "--where", "1")).exit_code == 2
        assert (await check(tmp_path, handle.id, "--app", "x.py", "--deployment", "latest")).exit_code == 2
        result = await check(tmp_path, handle.id, "--deployment", "dep_0000000000000000")
        assert isinstance(result.exception, actors.NotFoundError)
        assert result.exception.kind == "deployment"
