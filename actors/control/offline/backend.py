"""A data directory at rest, as a :class:`actors.control.backend.Backend`.

It answers from one :class:`actors.query.snapshot.JournalSnapshot`, so all answers show the same state, that of the last commit.
Requests that need a running engine raise :class:`actors.UnavailableError` with the code ``offline`` and say how to start one:
calls, messages, verbs, edits, gates, jobs, schedules, moves of deployments, and waiting for open invocations.

Data that only the code has is missing: a class counts as not served, only called handlers are listed, and a field that was never
written has no value.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import msgspec
import trio

from actors.code.registry import LATEST
from actors.control.local.checks import Checker, last_of, loaded_aside
from actors.control.offline.refusals import OfflineRefusals
from actors.core.jobs import JobPage, JobProgress
from actors.core.output import Mark, OutputKind, marks_of
from actors.errors import BrokenDeploymentError, NotFoundError
from actors.model.classes import definition_of, service_name
from actors.model.gate_info import gate_info
from actors.model.history import entry_of
from actors.model.info import belongs_to, info_of
from actors.model.job_info import JobItems
from actors.model.listing import page_of_rows
from actors.model.object_info import page_of_objects
from actors.model.output import chunk_of
from actors.model.pages import Page
from actors.model.service_info import HandlerInfo, ServiceInfo
from actors.model.verb_options import KEEP
from actors.query.audit import list_audit
from actors.query.audit_chain import check_audit
from actors.query.counts import open_by_deployment
from actors.query.deployments import code_file, code_files, stored_deployment
from actors.query.field_history import field_history
from actors.query.fsck.doctor import examine
from actors.query.fsck.report import FsckReport
from actors.query.fsck.set_aside import find_set_aside
from actors.query.invocations import invocation_info
from actors.query.jobs import info_of_job, items_of, newest_jobs, page_of_jobs, run_of_job, unknown_job
from actors.query.objects import object_info, object_items, object_names
from actors.query.recorded import read_recorded
from actors.query.recordings import recording_of
from actors.query.sql.queries import Queries, QueryTarget
from actors.system.job import Job
from actors.values import codec_for, decode_kept
from actors.values.limits import DEFAULT_LIMITS
from actors.values.names import is_system
from actors.values.outcomes import value_of
from journal.errors import Damaged
from journal.events import Kind, Mode
from journal.ids import stream_of_invocation

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterator

    from actors.core.gates import Gates
    from actors.environment import Environment
    from actors.model.checks import CheckReport, CheckSummary
    from actors.model.deployment_info import CodeFile, DeploymentInfo
    from actors.model.gate_info import GateInfo
    from actors.model.history import JournalEntry
    from actors.model.info import InvocationInfo
    from actors.model.job_info import JobInfo
    from actors.model.limit_info import LimitInfo
    from actors.model.listing import Listing
    from actors.model.object_info import FieldChange, ItemInfo, ObjectInfo, ObjectName
    from actors.model.output import OutputChunk
    from actors.query.audit import AuditCheck, AuditPage, AuditQuery
    from actors.query.snapshot import JournalSnapshot
    from actors.query.sql.result import Parameters, QueryResult
    from actors.values import Codec
    from actors.values.limits import Limits
    from actors.values.snapshot import Snapshot
    from journal.events import Outcome, Recorded
    from journal.ids import InvocationId
    from journal.rows import InvocationRow

T = TypeVar("T")


class OfflineBackend(OfflineRefusals):
    """Reads a journal without an engine; :class:`OfflineRefusals` refuses everything else."""

    limits: Limits = DEFAULT_LIMITS

    def __init__(self, snapshot: JournalSnapshot, name: str, environment: Environment) -> None:
        super().__init__(snapshot, name)
        self._environment = environment
        self._queries = Queries(environment, DEFAULT_LIMITS)
        self._asked = QueryTarget(snapshot=self._open)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[JournalSnapshot]:
        await trio.lowlevel.checkpoint()
        yield self.snapshot  # it does not change

    # Invocations.

    async def find(self, listing: Listing) -> Page[InvocationInfo]:
        wanted = listing.with_one_more()
        if wanted.where is not None:
            rows = await self._queries.newest(self._asked, wanted, wanted.where)
        else:
            rows = await self._queries.listed(self._asked, wanted)
        shown = page_of_rows(rows, listing.limit)
        gates = self.snapshot.gates()
        return Page((self._info_or_row(row, gates) for row in shown), next=shown.next)

    async def newest_ids(self, listing: Listing) -> tuple[int, list[InvocationId]]:
        """Count the matches, and return the number with the ids of the newest."""
        return await self._queries.newest_ids(self._asked, listing)

    async def info(self, of: InvocationId) -> InvocationInfo:
        await trio.lowlevel.checkpoint()
        return invocation_info(self.snapshot, self.snapshot.invocation(of), self.snapshot.gates())

    def _info_or_row(self, row: InvocationRow, gates: Gates) -> InvocationInfo:
        try:
            return invocation_info(self.snapshot, row, gates)
        except Damaged:  # one unreadable object does not hide the others
            return info_of(row, None, gates)

    async def outcome(self, of: InvocationId) -> Outcome:
        await trio.lowlevel.checkpoint()
        outcome = self.snapshot.invocation(of).outcome
        if outcome is None:
            self.refuse(f"waiting for {of}")
        return outcome

    async def attach(self, of: InvocationId, returns: Codec[Any] | None) -> Any:
        data = value_of(await self.outcome(of), of)
        return decode_kept(returns if returns is not None else codec_for(Any), data, f"the result of {of}")

    def events(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[JournalEntry]:
        """Return the history of an invocation after event ``after``. For an open invocation, the events so far."""
        return _Each(entry_of(recorded) for recorded in self._recorded(of, after))

    def marks(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[OutputChunk]:
        """Return the output of an invocation after position ``after``. For an open invocation, the output so far."""
        return _Each(chunk_of(mark) for mark in self._marks(of, after))

    def _marks(self, of: InvocationId, after: int) -> Iterator[Mark]:
        row, last = self.snapshot.invocation(of), after
        for run in self.snapshot.output(of, after):
            last = run.last
            yield from marks_of(run, after)
        if row.outcome is not None:
            yield Mark(kind=OutputKind.END, number=last, at=row.modified_at)

    def _recorded(self, of: InvocationId, after: int) -> Iterator[Recorded]:
        row, stream = self.snapshot.invocation(of), stream_of_invocation(of)
        first = max(row.spans[0][0], after + 1)
        # The row of an open invocation is not written at each of its events.
        last = self.snapshot.last_event(stream) if row.outcome is None else row.spans[-1][1]
        for recorded in self.snapshot.events(stream, first, last):
            if belongs_to(recorded.event, of):
                yield recorded

    # Checks.

    async def recording(self, of: InvocationId) -> str:
        return recording_of(await read_recorded(self.snapshot, of))

    async def check(
        self, of: InvocationId, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckReport:
        wanted = self.snapshot.invocation(of).deployment if deployment == KEEP else deployment
        async with loaded_aside(self._code(wanted, code), self._environment) as (name, app):
            return await Checker(self.snapshot, self._environment).check(of, name, app)

    async def check_all(
        self, listing: Listing, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckSummary:
        count, wanted = await self.newest_ids(listing)
        async with loaded_aside(self._code(deployment, code), self._environment) as (name, app):
            checker = Checker(self.snapshot, self._environment)
            return await last_of(checker.check_each(wanted, name, app, is_complete=count <= listing.limit))

    def _code(
        self, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> str | os.PathLike[str] | Snapshot:
        if code is not None:
            return code
        registered = self.snapshot.deployments()
        wanted = registered.latest if deployment == LATEST else deployment
        if not wanted:
            raise BrokenDeploymentError(
                "this data directory has no code of that deployment; pass --app to check against code on disk",
                deployment="",
            )
        registered.find(wanted)
        return self.snapshot.code(wanted)

    # Objects.

    async def object_names(
        self, service: str | None, after: ObjectName | None, limit: int, begin: str
    ) -> Page[ObjectName]:
        await trio.lowlevel.checkpoint()
        return page_of_objects(object_names(self.snapshot, service, after, limit + 1, begin=begin), limit)

    async def object_info(self, service: str, key: str, at: int | None) -> ObjectInfo:
        return await object_info(self.snapshot, service, key, None, at)

    async def object_items(
        self, service: str, key: str, field: str, *, at: int | None, start: str, limit: int
    ) -> Page[ItemInfo]:
        return await object_items(self.snapshot, service, key, field, None, at=at, start=start, limit=limit)

    async def field_history(
        self, service: str, key: str, field: str, *, after: int, before: int | None, newest_first: bool, limit: int
    ) -> list[FieldChange]:
        return await field_history(
            self.snapshot,
            service,
            key,
            field,
            None,
            after=after,
            before=before,
            newest_first=newest_first,
            limit=limit,
        )

    # Other reads.

    async def query(self, sql: str, parameters: Parameters) -> QueryResult:
        return await self._queries.query(self._asked, sql, parameters)

    async def audit(self, query: AuditQuery) -> AuditPage:
        await trio.lowlevel.checkpoint()
        return list_audit(self.snapshot, query)

    async def verify_audit(self) -> AuditCheck:
        return await check_audit(self.snapshot)

    async def services(self, *, system: bool = False) -> tuple[ServiceInfo, ...]:
        """Return the classes that have stored objects or invocations, with the handlers that were called. The rest is
        only in the code.
        """
        found = await self.query("SELECT name, kind, handlers FROM sys_service", ())
        return tuple(
            _unserved(str(name), str(kind), str(handlers))
            for name, kind, handlers in found.rows
            if system or not is_system(str(name))
        )

    async def list_gates(self) -> tuple[GateInfo, ...]:
        """Return the gates as of the last stop, which are still closed at the next start."""
        await trio.lowlevel.checkpoint()
        return tuple(gate_info(gate) for gate in self.snapshot.gates())

    async def list_limits(self) -> tuple[LimitInfo, ...]:
        """Return the limits as of the last stop, which are in force at the next start."""
        await trio.lowlevel.checkpoint()
        return tuple(self.snapshot.limit_infos())

    async def list_deployments(self) -> tuple[DeploymentInfo, ...]:
        registered = self.snapshot.deployments()
        known = reversed(registered.known)
        counts = open_by_deployment(self.snapshot.view, self.snapshot.partitions)
        await trio.lowlevel.checkpoint()
        return tuple(stored_deployment(each, registered.latest, counts) for each in known)

    async def get_deployment(self, deployment: str) -> DeploymentInfo:
        registered = self.snapshot.deployments()
        counts = open_by_deployment(self.snapshot.view, self.snapshot.partitions)
        await trio.lowlevel.checkpoint()
        return stored_deployment(registered.find(deployment), registered.latest, counts)

    async def list_code(self, deployment: str) -> tuple[CodeFile, ...]:
        await trio.lowlevel.checkpoint()
        return code_files(self._registered_code(deployment))

    async def read_code(self, deployment: str, path: str) -> CodeFile:
        await trio.lowlevel.checkpoint()
        return code_file(self._registered_code(deployment), path)

    def _registered_code(self, deployment: str) -> Snapshot:
        self.snapshot.deployments().find(deployment)
        return self.snapshot.code(deployment)

    async def list_jobs(self, limit: int, after: str | None) -> Page[JobInfo]:
        return await page_of_jobs(newest_jobs(self.snapshot, after), limit, self.job_info)

    async def job_info(self, job: str) -> JobInfo:
        """Return the progress of a job as of the last stop. The job continues when the directory is served."""
        run = await self._run_of(job)
        stored = await object_info(self.snapshot, service_name(Job), job, definition_of(Job))
        fields = {field.name: stored.fields[field.name] for field in attrs.fields(JobProgress)}
        return info_of_job(job, run, decode_kept(codec_for(JobProgress), msgspec.json.encode(fields), job))

    async def job_items(self, job: str, after: int) -> JobItems:
        await self._run_of(job)
        pages = await self.object_items(service_name(Job), job, "pages", at=None, start=str(after), limit=2)
        if not pages:
            return JobItems(items=(), next=None)
        page = decode_kept(codec_for(JobPage), msgspec.json.encode(pages[0].value), job)
        return JobItems(items=items_of(page), next=after + 1 if len(pages) > 1 else None)

    async def await_job(self, job: str) -> JobInfo:
        if (await self._run_of(job)).outcome is None:
            self.refuse(f"waiting for {job}")
        return await self.job_info(job)

    async def _run_of(self, job: str) -> InvocationInfo:
        try:
            return await self.info(run_of_job(job))
        except NotFoundError:
            raise unknown_job(job) from None

    async def examine(self) -> FsckReport:
        """Compare all other stored data with the events, and find objects that were set aside."""

        def work() -> FsckReport:
            rows, partitions = self.snapshot.view, self.snapshot.partitions
            report = examine(rows, partitions)
            return attrs.evolve(report, findings=(*report.findings, *find_set_aside(rows, partitions)))

        report: FsckReport = await self._environment.offload(work)
        return report


class _Each(Generic[T]):
    """An iterator as an asynchronous one."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items

    def __aiter__(self) -> _Each[T]:
        return self

    async def __anext__(self) -> T:
        await trio.lowlevel.checkpoint()
        for item in self._items:
            return item
        raise StopAsyncIteration


def _unserved(name: str, kind: str, handlers: str) -> ServiceInfo:
    called = [
        HandlerInfo(name=handler["name"], mode=Mode(handler["mode"]), parameters={})
        for handler in msgspec.json.decode(handlers)
    ]
    return ServiceInfo(name=name, kind=Kind(kind), handlers=tuple(called), is_served=False)
