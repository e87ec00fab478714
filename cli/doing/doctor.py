"""An examination of a data directory, as it is told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click
import trio

from actors.doctor import Examination, examine, rebuild
from actors.engine.arrivals import Identity
from actors.runtime import RETENTION_SECONDS
from cli.exits import Exit
from cli.output import emit, emit_json, remark, safe
from cli.source import user
from journal.datadir import DataDirectory
from journal.opening import open_for_reading, open_journal

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN_OF_A_KIND = 20


def examine_directory(data: Path, output: str, *, is_rebuilt: bool) -> None:
    """Do it. Ends the command with exit code 1 if something is wrong, of a rebuilt one: still."""
    found = trio.run(_rebuild, data) if is_rebuilt else look(data)
    if output == "json":
        emit_json(found)
    else:
        show(found)
    if not found.is_sound:
        raise click.exceptions.Exit(Exit.FAILED)


def look(data: Path) -> Examination:
    """Examine it as it lies there."""
    reader, identity = open_for_reading(data)
    try:
        return examine(reader, identity.partitions)
    finally:
        reader.close()


def show(found: Examination) -> None:
    """What was found, for people."""
    shown: Counter[str] = Counter()
    for finding in found.findings:
        kind = finding.where.partition(" ")[0]
        shown[kind] += 1
        if shown[kind] <= _SHOWN_OF_A_KIND:
            emit(safe(f"{finding.where}: {finding.what}"))
    for kind, count in shown.items():
        if count > _SHOWN_OF_A_KIND:
            emit(f"{kind}: and {count - _SHOWN_OF_A_KIND} more; -o json has all")
    emit(f"{found.objects} objects, {found.events} events, {found.invocations} invocations: {_verdict(found)}")


def _verdict(found: Examination) -> str:
    if found.is_sound:
        return "all is as it should be"
    rebuilt = sum(1 for finding in found.findings if finding.can_be_rebuilt)
    left = len(found.findings) - rebuilt
    words = [f"{rebuilt} findings that --rebuild mends"] if rebuilt else []
    return " and ".join([*words, *([f"{left} that it does not: restore a backup"] if left else [])])


async def _rebuild(data: Path) -> Examination:
    DataDirectory(data).identity()  # raises where there is no store, so that none is made
    async with open_journal(data) as journal:
        found = await rebuild(
            journal, Identity(f"user:{user() or 'unknown'}", "process"), retention_seconds=RETENTION_SECONDS
        )
    remark("what is kept beside the events says what they say" if found.is_sound else "not all of it could be mended")
    return found
