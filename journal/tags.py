"""The tag of each class of event: the byte that begins its frame in a record.

Tags are permanent: never reused and never renumbered (0x16 was an event that is no longer written). The bytes of each are in
``tests/journal/golden``.
"""

from __future__ import annotations

from journal import events as e
from journal.fused import LastTurn, OpenedInvocation, ResumedTurn, StepTurn, WholeInvocation

TAGS: dict[type, int] = {
    e.Erased: 0x01,
    e.ObjectCreated: 0x02,
    e.InvocationAccepted: 0x03,
    e.InvocationDue: 0x04,
    e.InvocationStarted: 0x05,
    e.StepScheduled: 0x06,
    e.StepCompleted: 0x07,
    e.StepAttemptFailed: 0x08,
    e.StepRetried: 0x09,
    e.StepAborted: 0x0A,
    e.SleepScheduled: 0x0B,
    e.DeadlineScheduled: 0x0C,
    e.TimerFired: 0x0D,
    e.WaitDropped: 0x0E,
    e.CallScheduled: 0x0F,
    e.AttachScheduled: 0x10,
    e.CallCompleted: 0x11,
    e.CallCancelRequested: 0x12,
    e.SendScheduled: 0x13,
    e.SignalAwaited: 0x14,
    e.SignalReceived: 0x15,
    e.VerbScheduled: 0x17,
    e.VerbAnswered: 0x18,
    e.PatchMarked: 0x19,
    e.FieldsChanged: 0x1A,
    e.LogExtended: 0x1B,
    e.MapChanged: 0x1C,
    e.ReadsPinned: 0x1D,
    e.ItemsPinned: 0x1E,
    e.AttemptFailed: 0x1F,
    e.AttemptRetried: 0x20,
    e.InvocationSuspended: 0x21,
    e.CancelRequested: 0x22,
    e.PauseRequested: 0x23,
    e.InvocationPaused: 0x24,
    e.InvocationResumed: 0x25,
    e.AttachRequested: 0x26,
    e.InvocationCompleted: 0x27,
    e.InvocationsPurged: 0x28,
    e.InvocationRestarted: 0x29,
    e.FieldsRewound: 0x2A,
    e.HistoryCopied: 0x2B,
    e.CallTransferred: 0x2C,
    e.InvocationMoved: 0x2D,
    e.CancelDeadlineMoved: 0x2E,
    e.CancelDeliveredEarlier: 0x30,
    e.CallsDetached: 0x31,
    e.QuestionAsked: 0x32,
    e.FieldsInitialized: 0x38,
    e.LogConverted: 0x39,
    e.MapConverted: 0x3A,
    e.SignalReassigned: 0x40,
    e.QuantitiesSpent: 0x41,
    e.BudgetRaised: 0x42,
    e.BudgetUsedUp: 0x43,
    e.InvocationRescheduled: 0x48,
    e.StatusTextChanged: 0x49,
    e.StepHeartbeat: 0x4A,
    e.UpdateAccepted: 0x68,
    e.UpdateCompleted: 0x69,
    e.UpdateCancelRequested: 0x6A,
    e.AttachDropped: 0x6B,
}

FUSED_TAGS: dict[type, int] = {
    WholeInvocation: 0x50,
    StepTurn: 0x51,
    OpenedInvocation: 0x52,
    ResumedTurn: 0x53,
    LastTurn: 0x5A,
}
STAMP_TAG = 0x7F
