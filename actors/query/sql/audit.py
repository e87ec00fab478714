"""``sys_audit``: one row for each control request, applied or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.query.audit import AuditEntry
from actors.query.sql.columns import Path, Table, Wanted
from actors.query.sql.records import column_of, columns_of
from journal import keys
from journal.rows import AuditRow, decode_audit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot


@attrs.frozen
class _Entry:
    partition: int
    row: AuditRow


def _every(snapshot: JournalSnapshot, _: Wanted) -> Iterator[_Entry]:
    """Yield the entries chain by chain, each chain by number."""
    for partition in range(snapshot.partitions):
        for _key, data in snapshot.rows_under(keys.audit_prefix(partition)):
            yield _Entry(partition, decode_audit(data))


AUDITS = Table[_Entry](
    name="sys_audit",
    about="One row for each requested verb, gate, deployment change, edit, restart and job, including refused ones.",
    columns=(
        column_of(AuditEntry, "partition", "partition"),
        *columns_of(AuditRow, "row", before="status_before", after="status_after"),
    ),
    paths=(Path(name="every", scan=_every, cost=100_000),),
)
