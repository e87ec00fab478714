"""A ``playhead serve`` that can be killed from outside and started again on the same port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections import deque
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

import actors
from actors.http.token_path import token_path
from tests.children import python_path
from tests.crash.spawner import Order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ROOT = Path(__file__).parents[2]
APP = "tests.crash.bank"
PATIENCE_SECONDS = 60.0
_UNUSED_PORTS = range(20_000, 32_000)
"""Below those that the system gives to outgoing connections, so that no client takes the port while its server is away."""


class ServerDied(Exception):
    """A server ended too early; ``code`` is its exit code, negative for a signal."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"it ended with {code}: {said}")
        self.code = code


@attrs.define(eq=False)
class Server:
    """One server at a time, on one port. ``is_up`` is set while it takes requests. ``ledger`` is where its steps note what they do."""

    port: int
    ledger: Path
    remarks: deque[str] = attrs.field(factory=lambda: deque(maxlen=100))
    is_up: trio.Event = attrs.field(factory=trio.Event)
    pid: int = 0
    code: int = 0
    _process: trio.Process = attrs.field(init=False)
    _speaks: int = 0
    _serves: int = 0
    _started: trio.Event = attrs.field(factory=trio.Event)
    _ended: trio.Event = attrs.field(factory=trio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(
        self, directory: Path, *options: str, is_cold: bool = False, bug: str = "", file_bytes: int = 0
    ) -> None:
        """Start it, and wait until it serves. Raises :class:`ServerDied`."""
        await self.begin(directory, *options, is_cold=is_cold, bug=bug, file_bytes=file_bytes)
        with trio.fail_after(PATIENCE_SECONDS):
            await self.while_it_lives(self.is_up.wait)

    async def begin(
        self, directory: Path, *options: str, is_cold: bool = False, bug: str = "", file_bytes: int = 0
    ) -> None:
        """Start it, and wait until it is a process."""
        assert not self.pid, "one at a time"
        self.remarks.clear()
        self._started, self._ended = trio.Event(), trio.Event()
        arguments = ["serve", APP, "--data", str(directory), "--port", str(self.port), *options]
        order = Order(arguments, str(self.ledger), is_cold, bug, file_bytes)
        assert self._process.stdin is not None
        await self._process.stdin.send_all(msgspec.json.encode(order))
        with trio.fail_after(PATIENCE_SECONDS):
            await self._started.wait()

    async def while_it_lives(self, act: Callable[[], Awaitable[object]]) -> None:
        """Raises :class:`ServerDied` if it ends before that is done, or what ``act`` raises."""
        failed: actors.ActorError | None = None
        async with trio.open_nursery() as nursery:

            async def look_for_its_end() -> None:
                await self._ended.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(look_for_its_end)
            try:
                await act()
            except actors.ActorError as error:
                failed = error
            nursery.cancel_scope.cancel()
        if failed is not None:
            raise failed
        if not self.pid:
            raise ServerDied(self.code, self.said())

    def send_signal(self, number: signal.Signals) -> None:
        """Now; nothing if it has ended."""
        if self.pid:
            os.kill(self.pid, number)

    async def kill(self, *, is_stopped_first: bool = False) -> None:
        """End it at once. ``is_stopped_first``: it stands still before that, with connections and files open."""
        if is_stopped_first and self.pid:
            self.send_signal(signal.SIGSTOP)
            while _state_of(self.pid) not in "TZ":
                await trio.sleep(0.001)
        self.send_signal(signal.SIGKILL)
        await self.ended()

    async def stop(self) -> int:
        """Ask it to end, as a supervisor does; its exit code."""
        self.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Wait for its end; its exit code."""
        with trio.fail_after(PATIENCE_SECONDS):
            await self._ended.wait()
        return self.code

    def said(self) -> str:
        """The last of its remarks."""
        return "\n".join(self.remarks)[-3000:]

    async def _hear(self, stream: trio.abc.ReceiveStream, take: Callable[[str], None]) -> None:
        rest = b""
        async for data in stream:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                take(line.decode(errors="replace"))

    def _take_remark(self, line: str) -> None:
        self.remarks.append(line)
        if line.startswith("begins "):
            self._speaks = int(line.removeprefix("begins "))
        elif line.startswith("serving "):
            self._serves = self._speaks
            self._look_whether_it_serves()

    def _look_whether_it_serves(self) -> None:
        if self.pid and self._serves == self.pid:
            self.is_up.set()

    def _take_news(self, line: str) -> None:
        what, number = line.split(" ")
        if what == "started":
            self.pid = int(number)
            self._started.set()
            self._look_whether_it_serves()
        else:
            self.pid, self.code = 0, int(number)
            if self.is_up.is_set():  # who waits for one that never served waits for the next
                self.is_up = trio.Event()
            self._ended.set()


def _state_of(pid: int) -> str:
    """As ``ps`` shows it; that of a process which has ended is Z."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


@asynccontextmanager
async def open_server(ledger: Path, environment: dict[str, str] | None = None) -> AsyncIterator[Server]:
    """What servers are started with, one after the other. At the end the last one is killed."""
    inherited = dict(os.environ) if environment is None else environment
    server = Server(_free_port(), ledger)
    server._process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "tests.crash.spawner"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=inherited | {"PYTHONPATH": python_path(ROOT)},
        cwd=ROOT,
    )
    try:
        async with trio.open_nursery() as nursery:
            assert server._process.stdout is not None
            assert server._process.stderr is not None
            nursery.start_soon(server._hear, server._process.stdout, server._take_news)
            nursery.start_soon(server._hear, server._process.stderr, server._take_remark)
            yield server
            nursery.cancel_scope.cancel()
    finally:
        server.send_signal(signal.SIGKILL)
        server._process.kill()
        with trio.CancelScope(shield=True):
            await server._process.wait()


def _free_port() -> int:
    random = Random()  # several suites run at a time
    while True:
        port = random.choice(_UNUSED_PORTS)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def token_of(directory: Path) -> str:
    """With which a client may do everything."""
    return token_path(directory).read_text().strip()
