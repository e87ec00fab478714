"""Opens a node's copy of a replicated journal."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from journal.errors import LogTrimmed, WrongStore
from journal.kv.data_directory import DataDirectory
from journal.kv.store import Durability
from journal.log.open import new_identity, open_store
from journal.replicated.journal import open_replicated
from journal.replicated.log import LogUnusable
from journal.replicated.snapshots.seed import seed
from journal.rows import FORMAT, StoreIdentity, decode_row, encode_row
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from journal.clock import Clock
    from journal.replicated.journal import Placement, ReplicatedJournal
    from journal.replicated.log import ReplicatedLog
    from journal.replicated.snapshots.store import SnapshotStore

log = SafeLogger(__name__)

_MOST_SEEDINGS = 3
"""While a copy is made from a snapshot and catches up, the log can be trimmed once more; hardly again and again."""


async def identify(log: ReplicatedLog, *, partitions: int) -> StoreIdentity:
    """Return the identity of the journal in the log, made now if it has none: then ``partitions`` counts.

    Raises :class:`journal.replicated.log.LogUnusable` if another version of playhead has written the log.
    """
    return decode_identity(await log.identify(encode_row(new_identity(partitions))))


def decode_identity(kept: bytes) -> StoreIdentity:
    """Decode the identity that a log has kept. Raises as :func:`identify` does."""
    identity = decode_row(StoreIdentity, kept)
    if identity.format != FORMAT:
        raise LogUnusable(
            f"the log has format {identity.format}, and this version of playhead reads format {FORMAT}: use the version that wrote it"
        )
    return identity


@asynccontextmanager
async def open_replica(
    path: str | os.PathLike[str],
    replicated: ReplicatedLog,
    identity: StoreIdentity,
    *,
    snapshots: SnapshotStore | None = None,
    clock: Clock | None = None,
    placement: Placement | None = None,
) -> AsyncIterator[ReplicatedJournal]:
    """Open the journal that is in the log, with this node's copy of it in a data directory, and catch up.

    A directory without a store gets the newest of the ``snapshots``, and so does a copy that the log, because it was trimmed, does
    not continue. The copy is written without syncs: after a power cut it ends earlier, and the rest is read from the log again.

    Raises a :class:`journal.errors.StoreError` as :func:`journal.log.open.open_journal` does, ``WrongStore`` if the directory has another
    store than the log, and :class:`journal.replicated.snapshots.seed.SnapshotMissing` if the log was trimmed and no snapshot can be used.
    """
    directory = DataDirectory(path)
    trimmed: LogTrimmed | None = None
    for _ in range(_MOST_SEEDINGS):
        if snapshots is not None and (trimmed is not None or not directory.exists()):
            await seed(directory, replicated, identity, snapshots, trimmed=trimmed)
        async with AsyncExitStack() as stack:
            try:
                journal = await _enter(stack, directory, replicated, identity, clock, placement)
            except LogTrimmed as error:
                if snapshots is None:
                    raise
                log.warning("%s is made again from a snapshot: %s", directory.path, error)
                trimmed = error
            else:
                yield journal
                return
    if trimmed is not None:
        raise trimmed


async def _enter(
    stack: AsyncExitStack,
    directory: DataDirectory,
    replicated: ReplicatedLog,
    identity: StoreIdentity,
    clock: Clock | None,
    placement: Placement | None,
) -> ReplicatedJournal:
    """Open the copy as it is, and catch up; the stack closes it."""
    opened = stack.enter_context(open_store(directory.path, lambda: identity, durability=Durability.OS))
    if opened.identity.store_id != identity.store_id:
        raise WrongStore(opened.directory.path, found=opened.identity.store_id, expected=identity.store_id)
    return await stack.enter_async_context(
        open_replicated(
            opened.store,
            replicated,
            partitions=identity.partitions,
            secret=identity.secret,
            directory=opened.directory,
            backlog=identity.backlog,
            clock=clock,
            placement=placement,
        )
    )
