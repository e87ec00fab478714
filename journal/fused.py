"""Records in which one frame stands for several events.

A few histories are the most frequent by far: a call that ends in its first turn (accepted, started, fields changed, completed), a
call whose first turn requests something (accepted, started, a step), and the end of a step, a call, a sleep or the wait for a signal
after which the handler requests something or returns. Written as one frame each takes a fraction of the bytes and of the time. The
frame is only another spelling of these events: a reader gets the events, with the numbers and stamps that they would have had one by
one, and an event of a frame that is erased turns the frame into single events.
"""

from __future__ import annotations

from typing import Any

import msgspec

from journal import events as e
from journal.events import (
    Caller,
    Date,
    FieldsChanged,
    InvocationAccepted,
    InvocationCompleted,
    InvocationStarted,
    Kind,
    Mode,
    Stamp,
    TraceContext,
)
from journal.ids import InvocationId, StepId
from journal.waits import Ended, Requested


class _Call(msgspec.Struct, array_like=True, gc=False):
    """A call of a free object that ran before it was recorded.

    It was asked for at ``asked_at`` by ``by`` because of ``cause``, and ran at ``ran_at`` (both in wall seconds).
    """

    invocation_id: InvocationId
    handler: str
    mode: Mode
    asked_at: Date
    cause: str
    by: str
    ran_at: Date
    argument: bytes
    parameter: str | None
    deployment: str


def _opening(call: WholeInvocation | OpenedInvocation) -> list[tuple[Stamp, Any]]:
    """Return the events up to the start, with their stamps."""
    of = call.invocation_id
    asked = Stamp(call.asked_at, call.cause, call.by)
    entries: list[tuple[Stamp, Any]] = []
    if call.created is not None:
        service, key, kind = call.created
        entries.append((asked, e.ObjectCreated(service=service, key=key, kind=kind)))
    accepted = InvocationAccepted(
        invocation_id=of,
        handler=call.handler,
        mode=call.mode,
        argument=call.argument,
        caller=None if call.caller is None else Caller(*call.caller),
        chain=[e.Link(*link) for link in call.chain or ()],
        atomic=call.atomic,
        deployment=call.deployment,
        parameter=call.parameter,
        tags=call.tags,
        trace=call.trace,
    )
    entries += ((asked, accepted), (asked, InvocationStarted(invocation_id=of)))
    return entries


class WholeInvocation(_Call, array_like=True, gc=False):
    """An invocation that was accepted, started and completed with a result without a wait in between.

    ``created`` is the service, the key and the kind of the object if this invocation is the first of it. ``fields`` are the fields
    that the handler changed, or None. Of a caller, the invocation and the step are kept; of its chain, the fields of each link.
    """

    result: bytes
    fields: dict[str, bytes] | None = None
    created: tuple[str, str | None, Kind] | None = None
    caller: tuple[InvocationId, StepId] | None = None
    chain: list[tuple[InvocationId, str, bool]] | None = None
    atomic: bool = False
    tags: dict[str, str] | None = None
    trace: TraceContext | None = None

    @property
    def count(self) -> int:
        """The number of events in the frame."""
        return 3 + (self.created is not None) + (self.fields is not None)

    def expand(self, first: int) -> list[tuple[Stamp, Any]]:
        """Return the events with their stamps; the first has the number ``first``."""
        of, entries = self.invocation_id, _opening(self)
        ran = Stamp(self.ran_at, f"#{first + len(entries) - 1}", of)
        if self.fields is not None:
            entries.append((ran, FieldsChanged(invocation_id=of, fields=self.fields)))
        outcome = e.Outcome(e.OutcomeKind.SUCCEEDED, self.result)
        entries.append((ran, InvocationCompleted(invocation_id=of, outcome=outcome)))
        return entries


class OpenedInvocation(_Call, array_like=True, gc=False):
    """An invocation that was accepted and started, and whose handler then requested something that it waits for.

    The other fields are those of :class:`WholeInvocation`.
    """

    request: Requested
    fields: dict[str, bytes] | None = None
    created: tuple[str, str | None, Kind] | None = None
    caller: tuple[InvocationId, StepId] | None = None
    chain: list[tuple[InvocationId, str, bool]] | None = None
    atomic: bool = False
    tags: dict[str, str] | None = None
    trace: TraceContext | None = None

    @property
    def count(self) -> int:
        """The number of events in the frame."""
        return 3 + (self.created is not None) + (self.fields is not None)

    def expand(self, first: int) -> list[tuple[Stamp, Any]]:
        """Return the events with their stamps; the first has the number ``first``."""
        of, entries = self.invocation_id, _opening(self)
        ran = Stamp(self.ran_at, f"#{first + len(entries) - 1}", of)
        entries.append((ran, self.request.event(of)))
        if self.fields is not None:
            entries.append((ran, FieldsChanged(invocation_id=of, fields=self.fields)))
        return entries


class StepTurn(msgspec.Struct, array_like=True, gc=False):
    """A step ended with a value, and the handler, which waited for it alone, took a turn and requested something.

    The step ended ``at`` and the turn was taken ``turned_at`` (both in wall seconds; None if they are the same). ``fields`` are the
    fields that the handler changed in the turn, or None.
    """

    invocation_id: InvocationId
    at: Date
    step: StepId
    value: bytes
    request: Requested
    fields: dict[str, bytes] | None = None
    turned_at: Date | None = None

    @property
    def count(self) -> int:
        """The number of events in the frame."""
        return 2 if self.fields is None else 3

    def expand(self, first: int) -> list[tuple[Stamp, Any]]:
        """Return the events with their stamps; the first has the number ``first``."""
        of = self.invocation_id
        outcome = e.Outcome(e.OutcomeKind.SUCCEEDED, self.value)
        turned_at = self.at if self.turned_at is None else self.turned_at
        ended, turned = Stamp(self.at, f"step {self.step}", of), Stamp(turned_at, f"#{first}", of)
        entries: list[tuple[Stamp, Any]] = [
            (ended, e.StepCompleted(invocation_id=of, step=self.step, outcome=outcome)),
            (turned, self.request.event(of)),
        ]
        if self.fields is not None:
            entries.append((turned, FieldsChanged(invocation_id=of, fields=self.fields)))
        return entries


class LastTurn(msgspec.Struct, array_like=True, gc=False):
    """A step ended with a value, and the handler, which waited for it alone, took a turn and returned ``result``.

    The other fields are those of :class:`StepTurn`.
    """

    invocation_id: InvocationId
    at: Date
    step: StepId
    value: bytes
    result: bytes
    fields: dict[str, bytes] | None = None
    turned_at: Date | None = None

    @property
    def count(self) -> int:
        """The number of events in the frame."""
        return 2 if self.fields is None else 3

    @property
    def ended_at(self) -> float:
        """When the invocation completed, in wall seconds."""
        return self.at if self.turned_at is None else self.turned_at

    def expand(self, first: int) -> list[tuple[Stamp, Any]]:
        """Return the events with their stamps; the first has the number ``first``."""
        of, succeeded = self.invocation_id, e.OutcomeKind.SUCCEEDED
        ended, turned = Stamp(self.at, f"step {self.step}", of), Stamp(self.ended_at, f"#{first}", of)
        completed = e.StepCompleted(invocation_id=of, step=self.step, outcome=e.Outcome(succeeded, self.value))
        entries: list[tuple[Stamp, Any]] = [(ended, completed)]
        if self.fields is not None:
            entries.append((turned, FieldsChanged(invocation_id=of, fields=self.fields)))
        outcome = e.Outcome(succeeded, self.result)
        entries.append((turned, InvocationCompleted(invocation_id=of, outcome=outcome)))
        return entries


class ReturnedOutcome(msgspec.Struct, array_like=True, gc=False, tag=9):
    """A handler returned with this result."""

    result: bytes


class ResumedTurn(msgspec.Struct, array_like=True, gc=False):
    """A sleep, a call or the wait for a signal ended, and the handler, which waited for it alone, took a turn, in which it requested
    something or returned.

    The wait ended ``at`` because of ``cause``, by ``by``. ``then`` is the request or the result. The other fields are those of
    :class:`StepTurn`.
    """

    invocation_id: InvocationId
    at: Date
    cause: str
    by: str
    ended: Ended
    then: Requested | ReturnedOutcome
    fields: dict[str, bytes] | None = None
    turned_at: Date | None = None

    @property
    def count(self) -> int:
        """The number of events in the frame."""
        return 2 if self.fields is None else 3

    @property
    def ended_at(self) -> float:
        """When the turn was taken, in wall seconds."""
        return self.at if self.turned_at is None else self.turned_at

    def expand(self, first: int) -> list[tuple[Stamp, Any]]:
        """Return the events with their stamps; the first has the number ``first``."""
        of, then = self.invocation_id, self.then
        ended, turned = Stamp(self.at, self.cause, self.by), Stamp(self.ended_at, f"#{first}", of)
        entries: list[tuple[Stamp, Any]] = [(ended, self.ended.event(of))]
        if not isinstance(then, ReturnedOutcome):
            entries.append((turned, then.event(of)))
        if self.fields is not None:
            entries.append((turned, FieldsChanged(invocation_id=of, fields=self.fields)))
        if isinstance(then, ReturnedOutcome):
            outcome = e.Outcome(e.OutcomeKind.SUCCEEDED, then.result)
            entries.append((turned, InvocationCompleted(invocation_id=of, outcome=outcome)))
        return entries


Fused = WholeInvocation | OpenedInvocation | StepTurn | LastTurn | ResumedTurn
"""Every frame that stands for several events."""


class RecordedTurn(msgspec.Struct, gc=False):
    """A turn after a wait that is not the last, read as the frame that it is, with the numbers of its first event and of its last.
    ``stamp`` and ``event`` are those of the first, the end of the wait."""

    number: int
    last: int
    turn: StepTurn | ResumedTurn

    @property
    def stamp(self) -> Stamp:
        """The stamp of the end of the wait."""
        return self.turn.expand(self.number)[0][0]

    @property
    def event(self) -> e.StepCompleted | e.TimerFired | e.SignalReceived | e.CallCompleted:
        """The end of the wait."""
        completed: e.StepCompleted | e.TimerFired | e.SignalReceived | e.CallCompleted
        completed = self.turn.expand(self.number)[0][1]
        return completed


Lived = e.Recorded | RecordedTurn
"""A part of a history, as a replay reads it."""


def last_number(lived: Lived) -> int:
    """Return the number of the last event of this part."""
    return lived.last if isinstance(lived, RecordedTurn) else lived.number
