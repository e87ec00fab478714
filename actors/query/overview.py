"""The overview of a runtime: what there is and what needs attention, at a cost that does not grow with the number of invocations.

All numbers come from counters. Texts and times come from rows; at most ``EXAMINED`` of them are read for each part, through an
index: so a part with more says how many there are, and gives an example where it has read one.

Built-in objects are left out.
"""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

import attrs
import trio

from actors.query.counts import invocation_counts, signal_counts
from actors.rows import counters
from actors.values.names import is_system
from journal import invocation_keys, keys
from journal.events import OutcomeKind, Status
from journal.ids import InvocationId
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from actors.query.snapshot import JournalSnapshot
    from actors.rows.counters import Counts, Group
    from journal.events import Failure

EXAMINED = 300
"""The number of rows that are read for each part, at most."""

GROUPS = 20
"""The number of groups of stuck and of failed invocations, at most."""

WAITING_GROUPS = 1_000
"""The number of groups of invocations that wait for a signal, at most."""

SIGNAL_COUNTERS = 5_000
"""The number of counters of awaited signals that are read in each partition, at most: programs may use a name for each wait."""

FAILED_SECONDS = 24 * 3600.0
"""How far back failures are shown."""

_TEXT = 300
_REASON = 200


@attrs.frozen(kw_only=True)
class InvocationCount:
    """The number of invocations of a handler in a status, and with an outcome once they have ended."""

    service: str
    handler: str
    status: Status
    outcome: OutcomeKind | None
    count: int


@attrs.frozen(kw_only=True)
class StuckGroup:
    """Invocations of a handler that are stuck, or have failed, with the same type of error. ``error`` and ``reason`` (of a pause) are
    those of the latest of them that was read. ``oldest`` and ``newest`` are wall seconds; None if not all of them were read.
    """

    service: str
    handler: str
    error_type: str | None
    count: int
    error: str | None = None
    reason: str | None = None
    oldest: float | None = None
    newest: float | None = None


@attrs.frozen(kw_only=True)
class WaitingGroup:
    """Invocations of a handler that wait for a signal. ``oldest`` is the start of the longest wait, in wall seconds, and ``id`` is the
    invocation; both are None if others have waited longer than all that were read.
    """

    service: str
    handler: str
    signal: str
    count: int
    oldest: float | None = None
    id: InvocationId | None = None


@attrs.frozen(kw_only=True)
class Overview:
    """The state of a runtime at the time ``at`` (wall seconds), with all changes up to ``position`` of the feed of changes.
    ``failed`` are the failures since ``failed_since``: the last day, or less if there were many. Of ``paused``,
    ``backing_off``, ``waiting`` and ``failed`` only the largest groups are listed.
    """

    at: float
    position: int
    counts: tuple[InvocationCount, ...]
    paused: tuple[StuckGroup, ...]
    backing_off: tuple[StuckGroup, ...]
    waiting: tuple[WaitingGroup, ...]
    failed: tuple[StuckGroup, ...]
    failed_since: float


async def overview(snapshot: JournalSnapshot, position: int) -> Overview:
    """Return the overview as of a snapshot that was opened at this position. Lets other tasks run between its parts."""
    counts = _of_users(invocation_counts(snapshot.view, snapshot.partitions))
    await trio.lowlevel.checkpoint()
    paused = _stuck(snapshot, counts, Status.PAUSED)
    await trio.lowlevel.checkpoint()
    backing_off = _stuck(snapshot, counts, Status.BACKING_OFF)
    await trio.lowlevel.checkpoint()
    waiting = _waiting(snapshot)
    await trio.lowlevel.checkpoint()
    failed_since, failed = _failed(snapshot)
    return Overview(
        at=snapshot.now,
        position=position,
        counts=_counts(counts),
        paused=paused,
        backing_off=backing_off,
        waiting=waiting,
        failed=failed,
        failed_since=failed_since,
    )


def _of_users(counts: Counts) -> Counts:
    return {group: number for group, number in counts.items() if not is_system(group[counters.SERVICE])}


def _counts(counts: Counts) -> tuple[InvocationCount, ...]:
    return tuple(
        InvocationCount(
            service=service,
            handler=handler,
            status=Status(status),
            outcome=OutcomeKind(outcome) if outcome else None,
            count=number,
        )
        for (service, handler, status, outcome), number in sorted(_summed(counts, _HOW).items())
    )


_HOW = (counters.SERVICE, counters.HANDLER, counters.STATUS, counters.OUTCOME)
_WHY = (counters.SERVICE, counters.HANDLER, counters.ERROR_TYPE)
_WHAT_FOR = (counters.SERVICE, counters.HANDLER, counters.SIGNAL)


def _summed(counts: Counts, places: tuple[int, ...]) -> Counts:
    """Sum up the counts by these parts of their groups."""
    found: Counts = {}
    for group, number in counts.items():
        of = tuple(group[place] for place in places)
        found[of] = found.get(of, 0) + number
    return found


_Found: TypeAlias = "dict[Group, list[InvocationRow]]"


def _stuck(snapshot: JournalSnapshot, counts: Counts, status: Status) -> tuple[StuckGroup, ...]:
    """The largest groups of open invocations with this status."""
    of_status = {group: number for group, number in counts.items() if group[counters.STATUS] == status.value}
    if not of_status:
        return ()
    entries = (
        (partition, key)
        for partition in range(snapshot.partitions)
        for key, _ in snapshot.rows_under(invocation_keys.open_prefix(partition, status))
    )
    found = _grouped(_users(snapshot, islice(entries, EXAMINED)))
    largest = heapq.nlargest(GROUPS, _summed(of_status, _WHY).items(), key=lambda item: item[1])
    return tuple(_stuck_group(group, number, found.get(group, [])) for group, number in largest)


def _failed(snapshot: JournalSnapshot) -> tuple[float, tuple[StuckGroup, ...]]:
    """The latest failures by handler and error, and the time since when these are all."""
    since = snapshot.now - FAILED_SECONDS
    parts = [_failures_since(snapshot, partition, since) for partition in range(snapshot.partitions)]
    entries = heapq.merge(*parts, reverse=True)
    latest = [(partition, key) for _, partition, key in islice(entries, EXAMINED)]
    if len(latest) == EXAMINED:
        since = invocation_keys.microseconds_of_failed(latest[-1][1]) / 1e6
    found = _grouped(_users(snapshot, latest))
    groups = [_stuck_group(group, len(rows), rows) for group, rows in found.items()]
    return since, tuple(heapq.nlargest(GROUPS, groups, key=lambda group: group.newest or 0.0))


_Entry: TypeAlias = tuple[int, int, bytes]
"""A moment in microseconds, a partition, and the key of an index in it."""


def _failures_since(snapshot: JournalSnapshot, partition: int, since: float) -> Iterator[_Entry]:
    stop = keys.after_prefix(invocation_keys.failed_prefix(partition))
    for key, _ in snapshot.rows(invocation_keys.failed_from(partition, since), stop, reverse=True):
        yield invocation_keys.microseconds_of_failed(key), partition, key


def _waits(snapshot: JournalSnapshot, partition: int) -> Iterator[_Entry]:
    for key, _ in snapshot.rows_under(invocation_keys.awaiting_prefix(partition)):
        yield invocation_keys.microseconds_of_awaiting(key), partition, key


def _waiting(snapshot: JournalSnapshot) -> tuple[WaitingGroup, ...]:
    """The groups of invocations that wait for a signal and are not paused, ordered by the longest wait."""
    counts = _of_users(signal_counts(snapshot.view, snapshot.partitions, at_most=SIGNAL_COUNTERS))
    waiting = {group: number for group, number in counts.items() if group[counters.STATUS] != Status.PAUSED.value}
    if not waiting:
        return ()
    parts = [_waits(snapshot, partition) for partition in range(snapshot.partitions)]
    longest = ((partition, key) for _, partition, key in heapq.merge(*parts))
    first: dict[Group, InvocationRow] = {}
    for row in _users(snapshot, islice(longest, EXAMINED)):
        if row.status is not Status.PAUSED:
            first.setdefault((row.target.service, row.target.handler, row.awaited[0].name), row)
    groups = [_waiting_group(group, number, first.get(group)) for group, number in _summed(waiting, _WHAT_FOR).items()]
    groups.sort(key=lambda group: (group.oldest is None, group.oldest or 0.0, -group.count))
    return tuple(groups[:WAITING_GROUPS])


def _waiting_group(group: Group, number: int, first: InvocationRow | None) -> WaitingGroup:
    service, handler, signal = group
    return WaitingGroup(
        service=service,
        handler=handler,
        signal=signal,
        count=number,
        oldest=None if first is None else first.awaited[0].since,
        id=None if first is None else first.invocation_id,
    )


def _users(snapshot: JournalSnapshot, entries: Iterable[tuple[int, bytes]]) -> Iterator[InvocationRow]:
    """The rows that the entries of an index name, except those of built-in objects."""
    for partition, key in entries:
        data = snapshot.get(invocation_keys.invocation(partition, InvocationId(invocation_keys.id_at_end(key))))
        row = None if data is None else decode_row(InvocationRow, data)
        if row is not None and not is_system(row.target.service):
            yield row


def _grouped(rows: Iterable[InvocationRow]) -> _Found:
    found: _Found = {}
    for row in rows:
        group = counters.groups_of_row(row)[0]
        found.setdefault(tuple(group[place] for place in _WHY), []).append(row)
    return found


def _stuck_group(group: Group, number: int, rows: list[InvocationRow]) -> StuckGroup:
    service, handler, error_type = group
    latest = max(rows, key=_modified_at, default=None)
    is_whole = len(rows) == number
    failure = None if latest is None else _failure(latest)
    return StuckGroup(
        service=service,
        handler=handler,
        error_type=error_type or None,
        count=number,
        error=None if failure is None else failure.message[:_TEXT],
        reason=None if latest is None else latest.pause_reason[:_REASON] or None,
        oldest=min(map(_modified_at, rows)) if is_whole else None,
        newest=max(map(_modified_at, rows)) if is_whole else None,
    )


def _failure(row: InvocationRow) -> Failure | None:
    return row.last_failure if row.outcome is None or row.outcome.failure is None else row.outcome.failure


def _modified_at(row: InvocationRow) -> float:
    return row.modified_at
