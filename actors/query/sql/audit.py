"""``sys_audit``: one row for each control request, applied or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.query.sql.columns import Column, Path, Table, Type, Wanted
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
    """Chain by chain, each by number. That is not always the order of time, because a clock may have been set back."""
    for partition in range(snapshot.partitions):
        for _key, data in snapshot.rows_under(keys.audit_prefix(partition)):
            yield _Entry(partition, decode_audit(data))


AUDITS = Table[_Entry](
    name="sys_audit",
    about="One row for each verb, gate, deployment change, edit, restart and job that was asked for, also if it was refused.",
    columns=(
        Column("partition", Type.INTEGER, "whose chain it is in", lambda entry, _: entry.partition),
        Column("number", Type.INTEGER, "its position in the chain", lambda entry, _: entry.row.number),
        Column("at", Type.TIME, "when", lambda entry, _: entry.row.at),
        Column("by", Type.TEXT, "who", lambda entry, _: entry.row.by),
        Column("origin", Type.TEXT, "from where", lambda entry, _: entry.row.origin),
        Column("verb", Type.TEXT, "what was asked", lambda entry, _: entry.row.verb),
        Column("target", Type.TEXT, "of whom, or what", lambda entry, _: entry.row.target),
        Column("detail", Type.TEXT, "how", lambda entry, _: entry.row.detail or None),
        Column("reason", Type.TEXT, "why", lambda entry, _: entry.row.reason or None),
        Column("request", Type.TEXT, "under which idempotency key", lambda entry, _: entry.row.request),
        Column("changed", Type.INTEGER, "1 if anything changed, else 0", lambda entry, _: int(entry.row.changed)),
        Column("status_before", Type.TEXT, "the target's status before", lambda entry, _: entry.row.before or None),
        Column("status_after", Type.TEXT, "and after", lambda entry, _: entry.row.after or None),
        Column("refusal", Type.TEXT, "why it was not done", lambda entry, _: entry.row.refusal or None),
        Column("dropped", Type.INTEGER, "denied tries before it without a row", lambda entry, _: entry.row.dropped),
    ),
    paths=(Path(name="every", scan=_every, cost=100_000),),
)
