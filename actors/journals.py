"""Opens the journal of a runtime: a data directory, memory, or a database that several nodes share."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from actors.errors import DefinitionError, InvalidArgumentError
from actors.extras import require
from journal.kv.store import Durability
from journal.log.open import memory_journal, open_journal

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from journal.clock import Clock
    from journal.log.protocol import Journal


@attrs.frozen(kw_only=True)
class JournalPlace:
    """Where a runtime keeps its journal, as ``open_runtime`` was told."""

    path: str | os.PathLike[str] | None
    journal: Journal | None
    cluster: str | None
    durability: Durability
    partitions: int

    @property
    def is_kept(self) -> bool:
        """Whether it is on a disk, so that code is stored with it."""
        return self.path is not None and self.journal is None

    def open(self, clock: Clock) -> AbstractAsyncContextManager[Journal]:
        """Return the journal for a block. Raises :class:`actors.errors.InvalidArgumentError` and
        :class:`actors.errors.MissingExtraError`; the block raises as the journal does."""
        if self.cluster is not None:
            return self._open_shared(self.cluster, clock)
        if self.durability is Durability.REPLICATED:
            raise InvalidArgumentError("durability is 'replicated', which needs cluster= (the address of a database)")
        if self.journal is not None:
            return _as_it_is(self.journal)
        if self.durability is Durability.MEMORY:
            return _as_it_is(memory_journal(partitions=self.partitions, clock=clock))
        if self.path is None:
            raise DefinitionError("open_runtime() needs path= (the data directory) or durability='memory'")
        return open_journal(self.path, durability=self.durability, partitions=self.partitions, clock=clock)

    def _open_shared(self, address: str, clock: Clock) -> AbstractAsyncContextManager[Journal]:
        require("postgres")
        from journal.replicated.postgres.connection import complete_address

        if self.journal is not None or self.path is None:
            raise InvalidArgumentError(
                "cluster= keeps the journal in a database: give path= (a directory for this node's copy), and no journal="
            )
        if self.partitions != 1:
            raise InvalidArgumentError(
                f"partitions is {self.partitions}, and with cluster= it is 1: one node runs all objects at a time"
            )
        if self.durability not in (Durability.FSYNC, Durability.REPLICATED):
            raise InvalidArgumentError(
                f"durability is {self.durability.value!r}, and with cluster= it is 'replicated': the database keeps the journal"
            )
        try:
            complete_address(address)
        except ValueError as error:
            raise InvalidArgumentError(f"cluster: {error}") from error
        return _shared(self.path, address, self.partitions, clock)


@asynccontextmanager
async def _shared(path: str | os.PathLike[str], address: str, partitions: int, clock: Clock) -> AsyncIterator[Journal]:
    from actors.http.tokens import make_token, shared_token
    from journal.replicated.postgres.open import open_postgres_journal

    async with open_postgres_journal(path, address, partitions=partitions, clock=clock) as journal:
        if journal.directory is not None:
            make_token(journal.directory, shared_token(journal.secret))
        yield journal


@asynccontextmanager
async def _as_it_is(journal: Journal) -> AsyncIterator[Journal]:
    await trio.lowlevel.checkpoint()
    yield journal
