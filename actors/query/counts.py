"""Counts of rows: of a kind, while other work continues, and of invocations, from their counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.rows.counters import SIGNAL, Counts, Group, add_counts, count_all, is_counted, load_counts
from journal import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.kv.store import Readable

_COUNTED_TOGETHER = 512


def invocation_counts(rows: Readable, partitions: int, *, by_signal: bool = False) -> Counts:
    """Return the number of invocations in each group, over all partitions. Raises ``CorruptRecord``.

    With ``by_signal`` the last part of each group is the awaited signal, empty for those that await none; without it a group has
    no such part. Reads the counters; only in a store that no engine of this version has opened are the invocations themselves read.
    """
    counts: Counts = {}
    for partition in range(partitions):
        if is_counted(rows, partition):
            add_counts(counts, load_counts(rows, partition, with_signals=by_signal))
        else:
            add_counts(counts, count_all(rows, partition))
    return _each_once(counts) if by_signal else {group: n for group, n in counts.items() if len(group) <= SIGNAL}


def _each_once(counts: Counts) -> Counts:
    """Those that await a signal are counted by it, and in their group too: count them by it alone."""
    found: Counts = {}
    for group, number in counts.items():
        if len(group) > SIGNAL:
            without: Group = (*group[:SIGNAL], "")
            found[group] = number
            found[without] = found.get(without, 0) - number
        else:
            found[*group, ""] = found.get((*group, ""), 0) + number
    return {group: number for group, number in found.items() if number}


async def count_rows(rows: Readable, partitions: int, prefix_in: Callable[[int], bytes]) -> int:
    """Count the rows whose keys begin with ``prefix_in(partition)`` over all partitions, yielding to the event loop
    between pages.

    On a running journal each page is read as of its own moment, so rows that are added or removed meanwhile may or may not count.
    """
    count = 0
    for partition in range(partitions):
        start = prefix_in(partition)
        stop = keys.after_prefix(start)
        while page := rows.scan(start, stop, limit=_COUNTED_TOGETHER):
            count += len(page)
            start = page[-1][0] + b"\x00"
            await trio.lowlevel.checkpoint()
    return count
