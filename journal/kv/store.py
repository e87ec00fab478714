"""What a journal needs of the thing that keeps bytes: a sorted map that takes a batch whole or not at all.

RocksDB is one (``rocks``), a dictionary is another (``memory``). Everything above this line is the same for both, so a
test on the dictionary says something about the disk; ``tests/journal`` holds them against each other.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NoReturn, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SCAN_PAGE = 512
"""Rows that one call of :meth:`Store.scan` reads at most when a reader pages through a range."""


class Durability(enum.Enum):
    """When a commit counts as kept.

    ``FSYNC``: the disk has it; survives a power cut. ``OS``: the operating system has it; survives the death of the
    process, not of the machine. ``MEMORY``: nobody has it; for tests.
    """

    FSYNC = "fsync"
    OS = "os"
    MEMORY = "memory"


class TroubleKind(enum.Enum):
    """What is wrong with a store that is open."""

    DIRECTORY_LOST = "directory-lost"
    DISK_FAILED = "disk-failed"
    DISK_FULL = "disk-full"
    DISK_NEARLY_FULL = "disk-nearly-full"
    TABLES_DAMAGED = "tables-damaged"


@attrs.frozen
class Trouble:
    """Something that is wrong, for people. ``is_final``: the process has to be ended. ``stops_work``: no new work is taken."""

    kind: TroubleKind
    text: str
    stops_work: bool = True
    is_final: bool = False


@attrs.define
class Batch:
    """Changes that happen together. Ranges ``[start, stop)`` are cleared first; then each key is set, or removed.

    ``known`` is what some of the keys hold before, where the writer knows it: nobody has to look.
    """

    rows: dict[bytes, bytes | None] = attrs.field(factory=dict)
    cleared: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    known: dict[bytes, bytes | None] = attrs.field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.rows or self.cleared)


class Readable(Protocol):
    """A sorted map of bytes. Reading raises :class:`journal.errors.CorruptRecord` where bytes are damaged; it never gives
    less than what is there."""

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        ...

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """At most ``limit`` rows of ``[start, stop)`` in order, or from the end."""
        ...


class View(Readable, Protocol):
    """A store as it was at one moment, however long it is looked at. Any thread may read it, one at a time.

    It holds on to what has been overwritten since, so it is closed as soon as it is not needed.
    """

    def close(self) -> None:
        """Let go of it. Reading afterwards raises :class:`journal.errors.Unavailable`."""
        ...


class Store(Readable, Protocol):
    """One that takes atomic batches. Reads see every batch whose ``commit`` has returned, and may see one under way.

    Batches are kept in the order of the calls, which take their place before their first checkpoint.
    """

    durability: Durability

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values in the order of the keys, each as :meth:`get` would have it; one look instead of many."""
        ...

    async def view(self) -> View:
        """The store as of now: every batch whose ``commit`` has returned, and none that could still be lost."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Keep the batch; returns when it is as durable as the setting says. Cannot be cancelled on the way.

        Raises :class:`journal.errors.InDoubt` when nobody knows whether it was kept, :class:`journal.errors.Unavailable`
        when it was not. After either the store takes no more writes until :meth:`recover`.
        """
        ...

    async def copy_to(self, path: Path, *, made_at: float) -> None:
        """Make a backup at ``path`` that has every batch whose ``commit`` has returned (:mod:`journal.kv.backup`). Nothing may be there,
        or an empty directory. Commits wait for a moment.

        Raises :class:`journal.errors.StoreError` where something is there, or cannot be written, and
        :class:`journal.errors.Unavailable` if this store is nothing that could be opened there.
        """
        ...

    async def failed(self) -> NoReturn:
        """Raise :class:`journal.errors.StoreFailed` as soon as no later write can be trusted; until then, wait."""
        ...

    def has_room(self) -> bool:
        """Whether new work should be taken. Work under way goes on until a write fails."""
        ...

    def troubles(self) -> Sequence[Trouble]:
        """What is wrong now, from what is known: asking costs nothing."""
        ...

    async def recover(self) -> None:
        """Take writes again after a failure, on what is really kept. Raises ``Unavailable`` while that is not possible.

        When it returns, reads show what became of every batch whose ``commit`` has raised ``InDoubt``.
        """
        ...

    def close(self) -> None:
        """Give up the store. Nothing may be read or written afterwards."""
        ...


def scan_all(store: Readable, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All rows of a range, a page at a time."""
    while True:
        page = store.scan(start, stop)
        yield from page
        if len(page) < SCAN_PAGE:
            return
        start = page[-1][0] + b"\x00"
