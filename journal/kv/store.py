"""The interface between the journal and its storage: a sorted map that applies a batch whole or not at all.

RocksDB is one implementation (``rocks``), a dictionary another (``memory``). All code above this interface is the same for both,
so a test on the dictionary says something about the disk; ``tests/journal`` compares the two.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NoReturn, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SCAN_PAGE = 512
"""The most rows that one call of :meth:`Store.scan` reads when a reader pages through a range."""


class Durability(enum.Enum):
    """When a commit counts as durable.

    ``FSYNC``: when the disk has it; it survives a power cut. ``OS``: when the operating system has it; it survives the death of
    the process but not of the machine. ``REPLICATED``: when the replicated log has it; what it survives then depends on the
    system that keeps the log. ``MEMORY``: at once; for tests.
    """

    FSYNC = "fsync"
    OS = "os"
    REPLICATED = "replicated"
    MEMORY = "memory"


class TroubleKind(enum.Enum):
    """The kinds of problem of an open store."""

    DIRECTORY_LOST = "directory-lost"
    DISK_FAILED = "disk-failed"
    DISK_FULL = "disk-full"
    DISK_NEARLY_FULL = "disk-nearly-full"
    TABLES_DAMAGED = "tables-damaged"


@attrs.frozen
class Trouble:
    """A problem of the store, for people. ``is_final`` says that the process must be ended; ``stops_work`` says that no
    new work is accepted."""

    kind: TroubleKind
    text: str
    stops_work: bool = True
    is_final: bool = False


@attrs.define
class Batch:
    """Changes that are applied together. First the ranges ``[start, stop)`` are cleared, then each key is set or removed.

    ``known`` are former values of keys, where the writer knows them: they need not be read.
    """

    rows: dict[bytes, bytes | None] = attrs.field(factory=dict)
    cleared: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    known: dict[bytes, bytes | None] = attrs.field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.rows or self.cleared)


class Readable(Protocol):
    """A sorted map of bytes. A read raises :class:`journal.errors.CorruptRecord` if bytes are damaged; it never returns less than
    there is."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of the key, or None."""
        ...

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Return at most ``limit`` rows in ``[start, stop)``, in order, or from the end if ``reverse``."""
        ...


class View(Readable, Protocol):
    """A store as it was at one moment, for as long as the view is open. Any thread may read it, one at a time.

    It keeps overwritten data alive, so close it as soon as it is not needed.
    """

    def close(self) -> None:
        """Release the view. Later reads raise :class:`journal.errors.Unavailable`."""
        ...


class Store(Readable, Protocol):
    """A readable map that applies batches atomically. Reads see every batch whose ``commit`` has returned, and may see one that
    is being written.

    Batches are applied in the order of the calls, which take their place before their first checkpoint.
    """

    durability: Durability

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of the keys, in their order, with one read; None for each missing key."""
        ...

    async def view(self) -> View:
        """Return a view of the store as of now: every batch whose ``commit`` has returned, and none that could still be
        lost."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Apply the batch, and return when it is as durable as the setting requires. A started commit cannot be
        cancelled.

        Raises :class:`journal.errors.InDoubt` if it is unknown whether the batch was kept, and
        :class:`journal.errors.Unavailable` if it was not. After either, the store accepts no writes until
        :meth:`recover`.
        """
        ...

    async def copy_to(self, path: Path, *, made_at: float) -> None:
        """Make a backup of every batch whose ``commit`` has returned (:mod:`journal.kv.backup`) at ``path``, which must
        be missing or an empty directory. Commits pause for a moment.

        Raises :class:`journal.errors.StoreError` if ``path`` is not empty or cannot be written, and
        :class:`journal.errors.Unavailable` if this kind of store cannot be backed up.
        """
        ...

    async def failed(self) -> NoReturn:
        """Wait until no later write can be trusted, and raise :class:`journal.errors.StoreFailed`."""
        ...

    def has_room(self) -> bool:
        """Report whether new work should be accepted. Existing work continues until a write fails."""
        ...

    def troubles(self) -> Sequence[Trouble]:
        """Return the known current problems. Does not block."""
        ...

    async def recover(self) -> None:
        """Accept writes again after a failure, with the data that was really kept. Raises ``Unavailable`` while that is
        not possible.

        When it returns, reads show the result of every batch whose ``commit`` raised ``InDoubt``.
        """
        ...

    def close(self) -> None:
        """Close the store. It cannot be read or written afterwards."""
        ...


def scan_all(store: Readable, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield all rows in a range, read page by page."""
    while True:
        page = store.scan(start, stop)
        yield from page
        if len(page) < SCAN_PAGE:
            return
        start = page[-1][0] + b"\x00"
