"""Copies of data directories: made while they are served or at rest, and made to data directories again."""

from __future__ import annotations

import shutil
import time
from functools import partial
from typing import TYPE_CHECKING

import click
import trio

from actors.engine.arrivals import Identity
from actors.engine.audit import note_at_rest
from actors.http.backups import Backup, backup_path, noted
from cli.doing.doctor import look, show
from cli.exits import Exit
from cli.output import emit, remark
from cli.source import connected, user
from journal.datadir import DataDirectory
from journal.opening import open_journal

if TYPE_CHECKING:
    from pathlib import Path

    from cli.source import Where


def back_up(name: str | None, reason: str, where: Where) -> None:
    """Make one, and print where it is."""
    named = name or time.strftime("%Y%m%d-%H%M%S")

    async def run() -> str:
        if where.url is not None or DataDirectory(where.data).is_held():
            async with connected(where) as connection:
                return (await connection.post("/backups", Backup, {"name": named, "reason": reason})).path
        DataDirectory(where.data).identity()  # raises where there is no store, so that none is made
        async with open_journal(where.data) as journal:
            path = backup_path(where.data, named)
            who = Identity(f"user:{user() or 'unknown'}", "process")
            await noted(partial(journal.copy_to, path), named, reason, partial(note_at_rest, journal, who=who))
            return str(path)

    emit(trio.run(run))


def restore(backup: Path, data: Path) -> None:
    """Copy it and check the copy. Ends the command with exit code 1, and leaves nothing, if something is wrong with it."""
    DataDirectory(backup).copy_to(data)
    found = look(data)
    if found.is_sound:
        emit(f"{found.objects} objects, {found.events} events, {found.invocations} invocations are in {data}")
        return
    show(found)
    shutil.rmtree(data)
    remark(f"{backup} is not sound, and nothing was left in {data}. 'playhead doctor --rebuild' mends a copy of it")
    raise click.exceptions.Exit(Exit.FAILED)
