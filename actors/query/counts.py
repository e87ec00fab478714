"""The number of invocations of each sort, from the counters that are kept with their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.rows.counters import (
    DEPLOYMENT,
    OUTCOME,
    SERVICE,
    SIGNAL,
    STATUS,
    Counts,
    Group,
    add_counts,
    load_counts,
    load_signal_counts,
)
from actors.values.names import is_system
from journal.events import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from journal.kv.store import Readable


def invocation_counts(rows: Readable, partitions: int, *, by_signal: bool = False) -> Counts:
    """Return the number of invocations in each group, over all partitions. Raises ``CorruptRecord``.

    With ``by_signal`` the last part of each group is the awaited signal, empty for those that await none; without it a group has
    no such part.
    """
    counts: Counts = {}
    for partition in range(partitions):
        add_counts(counts, load_counts(rows, partition, with_signals=by_signal))
    return _each_once(counts) if by_signal else {group: n for group, n in counts.items() if len(group) <= SIGNAL}


def signal_counts(rows: Readable, partitions: int, *, at_most: int) -> Counts:
    """Return the number of invocations in each group that waits for a signal, over all partitions. Reads at most this number of
    counters in each partition. Raises ``CorruptRecord``."""
    counts: Counts = {}
    for partition in range(partitions):
        add_counts(counts, load_signal_counts(rows, partition, at_most=at_most))
    return {group: number for group, number in counts.items() if len(group) > SIGNAL}


def _each_once(counts: Counts) -> Counts:
    """Invocations that await a signal are counted by the signal and in their group: count them once, by the signal."""
    found: Counts = {}
    for group, number in counts.items():
        if len(group) > SIGNAL:
            without: Group = (*group[:SIGNAL], "")
            found[group] = number
            found[without] = found.get(without, 0) - number
        else:
            found[*group, ""] = found.get((*group, ""), 0) + number
    return {group: number for group, number in found.items() if number}


def open_by_deployment(rows: Readable, partitions: int) -> dict[str, int]:
    """Return the number of open invocations that run on each deployment. Raises ``CorruptRecord``."""
    found: dict[str, int] = {}
    for group, number in invocation_counts(rows, partitions).items():
        if not group[OUTCOME]:
            found[group[DEPLOYMENT]] = found.get(group[DEPLOYMENT], 0) + number
    return found


def open_by_status(rows: Readable, partitions: Iterable[int]) -> dict[Status, int]:
    """Return the number of open invocations in each status in these partitions, without those of built-in objects. Raises
    ``CorruptRecord``."""
    found: dict[Status, int] = {status: 0 for status in Status if status is not Status.COMPLETED}
    for partition in partitions:
        for group, number in load_counts(rows, partition).items():
            if len(group) <= SIGNAL and not group[OUTCOME] and not is_system(group[SERVICE]):
                found[Status(group[STATUS])] += number
    return found
