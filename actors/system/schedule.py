"""A schedule: an object that wakes at each nominal time and starts a run of its target. ::

    Schedule/nightly   wake ──► wake ──► wake          delayed messages to itself, at most a day ahead
                         │        │
    ScheduledCall       run      run ──► ended ──► Schedule/nightly
                         │        │
    the target         call     call                   ordinary invocations

Invariant: a nominal time is decided on once. Each handler of a schedule is one turn, so that the time that it has ``reached``, the
run that it starts and its next wake are in one commit: a crash leaves all of it or nothing. Besides, the run's id follows from the
schedule and the nominal time, so a message that arrives twice finds the run. Time goes forward only: if the clock is set back,
times that have been reached do not come again; if it is set forward, the times between count as missed.

A schedule's state is bounded, and its own invocations are purged after a minute; what was asked of it is in the audit log.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice, takewhile
from typing import ClassVar

import attrs

from actors.core.schedules import (
    LATE_SECONDS,
    MAX_BACKFILL,
    MAX_OPEN_RUNS,
    RUNS_SHOWN,
    MissedPolicy,
    OverlapPolicy,
    RunCause,
    RunCounts,
    ScheduleChange,
    ScheduledRun,
    SchedulePause,
    ScheduleSpec,
    TriggeredRun,
    WaitingRun,
)
from actors.errors import (
    ConflictError,
    ErrorCode,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    ResourceKind,
)
from actors.model.classes import Actor, Service, definition_of, service_name
from actors.model.fields import FieldKind, Map, field
from actors.model.handlers import handler
from actors.model.timetable import Timetable
from actors.model.verbs.calls import actor, invocation, service
from actors.model.verbs.context import uuid4
from actors.model.verbs.stored_calls import call_stored, id_of_stored_call
from actors.model.verbs.time import current_time
from actors.system.scheduled_runs import argument_at, is_same, request_of, times_within, too_many_wait
from actors.values.names import SYSTEM_NAMESPACE
from actors.values.texts import failure_in_words, shown
from journal.events import Target
from journal.ids import InvocationId

FORGET_SECONDS = 60.0
"""How long the invocations of a schedule itself are kept."""

_TIMES_IN_A_TURN = 1_000
"""How many nominal times a turn decides on, which takes less than 50 ms; after a long stop the next turn goes on."""

_LONGEST_NAP_SECONDS = 86_400.0
"""So that a wake that is out of date does not stay for years."""

_TROUBLED_NAP_SECONDS = 60.0
_FAILURE_SHOWN = 300


class Schedule(Actor):
    """One schedule; its key is its name."""

    _namespace: ClassVar[str] = SYSTEM_NAMESPACE

    spec: ScheduleSpec | None = None
    life: str = ""
    """Tells this schedule from an earlier one of the same name, whose messages may still arrive."""
    created_at: float = 0.0
    created_by: str = ""
    changed_at: float = 0.0
    changed_by: str = ""
    revision: int = 0
    paused: SchedulePause | None = None
    reached: float = 0.0
    late: list[float] = field(factory=list)
    """Nominal times that have been reached and not been decided on: there are more than a turn looks at."""
    wake_at: float = 0.0
    wake_token: str = ""
    wakes: int = 0
    waiting: Map[int, WaitingRun]
    first: int = 0
    behind: int = 0
    """The keys of ``waiting`` are the numbers from ``first`` up to, and without, ``behind``."""
    open: list[ScheduledRun] = field(factory=list)
    recent: list[ScheduledRun] = field(factory=list)
    counts: RunCounts = field(default=RunCounts())
    trouble: str = ""

    # Verbs.

    @handler(retention=FORGET_SECONDS)
    async def create(self, spec: ScheduleSpec, is_anchored: bool, by: str) -> ScheduleChange:
        """Begin the schedule. The same description again changes nothing."""
        if self.spec is not None:
            if is_same(self.spec, spec, is_anchored):
                return ScheduleChange(changed=False, revision=self.revision)
            raise ConflictError(
                f"there is a schedule {self.key!r} already, and it is another one: update it, or choose another name",
                code=ErrorCode.ALREADY_EXISTS,
            )
        now = current_time()
        self.spec, self.life, self.reached = spec, uuid4().hex[:12], now
        self.created_at, self.created_by = now, by
        return await self._changed(by)

    @handler(retention=FORGET_SECONDS)
    async def replace(self, spec: ScheduleSpec, is_anchored: bool, if_revision: int | None, by: str) -> ScheduleChange:
        """Change the description. Runs that are open or wait stay."""
        own = self._existing()
        if if_revision is not None and if_revision != self.revision:
            raise ConflictError(
                f"the schedule {self.key!r} has changed since it was read: its revision is {self.revision}, expected "
                f"{if_revision}; read it again",
                code=ErrorCode.VERSION_CONFLICT,
            )
        if is_same(own, spec, is_anchored):
            return ScheduleChange(changed=False, revision=self.revision)
        if not is_anchored and spec.timing.every == own.timing.every:
            spec = attrs.evolve(spec, timing=attrs.evolve(spec.timing, anchor=own.timing.anchor))
        if spec.timing != own.timing:
            self.reached, self.late = max(self.reached, current_time()), []
        self.spec = spec
        return await self._changed(by)

    @handler(retention=FORGET_SECONDS)
    async def pause(self, reason: str, by: str) -> ScheduleChange:
        """Start no run at a nominal time until :meth:`resume`."""
        self._existing()
        if self.paused is not None:
            return ScheduleChange(changed=False, revision=self.revision)
        self.paused, self.late = SchedulePause(since=current_time(), by=by, reason=reason), []
        return await self._changed(by)

    @handler(retention=FORGET_SECONDS)
    async def resume(self, by: str) -> ScheduleChange:
        """Start runs again, from the next nominal time on."""
        self._existing()
        if self.paused is None:
            return ScheduleChange(changed=False, revision=self.revision)
        self.paused, self.reached = None, max(self.reached, current_time())
        await self._start_waiting()
        return await self._changed(by)

    @handler(retention=FORGET_SECONDS)
    async def trigger(self, by: str) -> TriggeredRun:
        """Start a run now, if the overlap policy permits it."""
        spec = self._existing()
        if self.open and (spec.overlap is OverlapPolicy.SKIP or self.paused is not None):
            raise ConflictError(
                f"the schedule {self.key!r} has an open run, {self.open[-1].invocation_id}, and "
                + ("is paused" if self.paused is not None else "its overlap policy is skip")
                + ": wait for the run, or cancel it",
                code=ErrorCode.STILL_OPEN,
            )
        if self._is_full:
            raise too_many_wait(self.key, self.behind - self.first, 1)
        self.revision += 1
        planned = WaitingRun(nominal=current_time(), cause=RunCause.TRIGGER, mark=f"trigger {self.revision}")
        of = id_of_stored_call(spec.target, self._request(planned))
        return TriggeredRun(invocation_id=of, waits=not await self._plan(planned))

    @handler(retention=FORGET_SECONDS)
    async def backfill(self, start: float, end: float, by: str) -> int:
        """Plan a run for each nominal time of the range. Returns their number."""
        spec = self._existing()
        if end > current_time():
            raise InvalidArgumentError("end is in the future, expected a range in the past", path="end")
        times = [*islice(times_within(spec.timing, start, end), MAX_BACKFILL + 1)]
        if not times:
            raise InvalidArgumentError(f"the schedule {self.key!r} has no nominal time in this range", path="start")
        if len(times) > MAX_BACKFILL:
            raise LimitExceededError(
                f"the range has more than {MAX_BACKFILL} nominal times; give a shorter range, and the rest afterwards",
                limit="backfill_runs",
                maximum=MAX_BACKFILL,
            )
        if self.behind - self.first + len(times) > MAX_BACKFILL:
            raise too_many_wait(self.key, self.behind - self.first, len(times))
        self.revision += 1
        mark = f"backfill {self.revision}"
        for nominal in times:
            await self._plan(WaitingRun(nominal=nominal, cause=RunCause.BACKFILL, mark=mark))
        return len(times)

    @handler(retention=FORGET_SECONDS)
    async def delete(self, reason: str, by: str) -> ScheduleChange:
        """End the schedule. Open runs continue; ``reason`` and ``by`` are for the log."""
        self._existing()
        last = self.revision
        for number in range(self.first, self.behind):
            del self.waiting[number]
        for own in definition_of(Schedule).fields.values():
            if own.kind is FieldKind.PLAIN:
                setattr(self, own.name, own.make())
        return ScheduleChange(changed=True, revision=last)

    # Messages.

    @handler(retention=FORGET_SECONDS)
    async def wake(self, token: str) -> None:
        """Decide on the nominal times that have come, and wake again at the next."""
        if token != self.wake_token:
            return  # a later message wakes it, or it was deleted
        self.wake_token = ""
        if self.spec is not None and self.paused is None:
            await self._go_on()

    @handler(retention=FORGET_SECONDS)
    async def ended(self, of: InvocationId, outcome: str, failure: str) -> None:
        """Note the outcome of a run, and start the next one that waits."""
        run = next((run for run in self.open if run.invocation_id == of), None)
        if run is None:
            return  # of a schedule that was deleted
        self.open = [other for other in self.open if other is not run]
        ended = attrs.evolve(run, ended_at=current_time(), outcome=outcome, failure=failure)
        self.recent = [*self.recent, ended][-RUNS_SHOWN:]
        self._count(**{outcome: 1})
        await self._start_waiting()

    # Inside.

    def _existing(self) -> ScheduleSpec:
        if self.spec is None:
            raise unknown_schedule(self.key)
        return self.spec

    async def _changed(self, by: str) -> ScheduleChange:
        self.revision += 1
        self.changed_at, self.changed_by, self.trouble = current_time(), by, ""
        if self.paused is None:
            await self._go_on()
        return ScheduleChange(changed=True, revision=self.revision)

    async def _go_on(self) -> None:
        """Decide on the nominal times up to now, and arrange the next wake."""
        spec, now = self._existing(), current_time()
        try:
            table = Timetable(spec.timing)
        except InvalidArgumentError as error:  # the zone is not known here: the time zone database is another one
            self.trouble = str(error)
            await self._wake_at(now + _TROUBLED_NAP_SECONDS)
            return
        self.trouble = ""
        due = [*islice(takewhile(lambda at: at <= now, table.times_after(self.reached)), _TIMES_IN_A_TURN)]
        if due:
            self.reached = due[-1]
        if len(due) == _TIMES_IN_A_TURN:
            self._keep_late([*self.late, *due])
            await self._wake_at(now)
            return
        if self.late or due:
            await self._decide_on([*self.late, *due], now)
            self.late = []
        following = table.after(self.reached)
        if following is not None:
            await self._wake_at(following)

    def _keep_late(self, times: list[float]) -> None:
        """Keep the last times for the turn that decides, as many as it may run, and count the others as missed."""
        spec = self._existing()
        kept = int(LATE_SECONDS) + (spec.missed_limit if spec.missed is MissedPolicy.ALL else 1)
        self._count(missed=max(0, len(times) - kept))
        self.late = times[-kept:]

    async def _decide_on(self, times: list[float], now: float) -> None:
        spec = self._existing()
        late = [at for at in times if now - at > LATE_SECONDS]
        in_time = times[len(late) :]
        match spec.missed:
            case MissedPolicy.SKIP:
                chosen: list[float] = []
            case MissedPolicy.ONE:
                chosen = [] if in_time else late[-1:]
            case MissedPolicy.ALL:
                chosen = late[-spec.missed_limit :]
        self._count(missed=len(late) - len(chosen))
        for nominal in chosen:
            await self._plan(WaitingRun(nominal=nominal, cause=RunCause.MISSED))
        cause = RunCause.MISSED if chosen else RunCause.TIME  # it takes its turn after those that it follows
        for nominal in in_time:
            await self._plan(WaitingRun(nominal=nominal, cause=cause))

    async def _plan(self, run: WaitingRun) -> bool:
        """Start the run, let it wait, or skip it, as the overlap policy says. Returns whether it has started."""
        overlap, is_free = self._existing().overlap, not self.open and self.first == self.behind
        if is_free or (overlap is OverlapPolicy.ALLOW and len(self.open) < MAX_OPEN_RUNS):
            await self._start(run)
            return True
        takes_turns = run.cause is not RunCause.TIME or overlap in (OverlapPolicy.QUEUE, OverlapPolicy.CANCEL_PREVIOUS)
        if not takes_turns or (overlap is not OverlapPolicy.CANCEL_PREVIOUS and self._is_full):
            self._count(skipped=1)
            return False
        if overlap is OverlapPolicy.CANCEL_PREVIOUS and run.cause in (RunCause.TIME, RunCause.TRIGGER):
            await self._cancel_previous()
        self.waiting[self.behind] = run
        self.behind += 1
        return False

    @property
    def _is_full(self) -> bool:
        return self.behind - self.first >= MAX_BACKFILL

    async def _cancel_previous(self) -> None:
        """Cancel the open runs, and drop a run that waits for its turn since an earlier nominal time."""
        for run in self.open:
            reason = f"the schedule {self.key} begins its next run"
            await service(ScheduledCall).cancel.send(run.invocation_id, reason)
        while self.first < self.behind and self.waiting[self.behind - 1].cause is RunCause.TIME:
            self.behind -= 1
            del self.waiting[self.behind]
            self._count(skipped=1)

    async def _start_waiting(self) -> None:
        if self.spec is None or self.paused is not None:
            return
        together = MAX_OPEN_RUNS if self.spec.overlap is OverlapPolicy.ALLOW else 1
        while self.first < self.behind and len(self.open) < together:
            run = self.waiting[self.first]
            del self.waiting[self.first]
            self.first += 1
            await self._start(run)

    async def _start(self, run: WaitingRun) -> None:
        spec, request = self._existing(), self._request(run)
        argument, parameter = argument_at(spec, run.nominal)
        of = id_of_stored_call(spec.target, request)
        await service(ScheduledCall).run.send(self.key, request, spec.target, argument, parameter)
        started = ScheduledRun(nominal=run.nominal, cause=run.cause, invocation_id=of, started_at=current_time())
        self.open = [*self.open, started]
        self._count(started=1)

    def _request(self, run: WaitingRun) -> str:
        return request_of(self.key, self.life, self._existing(), run)

    async def _wake_at(self, at: float) -> None:
        """Arrange a message at this time, unless one comes before it."""
        now = current_time()
        if self.wake_token and now < self.wake_at <= at:
            return
        self.wakes += 1
        self.wake_at, self.wake_token = min(at, now + _LONGEST_NAP_SECONDS), f"{self.life} {self.wakes}"
        await self.wake.options(delay=max(0.0, self.wake_at - now)).send(self.wake_token)

    def _count(self, **more: int) -> None:
        if any(more.values()):
            values = {name: getattr(self.counts, name) + number for name, number in more.items()}
            self.counts = attrs.evolve(self.counts, **values)


class ScheduledCall(Service):
    """The calls of schedules: each waits for one run, and tells its schedule the outcome."""

    _namespace: ClassVar[str] = SYSTEM_NAMESPACE

    @handler(retention=FORGET_SECONDS)
    async def run(self, schedule: str, request: str, target: Target, argument: bytes, parameter: str) -> None:
        """Call the target, and report how it ended."""
        of = id_of_stored_call(target, request)
        outcome = await call_stored(target, argument, parameter, request, {"schedule": schedule})
        failure = "" if outcome.failure is None else failure_in_words(outcome.failure)[:_FAILURE_SHOWN]
        await actor(Schedule, schedule).ended.send(of, outcome.kind.value, failure)

    @handler(retention=FORGET_SECONDS)
    async def cancel(self, of: InvocationId, reason: str) -> None:
        """Cancel a run, if it has not ended."""
        with suppress(ConflictError, NotFoundError):
            await invocation(of).cancel(reason=reason)


def schedule_target(name: str, handler_name: str) -> Target:
    """Return the target of a handler of a schedule."""
    return Target(service_name(Schedule), name, handler_name)


def unknown_schedule(name: str) -> NotFoundError:
    """Return the error to raise for an unknown schedule."""
    return NotFoundError(f"there is no schedule {shown(name)}", kind=ResourceKind.SCHEDULE)
