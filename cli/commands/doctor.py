"""``playhead doctor``: check a data directory and rebuild its indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import data_option, report_option
from cli.render.output import err, out_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from actors.query.fsck.report import FsckFinding, FsckReport
    from journal.kv.data_directory import DataDirectory
    from journal.kv.inventory import Stranger


@click.command()
@click.option("--rebuild", is_flag=True, help="Rewrite rows, indexes, timers and items that differ from the events.")
@report_option
@data_option("The data directory. With --rebuild, no server may have it open.")
def command(rebuild: bool, output: str, data: Path) -> None:
    """Read every event, and compare the events with rows, indexes, items, timers, messages and the audit's chain. At
    rest, find files that neither the store's manifest nor its MARK names, and files that others may write to.

    Nothing is changed without --rebuild. The exit code is 0 if no problem is left, else 1.
    """
    import trio

    from cli.exit_codes import Exit
    from cli.render.findings import show_findings

    found = trio.run(_rebuilt, data) if rebuild else look(data)
    if output == "json":
        out_json(found)
    else:
        show_findings(found)
    if not found.is_sound:
        raise click.exceptions.Exit(Exit.FAILED)


def look(data: Path) -> FsckReport:
    """Examine the directory, including its files unless a process is writing them."""
    import attrs

    from actors.query.fsck.doctor import examine
    from actors.query.fsck.set_aside import find_set_aside
    from journal.kv.inventory import strangers
    from journal.log.open import open_for_reading

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


def _of_directory(directory: DataDirectory) -> Iterator[FsckFinding]:
    from actors.query.fsck.report import FsckFinding

    if not directory.is_backup():
        for path, mode in directory.writable_by_others():
            yield FsckFinding(
                where=f"file {path.name}",
                what=f"other users can write to it (mode {mode:o})",
                can_be_rebuilt=False,
                remedy="run 'chmod go-w' on it",
            )


def _of_stranger(stranger: Stranger) -> FsckFinding:
    from actors.query.fsck.report import FsckFinding
    from journal.kv.inventory import FileDisposition

    remedies = {
        FileDisposition.REMOVED: "the next start removes it",
        FileDisposition.SET_ASIDE: "its changes do not continue the store's; the next start renames it and does not read it",
        FileDisposition.TAKEN_IN: "move it away before the next start, which would read it as part of the store",
    }
    return FsckFinding(
        where=f"file db/{stranger.name}",
        what="neither the manifest nor MARK names it: it was left by a crash or written by another process",
        can_be_rebuilt=False,
        remedy=remedies[stranger.fate],
    )


async def _rebuilt(data: Path) -> FsckReport:
    from actors.query.fsck.doctor import rebuild
    from actors.runtime import RETENTION_SECONDS
    from cli.offline_audit import open_audit

    async with open_audit(data) as audit:
        found = await rebuild(audit.journal, audit.who, retention_seconds=RETENTION_SECONDS)
    err("rows, indexes and items agree with the events" if found.is_sound else "some problems could not be fixed")
    return found
