"""The limits of one query in time and memory, and the way in which an abandoned query stops."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import attrs

from actors.errors import LimitExceededError
from actors.values.limits import DEFAULT_LIMITS
from journal.kv.store import SCAN_PAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.query.snapshot import JournalSnapshot
    from journal.kv.store import Readable

MEMORY_BYTES = 256 << 20
"""The memory that SQLite may use during a query, for sorting, grouping and distinct rows, in bytes."""


def wanted_for_ever() -> None:
    """Do nothing: the caller waits until the query ends."""


def _memory_used() -> int:
    """Return the memory that SQLite uses, in bytes. 0 before SQLite is loaded, because a list without a condition does
    not need it.
    """
    sqlite = sys.modules.get("apsw")
    return 0 if sqlite is None else int(sqlite.memory_used())


@attrs.define(eq=False)
class Budget:
    """Counts the cost of a query. ``check`` is called every few hundred rows and every few thousand steps of SQLite.

    With ``is_at_once`` the event loop waits for the query, so a query that may do much in a single step of SQLite,
    which cannot be interrupted, is refused with :class:`actors.LimitExceededError`. ``still_wanted`` raises once no
    caller waits for the answer; a query that runs beside other code also yields there. ``stopped_by`` is the error that
    stopped the query, because SQLite itself knows only that it was interrupted.
    """

    seconds: float = DEFAULT_LIMITS.query_seconds
    still_wanted: Callable[[], None] = wanted_for_ever
    is_at_once: bool = False
    rows_read: int = 0
    stopped_by: BaseException | None = None
    _deadline: float = attrs.field(init=False)
    _memory_before: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._deadline = time.monotonic() + self.seconds
        self._memory_before = _memory_used()

    def read(self, rows: int) -> None:
        """Count the keys that were read. Raises if the query must stop."""
        self.rows_read += rows
        self.check()

    def check(self) -> None:
        """Raise if the query must stop."""
        try:
            self._check()
        except BaseException as error:
            self.stopped_by = error
            raise

    def must_stop(self) -> bool:
        """Report whether the query must stop. SQLite calls this and needs a return value instead of an error."""
        try:
            self.check()
        except BaseException:  # raised again from stopped_by where the statement ends
            return True
        return False

    def _check(self) -> None:
        self.still_wanted()
        if time.monotonic() > self._deadline:
            raise LimitExceededError(
                f"the query took longer than {self.seconds:g} seconds and was stopped. Narrow it: id, service with key, an open "
                "status, awaited_signal, and created_at are found by an index; everything else reads every row",
                limit="query_seconds",
                maximum=self.seconds,
            )
        if _memory_used() - self._memory_before > MEMORY_BYTES:
            raise LimitExceededError(
                f"the query needs more than {MEMORY_BYTES >> 20} MiB to sort or to group its rows; narrow it, or ask for "
                "fewer columns",
                limit="query_memory_bytes",
                maximum=MEMORY_BYTES,
            )


@attrs.frozen
class CountedRows:
    """Rows that count against a budget as they are read (:class:`journal.kv.store.Readable`)."""

    rows: Readable
    budget: Budget

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a key. The budget is not checked here: a reader of single rows also reads an index in
        pages.
        """
        value = self.rows.get(key)
        self.budget.rows_read += value is not None
        return value

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Return at most ``limit`` rows in ``[start, stop)`` in order, or from the end with ``reverse``. Raises the
        errors of the budget.
        """
        page = self.rows.scan(start, stop, limit=limit, reverse=reverse)
        self.budget.read(len(page))
        return page


def counted(snapshot: JournalSnapshot, budget: Budget) -> JournalSnapshot:
    """Return a view of the snapshot in which every row that is read counts against the budget."""
    return attrs.evolve(snapshot, view=CountedRows(snapshot.view, budget))
