"""``playhead dev`` in a process of its own: what is saved is the latest, what runs keeps its code, broken code changes nothing."""

from __future__ import annotations

import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from actors.http.address import read_address
from actors.http.client.backend import connect
from actors.http.token_path import token_path
from journal.events import Status, Target
from tests.deployments.apps import write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from actors.control.client import Client
    from journal.events import Successor

HERE = Path(__file__).resolve().parents[2]
APP = """
    import actors
    from words import VERSION

    class Agent(actors.Service):
        @actors.handler
        async def version(self) -> int:
            return VERSION

        @actors.handler
        async def mistaken(self) -> int:
            return VERSIONS

        @actors.handler
        async def fixed_in_3(self) -> int:
            if VERSION < 3:
                raise actors.TerminalError("version %d" % VERSION)
            return VERSION

        @actors.handler(retry=actors.RetryPolicy(max_attempts=1))
        async def repaired_in_3(self) -> int:
            if VERSION < 3:
                raise OSError("version %d" % VERSION)
            return VERSION

        @actors.handler
        async def wait(self) -> int:
            await actors.signal("go", str)
            return VERSION
"""


async def until(client: Client, version: int) -> None:
    """Call until new work runs on this version."""
    with trio.fail_after(60):
        while True:
            _, outcome = await client.call_by_name(Target("Agent", None, "version"))
            if outcome.value == version:
                return
            await trio.sleep(0.05)


async def printed(path: Path, wanted: Callable[[str], bool]) -> str:
    with trio.fail_after(60):
        while not wanted(text := await trio.Path(path).read_text()):
            await trio.sleep(0.05)
    return text


@asynccontextmanager
async def developing(tmp_path: Path) -> AsyncIterator[tuple[Client, Path]]:
    """``playhead dev`` over version 1; a client, and what it says on stderr."""
    write(tmp_path / "src", app=APP, words="VERSION = 1\n")
    data, remarks = tmp_path / "data", tmp_path / "remarks"
    command = [sys.executable, "-m", "playhead", "dev", str(tmp_path / "src" / "app.py")]
    with remarks.open("w") as errors:
        server = await trio.lowlevel.open_process(
            [*command, "--data", str(data), "--port", "0"], cwd=HERE, stderr=errors
        )
        try:
            await printed(remarks, lambda text: "serving Agent" in text)
            address = read_address(data)
            assert address is not None
            async with connect(address.url, token=token_path(data).read_text().strip()) as client:
                yield client, remarks
        finally:
            server.send_signal(signal.SIGTERM)
            with trio.fail_after(30):
                assert await server.wait() == 0


async def test_a_save_is_the_latest_and_what_runs_keeps_its_code(tmp_path: Path) -> None:
    async with developing(tmp_path) as (client, remarks):
        sent = await client.send_by_name(Target("Agent", None, "wait"))
        old = client.invocation(sent.invocation_id)
        with trio.fail_after(60):
            while not (await old.info()).waits:
                await trio.sleep(0.05)
        await until(client, 1)
        with trio.fail_after(60):
            _, outcome = await client.call_by_name(Target("Agent", None, "mistaken"))
        assert outcome.failure is not None, "at once, where ten tries are the default"
        assert outcome.failure.type == "builtins.NameError"
        write(tmp_path / "src", words="VERSION = 2\n")
        await until(client, 2)
        write(tmp_path / "src", words="VERSION = 1/0\n")
        text = await printed(remarks, lambda text: "ZeroDivisionError" in text)
        assert 'words.py", line 1' in text
        await until(client, 2)
        write(tmp_path / "src", words="VERSION = 3\n")
        await until(client, 3)
        await old.signal("go", "on")
        assert await old.result() == 1
        assert (await old.info()).deployment.startswith("dep_")


async def test_what_failed_is_restarted_on_the_code_that_was_fixed(tmp_path: Path) -> None:
    async with developing(tmp_path) as (client, _):
        failed = [await client.send_by_name(Target("Agent", None, name)) for name in ("fixed_in_3", "repaired_in_3")]
        for version in (2, 3):
            write(tmp_path / "src", words=f"VERSION = {version}\n")
            await until(client, version)
            failed = [await restarted(client, sent.invocation_id) for sent in failed]
        assert [await client.invocation(sent.invocation_id).result() for sent in failed] == [3, 3]


async def restarted(client: Client, of: str) -> Successor:
    """Once it has failed; with no word of the code that it is to run on."""
    handle = client.invocation(of)
    with trio.fail_after(60):
        while (status := (await handle.info()).status) not in (Status.COMPLETED, Status.PAUSED):
            await trio.sleep(0.05)
    return (await handle.restart(stop="kill" if status is Status.PAUSED else None)).successor
