"""A cluster on one machine that one command starts, and ends without leaving a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

import actors
from actors import Actor, handler
from actors.errors import ErrorCode, UnavailableError
from actors.http.address import read_address
from cli import local_cluster
from cli.local_cluster import find_postgres
from tests.raising import raises
from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = """
from actors import Actor, handler

class Counter(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value
"""
_SECONDS_AT_MOST = 300.0


class Counter(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value


def processes_with(text: str) -> list[str]:
    """The commands that run and name a folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = each.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if text in words and f"/{os.getpid()}/" not in str(each):
            found.append(words)
    return found


def test_a_cluster_of_two_serves_and_leaves_no_process(tmp_path: Path) -> None:
    try:
        find_postgres()
    except UnavailableError as missing:
        pytest.skip(str(missing))
    (tmp_path / "app.py").write_text(APP)
    command = [sys.executable, "-m", "playhead", "cluster", "up", str(tmp_path / "app.py"), "--nodes", "2"]
    log = tmp_path / "printed"
    with log.open("wb") as printed:
        running = subprocess.Popen(command, cwd=ROOT, stdout=printed, stderr=printed)
    try:
        until = time.monotonic() + _SECONDS_AT_MOST
        while "End it with Ctrl-C" not in log.read_text():
            assert running.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        nodes = re.findall(r"^node-\d  (\S+)  (\S+)$", log.read_text(), re.MULTILINE)
        [token] = re.findall(r"^token  (\S+)$", log.read_text(), re.MULTILINE)
        folder = str(Path(nodes[0][1]).parent)
        assert len(processes_with(folder)) >= 3
        for number, (url, _) in enumerate(nodes, start=1):
            with actors.sync.connect(url, token=token) as client:
                assert client.actor(Counter, "a").add(1) == number
        address = read_address(Path(nodes[0][1]))
        assert address is not None
        os.kill(address.pid, signal.SIGKILL)
        with actors.sync.connect(nodes[1][0], token=token) as client:
            assert client.actor(Counter, "a").add(1) == 3
        while "node-1 has ended with exit code -9" not in log.read_text():
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        assert running.wait(_SECONDS_AT_MOST) == 0, log.read_text()
        assert processes_with(folder) == []
        assert not Path(folder).exists()
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
            running.wait(_SECONDS_AT_MOST)


@pytest.fixture
def broken() -> Iterator[Path]:
    """A folder with programs of PostgreSQL of which the server ends at once."""
    with tempfile.TemporaryDirectory() as folder:  # not in pytest's own, which other users may not enter
        programs = Path(folder)
        programs.chmod(0o755)
        for name, does in (("initdb", "true"), ("postgres", "echo 'no room'; exit 3")):
            (programs / name).write_text(f"#!/bin/sh\n{does}\n")
            (programs / name).chmod(0o755)
        yield programs


async def test_a_process_that_does_not_start_is_named_with_its_words(
    broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_cluster, "find_postgres", lambda: broken)
    with pytest.raises(UnavailableError) as raised, trio.fail_after(_SECONDS_AT_MOST):
        await local_cluster.run_cluster("app.py", None, 1)
    assert str(raised.value) == "postgres has ended with exit code 3; it printed: no room"


KILLED = """
import sys
from pathlib import Path
from types import SimpleNamespace

import trio

from cli import local_cluster

async def nothing(*_):
    await trio.lowlevel.checkpoint()

programs = Path(sys.argv[1])
local_cluster.find_postgres = lambda: programs
local_cluster.sys = SimpleNamespace(executable=str(programs / "postgres"))
local_cluster._until_it_answers = local_cluster._until_it_serves = nothing
local_cluster._announce = lambda _, folder, __: print(folder, flush=True)
trio.run(local_cluster.run_cluster, "app.py", None, 2)
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_cluster_whose_command_is_killed_leaves_no_process(broken: Path) -> None:
    pids = broken / "pids"
    pids.touch()
    pids.chmod(0o666)
    (broken / "postgres").write_text(f"#!/bin/sh\necho $$ >> {pids}\nexec sleep 1000\n")
    running = subprocess.Popen([sys.executable, "-c", KILLED, str(broken)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    folder = Path(running.stdout.readline().strip())
    until = time.monotonic() + _SECONDS_AT_MOST
    while len(started := pids.read_text().split()) < 3:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert folder.exists()
    running.kill()
    running.communicate()
    while any(is_running(int(pid)) for pid in started) or folder.exists():
        assert time.monotonic() < until, started
        time.sleep(0.02)


def test_without_postgresql_the_command_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with raises(UnavailableError, code=ErrorCode.UNAVAILABLE):
        find_postgres([f"{tmp_path}/*/bin"])
