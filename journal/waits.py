"""The requests that a handler may make in a turn, and the ends of its waits, as parts of a frame that contains several events
(``journal.fused``).

Each part is another encoding of one event. An event with a text of a user's class, or a large event, is written as the event itself.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from journal import events as e
from journal.events import Date, Target, TraceContext
from journal.ids import InvocationId, StepId


class RequestedStep(msgspec.Struct, array_like=True, gc=False, tag=1):
    """A step that a handler requests. Its arguments are values, and small enough to be kept."""

    step: StepId
    name: str
    source: str
    argument: bytes
    at_most_once: bool = False

    @classmethod
    def of(cls, event: e.StepScheduled) -> RequestedStep | None:
        """Return the request as a part of a frame. None if it has arguments that are not values or are too large, or a text
        of a class of the author's: those are written as events."""
        if (
            event.opaque
            or event.argument_bytes
            or not event.is_compared
            or event.name.__class__ is not str
            or event.source.__class__ is not str
            or event.at_most_once.__class__ is not bool
        ):
            return None
        return cls(event.step, event.name, event.source, event.argument, event.at_most_once)

    def event(self, of: InvocationId) -> e.StepScheduled:
        """Return the request of the invocation."""
        return e.StepScheduled(
            invocation_id=of,
            step=self.step,
            name=self.name,
            source=self.source,
            argument=self.argument,
            at_most_once=self.at_most_once,
            is_compared=True,
        )


class RequestedSleep(msgspec.Struct, array_like=True, gc=False, tag=2):
    """A sleep that a handler requests."""

    step: StepId
    wake_at: Date
    source: str

    def event(self, of: InvocationId) -> e.SleepScheduled:
        """Return the request of the invocation."""
        return e.SleepScheduled(invocation_id=of, step=self.step, wake_at=self.wake_at, source=self.source)


class RequestedSignal(msgspec.Struct, array_like=True, gc=False, tag=3):
    """A signal that a handler requests, and that has not arrived."""

    step: StepId
    name: str
    source: str
    schema: bytes

    def event(self, of: InvocationId) -> e.SignalAwaited:
        """Return the request of the invocation."""
        return e.SignalAwaited(invocation_id=of, step=self.step, name=self.name, source=self.source, schema=self.schema)


class RequestedCall(msgspec.Struct, array_like=True, gc=False, tag=4):
    """A call that a handler requests, without an idempotency key and a limit of its duration. ``target`` are the service, the key and
    the handler."""

    step: StepId
    callee: InvocationId
    target: tuple[str, str | None, str]
    argument: bytes
    source: str
    parameter: str | None = None
    tags: dict[str, str] | None = None
    trace: TraceContext | None = None

    def event(self, of: InvocationId) -> e.CallScheduled:
        """Return the request of the invocation."""
        return e.CallScheduled(
            invocation_id=of,
            step=self.step,
            callee=self.callee,
            target=Target(*self.target),
            argument=self.argument,
            source=self.source,
            parameter=self.parameter,
            tags=self.tags,
            trace=self.trace,
        )


Requested = RequestedStep | RequestedSleep | RequestedSignal | RequestedCall
"""The requests of a handler that a frame can contain."""

TurnPart = e.Event | RequestedStep
"""A request of a handler in a turn: an event, or a step that it requests, which is an event only where it is not recorded in a frame."""


def event_of(part: TurnPart, of: InvocationId) -> e.Event:
    """Return the part of a turn of the invocation as an event."""
    return part.event(of) if isinstance(part, RequestedStep) else part


def requested_in(event: e.Event) -> Requested | None:
    """Return a request as a part of a frame; None if it must be written as an event."""
    match event:
        case e.StepScheduled():
            return RequestedStep.of(event)
        case e.CallScheduled(request=None, max_duration=None, budget=None, target=target) if (
            event.source.__class__ is str
        ):
            named = target.service, target.key, target.handler
            return RequestedCall(
                event.step, event.callee, named, event.argument, event.source, event.parameter, event.tags, event.trace
            )
        case e.SleepScheduled(wake_at=float(at)) if event.source.__class__ is str and at <= e.LAST_DATE:
            return RequestedSleep(event.step, event.wake_at, event.source)
        case e.SignalAwaited(ready=False, again=False, signal=0, handed_over=0, question="") if (
            event.name.__class__ is str and event.source.__class__ is str
        ):
            return RequestedSignal(event.step, event.name, event.source, event.schema)
        case _:
            return None


class EndedSleep(msgspec.Struct, array_like=True, gc=False, tag=1):
    """A sleep that is over. ``completion`` is the class of the event."""

    completion: ClassVar = e.TimerFired

    step: StepId

    @property
    def size(self) -> int:
        """The number of bytes of the user's values in it."""
        return 0

    def event(self, of: InvocationId) -> e.TimerFired:
        """Return the end of the wait of the invocation."""
        return e.TimerFired(invocation_id=of, step=self.step)


class EndedSignal(msgspec.Struct, array_like=True, gc=False, tag=2):
    """A signal with a value, which answers no question, that has reached the wait for it. ``signal`` is its number, and
    ``completion`` the class of the event."""

    completion: ClassVar = e.SignalReceived

    step: StepId
    name: str
    value: bytes
    signal: int
    json_loses: str = ""

    @property
    def size(self) -> int:
        """The number of bytes of the user's values in it."""
        return len(self.value)

    def event(self, of: InvocationId) -> e.SignalReceived:
        """Return the end of the wait of the invocation."""
        return e.SignalReceived(
            invocation_id=of,
            name=self.name,
            value=self.value,
            signal=self.signal,
            step=self.step,
            json_loses=self.json_loses,
        )


class EndedCall(msgspec.Struct, array_like=True, gc=False, tag=3):
    """A call, or an invocation that the handler attached to, that has succeeded. ``completion`` is the class of the event."""

    completion: ClassVar = e.CallCompleted

    step: StepId
    value: bytes

    @property
    def size(self) -> int:
        """The number of bytes of the user's values in it."""
        return len(self.value)

    def event(self, of: InvocationId) -> e.CallCompleted:
        """Return the end of the wait of the invocation."""
        return e.CallCompleted(invocation_id=of, step=self.step, outcome=e.Outcome(e.OutcomeKind.SUCCEEDED, self.value))


Ended = EndedSleep | EndedSignal | EndedCall
"""The events that may end a wait in a frame, besides the end of a step."""


def ended_in(event: e.Event) -> Ended | None:
    """Return the end of a wait as a part of a frame; None if it must be written as an event."""
    match event:
        case e.CallCompleted(outcome=outcome) if outcome.kind is e.OutcomeKind.SUCCEEDED:
            return EndedCall(event.step, outcome.value)
        case e.SignalReceived(step=str(step), error=None, deferred=False, question="") if (
            event.name.__class__ is str and event.json_loses.__class__ is str
        ):
            return EndedSignal(step, event.name, event.value, event.signal, event.json_loses)
        case e.TimerFired():
            return EndedSleep(event.step)
        case _:
            return None
