"""The types of all commands."""

from __future__ import annotations

from typing import TypeAlias

from actors.core.commands import attempts, verbs, work

Command: TypeAlias = (
    work.Invoke
    | work.StartDue
    | work.ExpireInvocation
    | work.StartWaiting
    | work.FireTimer
    | work.RetryAttempt
    | work.CompleteCall
    | work.CompleteVerb
    | work.Attach
    | work.Detach
    | verbs.CancelInvocation
    | verbs.KillInvocation
    | verbs.PauseInvocation
    | verbs.ResumeInvocation
    | verbs.SignalInvocation
    | verbs.RescheduleInvocation
    | verbs.PurgeInvocations
    | verbs.RestartInvocation
    | work.TransferCall
    | work.WithdrawCall
    | attempts.RecordProgress
    | attempts.FinishAttempt
    | attempts.FailAttempt
    | attempts.PauseAttempt
    | attempts.ResumeInBudget
    | attempts.NoteUsedUp
    | attempts.CompleteStep
    | attempts.FailStep
    | attempts.NoteHeartbeat
    | attempts.AbortStep
    | attempts.FinishDrain
)


Decidable: TypeAlias = (
    Command | work.ResolvedInvoke | verbs.ResolvedCancel | verbs.ResolvedResume | verbs.ResolvedRestart
)
"""The commands that ``decide`` accepts. It refuses an invoke, a cancel, a resume or a restart that is not resolved: only the processor
of the object knows the class, the gates, the registered code and the history."""
