"""What can be read of a data directory that nobody runs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

from actors.core.jobs import JobProgress
from actors.environment import Environment
from actors.errors import NotFoundError
from actors.model.classes import definition_of, service_name
from actors.model.history import JournalEntry
from actors.model.info import GateInfo, HandlerInfo, InvocationInfo, ServiceInfo, gate_info, info_of
from actors.model.listing import Listing
from actors.query.audit import list_audit
from actors.query.audit_chain import check_audit
from actors.query.deployments import stored_deployment
from actors.query.field_history import field_history
from actors.query.invocations import invocation_events, invocation_info, list_invocations
from actors.query.jobs import RUN, info_of_job, run_of_job, stored_items, unknown_job
from actors.query.objects import object_info, object_items, object_names
from actors.query.snapshot import JournalSnapshot
from actors.query.sql.queries import Queries, QueryTarget
from actors.system.job import Job
from actors.values import codec_for, decode_kept
from actors.values.limits import DEFAULT_LIMITS
from actors.values.names import is_system
from journal.errors import Damaged
from journal.events import Kind, Mode
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.core.gates import Gates
    from actors.model.deployment_info import DeploymentInfo
    from actors.model.job_info import JobInfo, JobItem
    from actors.model.object_info import FieldChange, ItemInfo, ObjectInfo, ObjectName
    from actors.query.audit import AuditCheck, AuditPage, AuditQuery
    from actors.query.sql.result import QueryResult
    from journal.kv.rocks_reader import RocksReader
    from journal.rows import InvocationRow, StoreIdentity


def _service(name: str, kind: str, handlers: str) -> ServiceInfo:
    called = [
        HandlerInfo(name=handler["name"], mode=Mode(handler["mode"]), parameters={})
        for handler in msgspec.json.decode(handlers)
    ]
    return ServiceInfo(name=name, kind=Kind(kind), handlers=tuple(called))


class AtRest:
    """The directory, as a :class:`cli.source.Live` server is read."""

    def __init__(self, reader: RocksReader, identity: StoreIdentity) -> None:
        self.snapshot = JournalSnapshot(view=reader, partitions=identity.partitions, now=Environment().clock.now())
        self._queries = Queries(Environment(), DEFAULT_LIMITS)
        self._asked = QueryTarget(snapshot=self._open)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[JournalSnapshot]:
        await trio.lowlevel.checkpoint()
        yield self.snapshot  # it does not change

    async def find(self, listing: Listing) -> list[InvocationInfo]:
        """As of when it stopped."""
        if listing.where is not None:
            rows = await self._queries.newest(self._asked, listing, listing.where)
        else:
            await trio.lowlevel.checkpoint()
            rows = list_invocations(self.snapshot, listing)
        gates = self.snapshot.gates()
        return [self._info_or_row(row, gates) for row in rows]

    async def newest_ids(self, listing: Listing) -> tuple[int, list[InvocationId]]:
        """How many match, and the ids of the newest of them."""
        return await self._queries.newest_ids(self._asked, listing)

    async def query(self, sql: str) -> QueryResult:
        """As of when it stopped."""
        return await self._queries.query(self._asked, sql, ())

    async def audit(self, query: AuditQuery) -> AuditPage:
        """Who steered what, until it stopped."""
        await trio.lowlevel.checkpoint()
        return list_audit(self.snapshot, query)

    async def verify_audit(self) -> AuditCheck:
        """Whether the audit is whole."""
        return await check_audit(self.snapshot)

    async def objects(self, service: str | None, after: str, limit: int) -> list[ObjectName]:
        """Keyed objects, as of when it stopped."""
        await trio.lowlevel.checkpoint()
        return object_names(self.snapshot, service, after, limit)

    async def object_info(self, service: str, key: str, at: int | None) -> ObjectInfo:
        """One of them; fields that were never written have defaults, which only its code knows."""
        return await object_info(self.snapshot, service, key, None, at)

    async def object_items(
        self, service: str, key: str, field: str, at: int | None, start: str, limit: int
    ) -> list[ItemInfo]:
        """Items of a log or a map."""
        return await object_items(self.snapshot, service, key, field, at=at, start=start, limit=limit)

    async def field_history(
        self, service: str, key: str, field: str, *, after: int, before: int | None, newest_first: bool, limit: int
    ) -> list[FieldChange]:
        """What a field has been."""
        return await field_history(
            self.snapshot, service, key, field, after=after, before=before, newest_first=newest_first, limit=limit
        )

    async def info(self, of: InvocationId) -> InvocationInfo:
        """As of when it stopped, with what it waits for."""
        await trio.lowlevel.checkpoint()
        return invocation_info(self.snapshot, self.snapshot.invocation(of), self.snapshot.gates())

    def _info_or_row(self, row: InvocationRow, gates: Gates) -> InvocationInfo:
        try:
            return invocation_info(self.snapshot, row, gates)
        except Damaged:  # one object that cannot be read hides no other
            return info_of(row, None, gates)

    async def gates(self) -> tuple[GateInfo, ...]:
        """As they were when it stopped; they are so again when it starts."""
        await trio.lowlevel.checkpoint()
        return tuple(gate_info(gate) for gate in self.snapshot.gates())

    async def deployments(self) -> tuple[DeploymentInfo, ...]:
        """All that are registered, the newest first. None is served."""
        await trio.lowlevel.checkpoint()
        registered = self.snapshot.deployments()
        return tuple(
            [await stored_deployment(self.snapshot, known, registered.latest) for known in reversed(registered.known)]
        )

    async def deployment(self, deployment: str) -> DeploymentInfo:
        """One of them."""
        await trio.lowlevel.checkpoint()
        registered = self.snapshot.deployments()
        return await stored_deployment(self.snapshot, registered.find(deployment), registered.latest)

    async def served(self) -> tuple[ServiceInfo, ...]:
        """Nothing is served at rest."""
        await trio.lowlevel.checkpoint()
        return ()

    async def services(self, *, system: bool) -> tuple[ServiceInfo, ...]:
        """The classes that have left invocations, and the handlers that were called: the rest is in code, which nobody runs."""
        found = await self.query("SELECT name, kind, handlers FROM sys_service")
        return tuple(
            _service(str(name), str(kind), str(handlers))
            for name, kind, handlers in found.rows
            if system or not is_system(str(name))
        )

    async def jobs(self, limit: int) -> tuple[JobInfo, ...]:
        """The newest."""
        found = await self.find(Listing(service=service_name(Job), handler=RUN, limit=limit))
        return tuple([await self.job(run.target.key or "") for run in found])

    async def job(self, job: str) -> JobInfo:
        """How it stood; it goes on from there when the directory is served."""
        run = await self._run_of(job)
        kept = await object_info(self.snapshot, service_name(Job), job, definition_of(Job))
        fields = {name: kept.fields[name] for name in (field.name for field in attrs.fields(JobProgress))}
        return info_of_job(job, run, decode_kept(codec_for(JobProgress), msgspec.json.encode(fields), job))

    async def job_items(self, job: str) -> list[JobItem]:
        """What became of each invocation that it has dealt with."""
        await self._run_of(job)
        return [item async for item in stored_items(self.snapshot, job)]

    async def _run_of(self, job: str) -> InvocationInfo:
        try:
            return await self.info(run_of_job(job))
        except NotFoundError:
            raise unknown_job(job) from None

    async def events(self, of: InvocationId) -> list[JournalEntry]:
        """Its history."""
        await trio.lowlevel.checkpoint()
        return invocation_events(self.snapshot, of)
