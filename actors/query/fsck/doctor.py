"""Checks a store: every event is there and follows from the ones before, and everything stored beside the events agrees with
them.

The events are the truth. Everything that is looked up by key is written with them and can be rebuilt from them: the rows of open
invocations from their objects, those of completed ones from their histories as far as these are stored, every index from the rows
and the objects, every count from the rows, every timer from the objects, and the items of ``Log`` and ``Map`` fields from the whole history of their object,
if none of it has been purged. Missing items of a log and missing messages are not invented.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from actors.query.fsck.messages import MessageCheck
from actors.query.fsck.partition_check import PartitionCheck
from actors.query.fsck.report import FsckFinding, FsckReport
from actors.rows.audit import ControlAction, note_at_rest
from journal.errors import CorruptRecord
from journal.ids import StreamId
from journal.log.protocol import Append

if TYPE_CHECKING:
    from actors.rows.audit import Principal
    from journal.kv.store import Readable
    from journal.log.protocol import Journal

_WRITTEN_TOGETHER = 500


def examine(rows: Readable, partitions: int) -> FsckReport:
    """Check the whole store as of one moment. ``rows`` must not change meanwhile."""
    parts = [_examined(rows, partition, 0.0) for partition in range(partitions)]
    mail = MessageCheck(rows, partitions, {stream for part in parts for stream in part.unread})
    try:
        wrongs = [*mail.wrongs(wait for part in parts for wait in part.awaited)]
    except CorruptRecord as error:
        wrongs = [("the mailboxes", f"reading stopped before the end: {error}")]
    return _summed(parts, [FsckFinding(where=where, what=what, can_be_rebuilt=False) for where, what in wrongs])


async def rebuild(journal: Journal, who: Principal, *, retention_seconds: float) -> FsckReport:
    """Rebuild rows, indexes, timers and items that differ from the events. Returns the report afterwards. No engine may be
    running.

    A completed invocation whose row was lost is kept for ``retention_seconds`` after its end.
    """
    for partition in range(journal.partitions):
        async with journal.view() as view:
            changes = list(_examined(view, partition, retention_seconds).changes.items())
        async with journal.claim(partition, who.by) as claimed:
            nothing = StreamId(partition)  # rows need a stream in their partition, and no event in it
            for start in range(0, len(changes), _WRITTEN_TOGETHER):
                chunk = dict(changes[start : start + _WRITTEN_TOGETHER])
                await claimed.commit([Append.of(stream=nothing, expected=0, events=(), rows=chunk)])
        if changes:
            act = ControlAction(verb="rebuild-indexes", target=f"partition {partition}", detail=f"{len(changes)} rows")
            await note_at_rest(journal, act, who)
    async with journal.view() as view:
        return examine(view, journal.partitions)


def _summed(parts: Sequence[PartitionCheck], besides: Iterable[FsckFinding]) -> FsckReport:
    return FsckReport(
        objects=sum(part.objects for part in parts),
        events=sum(part.events for part in parts),
        invocations=sum(part.invocations for part in parts),
        findings=(*(finding for part in parts for finding in part.findings), *besides),
    )


def _examined(rows: Readable, partition: int, retention_seconds: float) -> PartitionCheck:
    part = PartitionCheck(rows, partition, retention_seconds)
    part.examine()
    return part
