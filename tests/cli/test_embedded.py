"""A program embeds a runtime, and a person in another terminal controls it through the data directory alone."""

from __future__ import annotations

import getpass
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cli.exit_codes import Exit
from tests.children import ROOT, python_path
from tests.cli.shell import Shell, shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = """
import sys
import trio
import actors
from actors import Service, handler

class Approval(Service):
    @handler
    async def ask(self, document: str) -> bool:
        return await actors.signal("approved", bool)

async def main() -> None:
    async with actors.open_runtime(Approval, path="data"):
        print("ready", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)

trio.run(main)
"""


class Program:
    """The program, in a process of its own; it works in the folder of the shell."""

    def __init__(self, folder: Path) -> None:
        self.data, self._folder = folder / "data", folder
        (folder / "program.py").write_text(PROGRAM)
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        environment = os.environ | {"PYTHONPATH": python_path(ROOT)}
        pipe = subprocess.PIPE
        command = [sys.executable, "program.py"]
        self._process = subprocess.Popen(
            command, cwd=self._folder, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=pipe
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", self.end()

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate(timeout=60)
        self._process = None

    def end(self) -> str:
        """End it; what it has written to stderr."""
        assert self._process is not None
        _, remarks = self._process.communicate(timeout=60)
        self._process = None
        return remarks

    def close(self) -> None:
        if self._process is not None:
            self.kill()


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Shell]:
    with shell(tmp_path) as opened:
        os.environ["PLAYHEAD_DATA"] = "data"
        yield opened


@pytest.fixture
def program(person: Shell) -> Iterator[Program]:
    with closing(Program(person.folder)) as started:
        started.start()
        yield started


def statuses(person: Shell) -> dict[str, str]:
    return {one["id"]: one["status"] for one in json.loads(person.done("playhead invocations list -o json"))}


def test_a_person_steers_a_program_that_embeds_a_runtime_through_its_death(person: Shell, program: Program) -> None:
    kept = person.variables["kept"] = person.done("playhead send Approval/ask '\"a contract\"'")
    dropped = person.variables["dropped"] = person.done("playhead send Approval/ask '\"a draft\"'")
    person.done("playhead invocations pause $kept --reason 'a look first'")
    assert statuses(person) == {kept: "paused", dropped: "suspended"}

    program.kill()
    assert (program.data / "SOCKET").is_socket(), "a killed process removes nothing"
    assert statuses(person) == {kept: "paused", dropped: "suspended"}, "read from the directory"
    refused = person.run("playhead invocations resume $kept")
    assert refused.code == Exit.UNAVAILABLE
    assert "no process runs on data" in refused.err

    program.start()
    person.done("playhead invocations cancel $dropped --reason 'not needed'")
    person.done("playhead invocations resume $kept")
    person.done("playhead invocations signal $kept approved true")
    assert "succeeded with true" in person.done("playhead invocations follow $kept")
    assert statuses(person) == {kept: "completed", dropped: "completed"}
    entries = json.loads(person.done("playhead audit -o json"))
    told = [(one["verb"], one["by"]) for one in entries if one["verb"] != "register-deployment"]
    by = f"user:{getpass.getuser()}"
    assert told == [("signal", by), ("resume", by), ("cancel", by), ("pause", by)]
    assert program.end() == ""
    assert not (program.data / "SOCKET").exists()


def test_every_kind_of_command_reaches_the_program(person: Shell, program: Program) -> None:
    """Those that speak to a server by a route of their own, and not by a verb of the client."""
    assert "Approval" in person.done("playhead services")
    assert person.done("playhead sql 'SELECT 1 AS n' -o jsonl") == '{"n":1}'
    assert person.done("playhead tokens create ops --scope read")
    assert "ops" in person.done("playhead tokens list")
    person.variables["backup"] = person.done("playhead backup nightly")
    person.done("playhead gates close everything")
    assert "everything" in person.done("playhead gates list")
    person.done("playhead tokens revoke ops")
    person.done("playhead doctor")
    assert program.end() == ""
    assert not (program.data / "token").exists(), "nobody needed the own token of a server"
    person.done("playhead restore $backup copy")
    assert not (person.folder / "copy" / "SOCKET").exists()
    person.done("playhead doctor")


def test_a_copy_of_a_directory_in_use_takes_a_dead_socket_along_and_works(person: Shell, program: Program) -> None:
    sent = person.done("playhead send Approval/ask '\"a contract\"'")
    program.kill()
    subprocess.run(["cp", "-r", "data", "copy"], check=True)
    listed = json.loads(person.done("playhead invocations list -o json --data copy"))
    assert [one["id"] for one in listed] == [sent]
    person.done("playhead doctor --data copy")
    (person.folder / "program.py").write_text(PROGRAM.replace('"data"', '"copy"'))
    program.start()
    assert len(json.loads(person.done("playhead invocations list -o json --data copy"))) == 1
