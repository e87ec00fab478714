"""What one query may take: time, and the memory of SQLite. It is also how a query that nobody waits for any more stops.

A query runs in a thread of its own, and its scans are Python, so it competes with the event loop for the interpreter. It
works in slices, and sleeps for a moment after each: the loop then has the interpreter for as long as it wants it. A loop that
is never idle gives it back after CPython's switch interval, so slices as long as that share it evenly; shorter ones would make a
scan beside such a loop three times as long, and longer ones each call beside it late.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import apsw
import attrs

from actors.core.errors import QueryTooLargeError, QueryTooSlowError

if TYPE_CHECKING:
    from collections.abc import Callable

MEMORY_BYTES = 256 << 20
"""How much SQLite may hold while a query runs: what it sorts, groups and makes distinct."""

_SLICE_SECONDS = 0.005
_PAUSE_SECONDS = 0.0002


def wanted_for_ever() -> None:
    """For a query that somebody waits for until it ends."""


@attrs.define(eq=False)
class Budget:
    """Counts what a query takes. ``check`` is called every few hundred rows and every few thousand steps of SQLite.

    ``still_wanted`` raises when nobody waits for the answer any more. What stopped the query is kept in ``stopped_by``,
    because SQLite itself only knows that it was interrupted.
    """

    seconds: float
    still_wanted: Callable[[], None] = wanted_for_ever
    rows_read: int = 0
    stopped_by: BaseException | None = None
    _deadline: float = attrs.field(init=False)
    _slice_ends: float = attrs.field(init=False)
    _memory_before: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        now = time.monotonic()
        self._deadline = now + self.seconds
        self._slice_ends = now + _SLICE_SECONDS
        self._memory_before = apsw.memory_used()

    def read(self, rows: int) -> None:
        """Note that keys of the store have been read. Raises when the query may not go on."""
        self.rows_read += rows
        self.check()

    def check(self) -> None:
        """Give way, and raise when the query may not go on."""
        now = time.monotonic()
        try:
            self._check(now)
        except BaseException as error:
            self.stopped_by = error
            raise
        if now >= self._slice_ends:
            time.sleep(_PAUSE_SECONDS)
            self._slice_ends = time.monotonic() + _SLICE_SECONDS

    def must_stop(self) -> bool:
        """The same for SQLite, which is told and not raised at."""
        try:
            self.check()
        except BaseException:  # raised again where the statement ends, from stopped_by
            return True
        return False

    def _check(self, now: float) -> None:
        self.still_wanted()
        if now > self._deadline:
            raise QueryTooSlowError(
                f"the query took longer than {self.seconds:g} seconds and was stopped. Narrow it: id, service with key, an open "
                "status, and created_at are found by an index; everything else reads every row"
            )
        if apsw.memory_used() - self._memory_before > MEMORY_BYTES:
            raise QueryTooLargeError(
                f"the query needs more than {MEMORY_BYTES >> 20} MiB to sort or to group its rows; narrow it, or ask for "
                "fewer columns"
            )
