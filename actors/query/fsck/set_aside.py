"""Finds the objects that the engine set aside after a failure and that have not changed since.

Their events are whole, so :func:`actors.query.fsck.doctor.examine` finds nothing wrong, and a copy of them is a good copy. The next start
takes them up as the last one did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.query.fsck.report import FsckFinding
from actors.rows.audit import place_of_set_aside
from journal import keys
from journal.errors import CorruptRecord
from journal.kv.store import scan_all
from journal.log.streams import read_head
from journal.rows import decode_audit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journal.ids import StreamId
    from journal.kv.store import Readable
    from journal.rows import AuditRow


def find_set_aside(rows: Readable, partitions: int) -> Iterator[FsckFinding]:
    """Yield a finding for each object that was set aside and has no event since, from its latest audit entry. Skips
    unreadable parts of the audit log, which :func:`actors.query.fsck.doctor.examine` reports.
    """
    for partition in range(partitions):
        last: dict[StreamId, tuple[int, AuditRow]] = {}
        prefix = keys.audit_prefix(partition)
        try:
            for _, data in scan_all(rows, prefix, keys.after_prefix(prefix)):
                row = decode_audit(data)
                place = place_of_set_aside(row)
                if place is not None:
                    last[place[0]] = place[1], row
            yield from (
                _finding_of(row)
                for stream, (version, row) in last.items()
                if 0 < read_head(rows, partition, stream).last <= version
            )
        except CorruptRecord:
            continue


def _finding_of(row: AuditRow) -> FsckFinding:
    return FsckFinding(
        where=f"object {row.target}",
        what=f"the engine failed on this object, which has not changed since: {row.reason}",
        can_be_rebuilt=False,
        remedy="its events are whole, and the next start runs it again; report this as a bug in playhead",
    )
