"""Counts of invocations, kept beside their rows: how many there are of each service and handler, in each status, with each outcome.

::

    old row ─┐
             ├─► recount ─► changes of a batch ─► one row for each group that changed, in the same commit
    new row ─┘

**Invariant.** In each partition, the number under a group is the number of invocation rows that belong to it. It holds after every
commit, because a counter is written with the rows that change it; ``doctor`` counts the rows and compares.

A commit writes one counter for each group that changed, whatever the number of its calls. A call that begins and ends between
two commits changes one group. A partition has counters of its own, so no two processors write one row; a reader adds them up.

A group is a tuple of texts: service, handler, status, outcome (empty while it is open), deployment, and the type of the last error.
An invocation that waits for a signal is counted a second time, in the same group with the name of the signal. Programs choose these
names freely, so they may be many, and who does not ask for signals does not read them.

The alternative, a merge operator that adds without reading, is refused: the binding to RocksDB has none.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from journal import invocation_keys, keys
from journal.errors import CorruptRecord
from journal.events import OutcomeKind, Status
from journal.kv.store import scan_all
from journal.rows import InvocationRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.rows.index import IndexedState
    from journal.kv.store import Readable

Group: TypeAlias = tuple[str, ...]
"""Service, handler, status, outcome, deployment, type of the last error; and the signal that is awaited, or nothing."""

Counts: TypeAlias = dict[Group, int]
"""The number of invocations in each group, or the change of that number."""

SERVICE, HANDLER, STATUS, OUTCOME, DEPLOYMENT, ERROR_TYPE, SIGNAL = range(7)
"""The places of the parts of a group."""

_COMPLETED, _SUCCEEDED = Status.COMPLETED.value, OutcomeKind.SUCCEEDED.value
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, ...]).decode
_REMEMBERED_GROUPS = 1_024
_REMEDY = "Rebuild the counters with 'playhead doctor --rebuild'"
_NUMBER = struct.Struct(">q")


def groups_of_row(row: InvocationRow) -> tuple[Group, ...]:
    """Return the groups that an invocation with this row is counted in."""
    ended = row.outcome
    failure = row.last_failure if ended is None or ended.failure is None else ended.failure
    return _groups(
        row.target.service,
        row.target.handler,
        row.status.value,
        "" if ended is None else ended.kind.value,
        row.deployment,
        "" if failure is None else failure.type,
        row.awaited[0].name if row.awaited else None,
    )


def groups_of_listed(service: str, handler: str, listed: IndexedState | None) -> tuple[Group, ...]:
    """Return the groups that an open invocation is counted in; none if it has no row yet."""
    if listed is None:
        return ()
    return _groups(
        service,
        handler,
        listed.status.value,
        "",
        listed.deployment,
        "" if listed.failure is None else listed.failure.type,
        listed.awaited[0].name if listed.awaited else None,
    )


def _groups(
    service: str, handler: str, status: str, outcome: str, deployment: str, error: str, signal: str | None
) -> tuple[Group, ...]:
    group = (service, handler, status, outcome, deployment, error)
    return (group,) if signal is None else (group, (*group, signal))


@functools.lru_cache(maxsize=_REMEMBERED_GROUPS)
def group_of_success(service: str, handler: str, deployment: str) -> Group:
    """Return the group of an invocation that has succeeded without a failure on the way."""
    return (service, handler, _COMPLETED, _SUCCEEDED, deployment, "")


def recount(changes: Counts, before: tuple[Group, ...], now: tuple[Group, ...]) -> None:
    """Count an invocation in the groups of its new row, and no longer in those of its old one. One that is new has no groups
    before, and one that is purged has none now."""
    if before == now:
        return
    for group in before:
        changes[group] = changes.get(group, 0) - 1
    for group in now:
        changes[group] = changes.get(group, 0) + 1


def add_counts(counts: Counts, changes: Counts, times: int = 1) -> None:
    """Apply changes to counts; with ``times=-1`` undo them."""
    for group, by in changes.items():
        counts[group] = counts.get(group, 0) + by * times


encode_number = _NUMBER.pack
"""Encode the number in a row."""


def counter_rows(partition: int, counts: Counts) -> dict[bytes, bytes | None]:
    """Return the rows that store these counts. A group without invocations has no row."""
    return {
        counter_key(partition, group): encode_number(number) if number else None for group, number in counts.items()
    }


def counter_key(partition: int, group: Group) -> bytes:
    """Return the key of a group's row."""
    return invocation_keys.counter(partition, _encode(group), by_signal=len(group) > SIGNAL)


def load_counts(rows: Readable, partition: int, *, with_signals: bool = True) -> Counts:
    """Return the counts of a partition, with or without those by awaited signal. Raises ``CorruptRecord``."""
    prefix = invocation_keys.counters(partition, by_signal=False)
    counts = _decoded(scan_all(rows, prefix, keys.after_prefix(prefix)))
    if with_signals:
        prefix = invocation_keys.counters(partition, by_signal=True)
        counts |= _decoded(scan_all(rows, prefix, keys.after_prefix(prefix)))
    return counts


def load_signal_counts(rows: Readable, partition: int, *, at_most: int) -> Counts:
    """Return the first counts of a partition by awaited signal, at most this number. Raises ``CorruptRecord``."""
    prefix = invocation_keys.counters(partition, by_signal=True)
    return _decoded(rows.scan(prefix, keys.after_prefix(prefix), limit=at_most))


def _decoded(found: Iterable[tuple[bytes, bytes]]) -> Counts:
    return {_group_of(key): _number_of(number) for key, number in found}


def failed_key(partition: int, row: InvocationRow) -> bytes | None:
    """Return the key of an ended invocation in the index of failures; None if it did not fail."""
    if row.outcome is None or row.outcome.kind is not OutcomeKind.FAILED or row.completed_at is None:
        return None
    return invocation_keys.failed(partition, row.completed_at, row.invocation_id)


def _group_of(key: bytes) -> Group:
    try:
        return _decode(invocation_keys.group_of_counter(key))
    except ValueError as error:
        raise CorruptRecord(f"the key of a counter cannot be decoded: {error}. {_REMEDY}") from error


def _number_of(data: bytes) -> int:
    if len(data) != _NUMBER.size:
        raise CorruptRecord(f"a counter has {len(data)} bytes instead of {_NUMBER.size}. {_REMEDY}")
    number: int = _NUMBER.unpack(data)[0]
    return number
