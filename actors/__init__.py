"""Durable virtual objects for trio, with a remote control.

What is exported here is promised; the modules below are not. What needs an event loop or a disk is imported when it is first
used, so that importing this costs little.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

_found = importlib.util.find_spec("playhead")
_folders = [os.path.realpath(folder) for folder in (_found and _found.submodule_search_locations) or ()]
_own = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "playhead")
if _found is not None and _own not in _folders:  # a script or a folder of the user's, which must not be run by this
    raise ImportError(
        f"{_found.origin or _folders[0]} hides playhead's own package 'playhead': rename it, or start Python from another folder"
    )

from playhead.packages import check_packages

check_packages()  # first: the imports below would fail on a user's journal.py without saying so

from actors.errors import (
    ActorError,
    AlreadyCompletedError,
    BlockedLoopError,
    BrokenDeploymentError,
    CallTooDeepError,
    Cancelled,
    CancelledError,
    DeadlockError,
    DefinitionError,
    DeploymentInUseError,
    DeploymentTooLargeError,
    FieldMisuseError,
    ForbiddenError,
    HistoryGoneError,
    IdempotencyConflictError,
    IncompatibleError,
    InsideStepError,
    InternalError,
    InvalidArgumentError,
    InvalidKeyError,
    InvalidQueryError,
    InvalidScopeError,
    InvocationCancelledError,
    InvocationKilledError,
    InvocationPausedError,
    KeyCollisionError,
    KeyHeldError,
    MailboxFullError,
    NoLongerFitsError,
    NonDeterminismError,
    NonDurableAwaitError,
    NotCompletedError,
    NotPossibleError,
    ObjectSetAsideError,
    OutsideHandlerError,
    PayloadTooLargeError,
    QueryTooLargeError,
    QueryTooSlowError,
    Refused,
    SignalBufferFullError,
    StepFailedError,
    StepLostError,
    StepOutcomeUnknownError,
    StepTimeoutError,
    StillOpenError,
    StillRunningError,
    TerminalError,
    TooManyDeploymentsError,
    TooManyGatesError,
    TooManyItemsError,
    TooSlowError,
    UnauthorizedError,
    UnavailableError,
    UnknownDeploymentError,
    UnknownFieldError,
    UnknownFileError,
    UnknownHandlerError,
    UnknownInvocationError,
    UnknownJobError,
    UnknownOutcomeError,
    UnknownServiceError,
    UnknownStepError,
    UnserializableError,
    VersionConflictError,
)
from actors.model.classes import Actor, Service, Workflow
from actors.model.fields import Log, Map, field
from actors.model.handler_log import logger
from actors.model.handlers import handler, shared
from actors.model.handles import InvocationHandle, Restarted
from actors.model.verbs import (
    actor,
    current_invocation,
    current_time,
    emit,
    fail_after,
    fail_at,
    invocation,
    move_on_after,
    move_on_at,
    open_nursery,
    patched,
    random,
    run,
    service,
    signal,
    sleep,
    sleep_until,
    step,
    step_key,
    suspending,
    uuid4,
    workflow,
    workflow_id,
)
from actors.replay.scopes import CancelScope, Nursery
from actors.values import converter
from actors.values.limits import Limits
from actors.values.retries import RetryPolicy
from journal.errors import MalformedIdError
from journal.events import Answer, OutcomeKind, Status
from journal.ids import InvocationId

if TYPE_CHECKING:
    from actors.control.client import Client
    from actors.control.deployments import DeploymentClient
    from actors.control.gates import GateClient
    from actors.control.jobs import JobClient, JobHandle, Selection
    from actors.control.objects import ObjectHandle
    from actors.core.gates import GateState, Scope, ScopeKind
    from actors.core.jobs import ItemResult, JobState, JobVerb
    from actors.http.client.backend import connect
    from actors.model.checks import CheckReport, CheckSummary
    from actors.model.deployment_info import CodeFile, DeploymentInfo
    from actors.model.edit import Edited
    from actors.model.explain import Reason, Waiting
    from actors.model.history import JournalEntry
    from actors.model.info import GateAnswer, GateInfo, InvocationInfo
    from actors.model.job_info import JobInfo, JobItem, JobItems, JobPreview
    from actors.model.object_info import FieldChange, ItemInfo, ObjectInfo, ObjectName
    from actors.model.output import OutputChunk
    from actors.query.sql.result import QueryResult
    from actors.runtime import Runtime, collect_garbage_rarely, open_runtime

_LATER = {
    "Client": "actors.control.client",
    "CodeFile": "actors.model.deployment_info",
    "Edited": "actors.model.edit",
    "CheckReport": "actors.model.checks",
    "CheckSummary": "actors.model.checks",
    "DeploymentClient": "actors.control.deployments",
    "DeploymentInfo": "actors.model.deployment_info",
    "FieldChange": "actors.model.object_info",
    "GateAnswer": "actors.model.info",
    "GateClient": "actors.control.gates",
    "GateInfo": "actors.model.info",
    "GateState": "actors.core.gates",
    "InvocationInfo": "actors.model.info",
    "ItemInfo": "actors.model.object_info",
    "ItemResult": "actors.core.jobs",
    "JobClient": "actors.control.jobs",
    "JobHandle": "actors.control.jobs",
    "JobInfo": "actors.model.job_info",
    "JobItem": "actors.model.job_info",
    "JobItems": "actors.model.job_info",
    "JobPreview": "actors.model.job_info",
    "JobState": "actors.core.jobs",
    "JobVerb": "actors.core.jobs",
    "JournalEntry": "actors.model.history",
    "OutputChunk": "actors.model.output",
    "ObjectHandle": "actors.control.objects",
    "ObjectInfo": "actors.model.object_info",
    "ObjectName": "actors.model.object_info",
    "QueryResult": "actors.query.sql.result",
    "Reason": "actors.model.explain",
    "Runtime": "actors.runtime",
    "Scope": "actors.core.gates",
    "ScopeKind": "actors.core.gates",
    "Selection": "actors.control.jobs",
    "Waiting": "actors.model.explain",
    "collect_garbage_rarely": "actors.runtime",
    "connect": "actors.http.client.backend",
    "open_runtime": "actors.runtime",
}


def __getattr__(name: str) -> object:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module 'actors' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(module), name)
    globals()[name] = value
    return value


__all__ = [
    "Actor",
    "ActorError",
    "AlreadyCompletedError",
    "Answer",
    "BlockedLoopError",
    "BrokenDeploymentError",
    "CallTooDeepError",
    "CancelScope",
    "Cancelled",
    "CancelledError",
    "CheckReport",
    "CheckSummary",
    "Client",
    "CodeFile",
    "DeadlockError",
    "DefinitionError",
    "DeploymentClient",
    "DeploymentInUseError",
    "DeploymentInfo",
    "DeploymentTooLargeError",
    "Edited",
    "FieldChange",
    "FieldMisuseError",
    "ForbiddenError",
    "GateAnswer",
    "GateClient",
    "GateInfo",
    "GateState",
    "HistoryGoneError",
    "IdempotencyConflictError",
    "IncompatibleError",
    "InsideStepError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidKeyError",
    "InvalidQueryError",
    "InvalidScopeError",
    "InvocationCancelledError",
    "InvocationHandle",
    "InvocationId",
    "InvocationInfo",
    "InvocationKilledError",
    "InvocationPausedError",
    "ItemInfo",
    "ItemResult",
    "JobClient",
    "JobHandle",
    "JobInfo",
    "JobItem",
    "JobItems",
    "JobPreview",
    "JobState",
    "JobVerb",
    "JournalEntry",
    "KeyCollisionError",
    "KeyHeldError",
    "Limits",
    "Log",
    "MailboxFullError",
    "MalformedIdError",
    "Map",
    "NoLongerFitsError",
    "NonDeterminismError",
    "NonDurableAwaitError",
    "NotCompletedError",
    "NotPossibleError",
    "Nursery",
    "ObjectHandle",
    "ObjectInfo",
    "ObjectName",
    "ObjectSetAsideError",
    "OutcomeKind",
    "OutputChunk",
    "OutsideHandlerError",
    "PayloadTooLargeError",
    "QueryResult",
    "QueryTooLargeError",
    "QueryTooSlowError",
    "Reason",
    "Refused",
    "Restarted",
    "RetryPolicy",
    "Runtime",
    "Scope",
    "ScopeKind",
    "Selection",
    "Service",
    "SignalBufferFullError",
    "Status",
    "StepFailedError",
    "StepLostError",
    "StepOutcomeUnknownError",
    "StepTimeoutError",
    "StillOpenError",
    "StillRunningError",
    "TerminalError",
    "TooManyDeploymentsError",
    "TooManyGatesError",
    "TooManyItemsError",
    "TooSlowError",
    "UnauthorizedError",
    "UnavailableError",
    "UnknownDeploymentError",
    "UnknownFieldError",
    "UnknownFileError",
    "UnknownHandlerError",
    "UnknownInvocationError",
    "UnknownJobError",
    "UnknownOutcomeError",
    "UnknownServiceError",
    "UnknownStepError",
    "UnserializableError",
    "VersionConflictError",
    "Waiting",
    "Workflow",
    "actor",
    "collect_garbage_rarely",
    "connect",
    "converter",
    "current_invocation",
    "current_time",
    "emit",
    "fail_after",
    "fail_at",
    "field",
    "handler",
    "invocation",
    "logger",
    "move_on_after",
    "move_on_at",
    "open_nursery",
    "open_runtime",
    "patched",
    "random",
    "run",
    "service",
    "shared",
    "signal",
    "sleep",
    "sleep_until",
    "step",
    "step_key",
    "suspending",
    "uuid4",
    "workflow",
    "workflow_id",
]
