"""``playhead journal``: move a journal between a data directory and a cluster, and compare copies."""

from __future__ import annotations

import re
import time
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.groups import Group
from cli.options import report_option
from cli.render.output import err, out, out_json, table_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from actors.query.fsck.report import FsckReport
    from journal.kv.rocks_reader import RocksReader
    from journal.kv.store import Readable
    from journal.log.fold import JournalComparison
    from journal.rows import StoreIdentity

_ADDRESSES = ("postgresql://", "postgres://", "nats://", "tls://", "s3://", "file://")
_MOST_PLACES = 2


@click.group(cls=Group)
def command() -> None:
    """Move a journal into a cluster and back, and compare copies.

    A PLACE is a data directory, or the address of a cluster: postgresql://…, nats://… or s3://….
    """


@command.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy(source: str, target: str) -> None:
    """Create a copy of the journal at FROM in TO: one is a data directory, and the other a cluster. Nothing may run on FROM, and
    TO must be empty; FROM stays as it is.

    Every event of the copy is checked. The copy has an id of its own, and its unfinished work continues at the first start, so never
    start the original again. The copy keeps the number of partitions: a cluster of one partition has one node at a time that runs it.
    Room for two copies is needed in the folder for temporary files ($TMPDIR).
    """
    import trio

    from actors.extras import require_for_cluster
    from cli.render.findings import contents_of
    from journal.replicated.copies import copy_into_cluster, copy_out_of_cluster
    from journal.replicated.place import place_at

    if _is_address(source) == _is_address(target):
        raise click.UsageError(
            "one of FROM and TO must be a data directory, and the other the address of a cluster: postgresql://…, nats://… or s3://…"
        )
    require_for_cluster(target if _is_address(target) else source)
    examination = _Examination()
    if _is_address(target):
        trio.run(partial(copy_into_cluster, Path(source), place_at(target), check=examination.check, now=time.time()))
    else:
        trio.run(partial(copy_out_of_cluster, place_at(source), Path(target), check=examination.check, now=time.time()))
    out(f"copied {contents_of(examination.report())}")
    err("the copy continues the unfinished work: do not start the original again")


class _Examination:
    """Reads every event of a copy, and refuses one that is not sound."""

    def __init__(self) -> None:
        self._found: list[FsckReport] = []

    def check(self, rows: RocksReader, identity: StoreIdentity) -> None:
        from actors.query.fsck.doctor import examine
        from cli.render.findings import show_findings
        from journal.errors import StoreDamaged

        found = examine(rows, identity.partitions)
        self._found.append(found)
        if not found.is_sound:
            show_findings(found)
            raise StoreDamaged(
                rows.directory.path,
                "the copy has problems, so it was not kept; check the original with 'playhead doctor'",
            )

    def report(self) -> FsckReport:
        return self._found[-1]


@command.command()
@click.argument("places", metavar="PLACE...", nargs=-1, required=True)
@report_option
def verify(places: tuple[str, ...], output: str) -> None:
    """Print what each partition of a journal contains, with a digest of all its events, rows and messages. With two places, compare them;
    the exit code is 0 if they have the same contents, else 1.

    Left out is what belongs to a place and not to the contents, such as the epochs of owners. A cluster is read to the end of its log as of
    now, from the newest snapshot, into the folder for temporary files ($TMPDIR).
    """
    import trio

    from cli.exit_codes import Exit

    if len(places) > _MOST_PLACES:
        raise click.UsageError(f"expected one or two places, found {len(places)}")
    compared = trio.run(_compared, places)
    if output == "json":
        out_json(compared)
    else:
        _show(compared)
    if not compared.is_equal:
        raise click.exceptions.Exit(Exit.FAILED)


async def _compared(places: Sequence[str]) -> JournalComparison:
    from journal.log.fold import JournalComparison, JournalContents, first_difference, fold

    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(_opened(place)) for place in places]
        journals = [
            JournalContents(_without_password(place), fold(rows, partitions))
            for place, (rows, partitions) in zip(places, opened, strict=True)
        ]
        is_equal = all(each.partitions == journals[0].partitions for each in journals)
        difference = None if is_equal else first_difference(opened[0][0], opened[1][0])
        return JournalComparison(journals, is_equal, None if difference is None else difference.hex())


@asynccontextmanager
async def _opened(place: str) -> AsyncIterator[tuple[Readable, int]]:
    """The rows at a place, and the number of its partitions."""
    import trio

    if _is_address(place):
        from actors.extras import require_for_cluster
        from journal.replicated.copies import open_copy
        from journal.replicated.place import place_at

        require_for_cluster(place)
        async with open_copy(place_at(place)) as (_, identity, journal):
            yield journal, identity.partitions
        return
    from journal.log.open import open_for_reading

    await trio.lowlevel.checkpoint()
    reader, identity = open_for_reading(place)
    try:
        yield reader, identity.partitions
    finally:
        reader.close()


def _show(compared: JournalComparison) -> None:
    has_two = len(compared.journals) > 1
    for journal in compared.journals:
        if has_two:
            out(journal.place)
        rows = [
            [str(number), str(each.objects), str(each.events), str(each.rows), each.digest]
            for number, each in enumerate(journal.partitions)
        ]
        for line in table_lines(["PARTITION", "OBJECTS", "EVENTS", "ROWS", "DIGEST"], rows):
            out(line)
    if has_two:
        out("equal" if compared.is_equal else f"different, first at the key {compared.difference}")


def _is_address(place: str) -> bool:
    return place.startswith(_ADDRESSES)


def _without_password(place: str) -> str:
    if place.startswith(("nats://", "tls://")):  # a token has no user
        return re.sub(r"[^/,@]*@", "", place)
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1@", place) if _is_address(place) else place
