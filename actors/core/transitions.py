"""The arrows between statuses, as one table.

                       InvocationAccepted
                               │
               ┌───────────────┴──────────────┐
               ▼                              ▼
          SCHEDULED ──InvocationDue────►   QUEUED
               │                              │ InvocationStarted
               │   InvocationPaused           ▼       every open request waits for others
               ├────────────┬───────────── RUNNING ───────────────────────────► SUSPENDED
               │            │               ▲   ▲  ◄──no request is open, or a step is──┘
               ▼            │  AttemptRetried   │ AttemptFailed
             PAUSED ────────┘  StepRetried ▼    │ StepAttemptFailed
               │  InvocationResumed,    BACKING_OFF
               │  CancelRequested
               ▼
           COMPLETED   (InvocationCompleted, from every other; nothing leaves it)

``LEGAL`` has the statuses in which an event may be appended. ``evolve`` checks it, so an illegal event stops the object and never
changes its state. The status after an event is a function of the event and of the open requests (``status_now``): running, suspended
and backing off differ only in what the invocation waits for, and no flag stores the difference. Whether the handler is in memory is not
recorded and does not matter here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal import events as e
from journal.events import Status

if TYPE_CHECKING:
    from actors.core.state import InvocationState


class IllegalEvent(Exception):
    """The event cannot follow the events before it. If the event is stored, the stream is damaged; if it is new, the
    decision was wrong."""


OPEN = frozenset(Status) - {Status.COMPLETED}
"""The statuses of an invocation that has not completed."""

STARTED = frozenset({Status.RUNNING, Status.SUSPENDED, Status.BACKING_OFF})
"""The statuses in which the handler has begun and is not paused, so that it may record requests."""

_STARTED_OR_HELD = STARTED | {Status.PAUSED}
_HAS_A_STEP = frozenset({Status.RUNNING, Status.BACKING_OFF})

LEGAL: dict[type, frozenset[Status]] = {
    e.InvocationDue: frozenset({Status.SCHEDULED, Status.PAUSED}),
    e.InvocationRescheduled: frozenset({Status.SCHEDULED, Status.PAUSED}),
    e.InvocationStarted: frozenset({Status.QUEUED}),
    e.StepScheduled: STARTED,
    e.StepCompleted: _HAS_A_STEP | {Status.PAUSED},
    e.StepHeartbeat: _HAS_A_STEP | {Status.PAUSED},
    e.StepAttemptFailed: _HAS_A_STEP | {Status.PAUSED},
    e.StepRetried: frozenset({Status.BACKING_OFF}),
    e.StepAborted: _HAS_A_STEP | {Status.PAUSED},
    e.SleepScheduled: STARTED,
    e.DeadlineScheduled: STARTED,
    e.TimerFired: _STARTED_OR_HELD,
    e.WaitDropped: STARTED,
    e.CallScheduled: STARTED,
    e.AttachScheduled: STARTED,
    e.CallCompleted: _STARTED_OR_HELD,
    e.CallCancelRequested: STARTED,
    e.SendScheduled: STARTED,
    e.SignalAwaited: STARTED,
    e.SignalReceived: OPEN,
    e.SignalReassigned: STARTED,
    e.QuestionAsked: STARTED,
    e.UpdateAccepted: OPEN,
    e.UpdateCancelRequested: OPEN,
    e.UpdateCompleted: STARTED,
    e.VerbScheduled: STARTED,
    e.VerbAnswered: _STARTED_OR_HELD,
    e.PatchMarked: STARTED,
    e.StatusTextChanged: STARTED,
    e.QuantitiesSpent: _STARTED_OR_HELD,
    e.BudgetRaised: OPEN,
    e.BudgetUsedUp: OPEN,
    e.FieldsChanged: STARTED,
    e.LogExtended: STARTED,
    e.MapChanged: STARTED,
    e.ReadsPinned: STARTED,
    e.ItemsPinned: STARTED,
    e.FieldsInitialized: STARTED,
    e.LogConverted: STARTED,
    e.MapConverted: STARTED,
    e.AttemptFailed: STARTED,
    e.AttemptRetried: frozenset({Status.BACKING_OFF}),
    e.InvocationSuspended: STARTED,
    e.CancelRequested: _STARTED_OR_HELD,
    e.CancelDeadlineMoved: _STARTED_OR_HELD,
    e.CancelDeliveredEarlier: STARTED,
    e.PauseRequested: _HAS_A_STEP,
    e.InvocationPaused: OPEN - {Status.PAUSED},
    e.InvocationResumed: _HAS_A_STEP | {Status.PAUSED},
    e.InvocationMoved: OPEN - {Status.RUNNING},
    e.AttachRequested: OPEN,
    e.AttachDropped: OPEN,
    e.InvocationCompleted: OPEN,
    e.InvocationRestarted: OPEN,
    e.FieldsRewound: frozenset({Status.RUNNING}),
    e.HistoryCopied: frozenset({Status.RUNNING, Status.SUSPENDED}),
    e.CallsDetached: _STARTED_OR_HELD,
    e.CallTransferred: _STARTED_OR_HELD,
}


def status_now(invocation: InvocationState) -> Status:
    """Return ``BACKING_OFF`` while the handler or one of its steps waits for a retry, ``SUSPENDED`` if the handler waits and not for a
    step of its own, else ``RUNNING``."""
    if invocation.retry_at is not None or invocation._failed_steps:
        return Status.BACKING_OFF
    return Status.SUSPENDED if invocation.waits and not invocation._running_steps else Status.RUNNING


def status_when_resumed(invocation: InvocationState) -> Status:
    """Return the status that a paused invocation has after it is resumed."""
    if invocation.is_started:
        return status_now(invocation)
    return Status.QUEUED if invocation.scheduled_for is None else Status.SCHEDULED
