"""The types of all commands."""

from __future__ import annotations

from typing import TypeAlias

from actors.core.commands.attempts import (
    AbortStep,
    CompleteStep,
    EmitOutput,
    FailAttempt,
    FailStep,
    FinishAttempt,
    FinishDrain,
    PauseAttempt,
    RecordProgress,
)
from actors.core.commands.verbs import (
    CancelInvocation,
    KillInvocation,
    PauseInvocation,
    PurgeInvocations,
    ResolvedCancel,
    ResolvedRestart,
    ResolvedResume,
    RestartInvocation,
    ResumeInvocation,
    SignalInvocation,
)
from actors.core.commands.work import (
    Attach,
    CompleteCall,
    CompleteVerb,
    FireTimer,
    Invoke,
    ResolvedInvoke,
    RetryAttempt,
    StartDue,
    StartWaiting,
    TransferCall,
    WithdrawCall,
)

Command: TypeAlias = (
    Invoke
    | StartDue
    | StartWaiting
    | FireTimer
    | RetryAttempt
    | CompleteCall
    | CompleteVerb
    | Attach
    | CancelInvocation
    | KillInvocation
    | PauseInvocation
    | ResumeInvocation
    | SignalInvocation
    | PurgeInvocations
    | RestartInvocation
    | TransferCall
    | WithdrawCall
    | RecordProgress
    | FinishAttempt
    | FailAttempt
    | PauseAttempt
    | CompleteStep
    | FailStep
    | AbortStep
    | EmitOutput
    | FinishDrain
)


Decidable: TypeAlias = Command | ResolvedInvoke | ResolvedCancel | ResolvedResume | ResolvedRestart
"""The commands that ``decide`` accepts. It refuses an invoke, a cancel, a resume or a restart that is not resolved: only the processor
of the object knows the class, the gates, the registered code and the history."""
