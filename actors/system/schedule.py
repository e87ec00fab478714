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

A run is open until its end is reported. ``ScheduledCall.run`` reports it; but someone may kill that invocation. So a minute after a run has
started, and each hour from then on, the schedule sends ``ScheduledCall.watch`` for each open run, which reports the end as well.

A schedule's state is bounded, and its own invocations are purged after a minute; the audit log has the requests to it.
"""

from __future__ import annotations

import math
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
from actors.errors import InvalidArgumentError, LimitExceededError
from actors.model.classes import Actor, definition_of
from actors.model.fields import FieldKind, Map, field
from actors.model.handlers import handler
from actors.model.timetable import Timetable
from actors.model.verbs.calls import service
from actors.model.verbs.context import uuid4
from actors.model.verbs.stored_calls import id_of_stored_call
from actors.model.verbs.time import current_time
from actors.system.scheduled_calls import FORGET_SECONDS, ScheduledCall, id_of_call
from actors.system.scheduled_runs import (
    another_exists,
    argument_at,
    changed_since,
    derived_from_handler,
    is_same,
    late_to_run,
    request_of,
    still_open,
    times_within,
    too_many_wait,
    unknown_schedule,
)
from actors.values.names import SYSTEM_NAMESPACE
from journal.ids import InvocationId

_TIMES_IN_A_TURN = 1_000
"""How many nominal times a turn decides on, which takes less than 50 ms; after a long stop the next turn continues."""

_LONGEST_NAP_SECONDS, _TROUBLED_NAP_SECONDS = 86_400.0, 60.0
"""The first, so that a wake that is out of date does not stay for years; the other, while the zone is unknown."""

_WATCH_SECONDS, _WATCH_AGAIN_SECONDS = 60.0, 3_600.0
"""When the first watch of an open run is sent, and how long after it each further one."""


class Schedule(Actor):
    """One schedule; its key is its name."""

    _namespace: ClassVar[str] = SYSTEM_NAMESPACE

    spec: ScheduleSpec | None = None
    life: str = ""
    """Distinguishes this schedule from an earlier one of the same name, whose messages may still arrive."""
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
    watch_at: float = 0.0
    """When to watch the open runs."""
    recent: list[ScheduledRun] = field(factory=list)
    counts: RunCounts = field(default=RunCounts())
    trouble: str = ""

    # Verbs.

    @handler(retention=FORGET_SECONDS)
    async def create(self, spec: ScheduleSpec, is_anchored: bool, by: str) -> ScheduleChange:
        """Begin the schedule. The same description again changes nothing."""
        if self.spec is not None:
            if is_same(self.spec, spec, is_anchored):
                return await self._unchanged(spec)
            raise another_exists(self.key)
        now = current_time()
        self.spec, self.life, self.reached = spec, uuid4().hex[:12], now
        self.created_at, self.created_by = now, by
        return await self._changed(by)

    @handler(retention=FORGET_SECONDS)
    async def replace(self, spec: ScheduleSpec, is_anchored: bool, if_revision: int | None, by: str) -> ScheduleChange:
        """Change the description. Runs that are open or wait stay."""
        own = self._existing()
        if if_revision is not None and if_revision != self.revision:
            raise changed_since(self.key, self.revision, if_revision)
        if is_same(own, spec, is_anchored):
            return await self._unchanged(spec)
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
            raise still_open(self.key, self.open[-1].invocation_id, is_paused=self.paused is not None)
        if self._is_full:
            raise too_many_wait(self.key, self.behind - self.first, 1)
        planned = WaitingRun(nominal=current_time(), cause=RunCause.TRIGGER, mark=f"trigger {self.revision + 1}")
        request = request_of(self.key, self.life, spec, planned)  # it raises if the zone is not known here
        of = id_of_stored_call(spec.target, request)
        self.revision += 1
        has_started = await self._plan(planned)
        await self._stay_awake()
        return TriggeredRun(invocation_id=of, waits=not has_started)

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
        await self._stay_awake()
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
        await self._go_on()

    @handler(retention=FORGET_SECONDS)
    async def ended(self, of: InvocationId, outcome: str, failure: str) -> None:
        """Note the outcome of a run, and start the next one that waits."""
        run = next((run for run in self.open if run.invocation_id == of), None)
        if run is None:
            return  # it was reported already, or the schedule was deleted
        self.open = [other for other in self.open if other is not run]
        ended = attrs.evolve(run, ended_at=current_time(), outcome=outcome, failure=failure)
        self.recent = [*self.recent, ended][-RUNS_SHOWN:]
        self._count(**{outcome: 1})
        await self._start_waiting()
        await self._stay_awake()

    # Inside.

    def _existing(self) -> ScheduleSpec:
        if self.spec is None:
            raise unknown_schedule(self.key)
        return self.spec

    async def _changed(self, by: str) -> ScheduleChange:
        self.revision += 1
        self.changed_at, self.changed_by, self.trouble = current_time(), by, ""
        await self._go_on()
        return ScheduleChange(changed=True, revision=self.revision)

    async def _unchanged(self, same: ScheduleSpec) -> ScheduleChange:
        """Keep the caller's options, and derive the rest from them and from the handler's current signature."""
        self.spec = attrs.evolve(self._existing(), **derived_from_handler(same))
        await self._stay_awake()
        return ScheduleChange(changed=False, revision=self.revision)

    async def _stay_awake(self) -> None:
        """Wake in time for the open runs. If the time of a wake has come, do its work now."""
        if self._is_due:
            await self._go_on()
        elif self.open:
            await self._wake_at(self.watch_at)

    @property
    def _is_due(self) -> bool:
        """Whether the time of the next wake has come. Its message may be under way, or someone may have killed it."""
        return bool(self.wake_token) and self.wake_at <= current_time()

    async def _go_on(self) -> None:
        """Watch the open runs, decide on the nominal times up to now, and arrange the next wake."""
        if self._is_due:
            self.wake_token = ""
        await self._watch_open()
        if self.paused is None:
            await self._go_on_to(current_time())
        if self.open:
            await self._wake_at(self.watch_at)

    async def _go_on_to(self, now: float) -> None:
        spec = self._existing()
        try:
            table = Timetable(spec.timing)
        except InvalidArgumentError as error:
            await self._wait_for_zone(error)
            return
        self.trouble = ""
        await self._start_waiting()  # the runs that could not start while the zone was unknown
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
            await self._wake_at(min(following, self.watch_at) if self.open else following)

    async def _wait_for_zone(self, error: InvalidArgumentError) -> None:
        self.trouble = str(error)  # the time zone database is another one
        await self._wake_at(current_time() + _TROUBLED_NAP_SECONDS)

    async def _watch_open(self) -> None:
        """Have the end of each open run reported, if it is time, also if the invocation that calls it was killed."""
        now = current_time()
        if not self.open or now < self.watch_at:
            return
        watching = service(ScheduledCall).watch
        for run in self.open:
            of = run.invocation_id
            # The delay lets messages arrive that were under way when the process died.
            await watching.options(delay=_WATCH_SECONDS, idempotency_key=of).send(self.key, of, id_of_call(of))
        self.watch_at = now + _WATCH_AGAIN_SECONDS

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
        chosen = late_to_run(spec, late, has_newer=bool(in_time))
        self._count(missed=len(late) - len(chosen))
        for nominal in chosen:
            await self._plan(WaitingRun(nominal=nominal, cause=RunCause.MISSED))
        cause = RunCause.MISSED if chosen else RunCause.TIME  # it starts after the runs that it follows
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
            await service(ScheduledCall).cancel.send(run.invocation_id, f"the schedule {self.key} begins its next run")
        while self.first < self.behind and self.waiting[self.behind - 1].cause is RunCause.TIME:
            self.behind -= 1
            del self.waiting[self.behind]
            self._count(skipped=1)

    async def _start_waiting(self) -> None:
        if self.spec is None or self.paused is not None:
            return
        together = MAX_OPEN_RUNS if self.spec.overlap is OverlapPolicy.ALLOW else 1
        while self.first < self.behind and len(self.open) < together:
            try:
                await self._start(self.waiting[self.first])
            except InvalidArgumentError as error:
                await self._wait_for_zone(error)
                return
            del self.waiting[self.first]
            self.first += 1

    async def _start(self, run: WaitingRun) -> None:
        """Start the run. Raises :class:`InvalidArgumentError`, and has changed nothing, if the zone is not known here."""
        spec, now = self._existing(), current_time()
        request = request_of(self.key, self.life, spec, run)
        argument, parameter = argument_at(spec, run.nominal)
        of = id_of_stored_call(spec.target, request)
        calling = service(ScheduledCall).run.options(idempotency_key=of)
        await calling.send(self.key, request, spec.target, argument, parameter)
        self.watch_at = min(self.watch_at if self.open else math.inf, now + _WATCH_SECONDS)
        started = ScheduledRun(nominal=run.nominal, cause=run.cause, invocation_id=of, started_at=now)
        self.open = [*self.open, started]
        self._count(started=1)

    async def _wake_at(self, at: float) -> None:
        """Arrange a message at this time, unless one comes before it."""
        if self.wake_token and self.wake_at <= at:
            return
        now = current_time()
        self.wakes += 1
        self.wake_at, self.wake_token = min(at, now + _LONGEST_NAP_SECONDS), f"{self.life} {self.wakes}"
        await self.wake.options(delay=max(0.0, self.wake_at - now)).send(self.wake_token)

    def _count(self, **more: int) -> None:
        if any(more.values()):
            values = {name: getattr(self.counts, name) + number for name, number in more.items()}
            self.counts = attrs.evolve(self.counts, **values)
