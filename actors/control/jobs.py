"""The client for bulk jobs: one verb for every invocation that matches a condition.

A job is durable and runs in the runtime: the client that started it may disconnect, and after a crash the job continues. The verb
is applied to each invocation once, and each result is recorded.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from actors.core.jobs import MAX_ITEMS, Choice, JobSpec, JobVerb
from actors.errors import InvalidArgumentError
from actors.model.job_info import JobInfo, JobItem, JobItems, JobPreview, job_in
from actors.model.keys import checked_request_key
from actors.model.pages import MAX_PAGE, Page, Pages
from actors.model.payloads import json_of
from actors.model.verb_options import (
    KEEP,
    CancelOptions,
    KillOptions,
    PauseOptions,
    PurgeOptions,
    RescheduleOptions,
    RestartOptions,
    ResumeOptions,
    SignalOptions,
    VerbOptions,
)
from actors.model.verb_options_json import options_as_json
from actors.values import Written, parse
from actors.values.arguments import (
    MAX_COUNT,
    MAX_NAME,
    Instant,
    Seconds,
    checked_count,
    checked_name,
    checked_number,
    checked_text,
    count_or_none,
    one_of,
    text_or_none,
)
from actors.values.texts import shown
from journal.events import Children, PauseMode, Stop
from journal.ids import InvocationId, parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from actors.control.backend import Backend
    from journal.events import ControlResult

SLOWEST, FASTEST = 0.01, 1e6
"""The lowest and the highest rate of a job, in invocations per second."""

LONGEST_SAMPLE = 1_000
"""The number of invocations that a preview shows, at most."""


class JobClient:
    """The bulk jobs of a runtime.

    ::

        selection = client.jobs.where("status = 'backing_off' and last_error_type like '%ConnectionError'")
        print((await selection.preview()).count)
        job = await selection.cancel(reason="the endpoint is gone")
        print((await job.result()).changed)
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def where(self, predicate: str, *, limit: int | None = None, rate: float | None = None) -> JobSelection:
        """Return the invocations that match an SQL condition on ``sys_invocation``; nothing is read until a verb or a
        preview is requested.

        ``limit`` takes at most this many, the oldest first; without it, the job takes all or is refused. ``rate`` is the number
        of invocations per second.
        """
        return self.chosen(Choice(where=checked_text(predicate, "predicate", MAX_COUNT)), limit=limit, rate=rate)

    def of(
        self, ids: Iterable[InvocationId | str], *, limit: int | None = None, rate: float | None = None
    ) -> JobSelection:
        """Return the invocations with these ids, in this order; at most ten thousand. One that has been purged counts
        as refused.
        """
        if isinstance(ids, str):
            raise InvalidArgumentError(f"ids is {shown(ids)}, expected a list: [{shown(ids)}]", path="ids")
        named = tuple(parse_invocation_id(checked_text(of, "ids")) for of in ids)
        if not named:
            raise InvalidArgumentError("no id is given, expected one or more", path="ids")
        return self.chosen(Choice(ids=named), limit=limit, rate=rate)

    def refused_by(self, job: str, *, limit: int | None = None, rate: float | None = None) -> JobSelection:
        """Return the invocations that a completed job could not change, to repeat its verb or apply another.

        ::

            again = await client.jobs.refused_by(job.id).resume(reason="the disk has room again")
        """
        return self.chosen(Choice(refused_by=checked_text(job, "job")), limit=limit, rate=rate)

    def chosen(self, choice: Choice, *, limit: int | None = None, rate: float | None = None) -> JobSelection:
        """Return the invocations of any kind of choice."""
        asked_a_second = None if rate is None else checked_number(rate, "rate", at_least=SLOWEST, at_most=FASTEST)
        at_most = count_or_none(limit, "limit", at_most=MAX_ITEMS)
        return JobSelection(self._backend, choice.distinct(), at_most, asked_a_second)

    async def list(self, *, limit: int = 20, after: str | None = None) -> Page[JobInfo]:
        """Return the stored jobs, newest first, up to ``limit`` (at most 1,000). The ``next`` of the page is the ``after`` of the next
        one, None if there are no more; :meth:`all` reads page after page.
        """
        return await self._backend.list_jobs(
            checked_count(limit, "limit", at_most=MAX_PAGE), job_in(text_or_none(after, "after"))
        )

    def all(self) -> AsyncIterator[JobInfo]:
        """Iterate over all stored jobs, newest first, page by page."""

        async def read(after: str | None) -> Page[JobInfo]:
            return await self.list(limit=MAX_PAGE, after=after)

        return Pages(read)

    def job(self, job: str) -> JobHandle:
        """Return a handle to the job with this id."""
        return JobHandle(self._backend, checked_text(job, "job"))


class JobSelection:
    """A selection of invocations: by a condition, by ids, or those that another job could not change. Each verb starts a job, and
    returns once that is durable.

    The job processes the invocations that match when it begins, and no later ones; use a gate for those. Raises
    ``InvalidArgumentError`` for an invalid condition, and ``LimitExceededError`` for more invocations than a job takes.

    ::

        job = await client.jobs.where("service = 'Agent'", rate=50).pause(reason="a parsing bug")
    """

    def __init__(self, backend: Backend, choice: Choice, limit: int | None, rate: float | None) -> None:
        self._backend = backend
        self._choice = choice
        self._limit = limit
        self._rate = rate

    async def preview(self, *, sample: int = 10) -> JobPreview:
        """Return the number of matches now, and the oldest of them. Changes nothing."""
        wanted = checked_count(sample, "sample", at_least=0, at_most=LONGEST_SAMPLE)
        return await self._backend.preview_job(self._choice, wanted)

    async def cancel(
        self, *, reason: str = "", children: str | Children = Children.CALLED, kill_after: Seconds | None = None
    ) -> JobHandle:
        """Cancel them and run their compensations."""
        return await self.ask(CancelOptions(reason=reason, children=children, kill_after=kill_after))

    async def kill(self, *, reason: str = "") -> JobHandle:
        """End them now, without compensation."""
        return await self.ask(KillOptions(reason=reason))

    async def pause(self, *, reason: str = "", mode: str | PauseMode = PauseMode.DRAIN) -> JobHandle:
        """Pause them."""
        return await self.ask(PauseOptions(reason=reason, mode=mode))

    async def resume(self, *, reason: str = "", deployment: str = KEEP, check: bool = True) -> JobHandle:
        """Continue them where they stopped, on other code if ``deployment`` is given. Each is checked
        before it is moved, and refused if its history does not replay on that code, unless ``check`` is false."""
        return await self.ask(ResumeOptions(reason=reason, deployment=deployment, check=check))

    async def restart(
        self,
        from_step: str | None = None,
        *,
        reason: str = "",
        stop: str | Stop | None = None,
        rewind_state: bool = False,
        hand_over: bool = True,
        again: bool = False,
        deployment: str = KEEP,
        check: bool = True,
    ) -> JobHandle:
        """Run them again as new invocations, from the beginning or from a step; ``check`` is as for :meth:`resume`.
        Those that were restarted before are refused, unless ``again``."""
        return await self.ask(
            RestartOptions(
                from_step=from_step,
                stop=stop,
                rewind_state=rewind_state,
                hand_over=hand_over,
                again=again,
                deployment=deployment,
                check=check,
                reason=reason,
            )
        )

    async def signal(self, name: str, value: Any = None, *, error: str | None = None) -> JobHandle:
        """Send each of them a signal with a plain JSON value; with ``error`` their waits fail, and the value becomes the details."""
        name = checked_name(name, "name", MAX_NAME)
        return await self.ask(SignalOptions(name=name, value=Written(json_of(value, f"signal {name!r}")), error=error))

    async def reschedule(
        self, *, at: Instant | None = None, delay: Seconds | None = None, reason: str = ""
    ) -> JobHandle:
        """Change the time of the scheduled ones: to ``at``, to ``delay`` seconds from now, or to now."""
        return await self.ask(RescheduleOptions(at=at, delay=delay, reason=reason))

    async def purge(self) -> JobHandle:
        """Delete their histories and results; invocations that have not completed are refused."""
        return await self.ask(PurgeOptions())

    async def ask(self, options: VerbOptions) -> JobHandle:
        """Start a job for the verb with these options; see :meth:`start`."""
        told = {
            name: parse(bytes(value)) if isinstance(value, msgspec.Raw) else value
            for name, value in options_as_json(options).items()
        }
        return await self.start(options.verb, told)

    async def start(
        self, verb: str | JobVerb, options: dict[str, Any], *, idempotency_key: str | None = None
    ) -> JobHandle:
        """Start a job by the name of its verb: ``options`` are those of the verb, as JSON. Repeated under the same key within a
        day, it returns the existing job. Raises ``InvalidArgumentError`` and ``ConflictError``."""
        choice = self._choice
        spec = JobSpec(
            verb=one_of(JobVerb, verb, "verb"),
            where=choice.where,
            ids=choice.ids,
            refused_by=choice.refused_by,
            options=options,
            limit=self._limit,
            rate=self._rate,
        )
        return JobHandle(self._backend, await self._backend.start_job(spec, checked_request_key(idempotency_key)))


class JobHandle:
    """One job.

    ::

        job = client.jobs.job("job_…")
        print((await job.info()).done)
        async for item in job.items():
            print(item.id, item.result, item.error)
    """

    def __init__(self, backend: Backend, job: str) -> None:
        self._backend = backend
        self.id = job

    def __repr__(self) -> str:
        return f"<JobHandle {self.id}>"

    async def info(self) -> JobInfo:
        """Return the progress of the job. Raises ``NotFoundError``."""
        return await self._backend.job_info(self.id)

    async def result(self) -> JobInfo:
        """Wait until it has ended and return its final progress. Raises ``NotFoundError``."""
        return await self._backend.await_job(self.id)

    async def cancel(self, *, reason: str = "") -> ControlResult:
        """Stop the job. Verbs that it has applied stay, and are in its results. Raises ``ConflictError``."""
        return await self._backend.cancel_job(self.id, checked_text(reason, "reason"))

    async def page(self, *, after: int = 0) -> JobItems:
        """Return a page of the results so far, the first or the one after another page (its ``next``)."""
        return await self._backend.job_items(self.id, checked_count(after, "after", at_least=0))

    def items(self) -> AsyncIterator[JobItem]:
        """Return all results so far."""
        return _Items(self)


class _Items:
    """Iterates over the results of a job, page by page. It keeps no resource open, and continues after a cancelled wait."""

    def __init__(self, job: JobHandle) -> None:
        self._job = job
        self._ready: deque[JobItem] = deque()
        self._after: int | None = 0

    def __aiter__(self) -> _Items:
        return self

    async def __anext__(self) -> JobItem:
        while not self._ready:
            if self._after is None:
                raise StopAsyncIteration
            page = await self._job.page(after=self._after)
            self._ready.extend(page.items)
            self._after = page.next
        return self._ready.popleft()
