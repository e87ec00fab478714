"""Reads bulk jobs from their objects: the list of jobs, the progress of one, and its results."""

from __future__ import annotations

import heapq
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import trio

from actors.core.jobs import JobPage, JobProgress, JobState
from actors.errors import NotFoundError, ResourceKind, UnavailableError
from actors.model.classes import service_name
from actors.model.job_info import JobInfo, JobItem, job_cursor
from actors.model.pages import Page, page_of
from actors.model.request_ids import requested_id
from actors.query.objects import object_items
from actors.system.job import Job, job_target
from actors.values import codec_for, decode_kept
from actors.values.texts import failure_in_words
from journal import keys
from journal.events import OutcomeKind
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

    from actors.model.info import InvocationInfo
    from actors.query.snapshot import JournalSnapshot

RUN = "run"
"""The idempotency key under which a job runs; its id therefore determines its invocation's."""

_PAGES_TOGETHER = 20
_ENDED = {
    OutcomeKind.SUCCEEDED: JobState.DONE,
    OutcomeKind.FAILED: JobState.FAILED,
    OutcomeKind.CANCELLED: JobState.CANCELLED,
    OutcomeKind.KILLED: JobState.KILLED,
}


def run_of_job(job: str) -> InvocationId:
    """Return the id of the invocation that runs a job."""
    return requested_id(job_target(job, RUN), RUN)


def unknown_job(job: str) -> NotFoundError:
    """Return the error to raise for an unknown job id."""
    return NotFoundError(f"there is no job {job!r}: it never existed, or it has been purged", kind=ResourceKind.JOB)


def items_of(page: JobPage) -> tuple[JobItem, ...]:
    """Return the results on a page of a job."""
    fates = (page.fates[number] for number in page.items)
    return tuple(
        JobItem(
            id=InvocationId(of),
            result=fate.result,
            before=fate.before,
            after=fate.after,
            error=fate.error,
            reason=fate.reason,
        )
        for of, fate in zip(page.ids.split(), fates, strict=True)
    )


async def page_of_jobs(names: Iterable[str], limit: int, info: Callable[[str], Awaitable[JobInfo]]) -> Page[JobInfo]:
    """Return a page of jobs with these names. A job whose run has been purged is left out."""
    found: list[JobInfo] = []
    for name in names:
        with suppress(NotFoundError):
            found.append(await info(name))
        if len(found) > limit:
            break
    return page_of(found, limit, lambda job: job_cursor(job.id))


def newest_jobs(snapshot: JournalSnapshot, after: str | None = None) -> Iterator[str]:
    """Return the names of the newest jobs, or of those older than the job ``after``. They begin with the time, so they are read from the end of the index of
    objects.

    A search among all invocations would take time in proportion to their number.
    """
    return heapq.merge(
        *(_jobs_of(snapshot, partition, after) for partition in range(snapshot.partitions)), reverse=True
    )


def _jobs_of(snapshot: JournalSnapshot, partition: int, after: str | None) -> Iterator[str]:
    service = service_name(Job)
    prefix = keys.object_names(partition, service)
    stop = keys.after_prefix(prefix) if after is None else keys.object_name(partition, service, after)
    for key, _ in snapshot.rows(prefix, stop, reverse=True):
        yield keys.parts_of_object_name(key)[1]


async def stored_items(snapshot: JournalSnapshot, job: str) -> AsyncIterator[JobItem]:
    """Yield the stored results of a job, one for each invocation that it has processed."""
    start = ""
    while pages := await object_items(
        snapshot, service_name(Job), job, "pages", None, at=None, start=start, limit=_PAGES_TOGETHER
    ):
        for page in pages:
            await trio.lowlevel.checkpoint()
            for item in items_of(decode_kept(codec_for(JobPage), msgspec.json.encode(page.value), job)):
                yield item
        start = str(int(pages[-1].item) + 1)


def info_of_job(job: str, run: InvocationInfo, progress: JobProgress) -> JobInfo:
    """Return the progress of a job, from its invocation and its fields. Raises ``UnavailableError`` if the job has not
    started.
    """
    spec = progress.spec
    if spec is None:
        raise UnavailableError(f"{job} has not started: {run.pause_reason or 'try again later'}")
    state = JobState.RUNNING if progress.is_selected else JobState.SELECTING
    return JobInfo(
        id=job,
        invocation_id=run.id,
        verb=spec.verb,
        where=spec.where,
        named=progress.named,
        refused_by=spec.refused_by,
        options=spec.options,
        limit=spec.limit,
        rate=spec.rate,
        state=state if run.outcome is None else _ENDED[run.outcome.kind],
        status=run.status,
        started_by=run.created_by,
        started_at=run.created_at,
        ended_at=run.completed_at,
        matched=progress.matched,
        total=progress.total,
        done=progress.changed + progress.unchanged + sum(progress.refused.values()),
        changed=progress.changed,
        unchanged=progress.unchanged,
        refused=progress.refused,
        failure=_failure(run),
    )


def _failure(run: InvocationInfo) -> str:
    failure = run.last_failure if run.outcome is None else run.outcome.failure
    return run.pause_reason or ("" if failure is None else failure_in_words(failure))
