"""Bulk jobs for a client in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.control.local.registry import LocalRegistry
from actors.control.local.verbs import LocalVerbs
from actors.core import commands as c
from actors.core.jobs import MAX_ITEMS, MAX_NAMED, Choice, ItemResult, JobPage, JobProgress, JobSpec
from actors.errors import (
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    UnserializableError,
)
from actors.model.job_info import JobInfo, JobItems, JobPreview, words_of
from actors.model.verb_options import CancelOptions, RestartOptions
from actors.model.verb_options_json import parse_options
from actors.query.jobs import (
    RUN,
    info_of_job,
    items_of,
    newest_jobs,
    page_of_jobs,
    run_of_job,
    stored_items,
    unknown_job,
)
from actors.query.snapshot import open_snapshot
from actors.rows.audit import ControlAction
from actors.system.job import job_target
from actors.system.registry import registry_target
from actors.values import ValueProblem, codec_for
from actors.values.limits import within_limit
from journal.events import ControlResult
from journal.ids import InvocationId, derived_unique

if TYPE_CHECKING:
    from actors.model.info import InvocationInfo
    from actors.model.pages import Page
    from journal.log.protocol import Journal

_MARK_WIDTH = 20
"""The part of a job's name, in hex digits, that is not the time (of a ULID: 80 of 128 bits)."""


class LocalJobs(LocalVerbs, LocalRegistry):
    """Starts and reads jobs."""

    async def chosen(self, choice: Choice, *, at_most: int) -> tuple[int, list[InvocationId]]:
        """Return the number of selected invocations, and the first ids: the oldest matches of a condition, else in the
        given order.
        """
        if choice.ids:
            return len(choice.ids), [*choice.ids[:at_most]]
        if choice.refused_by:
            await self._check_ended(choice.refused_by)
            return await refused_by(self.engine.journal, choice.refused_by, at_most=at_most)
        return await self.matching(choice.where, at_most=at_most)

    async def preview_job(self, choice: Choice, sample: int) -> JobPreview:
        """Count the invocations that a job would select now, and return the number with the first of them."""
        check_choice(choice)
        count, ids = await self.chosen(choice, at_most=sample)
        found = [await self._info_of(of) for of in ids]
        return JobPreview(count=count, sample=tuple(info for info in found if info is not None))

    async def start_job(self, spec: JobSpec, idempotency_key: str | None) -> str:
        """Accept a job durably and return its id. A key that was used within the last day
        returns that job; raises ``ConflictError`` if that job has another description."""
        key = self.in_namespace(idempotency_key)
        job = f"job_{self.environment.unique():032x}" if key is None else await self._job_of(key)
        if key is None or not await self._is_known(job):
            await self._check_job(spec)
        await self._run_as(job, spec)
        return job

    async def _job_of(self, key: str) -> str:
        """Return the name of the job with this key: the one of the last day, or a new one."""
        _, job = await self.call_built_in(
            registry_target("name_job"),
            None,
            request=f"job {key}",
            mark=f"{derived_unique('job', key):032x}"[-_MARK_WIDTH:],
        )
        return str(job)

    async def _is_known(self, job: str) -> bool:
        try:
            await self._invocation_of(job)
        except NotFoundError:
            return False
        return True

    async def _run_as(self, job: str, spec: JobSpec) -> None:
        target = job_target(job, RUN)
        _, handler = self.engine.app.handler_of(target)
        argument = handler.signature.encode((), {"spec": spec, "by": self.who.by})
        act = ControlAction(
            verb="start-job",
            target=job,
            detail=f"{spec.verb.value} {words_of(spec, len(spec.ids))}",
            reason=str(spec.options.get("reason", "")),
        )
        command = c.Invoke(
            invocation_id=run_of_job(job),
            target=target,
            argument=argument,
            parameter=handler.signature.parameter,
            request=RUN,
        )
        now = self.environment.clock.now()
        await self.engine.submit_send(command, self.who, at=now, is_fresh=False, act=act).wait()

    async def list_jobs(self, limit: int, after: str | None) -> Page[JobInfo]:
        """Return the newest jobs, or those older than the job ``after``."""
        async with self.snapshot() as snapshot:
            return await page_of_jobs(newest_jobs(snapshot, after), limit, self.job_info)

    async def job_info(self, job: str) -> JobInfo:
        """Return the progress of a job."""
        run = await self._invocation_of(job)
        progress: JobProgress = await self._read_job(job, "progress")
        return info_of_job(job, run, progress)

    async def await_job(self, job: str) -> JobInfo:
        """Return the progress of a job once it has ended."""
        await self._invocation_of(job)
        await self.outcome(run_of_job(job))
        return await self.job_info(job)

    async def cancel_job(self, job: str, reason: str) -> ControlResult:
        """Cancel a job."""
        await self._invocation_of(job)
        return await self.execute(run_of_job(job), CancelOptions(reason=reason))

    async def job_items(self, job: str, after: int) -> JobItems:
        """Return a page of results."""
        await self._invocation_of(job)
        page: JobPage | None
        page, count = await self._read_job(job, "page", number=after)
        return JobItems(
            items=() if page is None else items_of(page),
            next=after + 1 if page is not None and after + 1 < count else None,
        )

    async def _check_ended(self, job: str) -> None:
        run = await self._invocation_of(job)
        if run.outcome is None:
            raise InvalidArgumentError(
                f"{job} has not ended; its refusals are known once it has: wait for it, or cancel it",
                path="$.refused_by",
            )

    async def _invocation_of(self, job: str) -> InvocationInfo:
        try:
            return await self.info(run_of_job(job))
        except NotFoundError:
            raise unknown_job(job) from None

    async def _read_job(self, job: str, handler: str, **arguments: Any) -> Any:
        _, value = await self.call_built_in(job_target(job, handler), None, **arguments)
        return value

    async def _info_of(self, of: InvocationId) -> InvocationInfo | None:
        try:
            return await self.info(of)
        except NotFoundError:
            return None  # purged since

    async def _check_job(self, spec: JobSpec) -> None:
        check_choice(spec)
        _check_options(spec)
        within_limit(_options_as_json(spec), self.limits.payload_bytes, f"the options of {spec.verb.value}")
        count, _ = await self.chosen(spec, at_most=0)
        if spec.limit is None and count > MAX_ITEMS:
            raise LimitExceededError(
                f"{count} invocations match, and a job takes at most {MAX_ITEMS}; narrow the condition, or give a limit to take the oldest",
                limit="job_items",
                maximum=MAX_ITEMS,
                found=count,
            )


def _options_as_json(spec: JobSpec) -> bytes:
    try:
        return codec_for(dict[str, Any]).encode(spec.options)
    except ValueProblem as error:
        path = f"$.options{error.path[1:]}"
        raise InvalidArgumentError(f"the options of {spec.verb.value}: {error}", path=path) from error


def _check_options(spec: JobSpec) -> None:
    """Raise ``InvalidArgumentError`` for options that the verb would refuse."""
    try:
        options = parse_options(spec.verb, spec.options)
    except UnserializableError as error:
        raise InvalidArgumentError(f"the options of {spec.verb.value}: {error}", path="$.options") from error
    if isinstance(options, RestartOptions) and options.dry_run:
        raise InvalidArgumentError(
            "dry_run is not an option of a job, only of a single restart; use the preview of the job",
            path="$.options",
        )


def check_choice(choice: Choice) -> None:
    """Raise ``InvalidArgumentError`` for more than one kind of selection, and ``LimitExceededError`` for too many ids."""
    ways = [name for name in ("where", "ids", "refused_by") if getattr(choice, name)]
    if len(ways) > 1:
        raise InvalidArgumentError(f"{' and '.join(ways)} are given, expected only one: each selects invocations")
    if len(choice.ids) > MAX_NAMED:
        raise LimitExceededError(
            f"{len(choice.ids)} ids are given, and a job takes at most {MAX_NAMED}; use a condition instead",
            limit="job_ids",
            maximum=MAX_NAMED,
            found=len(choice.ids),
        )


async def refused_by(journal: Journal, job: str, *, at_most: int) -> tuple[int, list[InvocationId]]:
    """Return the number of invocations that a completed job could not change, and the first ids, in the order of
    processing.
    """
    count, found = 0, list[InvocationId]()
    async with open_snapshot(journal) as snapshot:
        async for item in stored_items(snapshot, job):
            if item.result is ItemResult.REFUSED:
                count += 1
                if count <= at_most:
                    found.append(item.id)
    return count, found
