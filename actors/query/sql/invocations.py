"""``sys_invocation``: one row for each invocation, from its row in the journal; its history is read only for ``argument``."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any

import msgspec

from actors.model.info import InvocationInfo
from actors.query.sql.columns import Column, Path, Table, Type, Wanted
from actors.query.sql.invocation_rows import Row, StoredFailure, StoredTarget, json_text, part_of, row_with
from actors.query.sql.records import column_of
from journal import events as e
from journal import invocation_keys, keys
from journal.errors import CorruptRecord, Damaged, MalformedIdError
from journal.events import OutcomeKind, Status
from journal.ids import InvocationId, parse_invocation_id, stream_of, stream_of_invocation
from journal.rows import decode_row, decode_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot

_LATEST = 1e13  # seconds; the largest that the index by time can store
_FAILED = OutcomeKind.FAILED.value
_OPEN = {status.value: status for status in Status if status is not Status.COMPLETED}


# The data of an index key, without the row.
_row_in_key: Any = row_with(frozenset(["invocation_id", "status"]))
_row_of_object: Any = row_with(frozenset(["invocation_id", "target.service", "target.key"]))
_target_in_part: Any = part_of(StoredTarget, frozenset(["service", "key"]))


def _failure(row: Row) -> StoredFailure | None:
    ended = row.outcome
    return row.last_failure if ended is None or ended.failure is None else ended.failure


def _shown_target(row: Row, _: JournalSnapshot) -> str:
    return str(e.Target(row.target.service, row.target.key, row.target.handler))


def _duration(row: Row, snapshot: JournalSnapshot) -> float | None:
    if row.started_at is None:
        return None
    return (snapshot.now if row.completed_at is None else row.completed_at) - row.started_at


def _spent_of_budget(row: Row, snapshot: JournalSnapshot) -> str:
    spent = {} if row.budget is None else snapshot.spent_of_budget(row.invocation_id)
    return msgspec.json.encode(spent).decode()


def _argument(row: Row, snapshot: JournalSnapshot) -> str | None:
    first = row.spans[0][0]
    stream = stream_of_invocation(row.invocation_id)
    accepted = next(iter(snapshot.events(stream, first, first)), None)
    if accepted is None or not isinstance(accepted.event, e.InvocationAccepted):
        raise Damaged(stream, first, f"event is not the acceptance of {row.invocation_id}")
    return json_text(accepted.event.argument)


# Paths.


def _by_id(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[Row]:
    try:
        of = parse_invocation_id(wanted.equal["id"])
    except MalformedIdError:
        return
    data = snapshot.get(invocation_keys.invocation(snapshot.partition_of(stream_of_invocation(of)), of))
    if data is not None:
        yield decode_row(_kind_for(wanted), data)


def _by_object(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[Row]:
    service, name = wanted.equal["service"], wanted.equal["key"]
    stream = stream_of(service, name)
    prefix = invocation_keys.invocations_of(snapshot.partition_of(stream), stream)
    if not {*(wanted.columns or ("argument",))} <= {"id", "service", "key"}:
        yield from _under(snapshot, wanted, prefix)
        return
    target = _target_in_part(service=service, key=name)
    for key, _ in snapshot.rows_under(prefix):
        yield _row_of_object(invocation_id=InvocationId(invocation_keys.id_at_end(key)), target=target)


def _by_status(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[Row]:
    status = wanted.equal["status"]
    if status == Status.COMPLETED.value:
        yield from _every(snapshot, wanted)
    elif status in _OPEN:
        kind = _kind_for(wanted)
        is_in_key = {*(wanted.columns or ("argument",))} <= {"id", "status"}
        for partition in range(snapshot.partitions):
            for key, _ in snapshot.rows_under(invocation_keys.open_prefix(partition, _OPEN[status])):
                if is_in_key:
                    yield _row_in_key(invocation_id=InvocationId(invocation_keys.id_at_end(key)), status=status)
                else:
                    yield _indexed(snapshot, kind, partition, key)


def _failures(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[Row]:
    if wanted.equal["outcome"] != _FAILED:
        yield from _every(snapshot, wanted)
        return
    kind = _kind_for(wanted)
    for partition in range(snapshot.partitions):
        prefix = invocation_keys.failed_prefix(partition)
        start = prefix if wanted.low is None else invocation_keys.failed_from(partition, min(wanted.low, _LATEST))
        for key, _ in snapshot.rows(start, keys.after_prefix(prefix)):
            yield _indexed(snapshot, kind, partition, key)


def _by_awaited(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[Row]:
    """Yield the invocations that wait for the signal, longest waiting first in each partition."""
    kind = _kind_for(wanted)
    for partition in range(snapshot.partitions):
        for key, _ in snapshot.rows_under(invocation_keys.awaiting_prefix(partition)):
            yield _indexed(snapshot, kind, partition, key)


def _by_time(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[Row]:
    kind = _kind_for(wanted, *_AGE)
    parts = [_of_partition_by_time(snapshot, kind, partition, wanted) for partition in range(snapshot.partitions)]
    return parts[0] if len(parts) == 1 else heapq.merge(*parts, key=_age, reverse=wanted.descending)


def _of_partition_by_time(snapshot: JournalSnapshot, kind: type[Row], partition: int, wanted: Wanted) -> Iterator[Row]:
    """Yield the invocations of a partition by time. The index has microseconds and a row has more digits, so rows of
    one microsecond are sorted here.
    """
    prefix = invocation_keys.created_prefix(partition)
    start, stop = prefix, keys.after_prefix(prefix)
    if wanted.low is not None:
        start = invocation_keys.created_from(partition, min(wanted.low, _LATEST))
    if wanted.high is not None and wanted.high < _LATEST:
        stop = invocation_keys.created_behind(partition, wanted.high)
    if start >= stop:
        return
    entries = (key for key, _ in snapshot.rows(start, stop, reverse=wanted.descending))
    for _, group in itertools.groupby(entries, invocation_keys.microsecond_of_created):
        rows = [_indexed(snapshot, kind, partition, key) for key in group]
        if len(rows) > 1:
            rows.sort(key=_age, reverse=wanted.descending)
        yield from rows


_AGE = ("created_at",)


def _age(row: Row) -> tuple[float, str]:
    return row.created_at, row.invocation_id


def _indexed(snapshot: JournalSnapshot, kind: type[Row], partition: int, index_key: bytes) -> Row:
    of = InvocationId(invocation_keys.id_at_end(index_key))
    data = snapshot.get(invocation_keys.invocation(partition, of))
    if data is None:
        raise CorruptRecord(
            f"an index names invocation {of}, which has no row; rebuild the indexes with 'playhead doctor --rebuild'"
        )
    return decode_row(kind, data)


def _every(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[Row]:
    return itertools.chain.from_iterable(
        _under(snapshot, wanted, invocation_keys.invocations(partition)) for partition in range(snapshot.partitions)
    )


def _under(snapshot: JournalSnapshot, wanted: Wanted, prefix: bytes) -> Iterator[Row]:
    kind = _kind_for(wanted)
    pages = snapshot.pages(prefix, keys.after_prefix(prefix))
    return itertools.chain.from_iterable(decode_rows(kind, (data for _, data in page)) for page in pages)


def _kind_for(wanted: Wanted, *also: str) -> type[Row]:
    columns = INVOCATIONS.columns
    if wanted.columns is not None:
        columns = [column for column in columns if column.name in wanted.columns]
    return row_with(frozenset(["invocation_id", *also, *(field for column in columns for field in column.reads)]))


def _recorded(name: str, *, stored: str = "") -> Column[Row]:
    """Return the column of a field of the public record, which the row stores under the same name or another."""
    path = stored or name
    return column_of(InvocationInfo, name, path, reads=(path,))


INVOCATIONS = Table[Row](
    name="sys_invocation",
    about="One row for each invocation that is open, or has ended and is retained.",
    columns=(
        _recorded("id", stored="invocation_id"),
        Column("target", Type.TEXT, "Service/handler or Service/key/handler", _shown_target, ("target",)),
        Column("service", Type.TEXT, "the class", lambda row, _: row.target.service, ("target.service",)),
        Column(
            "key", Type.TEXT, "the object's key; NULL for a service", lambda row, _: row.target.key, ("target.key",)
        ),
        Column("handler", Type.TEXT, "the handler", lambda row, _: row.target.handler, ("target.handler",)),
        _recorded("kind"),
        _recorded("mode"),
        _recorded("status"),
        Column(
            "outcome",
            Type.TEXT,
            "succeeded, failed, cancelled or killed; NULL until it has ended",
            lambda row, _: None if row.outcome is None else row.outcome.kind,
            ("outcome.kind",),
        ),
        _recorded("created_at"),
        _recorded("created_by"),
        _recorded("started_at"),
        _recorded("completed_at"),
        _recorded("modified_at"),
        _recorded("scheduled_for"),
        _recorded("expires_at"),
        _recorded("status_text"),
        Column(
            "spent",
            Type.JSON,
            "the amounts that it has used up, by the name of the quantity",
            lambda row, _: msgspec.json.encode(row.spent or {}).decode(),
            ("spent",),
        ),
        Column(
            "budget",
            Type.JSON,
            "how much it and the invocations that it calls may spend, by the name of the quantity",
            lambda row, _: None if row.budget is None else msgspec.json.encode(row.budget).decode(),
            ("budget",),
        ),
        Column(
            "budget_spent",
            Type.JSON,
            "the amounts of its budget that it and the invocations that it called have spent",
            _spent_of_budget,
            ("budget", "invocation_id"),
        ),
        _recorded("pause_cause"),
        _recorded("purge_at"),
        Column(
            "duration",
            Type.REAL,
            "seconds from its start to its end, or until now",
            _duration,
            ("started_at", "completed_at"),
        ),
        _recorded("deployment"),
        _recorded("failed_attempts", stored="attempts"),
        Column(
            "failed_tries",
            Type.INTEGER,
            "the number of failures, including failed tries of the steps that it waits for",
            lambda row, _: row.attempts + row.step_tries,
            ("attempts", "step_tries"),
        ),
        Column(
            "last_error_type",
            Type.TEXT,
            "the full name of the last error's type",
            lambda row, _: None if (failure := _failure(row)) is None else failure.type,
            ("last_failure", "outcome.failure"),
        ),
        Column(
            "last_error",
            Type.TEXT,
            "the last error's text",
            lambda row, _: None if (failure := _failure(row)) is None else failure.message,
            ("last_failure", "outcome.failure"),
        ),
        Column(
            "awaited_signal",
            Type.TEXT,
            "the signal that it waits for; of several, the one that it has waited for longest",
            lambda row, _: row.awaited[0].name if row.awaited else None,
            ("awaited",),
        ),
        Column(
            "awaited_since",
            Type.TIME,
            "when it began to wait for that signal",
            lambda row, _: row.awaited[0].since if row.awaited else None,
            ("awaited",),
        ),
        _recorded("pause_reason"),
        _recorded("cancel_reason"),
        Column(
            "outcome_reason",
            Type.TEXT,
            "why it was cancelled or killed",
            lambda row, _: None if row.outcome is None else row.outcome.reason or None,
            ("outcome.reason",),
        ),
        _recorded("idempotency_key", stored="request"),
        Column(
            "tags",
            Type.JSON,
            "its tags by name",
            lambda row, _: msgspec.json.encode(row.tags or {}).decode(),
            ("tags",),
        ),
        Column(
            "traceparent",
            Type.TEXT,
            "the span of its requester, as W3C Trace Context writes it",
            lambda row, _: None if row.trace is None else row.trace.traceparent,
            ("trace.traceparent",),
        ),
        Column(
            "caller_id",
            Type.TEXT,
            "the invocation that waits for it",
            lambda row, _: None if row.caller is None else row.caller.invocation_id,
            ("caller.invocation_id",),
        ),
        Column(
            "caller_step",
            Type.TEXT,
            "the step at which the caller waits",
            lambda row, _: None if row.caller is None else row.caller.step,
            ("caller.step",),
        ),
        Column(
            "restarted_from",
            Type.TEXT,
            "the invocation that it restarts",
            lambda row, _: None if row.restarts is None else row.restarts.invocation_id,
            ("restarts.invocation_id",),
        ),
        Column(
            "restarted_at_step",
            Type.TEXT,
            "the first step that it runs again; empty means from the start",
            lambda row, _: None if row.restarts is None else row.restarts.step,
            ("restarts.step",),
        ),
        Column(
            "argument",
            Type.JSON,
            "its argument (read from its history)",
            _argument,
            ("invocation_id", "spans"),
        ),
        Column(
            "value",
            Type.JSON,
            "its return value",
            lambda row, _: None if row.outcome is None else json_text(row.outcome.value),
            ("outcome.value",),
        ),
    ),
    paths=(
        Path(name="id", scan=_by_id, equal=("id",), cost=1),
        Path(name="object", scan=_by_object, equal=("service", "key"), cost=100),
        Path(
            name="status",
            scan=_by_status,
            equal=("status",),
            cost=2_000,
            suits=lambda status: status != Status.COMPLETED.value,
        ),
        Path(
            name="failed",
            scan=_failures,
            equal=("outcome",),
            ranged="completed_at",
            cost=10_000,
            suits=lambda outcome: outcome in (None, _FAILED),  # None is not known yet
        ),
        Path(name="awaited", scan=_by_awaited, held=("awaited_signal", "awaited_since"), cost=1_000),
        Path(name="time", scan=_by_time, ranged="created_at", order=("created_at", "id"), cost=180_000),
        Path(name="every", scan=_every, cost=100_000),
    ),
    identity=lambda row: row.invocation_id,
)
