"""A server whose disk fails under a bit of everything: it takes nothing that it cannot keep. A full disk it survives, and anything else
ends it; nothing that it acknowledged is lost, and the next server goes on."""

from __future__ import annotations

import errno
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from cli.exit_codes import Exit
from tests.crash.lives import Lives, open_lives
from tests.journal.shim import Control, shared_control

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

FILE_BYTES = 300_000
"""More than any file of a new store has, and less than the log of a working one comes to."""

ACKNOWLEDGEMENTS = 30
REFUSALS = 5
PATIENCE_SECONDS = 120.0


def failing(error_number: int) -> Callable[[Control], None]:
    """Every write fails so from now on."""

    def fail(control: Control) -> None:
        control.fail_writes = error_number

    return fail


FATAL: dict[str, Callable[[Control], None]] = {
    "EIO": failing(errno.EIO),
    "EDQUOT": failing(errno.EDQUOT),
    "EROFS": failing(errno.EROFS),
    "a failed fsync": lambda control: control.fail_next_sync(errno.EIO),
}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    with trio.fail_after(PATIENCE_SECONDS):
        while not condition():
            await trio.sleep(0.002)


async def hear(lives: Lives, acknowledgements: int) -> None:
    """Wait for so many more of them."""
    enough = lives.acknowledged + acknowledgements
    await until(lambda: lives.acknowledged >= enough)


async def survive(folder: Path) -> list[str]:
    """Let a disk be full for a while; what is wrong in the end."""
    control = shared_control(folder / "control")
    async with open_lives(folder, control=folder / "control") as lives:
        async with served_clients(lives):
            await hear(lives, ACKNOWLEDGEMENTS)
            control.fail_writes = errno.ENOSPC
            refused = lives.refusals + REFUSALS
            await until(lambda: lives.refusals >= refused)
            control.fail_writes = 0
            await hear(lives, ACKNOWLEDGEMENTS)
        await lives.server.kill()
        await lives.finish()
        return lives.wrongs()


async def end(folder: Path, fail: Callable[[Control], None]) -> tuple[int, list[str]]:
    """Let a disk fail for good, and another server go on when it is well again: how the first one ended, and what is wrong then."""
    control = shared_control(folder / "control")
    async with open_lives(folder, control=folder / "control") as lives:
        async with served_clients(lives):
            await hear(lives, ACKNOWLEDGEMENTS)
            fail(control)
            code = await lives.server.ended()
        control.fail_writes = 0
        await lives.finish()
        return code, lives.wrongs()


async def outgrow(folder: Path) -> tuple[int, list[str]]:
    """The same, where no file may grow beyond a size."""
    async with open_lives(folder) as lives:
        async with served_clients(lives, file_bytes=FILE_BYTES):
            code = await lives.server.ended()
        await lives.finish()
        return code, lives.wrongs()


@asynccontextmanager
async def served_clients(lives: Lives, *, file_bytes: int = 0) -> AsyncIterator[None]:
    """A server, and clients until the block is left."""
    await lives.server.start(lives.directory, file_bytes=file_bytes)
    async with trio.open_nursery() as clients:
        clients.start_soon(lives.serve_clients)
        yield
        clients.cancel_scope.cancel()


def test_a_full_disk_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    assert trio.run(survive, tmp_path) == []


@pytest.mark.parametrize("name", FATAL)
def test_a_failing_disk_ends_the_server_and_nothing_else(tmp_path: Path, name: str) -> None:
    assert trio.run(end, tmp_path, FATAL[name]) == (Exit.DISK_FAILED, [])


def test_a_limit_on_files_ends_the_server_and_nothing_else(tmp_path: Path) -> None:
    assert trio.run(outgrow, tmp_path) == (Exit.DISK_FAILED, [])
