"""Backups: made of data directories that are served or at rest, and made to data directories of their own."""

from __future__ import annotations

import stat
import time
from functools import partial
from typing import TYPE_CHECKING

import trio

from actors.engine.audit import note_at_rest
from actors.engine.requests import Principal
from actors.fsck.doctor import examine
from actors.http.server.backups import Backup, backup_path, noted
from cli.doing.doctor import contents_of, show
from cli.output import emit, remark, when
from cli.source import connected, user
from journal.errors import StoreDamaged, StoreError
from journal.kv.backup import restore_backup
from journal.kv.data_directory import DataDirectory
from journal.log.open import open_journal

if TYPE_CHECKING:
    from pathlib import Path

    from actors.fsck.doctor import FsckReport
    from cli.source import Where
    from journal.kv.backup import Restored
    from journal.kv.rocks_reader import RocksReader
    from journal.rows import StoreIdentity


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
            who = Principal(f"user:{user() or 'unknown'}", "process")
            await noted(partial(journal.copy_to, path), named, reason, partial(note_at_rest, journal, who=who))
            return str(path)

    emit(trio.run(run))


def restore(backup: Path, data: Path, *, runs_at_once: bool) -> None:
    """Copy it and check the copy. Ends the command with exit code 1, and leaves nothing, if something is wrong with it."""
    _warn_of_others(backup)
    examinations: list[FsckReport] = []

    def check(rows: RocksReader, identity: StoreIdentity) -> None:
        examinations.append(examine(rows, identity.partitions))
        if not examinations[0].is_sound:
            show(examinations[0])
            raise StoreDamaged(
                backup.absolute(),
                f"the backup is not sound, and nothing was left in {data}. Take another one",
            )

    restored = restore_backup(backup, data, check=check, is_held=not runs_at_once, now=time.time())
    (found,) = examinations
    emit(f"{contents_of(found)} are in {data}")
    _explain(restored)


def _warn_of_others(backup: Path) -> None:
    mode = backup.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        remark(
            f"others may write to {backup} (mode {stat.S_IMODE(mode):o}): a user who changes a backup can change its manifest too, so "
            "nothing shows whether that was done"
        )


def _explain(restored: Restored) -> None:
    identity, origin = restored.identity, DataDirectory(restored.manifest.origin)
    remark(f"it is a copy as of {when(restored.manifest.made_at)}, with an id of its own")
    if identity.backlog is not None:
        remark("side effects after that moment happen again where invocations resume")
    if identity.is_held:
        remark(
            "open invocations are held from the first start on; new calls are accepted. Where the original is gone for good, resume them: "
            "'playhead gates open backlog'"
        )
    if _is_served(origin, identity.copy_of):
        remark(f"the original is in use: {origin.path}, by process {origin.holder_pid()}")


def _is_served(origin: DataDirectory, store_id: str) -> bool:
    try:
        return origin.is_held() and origin.identity().store_id == store_id
    except (OSError, StoreError):
        return False
