"""The errors of this package, one class for each reaction of a caller. All of them are public API.

Programs compare ``code``, which never changes its meaning; messages are for people. ``kind`` is the kind of resource that was not
found, ``limit`` the limit that was exceeded, ``reason`` the rule that a definition breaks. Codes are sent over HTTP, and are recorded in the audit log and
in the items of jobs::

    try:
        await client.invocation(id).purge()
    except actors.ConflictError as error:
        if error.code is not ErrorCode.NOT_COMPLETED:
            raise

There are four bases: a :class:`TerminalError` ends the handler that does not catch it, a :class:`RefusedError` changed
nothing, any other :class:`ActorError` is retried or pauses the invocation, and a :class:`JournalError` is about the store on disk: a data
directory that cannot be opened, or data that cannot be read or written. The HTTP server and the command line map each code to a status
and an exit code.
"""

from __future__ import annotations

from typing import Any  # noqa: F401  # the annotations of the classes are resolved here, as their module says

from actors.errors.base import ActorError, TerminalError
from actors.errors.cancellations import AttemptEnded, Cancelled, CancelledError, Interruption
from actors.errors.codes import DefinitionReason, ResourceKind
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
    UpdateLostError,
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
from journal.error_codes import ErrorCode
from journal.errors import (
    ChangesMissing,
    CopyOfNode,
    CorruptRecord,
    Damaged,
    DamagedOutput,
    DirectoryLost,
    DirectoryNotEmpty,
    DiskFull,
    JournalError,
    LogDiverged,
    LogTrimmed,
    MalformedAddress,
    MalformedIdError,
    StoreDamaged,
    StoreError,
    StoreExists,
    StoreFailed,
    StoreFormat,
    StoreInUse,
    StoreMissing,
    WrongStore,
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
    "ChangesMissing",
    "CircleLink",
    "ConflictError",
    "CopyOfNode",
    "CorruptRecord",
    "Damaged",
    "DamagedOutput",
    "DeadlockError",
    "DefinitionError",
    "DefinitionReason",
    "DirectoryLost",
    "DirectoryNotEmpty",
    "DiskFull",
    "ErrorCode",
    "FieldMisuseError",
    "IncompatibleError",
    "InternalError",
    "Interruption",
    "InvalidArgumentError",
    "InvocationCancelledError",
    "InvocationPausedError",
    "JournalError",
    "LimitExceededError",
    "LogDiverged",
    "LogTrimmed",
    "MalformedAddress",
    "MalformedIdError",
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
    "StoreDamaged",
    "StoreError",
    "StoreExists",
    "StoreFailed",
    "StoreFormat",
    "StoreInUse",
    "StoreMissing",
    "TerminalError",
    "TooSlowError",
    "UnavailableError",
    "UnknownOutcomeError",
    "UnserializableError",
    "UpdateLostError",
    "WrongStore",
]

for _name in __all__:
    globals()[_name].__module__ = __name__  # failures are recorded, and tracebacks shown, under the promised name
