"""Makes spans from events that are durable. ::

    InvocationAccepted … InvocationCompleted     one span of the invocation, from its start to its end
    InvocationStarted … AttemptFailed, …         one span for each attempt   ┐ children of the invocation's span
    StepScheduled … StepCompleted, …             one span for each try       ┘

Each event is committed once, so each span is exported at most once, whatever is replayed. The times are those of the events. The ids
are made from those of the invocation (``actors.core.traces``), so spans that are exported by different processes, days apart,
belong together. If the process dies between a commit and the export, the spans of that commit are missing.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
from opentelemetry.context import attach
from opentelemetry.trace import NonRecordingSpan, set_span_in_context

from actors.core.traces import is_sampled, span_id, trace_of
from actors.telemetry.spans import SpanWriter, attributes_of, span_context
from actors.values.names import is_system
from journal import events as e
from journal.events import Outcome, OutcomeKind, Target
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.core.state import ObjectState
    from actors.environment import Environment
    from actors.model.contexts import HandlerContext
    from actors.telemetry.span_queue import SpanQueue
    from journal.codec import Record
    from journal.events import Failure, Stamp, TraceContext
    from journal.ids import InvocationId, StepId
    from journal.rows import InvocationRow

log = SafeLogger(__name__)

_MOST_KNOWN = 10_000
"""How many open invocations are remembered; the others are read from their objects again."""


@attrs.define(eq=False)
class _Running:
    """A try of a step whose body has begun."""

    name: str
    number: int
    began_at: float


@attrs.define(eq=False)
class _Known:
    """An open invocation. ``attempt_at`` is the start of its attempt, and
    ``is_between`` says that it has ended and no other has begun. ``steps`` are its tries that run, and ``asked`` the times at
    which its steps, or their next tries, were asked for."""

    target: Target
    tags: dict[str, str] | None
    trace: TraceContext
    attempt: int = 1
    attempt_at: float | None = None
    is_between: bool = False
    steps: dict[StepId, _Running] = attrs.field(factory=dict)
    asked: dict[StepId, float] = attrs.field(factory=dict)


class SpanObserver:
    """The observer of an engine that exports spans."""

    def __init__(self, queue: SpanQueue, writer: SpanWriter, environment: Environment) -> None:
        self._queue = queue
        self._writer = writer
        self._clock = environment.clock
        self._known: OrderedDict[InvocationId, _Known] = OrderedDict()

    @property
    def dropped(self) -> int:
        """How many spans were lost since the start."""
        return self._queue.dropped

    def step_begins(self, handler: HandlerContext, step: StepId, name: str, number: int) -> None:
        """Make the span of the try the current one of its body, so that spans of other libraries are its children."""
        if handler.trace is None or is_system(handler.service):
            return
        target = Target(handler.service, handler.key, handler.name)
        known = self._remembered(handler.invocation_id, _Known(target, handler.tags, handler.trace))
        known.steps[step] = _Running(name, number, known.asked.pop(step, self._clock.now()))
        span = span_id("step", handler.invocation_id, step, number)
        attach(set_span_in_context(NonRecordingSpan(span_context(handler.trace, span))))

    def committed(self, ended: Iterable[InvocationRow], changes: Iterable[tuple[ObjectState, Record]]) -> None:
        """Export the spans that have ended with the events of a commit."""
        try:
            rows = {row.invocation_id: row for row in ended}
            for state, record in changes:
                if not is_system(state.service):
                    for number, stamp, event in record.walk():
                        self._see(state, rows, number, stamp, event)
        except Exception:  # a mistake of ours must not end the engine
            log.exception("the spans of a commit are lost")

    def _see(
        self, state: ObjectState, ended: dict[InvocationId, InvocationRow], number: int, stamp: Stamp, event: Any
    ) -> None:
        match event:
            case e.InvocationAccepted(invocation_id=of):
                target = Target(state.service, state.key, event.handler)
                self._remembered(of, _Known(target, event.tags, trace_of(of, event.trace)))
            case e.InvocationStarted() | e.AttemptRetried() | e.InvocationResumed():
                self._begin_attempt(state, event.invocation_id, stamp, is_next=type(event) is not e.InvocationStarted)
            case e.StepScheduled() | e.StepRetried():
                known = self._known.get(event.invocation_id)
                if known is not None:
                    known.asked[event.step] = stamp.at
            case e.AttemptFailed():
                self._end_attempt(state, event.invocation_id, number, stamp, "failed", event.failure)
            case e.InvocationPaused():
                self._end_attempt(state, event.invocation_id, number, stamp, "paused", event.failure)
            case e.StepCompleted(outcome=outcome):
                self._end_step(
                    event.invocation_id, event.step, stamp, outcome.kind.value, outcome.failure, event.attributes
                )
            case e.StepAttemptFailed():
                self._end_step(event.invocation_id, event.step, stamp, "failed", event.failure, event.attributes)
            case e.StepAborted():
                self._end_step(event.invocation_id, event.step, stamp, "aborted", None)
            case e.InvocationCompleted(invocation_id=of) if of in ended:
                self._end_invocation(state, ended[of], number, stamp, event.outcome)
            case _:
                pass

    def _remembered(self, of: InvocationId, new: _Known) -> _Known:
        known = self._known.setdefault(of, new)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return known

    def _find(self, state: ObjectState, of: InvocationId) -> _Known | None:
        """The invocation, also if it was accepted by an earlier process. None if it has ended."""
        known = self._known.get(of)
        invocation = state.invocations.get(of)
        if known is None and invocation is not None:
            target = Target(state.service, state.key, invocation.handler)
            known = _Known(target, invocation.tags, trace_of(of, invocation.trace), invocation.failed_attempts + 1)
            known = self._remembered(of, known)
        if known is not None and known.attempt_at is None and invocation is not None:
            known.attempt_at = invocation.started_at
        return known

    def _begin_attempt(self, state: ObjectState, of: InvocationId, stamp: Stamp, *, is_next: bool) -> None:
        known = self._find(state, of)
        if known is not None:
            known.attempt += is_next
            known.attempt_at, known.is_between = stamp.at, False

    def _end_attempt(
        self, state: ObjectState, of: InvocationId, number: int, stamp: Stamp, status: str, failure: Failure | None
    ) -> None:
        known = self._find(state, of)
        if known is None or known.is_between or known.attempt_at is None:
            return
        known.is_between = True
        if not is_sampled(known.trace):
            return
        attributes = attributes_of(of, known.target, known.tags, attempt=known.attempt, status=status)
        span = span_id("attempt", of, number)
        name = f"{known.target.service}/{known.target.handler} attempt {known.attempt}"
        self._queue.put(self._writer.inner(known.trace, span, name, known.attempt_at, stamp.at, attributes, failure))

    def _end_step(
        self,
        of: InvocationId,
        step: StepId,
        stamp: Stamp,
        status: str,
        failure: Failure | None,
        described: bytes = b"",
    ) -> None:
        known = self._known.get(of)
        running = None if known is None else known.steps.pop(step, None)
        if known is None or running is None or not is_sampled(known.trace):
            return  # it ran in a process that has died
        attributes: dict[str, Any] = msgspec.json.decode(described) if described else {}
        attributes |= attributes_of(of, known.target, known.tags, attempt=running.number, status=status)
        attributes |= {"playhead.step": step, "playhead.step.name": running.name}
        span = span_id("step", of, step, running.number)
        self._queue.put(
            self._writer.inner(known.trace, span, running.name, running.began_at, stamp.at, attributes, failure)
        )

    def _end_invocation(
        self, state: ObjectState, row: InvocationRow, number: int, stamp: Stamp, outcome: Outcome
    ) -> None:
        of, status = row.invocation_id, outcome.kind.value
        known = self._known.get(of) or _Known(row.target, row.tags, trace_of(of, row.trace))
        if known.attempt_at is None:
            known.attempt_at = row.started_at
        self._known[of] = known
        for step in [*known.steps]:
            self._end_step(of, step, stamp, "aborted", None)
        self._end_attempt(state, of, number, stamp, status, outcome.failure)
        del self._known[of]
        if is_sampled(known.trace):
            attributes = attributes_of(of, row.target, row.tags, attempt=known.attempt, status=status)
            if outcome.kind in (OutcomeKind.CANCELLED, OutcomeKind.KILLED) and outcome.reason:
                attributes["playhead.reason"] = outcome.reason
            self._queue.put(self._writer.outer(row, known.trace, attributes, stamp.at, outcome.failure))
