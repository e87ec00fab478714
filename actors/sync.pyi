# Written by `python -m tests.typing.stubs` from the async classes; do not edit.
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from opentelemetry.sdk.trace.export import SpanExporter

from actors.cluster.options import ClusterOptions
from actors.control.backend import Sent
from actors.core.deployments import DeploymentChange
from actors.core.gates import GateScope
from actors.core.jobs import Choice, JobVerb
from actors.core.notifications import NoticeKind, NotificationChange, PostResult
from actors.core.schedules import MissedPolicy, OverlapPolicy, ScheduleChange, TriggeredRun
from actors.environment import Environment
from actors.http.server_options import ServeOptions
from actors.model.blocking_handles import InvocationHandle as InvocationHandle
from actors.model.blocking_references import BlockingHandler as BlockingHandler
from actors.model.checks import CheckSummary
from actors.model.classes import Actor, Service, Workflow
from actors.model.deployment_info import CodeFile, DeploymentInfo
from actors.model.edit import EditResult
from actors.model.gate_info import GateAnswer, GateInfo
from actors.model.info import InvocationInfo, OutcomeInfo
from actors.model.job_info import JobInfo, JobItem, JobItems, JobPreview
from actors.model.limit_info import LimitAnswer, LimitInfo
from actors.model.node_info import NodeAnswer, NodeInfo
from actors.model.notification_info import NotificationInfo
from actors.model.notification_options import NotificationOptions
from actors.model.object_info import FieldChange, ItemInfo, ObjectDeletion, ObjectInfo, ObjectName
from actors.model.pages import Page
from actors.model.requests import CallOptions
from actors.model.schedule_info import ScheduleInfo
from actors.model.schedule_options import ScheduleOptions
from actors.model.service_info import ServiceInfo
from actors.model.verb_options import VerbOptions
from actors.query.audit import AuditCheck, AuditEntry, AuditPage
from actors.query.changes import ChangeSet
from actors.query.sql.result import Parameters, QueryResult
from actors.query.unserved import UnservedClass
from actors.runtime import CodeOf
from actors.values.amounts import Amount
from actors.values.arguments import Instant, Seconds
from actors.values.limits import Limits
from actors.values.snapshot import Snapshot
from journal.events import Children, ControlResult, PauseMode, Status, Stop, Target
from journal.ids import InvocationId
from journal.kv.store import Durability
from journal.log.protocol import Journal

A = TypeVar("A", bound="Actor")
S = TypeVar("S", bound="Service")
W = TypeVar("W", bound="Workflow")

class Client:
    @property
    def runtime_limits(self) -> Limits: ...
    def actor(self, cls: type[A], key: str) -> type[A]: ...
    def service(self, cls: type[S]) -> type[S]: ...
    def workflow(self, cls: type[W], key: str) -> type[W]: ...
    def invocation(self, of: InvocationId | str) -> InvocationHandle[Any]: ...
    def call(
        self,
        target: str | Target,
        argument: Any = ...,
        *,
        idempotency_key: str | None = None,
        timeout: Seconds | None = None,
        tags: Mapping[str, str] | None = None,
        max_duration: Seconds | None = None,
        budget: Mapping[str, Amount] | None = None,
    ) -> Any: ...
    def send(
        self,
        target: str | Target,
        argument: Any = ...,
        *,
        idempotency_key: str | None = None,
        delay: Seconds | None = None,
        tags: Mapping[str, str] | None = None,
        max_duration: Seconds | None = None,
        budget: Mapping[str, Amount] | None = None,
        debounce: str | None = None,
        max_delay: Seconds | None = None,
    ) -> InvocationHandle[Any]: ...
    def call_by_name(
        self, target: Target, argument: bytes = b"", options: CallOptions = ...
    ) -> tuple[InvocationId, OutcomeInfo]: ...
    def send_by_name(self, target: Target, argument: bytes = b"", options: CallOptions = ...) -> Sent: ...
    def execute(
        self, of: InvocationId, options: VerbOptions, *, idempotency_key: str | None = None
    ) -> ControlResult: ...
    @property
    def gates(self) -> GateClient: ...
    @property
    def limits(self) -> LimitClient: ...
    @property
    def cluster(self) -> ClusterClient: ...
    @property
    def deployments(self) -> DeploymentClient: ...
    @property
    def jobs(self) -> JobClient: ...
    @property
    def schedules(self) -> ScheduleClient: ...
    @property
    def notifications(self) -> NotificationClient: ...
    def object(self, cls: type[Actor | Workflow] | str, key: str) -> ObjectHandle: ...
    def services(self, *, system: bool = False) -> tuple[ServiceInfo, ...]: ...
    def invocations(
        self,
        *,
        status: Iterable[Status] | None = None,
        service: str | None = None,
        key: str | None = None,
        handler: str | None = None,
        where: str | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int = 100,
        after: str | None = None,
        system: bool = False,
    ) -> Page[InvocationInfo]: ...
    def all_invocations(
        self,
        *,
        status: Iterable[Status] | None = None,
        service: str | None = None,
        key: str | None = None,
        handler: str | None = None,
        where: str | None = None,
        tags: Mapping[str, str] | None = None,
        system: bool = False,
    ) -> Iterator[InvocationInfo]: ...
    def objects(
        self, service: str | None = None, *, begin: str = "", limit: int = 100, after: str | None = None
    ) -> Page[ObjectName]: ...
    def all_objects(self, service: str | None = None, *, begin: str = "") -> Iterator[ObjectName]: ...
    def query(self, sql: str, parameters: Parameters = ...) -> QueryResult: ...
    def audit(
        self,
        *,
        by: str | None = None,
        verb: str | None = None,
        target: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> AuditPage: ...
    def audit_entries(
        self, *, by: str | None = None, verb: str | None = None, target: str | None = None
    ) -> Iterator[AuditEntry]: ...
    def changes(self, after: int | None = None, *, wait: Seconds = 0.0) -> ChangeSet: ...
    def verify_audit(self) -> AuditCheck: ...
    def check(
        self,
        *,
        deployment: str = "latest",
        app: str | os.PathLike[str] | Snapshot | None = None,
        where: str | None = None,
        status: Iterable[Status] | None = None,
        service: str | None = None,
        key: str | None = None,
        handler: str | None = None,
        limit: int = ...,
    ) -> CheckSummary: ...
    def within(self, timeout: Seconds | None) -> Client: ...
    def close(self) -> None: ...
    def __enter__(self) -> Client: ...
    def __exit__(self, *_: Any) -> None: ...

class ClusterClient:
    def nodes(self) -> tuple[NodeInfo, ...]: ...
    def drain(self, node: str, *, reason: str = "") -> NodeAnswer: ...
    def undrain(self, node: str, *, reason: str = "") -> NodeAnswer: ...
    def move(self, partition: int, node: str, *, reason: str = "") -> NodeAnswer: ...

class DeploymentClient:
    def list(self) -> tuple[DeploymentInfo, ...]: ...
    def get(self, deployment: str) -> DeploymentInfo: ...
    def files(self, deployment: str) -> tuple[CodeFile, ...]: ...
    def read(self, deployment: str, path: str) -> CodeFile: ...
    def make_latest(self, deployment: str, *, reason: str = "") -> DeploymentChange: ...
    def prune(self, deployment: str, *, reason: str = "") -> DeploymentChange: ...

class GateClient:
    def close(self, scope: str | GateScope, *, mode: str | PauseMode = ..., reason: str = "") -> GateAnswer: ...
    def open(self, scope: str | GateScope, *, reason: str = "") -> GateAnswer: ...
    def list(self) -> tuple[GateInfo, ...]: ...

class JobClient:
    def where(self, predicate: str, *, limit: int | None = None, rate: float | None = None) -> JobSelection: ...
    def of(
        self, ids: Iterable[InvocationId | str], *, limit: int | None = None, rate: float | None = None
    ) -> JobSelection: ...
    def refused_by(self, job: str, *, limit: int | None = None, rate: float | None = None) -> JobSelection: ...
    def chosen(self, choice: Choice, *, limit: int | None = None, rate: float | None = None) -> JobSelection: ...
    def list(self, *, limit: int = 20, after: str | None = None) -> Page[JobInfo]: ...
    def all(self) -> Iterator[JobInfo]: ...
    def job(self, job: str) -> JobHandle: ...

class JobHandle:
    id: str
    def info(self) -> JobInfo: ...
    def result(self) -> JobInfo: ...
    def cancel(self, *, reason: str = "") -> ControlResult: ...
    def page(self, *, after: int = 0) -> JobItems: ...
    def items(self) -> Iterator[JobItem]: ...

class JobSelection:
    def preview(self, *, sample: int = 10) -> JobPreview: ...
    def cancel(
        self, *, reason: str = "", children: str | Children = ..., kill_after: Seconds | None = None
    ) -> JobHandle: ...
    def kill(self, *, reason: str = "") -> JobHandle: ...
    def pause(self, *, reason: str = "", mode: str | PauseMode = ...) -> JobHandle: ...
    def resume(self, *, reason: str = "", deployment: str = ..., check: bool = True) -> JobHandle: ...
    def restart(
        self,
        from_step: str | None = None,
        *,
        reason: str = "",
        stop: str | Stop | None = None,
        rewind_state: bool = False,
        hand_over: bool = True,
        again: bool = False,
        deployment: str = ...,
        check: bool = True,
    ) -> JobHandle: ...
    def signal(self, name: str, value: Any = None, *, error: str | None = None) -> JobHandle: ...
    def reschedule(self, *, at: Instant | None = None, delay: Seconds | None = None, reason: str = "") -> JobHandle: ...
    def purge(self) -> JobHandle: ...
    def ask(self, options: VerbOptions) -> JobHandle: ...
    def start(
        self, verb: str | JobVerb, options: dict[str, Any], *, idempotency_key: str | None = None
    ) -> JobHandle: ...

class LimitClient:
    def set(
        self,
        scope: str,
        *,
        concurrency: int | None = None,
        rate: int | None = None,
        period: Seconds = 60.0,
        budget: Mapping[str, Amount] | None = None,
        reason: str = "",
    ) -> LimitAnswer: ...
    def delete(self, scope: str, *, reason: str = "") -> LimitAnswer: ...
    def list(self) -> tuple[LimitInfo, ...]: ...

class ObjectHandle:
    def info(self, *, at: int | None = None) -> ObjectInfo: ...
    def items(self, field: str, *, at: int | None = None, start: str = "", limit: int = 100) -> Page[ItemInfo]: ...
    def history(
        self, field: str, *, after: int = 0, before: int | None = None, newest_first: bool = False, limit: int = 100
    ) -> list[FieldChange]: ...
    def edit(
        self,
        *,
        set: Mapping[str, Any] | None = None,
        clear: Iterable[str] = ...,
        items: Mapping[str, Mapping[str, Any]] | None = None,
        remove: Mapping[str, Iterable[str]] | None = None,
        if_version: int | None = None,
        queue: bool = False,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> EditResult: ...
    def delete(self, *, reason: str = "") -> ObjectDeletion: ...

class NotificationClient:
    def create(
        self,
        name: str,
        url: str,
        *,
        on: str | NoticeKind | Iterable[str | NoticeKind],
        service: str = "",
        key: str | None = None,
        handler: str = "",
        tags: Mapping[str, str] | None = None,
        note: str = "",
        reason: str = "",
    ) -> NotificationHandle: ...
    def create_with(self, name: str, options: NotificationOptions) -> NotificationChange: ...
    def list(self) -> tuple[NotificationInfo, ...]: ...
    def notification(self, name: str) -> NotificationHandle: ...
    def follow(
        self,
        *,
        on: str | NoticeKind | Iterable[str | NoticeKind],
        service: str = "",
        key: str | None = None,
        handler: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[InvocationInfo]: ...

class NotificationHandle:
    name: str
    secret: str
    def info(self) -> NotificationInfo: ...
    def test(self) -> PostResult: ...
    def update(self, *, reason: str = "", **changes: Any) -> NotificationChange: ...
    def replace(self, options: NotificationOptions) -> NotificationChange: ...
    def rotate(self, *, reason: str = "") -> NotificationChange: ...
    def delete(self, *, reason: str = "") -> NotificationChange: ...

class ScheduleClient:
    def create(
        self,
        name: str,
        target: str | Target,
        argument: Any = None,
        *,
        cron: str = "",
        every: Seconds | None = None,
        anchor: Instant | None = None,
        zone: str = "UTC",
        start_at: Instant | None = None,
        end_at: Instant | None = None,
        time_parameter: str = "",
        missed: str | MissedPolicy = ...,
        missed_limit: int = 100,
        overlap: str | OverlapPolicy = ...,
        note: str = "",
        reason: str = "",
    ) -> ScheduleHandle: ...
    def create_with(self, name: str, options: ScheduleOptions) -> ScheduleHandle: ...
    def list(self) -> tuple[ScheduleInfo, ...]: ...
    def schedule(self, name: str) -> ScheduleHandle: ...

class ScheduleHandle:
    name: str
    def info(self, *, count: int = 5) -> ScheduleInfo: ...
    def next(self, count: int = 10) -> tuple[float, ...]: ...
    def pause(self, *, reason: str = "") -> ScheduleChange: ...
    def resume(self, *, reason: str = "") -> ScheduleChange: ...
    def trigger(self, *, reason: str = "") -> TriggeredRun: ...
    def backfill(self, start: Instant, end: Instant, *, reason: str = "") -> int: ...
    def update(self, *, reason: str = "", **changes: Any) -> ScheduleChange: ...
    def replace(self, options: ScheduleOptions, *, if_revision: int | None = None) -> ScheduleChange: ...
    def delete(self, *, reason: str = "") -> ScheduleChange: ...

def connect(
    url: str | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    token: str | None = None,
    user: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    answer_timeout: Seconds = 30.0,
    timeout: Seconds | None = None,
) -> Client: ...

class Runtime:
    @property
    def client(self) -> Client: ...
    @property
    def url(self) -> str | None: ...
    @property
    def unserved(self) -> tuple[UnservedClass, ...]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Runtime: ...
    def __exit__(self, *_: Any) -> None: ...

def open_runtime(
    *classes: type,
    path: str | os.PathLike[str] | None = None,
    journal: Journal | None = None,
    cluster: str | ClusterOptions | None = None,
    durability: str | Durability = ...,
    partitions: int | None = None,
    limits: Limits = ...,
    retention: Seconds = ...,
    environment: Environment | None = None,
    paused: bool = False,
    fail_fast: bool = False,
    drain: Seconds = ...,
    code: str | os.PathLike[str] | Snapshot | CodeOf | None = ...,
    on_load: Callable[[str, Any], object] | None = None,
    serve: str | ServeOptions | None = None,
    public_url: str | None = None,
    socket: bool = True,
    telemetry: str | SpanExporter | None = None,
) -> Runtime: ...
