"""Stores the starts that rates count, in the commit in which the invocations start.

A rate continues across the end of a process: the next process reads the starts within the current periods. A row is removed with a
later start, once the longest period that counts it is over.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from journal import keys
from journal.errors import CorruptRecord
from journal.rows import LimitStart, decode_row, encode_row
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from actors.core.run_places import RunPlaces
    from journal.clock import Clock
    from journal.ids import InvocationId
    from journal.log.protocol import Journal

log = SafeLogger(__name__)

_READ_TOGETHER = 1_000

_REMOVED_TOGETHER = 16
"""The most rows that one start removes. A start adds only one row, so the others are removed soon."""


class StartLog:
    """The starts in one partition. It outlives the processor of the partition: a start that was never written counts until its period
    is over."""

    def __init__(self, places: RunPlaces, clock: Clock, partition: int) -> None:
        self._places = places
        self._clock = clock
        self._partition = partition
        self._keys: list[bytes] = []

    def read(self, journal: Journal) -> None:
        """Read the starts that count now."""
        now = self._clock.now()
        prefix = keys.counted_starts(self._partition)
        start, stop = prefix, keys.after_prefix(prefix)
        while page := journal.scan(start, stop, limit=_READ_TOGETHER):
            start = page[-1][0] + b"\x00"
            for key, data in page:
                self._keys.append(key)
                if keys.end_of_counted_start(key) > now:
                    self._remember(data)

    def _remember(self, data: bytes) -> None:
        try:
            counted = decode_row(LimitStart, data)
        except CorruptRecord:
            log.exception("the row of a start cannot be read, and no rate counts it")
        else:
            self._places.remember_start(counted.scopes, counted.at)

    def add(self, rows: dict[bytes, bytes | None], of: InvocationId) -> None:
        """Add the row of a start to a commit, if a rate counts it, and remove some expired rows."""
        scopes, period = self._places.counted_starts(of)
        if not scopes:
            return
        now = self._clock.now()
        key = keys.counted_start(self._partition, now + period, of)
        rows[key] = encode_row(LimitStart(now, scopes))
        heapq.heappush(self._keys, key)
        for _ in range(_REMOVED_TOGETHER):
            if not self._keys or keys.end_of_counted_start(self._keys[0]) > now:
                break
            rows[heapq.heappop(self._keys)] = None
