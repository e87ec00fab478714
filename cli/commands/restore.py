"""``playhead restore``: make a data directory from a backup."""

from __future__ import annotations

import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.render.output import err, out, when

if TYPE_CHECKING:
    from actors.query.fsck.report import FsckReport
    from journal.kv.backup import Restored
    from journal.kv.data_directory import DataDirectory
    from journal.kv.rocks_reader import RocksReader
    from journal.rows import StoreIdentity


@click.command()
@click.argument("backup", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("data", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--run",
    "runs_at_once",
    is_flag=True,
    help="Resume its work at the first start. Only if the original never runs again.",
)
def command(backup: Path, data: Path, runs_at_once: bool) -> None:
    """Create the data directory DATA, which must be empty or missing, from BACKUP.

    Every file is compared with the backup's manifest, and every event of the copy is checked. If anything is wrong the exit code is 1,
    the message names the files, and nothing is left in DATA. Links are not followed. Tokens are not in a backup: the first start makes
    a new one.

    The copy has a store id and an epoch of its own. Work that was unfinished at the backup (timers, retries, waiting and running
    invocations) may still continue in the original, so at the first start the gate 'backlog' is closed: it holds the work accepted
    before. New calls are accepted, and wait only for a held invocation of their key. Inspect it with 'playhead why ID', cancel
    work that should not run, and resume the rest:

    \b
        playhead gates open backlog
    """
    from actors.query.fsck.doctor import examine
    from cli.render.findings import contents_of, show_findings
    from journal.errors import StoreDamaged
    from journal.kv.backup import restore_backup

    _warn_of_others(backup)
    examinations: list[FsckReport] = []

    def check(rows: RocksReader, identity: StoreIdentity) -> None:
        examinations.append(examine(rows, identity.partitions))
        if not examinations[0].is_sound:
            show_findings(examinations[0])
            raise StoreDamaged(
                backup.absolute(),
                f"the restored store has problems, so nothing was left in {data}; use another backup",
            )

    restored = restore_backup(backup, data, check=check, is_held=not runs_at_once, now=time.time())
    (found,) = examinations
    out(f"restored {contents_of(found)} to {data}")
    _explain(restored)


def _warn_of_others(backup: Path) -> None:
    mode = backup.stat().st_mode
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        err(
            f"other users can write to {backup} (mode {stat.S_IMODE(mode):o}): a user who changes a backup can change its manifest too, so "
            "such a change would not show"
        )


def _explain(restored: Restored) -> None:
    from journal.kv.data_directory import DataDirectory

    identity, origin = restored.identity, DataDirectory(restored.manifest.origin)
    err(f"this is a copy as of {when(restored.manifest.made_at)}, with an id of its own")
    if identity.backlog is not None:
        err("side effects after that moment happen again where invocations resume")
    if identity.is_held:
        err(
            "open invocations are held from the first start on; new calls are accepted. If the original no longer runs, resume them: "
            "'playhead gates open backlog'"
        )
    if _is_served(origin, identity.copy_of):
        err(f"the original is in use: {origin.path}, by process {origin.holder_pid()}")


def _is_served(origin: DataDirectory, store_id: str) -> bool:
    from journal.errors import StoreError

    try:
        return origin.is_held() and origin.identity().store_id == store_id
    except (OSError, StoreError):
        return False
