"""``playhead dev`` in a process of its own: what is saved is the latest, what runs keeps its code, broken code changes nothing."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from actors.http.client import connect
from actors.http.finding import token_path
from cli.address import read_address
from journal.events import Target
from tests.deployments.apps import write

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.client import Client

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
        async def wait(self) -> int:
            await actors.signal("go", str)
            return VERSION
"""


async def until(client: Client, version: int) -> None:
    """Call until new work runs on this version."""
    with trio.fail_after(60):
        while True:
            _, outcome = await client.call(Target("Agent", None, "version"))
            if outcome.value == b"%d" % version:
                return
            await trio.sleep(0.05)


async def printed(path: Path, wanted: Callable[[str], bool]) -> str:
    with trio.fail_after(60):
        while not wanted(text := await trio.Path(path).read_text()):
            await trio.sleep(0.05)
    return text


async def test_a_save_is_the_latest_and_what_runs_keeps_its_code(tmp_path: Path) -> None:
    write(tmp_path / "src", app=APP, words="VERSION = 1\n")
    data, remarks = tmp_path / "data", tmp_path / "remarks"
    command = [
        sys.executable,
        "-m",
        "playhead",
        "dev",
        str(tmp_path / "src" / "app.py"),
        "--data",
        str(data),
        "--port",
        "0",
    ]
    with remarks.open("w") as errors:
        server = await trio.lowlevel.open_process(command, cwd=HERE, stderr=errors)
        try:
            await printed(remarks, lambda text: "serving Agent" in text)
            address = read_address(data)
            assert address is not None
            async with connect(address.url, token=token_path(data).read_text().strip()) as client:
                sent = await client.send(Target("Agent", None, "wait"))
                old = client.invocation(sent.invocation_id)
                with trio.fail_after(60):
                    while not (await old.info()).waits:
                        await trio.sleep(0.05)
                await until(client, 1)
                with trio.fail_after(60):
                    _, outcome = await client.call(Target("Agent", None, "mistaken"))
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
        finally:
            server.send_signal(signal.SIGTERM)
            with trio.fail_after(30):
                assert await server.wait() == 0
