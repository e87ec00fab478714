"""How a server process ends: within its drain, whatever users' code does, and with a code that says what was left."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import httpx2
import pytest

from actors.http.address import read_address
from cli.exit_codes import Exit
from tests.cli.test_serve import requested
from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = """
import ctypes
import signal
import threading
import trio
import actors
from actors import Service, handler, step

@step
async def swallow() -> None:
    while True:
        try:
            await trio.sleep(0.01)
        except BaseException:
            pass

@step
def wait_for_ever() -> None:
    threading.Event().wait()

def lock_twice() -> None:
    # A mutex of C is deaf to signals.
    c, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)
    c.pthread_mutex_lock(mutex)
    c.pthread_mutex_lock(mutex)

class Ends(Service):
    @handler
    async def nothing(self) -> None:
        await actors.signal("never")

    @handler
    async def swallow(self) -> None:
        await swallow()

    @handler
    async def thread(self) -> None:
        await wait_for_ever()

    @handler
    async def loop(self) -> None:
        while True:
            pass

    @handler
    async def lock(self) -> None:
        lock_twice()

    @handler
    async def be_deaf(self) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    @handler
    async def leave_a_thread(self) -> None:
        threading.Thread(target=threading.Event().wait).start()
"""


@attrs.define(eq=False)
class Server:
    process: subprocess.Popen[bytes]
    folder: Path
    url: str
    token: str

    def send(self, handler: str, seconds: float = 30.0) -> None:
        requested(self.url, self.token, "POST", f"/Ends/{handler}/send", timeout=seconds)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def wait_for(self, text: str) -> None:
        """Wait until its log says so."""
        deadline = time.monotonic() + 60
        while text not in self.log():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.01)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    """A server that the block ends."""
    (folder / "app.py").write_text(APP)
    where = ("--data", str(folder / "data"), "--port", "0", "--durability", "os")
    command = [sys.executable, "-m", "playhead", "serve", str(folder / "app.py"), *where, *options]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while (address := read_address(folder / "data")) is None or address.pid != process.pid:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield Server(process, folder, address.url, (folder / "data" / "token").read_text().strip())
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("handler", "code", "said"),
    [
        ("nothing", Exit.DONE, ""),
        ("loop", Exit.DONE, "was interrupted"),
        ("swallow", Exit.ABANDONED, "step 'swallow'"),
        ("thread", Exit.ABANDONED, "step 'wait_for_ever'"),
        ("leave_a_thread", Exit.ABANDONED, "threads of the application"),
        ("lock", Exit.FORCED, "lock_twice"),
    ],
)
def test_one_sigterm_ends_it_whatever_runs(tmp_path: Path, handler: str, code: Exit, said: str) -> None:
    with serving(tmp_path, "--drain", "1", "--limit", "blocking_seconds=0.5") as server:
        if handler == "lock":
            with pytest.raises(httpx2.TimeoutException):  # it answers nobody any more
                server.send(handler, seconds=3.0)
        else:
            server.send(handler)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == code, server.log()
        assert said in server.log()


def test_code_that_takes_signals_away_does_not_keep_them(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain", "1") as server:
        server.send("be_deaf")
        server.wait_for("signal handlers")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == Exit.DONE, server.log()


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain", "600") as server:
        server.send("thread")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == Exit.FORCED


def test_another_server_takes_over_what_was_left(tmp_path: Path) -> None:
    with serving(tmp_path, "--drain", "0") as server:
        server.send("thread")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == Exit.ABANDONED
    with serving(tmp_path, "--drain", "0") as server:
        listed = requested(server.url, server.token, "GET", "/invocations").json()["invocations"]
        assert [one["status"] for one in listed] == ["running"]
