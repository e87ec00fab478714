"""Processes that a peer needs beside its own, and their end. Needs the standard library alone, as ``asking`` does."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

PATIENCE_SECONDS = 30.0
T = TypeVar("T")


def free_port() -> int:
    """Of loopback. Another process could take it before it is used; then what needs it does not start, and says so."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


_running: dict[subprocess.Popen[bytes], int] = {}
"""With the signal that ends each."""


@contextmanager
def running(command: Sequence[str], log: Path, *, stop: int = signal.SIGKILL, **options: Any) -> Iterator[None]:
    """A process for the block. What it says goes into the log; what it has kept is thrown away, so it need not end gracefully."""
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, **options)
    _running[process] = stop
    try:
        yield
    finally:
        _end(process)


def end_all() -> None:
    """Those that still run, when this process has to end at once."""
    for process in [*_running]:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(_running.pop(process))
    process.wait()


async def until_ready(attempt: Callable[[], Awaitable[T]], log: Path) -> T:
    """What the first attempt gives that does not fail; one follows the other until patience ends."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await attempt()
        except Exception as error:
            if time.monotonic() > end:
                raise _not_ready(log) from error
        await asyncio.sleep(0.05)


def _not_ready(log: Path) -> TimeoutError:
    return TimeoutError(f"not ready after {PATIENCE_SECONDS:g} s; it said:\n{log.read_text(errors='replace')}")
