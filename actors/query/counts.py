"""Counts rows of a kind while other work continues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from journal import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.kv.store import Readable

_COUNTED_TOGETHER = 512


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
