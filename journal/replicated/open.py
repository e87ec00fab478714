"""Opens a node's copy of a replicated journal."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from journal.errors import WrongStore
from journal.kv.store import Durability
from journal.log.open import new_identity, open_store
from journal.replicated.journal import open_replicated
from journal.replicated.log import LogUnusable
from journal.rows import FORMAT, StoreIdentity, decode_row, encode_row

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator

    from journal.clock import Clock
    from journal.replicated.journal import Placement, ReplicatedJournal
    from journal.replicated.log import ReplicatedLog


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
    log: ReplicatedLog,
    identity: StoreIdentity,
    *,
    clock: Clock | None = None,
    placement: Placement | None = None,
) -> AsyncIterator[ReplicatedJournal]:
    """Open the journal that is in the log, with this node's copy of it in a data directory, and catch up.

    The copy is written without syncs: after a power cut it ends earlier, and the rest is read from the log again. Raises a
    :class:`journal.errors.StoreError` as :func:`journal.log.open.open_journal` does, and ``WrongStore`` if the directory has another
    store than the log.
    """
    with open_store(path, lambda: identity, durability=Durability.OS) as opened:
        if opened.identity.store_id != identity.store_id:
            raise WrongStore(opened.directory.path, found=opened.identity.store_id, expected=identity.store_id)
        async with open_replicated(
            opened.store,
            log,
            partitions=identity.partitions,
            secret=identity.secret,
            directory=opened.directory,
            clock=clock,
            placement=placement,
        ) as journal:
            yield journal
