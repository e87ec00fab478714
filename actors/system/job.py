"""A bulk job: one verb for every invocation that matches a condition, across crashes of the process.

The ids are selected once, as of one moment, and stored. They are then processed in pages. A page is a step: when it is repeated
after a crash, each verb carries the same request id, and a verb that was applied the first time gives the same answer again. So
each verb is applied once, and its result recorded once. Cancelling the job cancels its invocation.
"""

from __future__ import annotations

import math
from itertools import takewhile
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar

import attrs
import trio

from actors.core.jobs import (
    MAX_ITEMS,
    Applied,
    ItemResult,
    ItemStatus,
    JobPage,
    JobProgress,
    JobSpec,
    JobVerb,
    Recalled,
    Selected,
)
from actors.errors import (
    ActorError,
    CancelledError,
    ErrorCode,
    IncompatibleError,
    NotFoundError,
    ResourceKind,
    UnavailableError,
    UnknownOutcomeError,
)
from actors.errors.base import code_of
from actors.model.classes import Actor, service_name
from actors.model.fields import Log, field
from actors.model.handlers import handler, shared
from actors.model.verb_options_json import parse_options
from actors.model.verbs.steps import run
from actors.system.inside import current_client
from actors.system.registry import AUDIT_SECONDS
from actors.values.names import SYSTEM_NAMESPACE
from actors.values.retries import RetryPolicy
from journal.errors import JournalError, Unavailable
from journal.events import ControlResult, Status, Target
from journal.ids import parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from actors.model.inside import InsideClient
    from actors.model.verb_options import VerbOptions

P = ParamSpec("P")
R = TypeVar("R")

_PAGE = 500
_PAGES = 2_000
_PAGE_SECONDS = 5.0
_TOGETHER = 128
_REASON_SHOWN = 300
_READ_SECONDS = 60.0
"""How long a read of a job is kept."""

_STEADFAST = RetryPolicy(max_attempts=20, initial_delay=1.0, max_delay=30.0)
"""Minutes of retries while the store accepts no work. Then the job is paused with the reason; resuming it continues."""


class Job(Actor):
    """One job; its key is its id."""

    _namespace: ClassVar[str] = SYSTEM_NAMESPACE

    spec: JobSpec | None = None
    named: int = 0
    is_selected: bool = False
    matched: int = 0
    total: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: dict[str, int] = field(factory=dict)
    pages: Log[JobPage]

    @handler(retention=AUDIT_SECONDS)
    async def run(self, spec: JobSpec, by: str) -> None:
        """Select the invocations and apply the verb to them."""
        # The spec is read often and the ids may be many, so the field has only their number.
        self.spec, self.named = attrs.evolve(spec, ids=()), len(spec.ids)
        selected = await run(_unrecorded(_select, spec), name="select", retry=_STEADFAST, result_type=Selected)
        taken = selected.split()
        self.is_selected, self.matched, self.total = True, selected.matched, len(taken)
        await self._go_through(spec, taken, by)

    @shared(retention=_READ_SECONDS)
    async def progress(self) -> JobProgress:
        """Return the progress of the job."""
        return JobProgress(
            spec=self.spec,
            named=self.named,
            is_selected=self.is_selected,
            matched=self.matched,
            total=self.total,
            changed=self.changed,
            unchanged=self.unchanged,
            refused=self.refused,
        )

    @shared(retention=_READ_SECONDS)
    async def page(self, number: int) -> tuple[JobPage | None, int]:
        """Return the page with this number, None if there is none; and the number of pages."""
        count = len(self.pages)
        return (self.pages[number] if 0 <= number < count else None), count

    async def _go_through(self, spec: JobSpec, ids: list[str], by: str) -> None:
        at, size = 0, page_size(spec, len(ids))
        try:
            while at < len(ids):
                page = ids[at : at + size]
                body = _unrecorded(_apply, spec, page, self._request, by=f"job:{self.key}", source=by)
                name = f"{spec.verb.value} {len(page)}"
                at += self._note(page, await run(body, name=name, retry=_STEADFAST, result_type=Applied))
        except CancelledError:
            # Some invocations of the page may have been processed, also by a process that died since. They recognise the request
            # and are not changed again.
            recall = _unrecorded(_recall, spec, ids[at : at + size], self._request)
            recalled = await run(recall, name="recall", retry=_STEADFAST, result_type=Recalled)
            self._note(recalled.ids.split(), recalled.applied)
            raise

    @property
    def _request(self) -> str:
        return f"job {self.key}"

    def _note(self, ids: list[str], applied: Applied) -> int:
        done = len(applied.items)
        if done:
            self.pages.append(JobPage(ids=" ".join(ids[:done]), fates=applied.fates, items=applied.items))
        for number, fate in enumerate(applied.fates):
            count = applied.items.count(number)
            match fate.result:
                case ItemResult.CHANGED:
                    self.changed += count
                case ItemResult.UNCHANGED:
                    self.unchanged += count
                case ItemResult.REFUSED:
                    self.refused[fate.error] = self.refused.get(fate.error, 0) + count
        return done


def job_target(job: str, handler_name: str) -> Target:
    """Return the target of a handler of a job."""
    return Target(service_name(Job), job, handler_name)


def page_size(spec: JobSpec, total: int) -> int:
    """Return the number of invocations in a page: as many as are processed in a few seconds, but enough that the
    history of a long job does not grow without limit."""
    wanted = _PAGE if spec.rate is None else math.ceil(spec.rate * _PAGE_SECONDS)
    return max(1, min(_PAGE, max(wanted, math.ceil(total / _PAGES))))


class _TryAgain(Exception):
    """The store accepts no work for now. The page will be repeated."""


def _unrecorded(
    function: Callable[P, Coroutine[Any, Any, R]], *args: P.args, **kwargs: P.kwargs
) -> Callable[[], Coroutine[Any, Any, R]]:
    """Return a step's body with its arguments bound, so that they are not recorded: the history has them already as
    results of other steps."""

    async def body() -> R:
        return await function(*args, **kwargs)

    return body


async def _select(spec: JobSpec) -> Selected:
    matched, ids = await current_client().chosen(spec, at_most=spec.limit or MAX_ITEMS)
    return Selected(matched=matched, ids=" ".join(ids))


async def _apply(spec: JobSpec, ids: list[str], request: str, *, by: str, source: str) -> Applied:
    """Apply the verb to each invocation, several at a time. Returns the results. When stopped, starts no more."""
    client = current_client().acting_as(by, source)
    try:
        options = parse_options(spec.verb, spec.options)
    except ActorError as refusal:
        return _told([_refused(refusal)] * len(ids))
    together = _TOGETHER if spec.rate is None else max(1, min(_TOGETHER, int(spec.rate // 4)))
    began, asked, is_stopped = trio.current_time(), 0, False
    fates: dict[int, ItemStatus] = {}
    while asked < len(ids) and not is_stopped:
        chunk = range(asked, min(asked + together, len(ids)))
        asked = chunk.stop
        try:
            await _obey(client, spec, [ids[number] for number in chunk], options, request, chunk.start, fates)
            if spec.rate is not None:
                await trio.sleep_until(began + asked / spec.rate)
        except trio.Cancelled:
            is_stopped = True
        if not is_stopped and any(number not in fates for number in chunk):
            raise _TryAgain("the store is being reopened")
    return _told([fates[number] for number in takewhile(fates.__contains__, range(asked))])


async def _obey(
    client: InsideClient,
    spec: JobSpec,
    ids: list[str],
    options: VerbOptions,
    request: str,
    first: int,
    fates: dict[int, ItemStatus],
) -> None:
    """Apply the verb to these invocations and store the results in ``fates``, from number ``first`` on. An invocation without
    a result must be repeated."""

    def told(number: int, answer: ControlResult | Exception) -> None:
        fate = _fate(answer) if isinstance(answer, ControlResult) else _fate_of_refused(spec, answer)
        if fate is not None:
            fates[first + number] = fate

    key = None if spec.verb is JobVerb.PURGE else request
    await client.execute_each([parse_invocation_id(of) for of in ids], options, told, idempotency_key=key)


def _fate_of_refused(spec: JobSpec, refusal: Exception) -> ItemStatus | None:
    """Return the result of a verb that was not applied; None if it must be repeated."""
    match refusal:
        case UnavailableError(code=ErrorCode.UNAVAILABLE) | UnknownOutcomeError() | Unavailable():
            return None
        case NotFoundError(kind=ResourceKind.INVOCATION) if spec.verb is JobVerb.PURGE:
            # It was purged: by this job, whose answer was lost, or by another client.
            return ItemStatus(result=ItemResult.UNCHANGED)
        case ActorError() | JournalError():
            return _refused(refusal)
        case _:
            raise refusal


def _fate(answer: ControlResult) -> ItemStatus:
    result = ItemResult.CHANGED if answer.changed else ItemResult.UNCHANGED
    return ItemStatus(result=result, before=answer.before, after=answer.after)


def _refused(refusal: ActorError | JournalError) -> ItemStatus:
    status = getattr(refusal, "status", None)
    # Where code diverges, many invocations diverge alike; the texts of other refusals name the invocation and are all different.
    details = refusal.details if isinstance(refusal, IncompatibleError) else None
    reason = str(details["summary"])[:_REASON_SHOWN] if details else ""
    return ItemStatus(
        result=ItemResult.REFUSED, before=status, after=status, error=code_of(refusal).value, reason=reason
    )


def _told(fates: list[ItemStatus]) -> Applied:
    ways: dict[ItemStatus, int] = {}
    items = [ways.setdefault(fate, len(ways)) for fate in fates]
    return Applied(fates=list(ways), items=items)


async def _recall(spec: JobSpec, ids: list[str], request: str) -> Recalled:
    """Return the invocations to which this job has applied its verb, and the changes. An object decides requests in
    order, so every earlier request has been decided."""
    client = current_client()
    found: dict[str, ItemStatus] = {}
    for of in ids:
        try:
            info = await client.invocation(of).info()
        except NotFoundError:
            if spec.verb is JobVerb.PURGE:
                found[of] = ItemStatus(result=ItemResult.CHANGED, before=Status.COMPLETED, after=Status.COMPLETED)
            continue
        before = info.requests.get(request)
        if before is not None:
            found[of] = ItemStatus(result=ItemResult.CHANGED, before=before, after=info.status)
    return Recalled(ids=" ".join(found), applied=_told([*found.values()]))
