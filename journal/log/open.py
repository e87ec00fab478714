"""Opens journals."""

from __future__ import annotations

import secrets
import time
import uuid
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import attrs

from journal import keys
from journal.errors import CopyOfNode
from journal.kv.data_directory import DataDirectory
from journal.kv.memory import MemoryStore
from journal.kv.preflight import read_at_rest, refuse_if_unbegun
from journal.kv.rocks import RESERVE_BYTES, RocksStore
from journal.kv.rocks_on_mock_clock import MockClockRocksStore
from journal.kv.rocks_reader import RocksReader
from journal.kv.store import Durability
from journal.log.kv_journal import KvJournal
from journal.mock_clock import is_mocked
from journal.rows import FORMAT, StoreIdentity

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Iterator

    from journal.clock import Clock
    from journal.kv.data_directory import HeldDirectory
    from journal.kv.store import Readable


@asynccontextmanager
async def open_journal(
    path: str | os.PathLike[str],
    *,
    durability: Durability = Durability.FSYNC,
    partitions: int = 1,
    clock: Clock | None = None,
    reserve_bytes: int = RESERVE_BYTES,
) -> AsyncIterator[KvJournal]:
    """Open the journal in a data directory, creating it if there is none. ``partitions`` is used only for a new
    journal.

    Raises a :class:`journal.errors.StoreError`: ``StoreInUse`` while another process has the directory open,
    ``StoreFormat`` if another version wrote it, ``CopyOfNode`` if it belongs to a replicated journal, ``StoreDamaged`` if files are
    missing or cut. At the end of the block,
    raises :class:`journal.errors.DirectoryLost` if the directory was moved, removed or replaced meanwhile. Then the
    store stays open until the process ends, because closing it would write.
    """
    with open_store(
        path, lambda: new_identity(partitions), durability=durability, reserve_bytes=reserve_bytes
    ) as opened:
        if is_of_a_node(opened.store, opened.identity):
            raise CopyOfNode(opened.directory.path)  # changes that are written only here would never reach the log
        yield KvJournal(
            opened.store,
            partitions=opened.identity.partitions,
            clock=clock,
            secret=opened.identity.secret,
            directory=opened.directory,
            backlog=opened.identity.backlog,
        )


def new_identity(partitions: int) -> StoreIdentity:
    """Return the identity of a store that is created now."""
    return StoreIdentity(
        format=FORMAT,
        store_id=uuid.uuid4().hex,
        secret=secrets.token_hex(),
        partitions=partitions,
        created_at=time.time(),
    )


@attrs.frozen(eq=False)
class OpenStore:
    """A data directory that is held, and its open store."""

    store: RocksStore
    directory: HeldDirectory
    identity: StoreIdentity


@contextmanager
def open_store(
    path: str | os.PathLike[str],
    identity: Callable[[], StoreIdentity],
    *,
    durability: Durability,
    reserve_bytes: int = RESERVE_BYTES,
) -> Iterator[OpenStore]:
    """Open the store in a data directory, creating it with a new ``identity`` if there is none. Raises as
    :func:`open_journal` does."""
    directory = DataDirectory(path).hold()
    try:
        if not directory.exists():
            directory.create(identity())
        found = directory.bind()
        kind = MockClockRocksStore if is_mocked() else RocksStore
        store = kind(directory, durability=durability, reserve_bytes=reserve_bytes)
        try:
            yield OpenStore(store, directory, found)
        finally:
            store.close()
    finally:
        directory.release()


def is_of_a_node(rows: Readable, identity: StoreIdentity) -> bool:
    """Report whether the store follows a log. A restored backup of such a store does not."""
    if identity.copy_of:
        return False
    return any(rows.get(keys.applied(number)) is not None for number in range(identity.partitions))


def open_for_reading(path: str | os.PathLike[str]) -> tuple[RocksReader, StoreIdentity]:
    """Open the contents of a data directory or a backup as of now, whether or not a process has it open. Close the
    reader after use.

    A directory that no process holds is compared with its mark, so that a store that has lost data is refused
    (``StoreDamaged``) and not shown as a smaller one. Raises ``StoreMissing`` if nothing was ever written there.
    """
    directory = DataDirectory(path).open()
    try:
        identity = directory.identity()
        directory.reach_rocks()
        mark = None if directory.is_held() else directory.read_mark()
        if mark is not None:
            refuse_if_unbegun(directory, mark)
        reader = RocksReader(directory) if mark is None else read_at_rest(directory, mark)
    except BaseException:
        directory.release()
        raise
    return reader, identity


def memory_journal(*, partitions: int = 1, clock: Clock | None = None) -> KvJournal:
    """Return a journal in memory."""
    return KvJournal(MemoryStore(), partitions=partitions, clock=clock)
