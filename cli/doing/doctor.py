"""An examination of a data directory, as it is told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs
import click
import trio

from actors.engine.requests import Principal
from actors.fsck.doctor import Finding, FsckReport, examine, rebuild
from actors.fsck.set_aside import find_set_aside
from actors.runtime import RETENTION_SECONDS
from cli.exits import Exit
from cli.output import counted, emit, emit_json, remark, safe
from cli.source import user
from journal.kv.data_directory import DataDirectory
from journal.kv.inventory import FileDisposition, Stranger, strangers
from journal.log.open import open_for_reading, open_journal

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def look(data: Path) -> FsckReport:
    """Examine it as it lies there; its files as well, unless a process is writing them."""
    reader, identity = open_for_reading(data)
    try:
        found = examine(reader, identity.partitions)
        found = attrs.evolve(found, findings=(*found.findings, *find_set_aside(reader, identity.partitions)))
        if reader.directory.is_held():
            return found
        findings = (*found.findings, *_of_directory(reader.directory), *map(_of_stranger, strangers(reader)))
        return attrs.evolve(found, findings=findings)
    finally:
        reader.close()


def _of_directory(directory: DataDirectory) -> Iterator[Finding]:
    if not directory.is_backup():
        for path, mode in directory.writable_by_others():
            yield Finding(
                where=f"file {path.name}",
                what=f"others may write to it (mode {mode:o})",
                can_be_rebuilt=False,
                remedy="run 'chmod go-w' on it",
            )


def _of_stranger(stranger: Stranger) -> Finding:
    return Finding(
        where=f"file db/{stranger.name}",
        what="neither the manifest nor MARK names it: a crash has left it, or another process has written it",
        can_be_rebuilt=False,
        remedy=_REMEDIES[stranger.fate],
    )


_REMEDIES = {
    FileDisposition.REMOVED: "the next start removes it",
    FileDisposition.SET_ASIDE: "its changes do not follow on those of the store, so the next start gives it another name and does not read it",
    FileDisposition.TAKEN_IN: "move it away before the next start, which would take it for the store's own",
}


def show(found: FsckReport) -> None:
    """What was found, for people."""
    shown: Counter[str] = Counter()
    for finding in found.findings:
        kind = finding.where.partition(" ")[0]
        shown[kind] += 1
        if shown[kind] <= _SHOWN_OF_A_KIND:
            emit(safe(f"{finding.where}: {finding.what}{f'; {finding.remedy}' if finding.remedy else ''}"))
    for kind, count in shown.items():
        if count > _SHOWN_OF_A_KIND:
            emit(f"{kind}: and {count - _SHOWN_OF_A_KIND} more; -o json has all")
    emit(f"{contents_of(found)}: {_verdict(found)}")


def contents_of(found: FsckReport) -> str:
    """How much is kept, for a sentence."""
    counts = ((found.objects, "object"), (found.events, "event"), (found.invocations, "invocation"))
    return ", ".join(counted(count, noun) for count, noun in counts)


def _verdict(found: FsckReport) -> str:
    if found.is_sound:
        return "all is as it should be"
    rebuilt = sum(1 for finding in found.findings if finding.can_be_rebuilt)
    told = sum(1 for finding in found.findings if finding.remedy)
    counts = {
        "that --rebuild mends": rebuilt,
        "with a remedy in its line": told,
        "that need a backup: restore one": len(found.findings) - rebuilt - told,
    }
    return ", ".join(f"{count} findings {of_kind}" for of_kind, count in counts.items() if count)


async def _rebuild(data: Path) -> FsckReport:
    DataDirectory(data).identity()  # raises where there is no store, so that none is made
    async with open_journal(data) as journal:
        found = await rebuild(
            journal, Principal(f"user:{user() or 'unknown'}", "process"), retention_seconds=RETENTION_SECONDS
        )
    remark("rows, indexes and items agree with the events" if found.is_sound else "not all of it could be mended")
    return found
