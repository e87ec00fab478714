"""Bulk jobs: preview, start, follow, cancel."""

from __future__ import annotations

from actors.control.jobs import JobHandle, JobSelection
from actors.core.jobs import Choice, JobSpec
from actors.http.models import AnswerModel, JobList, answer_model
from actors.http.requests import (
    WITH_IDS,
    JobItemsQuery,
    JobQuery,
    JobsQuery,
    PreviewBody,
    ReasonBody,
)
from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.model.job_info import JobInfo, JobItems, JobPreview


async def preview_job(exchange: Exchange, body: PreviewBody) -> JobPreview:
    """Count the selected invocations and show the first: the oldest matches, or the first named. Changes nothing."""
    return await exchange.wait(_selection(exchange, body).preview(sample=body.sample))


async def start_job(exchange: Exchange, body: JobSpec) -> JobInfo:
    """Apply one verb to every selected invocation; returns once the job is durable.

    Repeated under the same idempotency key within a day, it returns the existing job.
    """
    selection = _selection(exchange, body, limit=body.limit, rate=body.rate)
    job = await exchange.wait(selection.start(body.verb, body.options, idempotency_key=exchange.idempotency_key))
    return await job.info()


async def list_jobs(exchange: Exchange, query: JobsQuery) -> JobList:
    """List the stored jobs, newest first."""
    found = await exchange.client.jobs.list(limit=query.limit, after=query.after)
    return JobList(jobs=found, next=found.next)


async def get_job(exchange: Exchange, query: JobQuery) -> JobInfo:
    """Show the progress of a job; with ``wait``, once it has ended."""
    job = _named(exchange)
    return await exchange.wait(job.result()) if query.wait else await job.info()


async def list_job_items(exchange: Exchange, query: JobItemsQuery) -> JobItems:
    """List the result for each invocation that a job has reached, by page."""
    return await _named(exchange).page(after=query.after)


async def cancel_job(exchange: Exchange, body: ReasonBody) -> AnswerModel:
    """Cancel a job: it reaches no further invocations. Earlier results stay."""
    return answer_model(await _named(exchange).cancel(reason=body.reason))


def _selection(
    exchange: Exchange, choice: Choice, *, limit: int | None = None, rate: float | None = None
) -> JobSelection:
    return exchange.client.jobs.chosen(choice, limit=limit, rate=rate)


def _named(exchange: Exchange) -> JobHandle:
    return exchange.client.jobs.job(exchange.path["job"])


_ONE = "/jobs/{job}"

# Some verbs of a job cannot be undone.
ROUTES = (
    Route("POST", "/jobs/preview", TokenScope.READ, preview_job, body_bytes=WITH_IDS),
    Route(
        "POST",
        "/jobs",
        TokenScope.ADMIN,
        start_job,
        status=202,
        body_bytes=WITH_IDS,
        holds_values=True,
        repeatable=True,
    ),
    Route("GET", "/jobs", TokenScope.READ, list_jobs),
    Route("GET", _ONE, TokenScope.READ, get_job),
    Route("GET", _ONE + "/items", TokenScope.READ, list_job_items),
    Route("PATCH", _ONE + "/cancel", TokenScope.CONTROL, cancel_job),
)
