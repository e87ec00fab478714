"""The types that public signatures and fields name, for annotations and comparisons.

::

    from actors.types import InvocationInfo, OutcomeKind

    def has_failed(info: InvocationInfo) -> bool:
        return info.outcome is not None and info.outcome.kind is OutcomeKind.FAILED
"""

from __future__ import annotations

from actors.cluster.options import ClusterOptions
from actors.control.backend import Sent
from actors.control.cluster import ClusterClient
from actors.control.deployments import DeploymentClient
from actors.control.gates import GateClient
from actors.control.jobs import JobClient, JobHandle, JobSelection
from actors.control.limits import LimitClient
from actors.control.notifications import NotificationClient, NotificationHandle
from actors.control.objects import ObjectHandle
from actors.control.schedules import ScheduleClient, ScheduleHandle
from actors.core.deployments import DeploymentChange
from actors.core.gates import GateScope, GateState, ScopeKind
from actors.core.jobs import ItemResult, JobState, JobVerb
from actors.core.limits import LimitWait, UsedUp
from actors.core.notifications import NoticeKind, NotificationChange, PostResult
from actors.core.output import OutputKind
from actors.core.schedules import (
    MissedPolicy,
    OverlapPolicy,
    RunCause,
    RunCounts,
    ScheduleChange,
    ScheduledRun,
    TriggeredRun,
)
from actors.errors import CircleLink
from actors.http.server_options import ServeOptions, ServerLimits
from actors.model.checks import (
    CheckReport,
    CheckSummary,
    Cohort,
    Divergence,
    FieldDifference,
    OperationCheck,
    OperationStatus,
    Verdict,
)
from actors.model.deployment_info import CodeFile, DeploymentInfo
from actors.model.edit import EditResult
from actors.model.explain import WaitCause, WaitReason
from actors.model.fields import FieldKind
from actors.model.gate_info import GateAnswer, GateInfo
from actors.model.handlers import Handler
from actors.model.history import JournalEntry
from actors.model.info import FailureInfo, InvocationInfo, OutcomeInfo
from actors.model.job_info import JobInfo, JobItem, JobItems, JobPreview
from actors.model.limit_info import LimitAnswer, LimitInfo
from actors.model.node_info import NodeAnswer, NodeInfo, NodeState
from actors.model.notification_info import NotificationInfo
from actors.model.object_info import FieldChange, ItemInfo, ObjectDeletion, ObjectInfo, ObjectName
from actors.model.output import Chunks, OutputChunk
from actors.model.pages import Page
from actors.model.references import BoundHandler
from actors.model.requests import CallOptions
from actors.model.restart_result import RestartResult
from actors.model.schedule_info import ScheduleInfo, ScheduleState
from actors.model.service_info import FieldInfo, HandlerInfo, ServiceInfo
from actors.model.signed_link import SignedLink
from actors.model.step_options import Redactor
from actors.model.verbs.questions import Question
from actors.model.verbs.scopes import FailingBlock
from actors.model.verbs.steps import Step
from actors.model.wait_info import CodeWait, KeyWait, StepPhase, WaitInfo
from actors.query.audit import AuditCheck, AuditEntry, AuditPage, ChainHead
from actors.query.changes import ChangedInvocation, ChangeSet
from actors.query.fsck.report import FsckFinding, FsckReport
from actors.query.sql.result import Parameters, QueryResult, Value
from actors.query.unserved import UnservedClass
from actors.replay.scopes import NurseryManager
from actors.runtime import CodeOf
from actors.system.lock_blocks import LockBlock
from actors.values.amounts import Amount
from actors.values.arguments import Instant, Seconds
from actors.values.retries import ErrorClasses, Exhausted
from actors.values.snapshot import Snapshot
from actors.values.webhook_schemes import WebhookScheme
from journal.events import (
    Caller,
    CallRef,
    Children,
    ControlResult,
    Failure,
    Kind,
    Lineage,
    Mode,
    OutcomeKind,
    PauseCause,
    PauseMode,
    StepRef,
    Stop,
    Successor,
    Target,
)
from journal.ids import StepId
from journal.kv.store import Durability

__all__ = [
    "Amount",
    "AuditCheck",
    "AuditEntry",
    "AuditPage",
    "BoundHandler",
    "CallOptions",
    "CallRef",
    "Caller",
    "ChainHead",
    "ChangeSet",
    "ChangedInvocation",
    "CheckReport",
    "CheckSummary",
    "Children",
    "Chunks",
    "CircleLink",
    "ClusterClient",
    "ClusterOptions",
    "CodeFile",
    "CodeOf",
    "CodeWait",
    "Cohort",
    "ControlResult",
    "DeploymentChange",
    "DeploymentClient",
    "DeploymentInfo",
    "Divergence",
    "Durability",
    "EditResult",
    "ErrorClasses",
    "Exhausted",
    "FailingBlock",
    "Failure",
    "FailureInfo",
    "FieldChange",
    "FieldDifference",
    "FieldInfo",
    "FieldKind",
    "FsckFinding",
    "FsckReport",
    "GateAnswer",
    "GateClient",
    "GateInfo",
    "GateScope",
    "GateState",
    "Handler",
    "HandlerInfo",
    "Instant",
    "InvocationInfo",
    "ItemInfo",
    "ItemResult",
    "JobClient",
    "JobHandle",
    "JobInfo",
    "JobItem",
    "JobItems",
    "JobPreview",
    "JobSelection",
    "JobState",
    "JobVerb",
    "JournalEntry",
    "KeyWait",
    "Kind",
    "LimitAnswer",
    "LimitClient",
    "LimitInfo",
    "LimitWait",
    "Lineage",
    "LockBlock",
    "MissedPolicy",
    "Mode",
    "NodeAnswer",
    "NodeInfo",
    "NodeState",
    "NoticeKind",
    "NotificationChange",
    "NotificationClient",
    "NotificationHandle",
    "NotificationInfo",
    "NurseryManager",
    "ObjectDeletion",
    "ObjectHandle",
    "ObjectInfo",
    "ObjectName",
    "OperationCheck",
    "OperationStatus",
    "OutcomeInfo",
    "OutcomeKind",
    "OutputChunk",
    "OutputKind",
    "OverlapPolicy",
    "Page",
    "Parameters",
    "PauseCause",
    "PauseMode",
    "PostResult",
    "QueryResult",
    "Question",
    "Redactor",
    "RestartResult",
    "RunCause",
    "RunCounts",
    "ScheduleChange",
    "ScheduleClient",
    "ScheduleHandle",
    "ScheduleInfo",
    "ScheduleState",
    "ScheduledRun",
    "ScopeKind",
    "Seconds",
    "Sent",
    "ServeOptions",
    "ServerLimits",
    "ServiceInfo",
    "SignedLink",
    "Snapshot",
    "Step",
    "StepId",
    "StepPhase",
    "StepRef",
    "Stop",
    "Successor",
    "Target",
    "TriggeredRun",
    "UnservedClass",
    "UsedUp",
    "Value",
    "Verdict",
    "WaitCause",
    "WaitInfo",
    "WaitReason",
    "WebhookScheme",
]
