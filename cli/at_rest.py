"""What can be read of a data directory that nobody runs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from actors.auditing import ChainCheck, check_of, list_audit
from actors.core.limits import DEFAULT_LIMITS
from actors.engine.world import World
from actors.inspection import InvocationInfo, JournalEntry, entries_of, info_of
from actors.keptobjects import KeptObjects
from actors.listing import Listing, list_invocations, row_of_id
from actors.sql.live import Asked, Queries
from journal.ids import InvocationId, stream_of_invocation
from journal.streams import read_events, read_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.auditing import AuditCheck, AuditPage, AuditQuery
    from actors.objecthandle import FieldChange, ItemInfo, ObjectInfo, ObjectName
    from actors.sql.result import QueryResult
    from journal.reading import RocksReader
    from journal.rows import StoreIdentity


class AtRest:
    """The directory, as a :class:`cli.source.Live` server is read."""

    def __init__(self, reader: RocksReader, identity: StoreIdentity) -> None:
        self.partitions = identity.partitions
        self.reader = reader
        self._queries = Queries(World(), DEFAULT_LIMITS)
        self._kept = KeptObjects(reader, identity.partitions)
        self._asked = Asked(view=self._view, partitions=self.partitions)

    @asynccontextmanager
    async def _view(self) -> AsyncIterator[RocksReader]:
        await trio.lowlevel.checkpoint()
        yield self.reader  # it does not change

    def row(self, key: bytes) -> bytes | None:
        return self.reader.get(key)

    def rows(self, start: bytes, stop: bytes, *, limit: int, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        return self.reader.scan(start, stop, limit=limit, reverse=reverse)

    async def find(self, listing: Listing) -> list[InvocationInfo]:
        """As of when it stopped."""
        if listing.where is not None:
            rows = await self._queries.newest(self._asked, listing, listing.where)
        else:
            await trio.lowlevel.checkpoint()
            rows = list_invocations(self, listing)
        return [info_of(row, None) for row in rows]

    async def query(self, sql: str) -> QueryResult:
        """As of when it stopped."""
        return await self._queries.query(self._asked, sql, ())

    async def audit(self, query: AuditQuery) -> AuditPage:
        """Who steered what, until it stopped."""
        await trio.lowlevel.checkpoint()
        return list_audit(self, query)

    async def verify_audit(self) -> AuditCheck:
        """Whether the audit is whole."""
        chains = [ChainCheck(partition) for partition in range(self.partitions)]
        for chain in chains:
            while not chain.is_done:
                chain.go_on(self)
        await trio.lowlevel.checkpoint()
        return check_of(chains)

    async def objects(self, service: str | None, after: str, limit: int) -> list[ObjectName]:
        """Keyed objects, as of when it stopped."""
        await trio.lowlevel.checkpoint()
        return self._kept.names(service, after, limit)

    async def object_info(self, service: str, key: str, at: int | None) -> ObjectInfo:
        """One of them; fields that were never written have defaults, which only its code knows."""
        return await self._kept.info(service, key, None, at)

    async def object_items(
        self, service: str, key: str, field: str, at: int | None, start: str, limit: int
    ) -> list[ItemInfo]:
        """Items of a log or a map."""
        return await self._kept.items(service, key, field, at=at, start=start, limit=limit)

    async def field_history(self, service: str, key: str, field: str, after: int, limit: int) -> list[FieldChange]:
        """What a field has been."""
        return await self._kept.history(service, key, field, after=after, limit=limit)

    async def info(self, of: InvocationId) -> InvocationInfo:
        """As of when it stopped."""
        await trio.lowlevel.checkpoint()
        return info_of(row_of_id(self, of), None)

    async def events(self, of: InvocationId) -> list[JournalEntry]:
        """Its history."""
        await trio.lowlevel.checkpoint()
        row = row_of_id(self, of)
        stream = stream_of_invocation(of)
        partition = stream % self.partitions
        last = read_head(self.reader, partition, stream).last
        return entries_of(of, read_events(self.reader, partition, stream, row.spans[0][0], last))
