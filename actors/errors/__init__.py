"""The errors of this package, one class for each thing that a caller can do about it. All of them are public API.

``code`` says what happened, and never changes its meaning: programs compare it, messages are for people. ``kind`` says
what was not found, ``limit`` which limit was exceeded. Codes are sent over HTTP, and are recorded in the audit log and
in the items of jobs::

    try:
        await client.invocation(id).purge()
    except actors.ConflictError as error:
        if error.code is not ErrorCode.NOT_COMPLETED:
            raise

The bases say whose part it is: a :class:`TerminalError` ends the handler that does not catch it, a :class:`RefusedError` changed
nothing, any other :class:`ActorError` is tried again, or pauses the invocation. How a code becomes an HTTP status or an exit code
is known where these are made.
"""

from __future__ import annotations

from typing import Any  # noqa: F401  # the annotations of the classes are resolved here, as their module says

from actors.errors.base import ActorError, TerminalError
from actors.errors.cancellations import AttemptEnded, Cancelled, CancelledError, Interruption
from actors.errors.codes import ErrorCode, ResourceKind
from actors.errors.outcomes import (
    BlockedLoopError,
    CircleLink,
    DeadlockError,
    InternalError,
    InvocationCancelledError,
    InvocationPausedError,
    SignalFailedError,
    StepFailedError,
    StepLostError,
    StepOutcomeUnknownError,
    StepTimeoutError,
    TooSlowError,
    UnknownOutcomeError,
    UnserializableError,
)
from actors.errors.programs import (
    DefinitionError,
    FieldMisuseError,
    MisuseError,
    NoLongerFitsError,
    NonDeterminismError,
)
from actors.errors.refusals import (
    AccessDeniedError,
    BrokenDeploymentError,
    ConflictError,
    IncompatibleError,
    InvalidArgumentError,
    LimitExceededError,
    MissingExtraError,
    NotFoundError,
    NotOwnerError,
    RefusedError,
    UnavailableError,
)
from journal.events import Status  # noqa: F401  # as above
from journal.ids import InvocationId  # noqa: F401  # as above

__all__ = [
    "AccessDeniedError",
    "ActorError",
    "AttemptEnded",
    "BlockedLoopError",
    "BrokenDeploymentError",
    "Cancelled",
    "CancelledError",
    "CircleLink",
    "ConflictError",
    "DeadlockError",
    "DefinitionError",
    "ErrorCode",
    "FieldMisuseError",
    "IncompatibleError",
    "InternalError",
    "Interruption",
    "InvalidArgumentError",
    "InvocationCancelledError",
    "InvocationPausedError",
    "LimitExceededError",
    "MissingExtraError",
    "MisuseError",
    "NoLongerFitsError",
    "NonDeterminismError",
    "NotFoundError",
    "NotOwnerError",
    "RefusedError",
    "ResourceKind",
    "SignalFailedError",
    "StepFailedError",
    "StepLostError",
    "StepOutcomeUnknownError",
    "StepTimeoutError",
    "TerminalError",
    "TooSlowError",
    "UnavailableError",
    "UnknownOutcomeError",
    "UnserializableError",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # failures are recorded, and tracebacks shown, under the promised name
