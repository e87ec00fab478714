"""What a client reads of a whole runtime: lists of invocations and objects, queries, the audit log, and changes.

A list is read as one page, whose ``next`` is the ``after`` of the next page, or as a whole by an iterator.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs

from actors.core.jobs import MAX_ITEMS
from actors.errors import InvalidArgumentError
from actors.model.listing import Listing, place_in
from actors.model.object_info import object_in
from actors.model.pages import MAX_PAGE, Page, Pages
from actors.model.tags import checked_tags
from actors.query.audit import AuditQuery
from actors.query.sql.result import check_parameters
from actors.values.arguments import (
    MAX_COUNT,
    MAX_WORDS,
    Seconds,
    checked_count,
    checked_name,
    checked_seconds,
    checked_text,
    count_or_none,
    one_of,
    text_or_none,
)
from actors.values.snapshot import Snapshot
from journal.events import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from actors.control.backend import Backend
    from actors.model.checks import CheckSummary
    from actors.model.info import InvocationInfo
    from actors.model.object_info import ObjectName
    from actors.model.service_info import ServiceInfo
    from actors.query.audit import AuditCheck, AuditEntry, AuditPage
    from actors.query.changes import ChangeSet
    from actors.query.sql.result import Parameters, QueryResult


class ReadClient:
    """The part of a client that reads; see :class:`actors.control.client.Client`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def services(self, *, system: bool = False) -> tuple[ServiceInfo, ...]:
        """Return the served classes with their handlers, inputs and outputs. With ``system``, includes the built-in
        ones.
        """
        return await self._backend.services(system=system)

    async def invocations(
        self,
        *,
        status: Iterable[Status] | None = None,
        service: str | None = None,
        key: str | None = None,
        handler: str | None = None,
        where: str | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int = 100,
        after: str | None = None,
        system: bool = False,
    ) -> Page[InvocationInfo]:
        """List invocations as of the last commit, newest first, up to ``limit`` (at most 1,000). With ``system``, includes those of
        built-in objects.

        ``where`` is an SQL condition on ``sys_invocation``; raises :class:`actors.InvalidArgumentError` if it is invalid. With
        ``tags``, only those that have all of these tags, found by an index. The ``next`` of the page is the ``after`` of the next
        one, None if there are no more; :meth:`all_invocations` reads page after page.

        ::

            chats = await client.invocations(tags={"user": "ada"}, limit=10)
        """
        asked = checked_count(limit, "limit", at_most=MAX_PAGE)
        return await self._backend.find(
            _listing(status, service, key, handler, where, asked, tags=tags, after=after, system=system)
        )

    def all_invocations(
        self,
        *,
        status: Iterable[Status] | None = None,
        service: str | None = None,
        key: str | None = None,
        handler: str | None = None,
        where: str | None = None,
        tags: Mapping[str, str] | None = None,
        system: bool = False,
    ) -> AsyncIterator[InvocationInfo]:
        """Iterate over all matching invocations, newest first, as :meth:`invocations` lists them, page by page.

        Those that are accepted meanwhile are left out, and none is given twice.

        ::

            async for task in client.all_invocations(service="Agent"):
                print(task.id, task.status)
        """
        listing = _listing(status, service, key, handler, where, MAX_PAGE, tags=tags, system=system)

        async def read(after: str | None) -> Page[InvocationInfo]:
            return await self._backend.find(attrs.evolve(listing, after=place_in(after)))

        return Pages(read)

    async def objects(
        self, service: str | None = None, *, begin: str = "", limit: int = 100, after: str | None = None
    ) -> Page[ObjectName]:
        """List keyed objects that have been used, by service and key, up to ``limit`` (at most 1,000): of one service, or of all
        services that are not built in. With ``begin``, only objects whose keys begin with it.

        The ``next`` of the page is the ``after`` of the next one, None if there are no more; :meth:`all_objects` reads page after
        page.
        """
        return await self._backend.object_names(
            text_or_none(service, "service"),
            object_in(text_or_none(after, "after")),
            checked_count(limit, "limit", at_most=MAX_PAGE),
            checked_text(begin, "begin"),
        )

    def all_objects(self, service: str | None = None, *, begin: str = "") -> AsyncIterator[ObjectName]:
        """Iterate over all keyed objects that have been used, as :meth:`objects` lists them, page by page."""

        async def read(after: str | None) -> Page[ObjectName]:
            return await self.objects(service, begin=begin, limit=MAX_PAGE, after=after)

        return Pages(read)

    async def query(self, sql: str, parameters: Parameters = ()) -> QueryResult:
        """Run one SELECT over the tables of the runtime (``playhead sql --tables``), as of one moment.

        Raises :class:`actors.InvalidArgumentError`, :class:`actors.LimitExceededError`.

        ::

            found = await client.query("select id from sys_invocation where status = ?", ["paused"])
        """
        check_parameters(parameters)
        return await self._backend.query(checked_text(sql, "sql", MAX_COUNT), parameters)

    async def audit(
        self,
        *,
        by: str | None = None,
        verb: str | None = None,
        target: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> AuditPage:
        """List the audit log, newest first: every control request, including those that were refused or denied.

        ::

            for entry in (await client.audit(target=task.id)).entries:
                print(entry.by, entry.verb, entry.reason)
        """
        query = AuditQuery(
            by=text_or_none(by, "by"),
            verb=text_or_none(verb, "verb"),
            target=text_or_none(target, "target"),
            limit=checked_count(limit, "limit", at_most=MAX_PAGE),
            after=text_or_none(after, "after"),
        )
        return await self._backend.audit(query)

    def audit_entries(
        self, *, by: str | None = None, verb: str | None = None, target: str | None = None
    ) -> AsyncIterator[AuditEntry]:
        """Iterate over all matching entries of the audit log, newest first, as :meth:`audit` lists them, page by page."""

        async def read(after: str | None) -> Page[AuditEntry]:
            page = await self.audit(by=by, verb=verb, target=target, limit=MAX_PAGE, after=after)
            return Page(page.entries, next=page.next)

        return Pages(read)

    async def changes(self, after: int | None = None, *, wait: Seconds = 0.0) -> ChangeSet:
        """Return the invocations, objects, gates and deployments that have changed after the ``position`` of an earlier
        answer.

        With ``wait``, in seconds or as a timedelta, it waits at most that long for a change. Without ``after``, it returns the
        current position.

        ::

            seen = (await client.changes()).position
            for invocation in (await client.changes(seen, wait=30)).invocations:
                print(invocation.id, invocation.status)
        """
        return await self._backend.changes(count_or_none(after, "after", at_least=0), checked_seconds(wait, "wait"))

    async def verify_audit(self) -> AuditCheck:
        """Verify the hash chain of the audit log from the first row, to find whether a row was changed or removed."""
        return await self._backend.verify_audit()

    async def check(
        self,
        *,
        deployment: str = "latest",
        app: str | os.PathLike[str] | Snapshot | None = None,
        where: str | None = None,
        status: Iterable[Status] | None = None,
        service: str | None = None,
        key: str | None = None,
        handler: str | None = None,
        limit: int = MAX_ITEMS,
    ) -> CheckSummary:
        """Replay all matching invocations on other code, without effects: how many pass, diverge (and where), or raise.

        ``deployment`` is ``latest`` or an id; ``app`` is code on disk instead, ``file.py`` or ``package.module``. See
        :meth:`InvocationHandle.check`. At most ``limit`` are checked, the newest; ``is_complete`` says whether these were all, and
        ``is_compatible`` is False if not.

        ::

            summary = await client.check(where="status = 'paused'", app="shop/app.py")
        """
        listing = _listing(status, service, key, handler, where, checked_count(limit, "limit"))
        return await self._backend.check_all(listing, checked_name(deployment, "deployment", MAX_WORDS), app)


def _listing(
    status: Iterable[str | Status] | None,
    service: str | None,
    key: str | None,
    handler: str | None,
    where: str | None,
    limit: int,
    *,
    tags: Mapping[str, str] | None = None,
    after: str | None = None,
    system: bool = False,
) -> Listing:
    if isinstance(status, (str, Status)):
        raise InvalidArgumentError(f"status is {status!r}, expected a list: [{status!r}]", path="status")
    return Listing(
        status=None if status is None else frozenset(one_of(Status, one, "status") for one in status),
        service=text_or_none(service, "service"),
        key=text_or_none(key, "key"),
        handler=text_or_none(handler, "handler"),
        where=text_or_none(where, "where", MAX_COUNT),
        tags=checked_tags(tags),
        limit=limit,
        after=place_in(text_or_none(after, "after")),
        system=system,
    )
