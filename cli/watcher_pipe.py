"""The command's side of :mod:`cli.cluster_watcher`: it tells the watcher what it has started, and what has ended."""

from __future__ import annotations

import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from cli import cluster_watcher

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator
    from pathlib import Path


@attrs.frozen(eq=False)
class WatcherPipe:
    """The pipe to the watcher, which ends when this process does, however that is."""

    _pipe: trio.abc.SendStream

    async def started(self, order: int, pid: int, how: signal.Signals) -> None:
        """Have the process ended with this signal if this one dies. Those with a larger ``order`` are ended first."""
        await self._tell(f"start {order} {pid} {how.value}")

    async def ended(self, pid: int) -> None:
        """Leave the process alone: it has ended."""
        await self._tell(f"end {pid}")

    async def remove(self, directory: Path) -> None:
        """Have the directory removed at the end."""
        await self._tell(f"remove {directory}")

    async def _tell(self, line: str) -> None:
        try:
            with trio.CancelScope(shield=True):  # a short line never waits: the pipe has room for thousands
                await self._pipe.send_all(f"{line}\n".encode())
        except trio.BrokenResourceError:
            pass  # somebody has ended the watcher; the cluster does without it


@asynccontextmanager
async def open_watcher() -> AsyncIterator[WatcherPipe]:
    """Run the watcher for the block. It ends once it has ended what is left."""
    process = await trio.lowlevel.open_process(
        [sys.executable, cluster_watcher.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if process.stdin is None:
        raise RuntimeError("a process that was started with a pipe has one")
    try:
        yield WatcherPipe(process.stdin)
    finally:
        with trio.CancelScope(shield=True):
            await process.stdin.aclose()
            await process.wait()
