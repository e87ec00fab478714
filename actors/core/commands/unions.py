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
    SuspendAttempt,
)
from actors.core.commands.verbs import (
    CancelInvocation,
    KillInvocation,
    PauseInvocation,
    PurgeInvocations,
    ResolvedRestart,
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
    | SuspendAttempt
    | CompleteStep
    | FailStep
    | AbortStep
    | EmitOutput
    | FinishDrain
)


Decidable: TypeAlias = Command | ResolvedInvoke | ResolvedRestart
"""What ``decide`` is given. It refuses an ``Invoke`` or a ``RestartInvocation`` that is not resolved: what the class declares and what
the history says is known only to the processor of the object."""
