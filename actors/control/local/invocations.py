"""Reads of invocations, classes, the audit log and the change feed by a client in this process."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from actors.control.local.event_stream import Events, Marks
from actors.control.local.services import LocalServices
from actors.errors import NotOwnerError, RefusedError, UnavailableError
from actors.model.history import JournalEntry
from actors.model.info import info_of
from actors.model.listing import Listing, page_of_rows, place_of
from actors.model.pages import Page
from actors.model.service_info import ServiceInfo
from actors.model.services import service_info
from actors.query.audit import AuditQuery, list_audit
from actors.query.audit_chain import check_audit
from actors.query.changes import changes_since
from actors.query.objects import kind_of, services_with_objects
from actors.query.snapshot import open_snapshot
from actors.query.sql.queries import QueryTarget
from actors.query.unserved import UnservedClass, unserved_classes
from journal.errors import JournalError
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from actors.model.info import InvocationInfo
    from actors.model.output import OutputChunk
    from actors.query.audit import AuditCheck, AuditPage
    from actors.query.changes import ChangeSet
    from actors.query.sql.result import Parameters, QueryResult
    from journal.events import Outcome
    from journal.rows import InvocationRow

_LOOKS_TOGETHER = 100
"""How many open invocations of a list are looked up at the same time."""


class LocalInvocations(LocalServices):
    """Reads invocations, services, the audit log and the change feed."""

    async def find(self, listing: Listing) -> Page[InvocationInfo]:
        listings = self._by_all_names(listing.with_one_more())
        rows = [row for each in listings for row in await self._rows(each)]
        if len(listings) > 1:
            rows.sort(key=place_of, reverse=True)
        shown = page_of_rows(rows, listing.limit)
        found: Page[InvocationInfo] = Page(next=shown.next)
        for first in range(0, len(shown), _LOOKS_TOGETHER):
            found += await self._infos(shown[first : first + _LOOKS_TOGETHER])
        return found

    async def info(self, of: InvocationId) -> InvocationInfo:
        try:
            return await self.engine.look(of, self.who)
        except NotOwnerError:
            raise  # the rows of this node may be older than the answer of another node
        except UnavailableError:
            # No new decisions are possible, but the recorded ones can be read.
            return self._info_of_row(await self.row(of))

    async def outcome(self, of: InvocationId, *, leaves_at_pause: bool = False) -> Outcome:
        return await self.engine.watch(of, self.who, leaves_at_pause=leaves_at_pause)

    def events(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[JournalEntry]:
        return Events(self.info, self.engine.journal, of, after, follow=follow)

    def marks(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[OutputChunk]:
        return Marks(self.info, self.engine.journal, of, after, follow=follow)

    async def query(self, sql: str, parameters: Parameters) -> QueryResult:
        return await self.queries.query(self.query_target(), sql, parameters)

    async def matching(self, predicate: str, *, at_most: int) -> tuple[int, list[InvocationId]]:
        """Count the invocations that match the predicate, and return the number with the ids of the oldest of them."""
        return await self.queries.matching(self.query_target(), predicate, at_most=at_most)

    async def services(self, *, system: bool = False) -> tuple[ServiceInfo, ...]:
        async with self.snapshot() as snapshot:
            unserved = [
                ServiceInfo(name=name, kind=kind_of(snapshot, name), handlers=(), is_served=False)
                for name in services_with_objects(snapshot)
                if name not in self.engine.app
            ]
        return (*self._served(system=system), *unserved)

    async def unserved(self) -> tuple[UnservedClass, ...]:
        """Return the classes that have stored objects and are not served."""
        async with self.snapshot() as snapshot:
            return unserved_classes(snapshot, self.engine.app)

    async def audit(self, query: AuditQuery) -> AuditPage:
        async with self.snapshot() as snapshot:
            return list_audit(snapshot, query)

    async def verify_audit(self) -> AuditCheck:
        async with self.snapshot() as snapshot:
            return await check_audit(snapshot)

    async def changes(self, after: int | None, wait: float) -> ChangeSet:
        await self.checkpoint()
        if after is not None and wait:
            with trio.move_on_after(wait):
                await self.engine.journal.changes.wait(after)
        return changes_since(self.engine.journal, after)

    async def wait_for_change(self, after: int) -> None:
        """Wait until something changes after this position in the feed of changes."""
        await self.checkpoint()
        while self.engine.journal.changes.look() == after:
            await self.engine.journal.changes.wait(after)

    async def _rows(self, listing: Listing) -> list[InvocationRow]:
        if listing.where is not None:
            return await self.queries.newest(self.query_target(), listing, listing.where)
        return await self.queries.listed(self.query_target(), listing)

    def _by_all_names(self, listing: Listing) -> list[Listing]:
        """Return the filter once for each name under which objects of its class or handler may be stored."""
        if listing.service is None or listing.service not in self.engine.app:
            return [listing]
        definition = self.engine.app.find(listing.service)
        handlers: Sequence[str | None] = (listing.handler,)
        if listing.handler is not None and listing.handler in definition.called:
            handlers = definition.called[listing.handler].names
        return [attrs.evolve(listing, service=name, handler=each) for name in definition.names for each in handlers]

    async def _infos(self, rows: Sequence[InvocationRow]) -> list[InvocationInfo]:
        """Return the public records of the rows. For an open invocation the record is the same as from :meth:`info`,
        with its pause and its waits.
        """
        found = [self._info_of_row(row) for row in rows]

        async def look(at: int) -> None:
            with contextlib.suppress(
                RefusedError, JournalError
            ):  # purged since, or its object is damaged: the row alone is used
                found[at] = await self.info(rows[at].invocation_id)

        async with trio.open_nursery() as nursery:
            for at, row in enumerate(rows):
                if row.outcome is None:
                    nursery.start_soon(look, at)
        return found

    def _info_of_row(self, row: InvocationRow) -> InvocationInfo:
        spent = {} if row.budget is None else self.engine.run_limits.budgets.of_invocation(row.invocation_id)
        return info_of(row, None, self.engine.registry.gates, budget_spent=spent)

    def query_target(self) -> QueryTarget:
        self.engine.check_open()
        services = self._served(system=True)
        return QueryTarget(
            snapshot=partial(open_snapshot, self.engine.journal, services=services),
            asker=self.who.idempotency_namespace,
        )

    def _served(self, *, system: bool) -> tuple[ServiceInfo, ...]:
        app = self.engine.app
        return tuple(service_info(definition) for definition in (*app, *(app.built_in() if system else ())))
