"""The arrows between statuses, as one table.

                       InvocationAccepted
                               │
               ┌───────────────┴──────────────┐
               ▼                              ▼
          SCHEDULED ──InvocationDue────►   QUEUED
               │                              │ InvocationStarted
               │   InvocationPaused           ▼            InvocationSuspended
               ├────────────┬───────────── RUNNING ───────────────────────────► SUSPENDED
               │            │               ▲   ▲  ◄──what it waits for comes──────┘
               ▼            │  AttemptRetried   │ AttemptFailed
             PAUSED ────────┘  StepRetried ▼    │ StepAttemptFailed
               │  InvocationResumed,    BACKING_OFF
               │  CancelRequested
               ▼
           COMPLETED   (InvocationCompleted, from every other; nothing leaves it)

``LEGAL`` says in which statuses an event may be appended; ``evolve`` checks it, so an event that does not belong there
stops the object instead of bending it. The status after an event is a function of the event and of what is still open
(``status_now``), because "backing off" and "running" differ by what the invocation waits for, not by a flag of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.state import WaitKind
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
"""The statuses in which the handler has begun and is not paused."""

ACTIVE = frozenset({Status.RUNNING, Status.BACKING_OFF})
"""The statuses in which the handler may record requests."""

_NOT_STARTED = frozenset({Status.SCHEDULED, Status.QUEUED})
_STARTED_OR_HELD = STARTED | {Status.PAUSED}

LEGAL: dict[type, frozenset[Status]] = {
    e.InvocationDue: frozenset({Status.SCHEDULED, Status.PAUSED}),
    e.InvocationStarted: frozenset({Status.QUEUED}),
    e.StepScheduled: ACTIVE,
    e.StepCompleted: ACTIVE | {Status.PAUSED},
    e.StepAttemptFailed: ACTIVE | {Status.PAUSED},
    e.StepRetried: frozenset({Status.BACKING_OFF}),
    e.StepAborted: ACTIVE | {Status.PAUSED},
    e.SleepScheduled: ACTIVE,
    e.DeadlineScheduled: ACTIVE,
    e.TimerFired: _STARTED_OR_HELD,
    e.WaitDropped: ACTIVE,
    e.CallScheduled: ACTIVE,
    e.AttachScheduled: ACTIVE,
    e.CallCompleted: _STARTED_OR_HELD,
    e.CallCancelRequested: ACTIVE,
    e.SendScheduled: ACTIVE,
    e.SignalAwaited: ACTIVE,
    e.SignalReceived: OPEN,
    e.SignalReassigned: ACTIVE,
    e.OutputEmitted: ACTIVE | {Status.PAUSED},
    e.VerbScheduled: ACTIVE,
    e.VerbAnswered: _STARTED_OR_HELD,
    e.PatchMarked: ACTIVE,
    e.FieldsChanged: ACTIVE,
    e.LogExtended: ACTIVE,
    e.MapChanged: ACTIVE,
    e.ReadsPinned: ACTIVE,
    e.ItemsPinned: ACTIVE,
    e.FieldsInitialized: ACTIVE,
    e.LogConverted: ACTIVE,
    e.MapConverted: ACTIVE,
    e.AttemptFailed: ACTIVE,
    e.AttemptRetried: frozenset({Status.BACKING_OFF}),
    e.InvocationSuspended: ACTIVE,
    e.CancelRequested: _STARTED_OR_HELD,
    e.CancelDeadlineMoved: _STARTED_OR_HELD,
    e.CancelDeliveredEarlier: ACTIVE,
    e.PauseRequested: ACTIVE,
    e.InvocationPaused: OPEN - {Status.PAUSED},
    e.InvocationResumed: ACTIVE | {Status.PAUSED},
    e.InvocationMoved: OPEN - {Status.RUNNING},
    e.AttachRequested: OPEN,
    e.InvocationCompleted: OPEN,
    e.InvocationRestarted: OPEN,
    e.FieldsRewound: frozenset({Status.RUNNING}),
    e.HistoryCopied: frozenset({Status.RUNNING}),
    e.CallsDetached: _STARTED_OR_HELD,
    e.CallTransferred: _STARTED_OR_HELD,
}


def status_now(invocation: InvocationState) -> Status:
    """Return ``BACKING_OFF`` while the handler or one of its steps waits for a retry, ``SUSPENDED`` if the invocation
    is not in memory, else ``RUNNING``."""
    if invocation.retry_at is not None or any(w.kind is WaitKind.STEP_RETRY for w in invocation.waits.values()):
        return Status.BACKING_OFF
    return Status.SUSPENDED if invocation.unloaded else Status.RUNNING


def status_when_resumed(invocation: InvocationState) -> Status:
    """Return the status that a paused invocation has after it is resumed."""
    if invocation.is_started:
        return Status.RUNNING
    return Status.QUEUED if invocation.scheduled_for is None else Status.SCHEDULED
