"""The one protocol between the remote control and a runtime.

::

    Client ── GateClient, LimitClient, JobClient, ScheduleClient, NotificationClient, DeploymentClient, ObjectHandle,
              InvocationHandle
       │
    Backend ─┬─ LocalBackend     the engine of this process
             ├─ HttpBackend      a server, over a connection
             └─ OfflineBackend   a data directory at rest: reads only

A backend gets checked arguments and answers with public records. Clients and handles check user arguments before they call it;
the backend makes the checks that need the code or the state. So all three backends give the same answer, or raise an error of the
same type.

A change is durable when its method returns: the runtime has committed the events and their audit row. If a method raises
:class:`actors.UnavailableError` or :class:`actors.UnknownOutcomeError`, the change may have happened; repeated under the same
idempotency key it happens once. Every other ``RefusedError`` means that nothing was changed. Reads are as of the last commit, or
later.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import attrs

from actors.model.handles import HandleBackend
from journal.ids import InvocationId

if TYPE_CHECKING:
    from actors.core.deployments import DeploymentChange
    from actors.core.gates import GateScope
    from actors.core.jobs import Choice, JobSpec
    from actors.core.notifications import NotificationChange, PostResult
    from actors.core.schedules import ScheduleChange, TriggeredRun
    from actors.model.checks import CheckSummary
    from actors.model.control_options import EditOptions, GateOptions
    from actors.model.deployment_info import CodeFile, DeploymentInfo
    from actors.model.edit import EditResult
    from actors.model.gate_info import GateAnswer, GateInfo
    from actors.model.info import InvocationInfo
    from actors.model.job_info import JobInfo, JobItems, JobPreview
    from actors.model.limit_info import LimitAnswer, LimitInfo, LimitOptions
    from actors.model.listing import Listing
    from actors.model.node_info import NodeAnswer, NodeInfo
    from actors.model.notification_info import NotificationInfo
    from actors.model.notification_options import NotificationOptions
    from actors.model.object_info import FieldChange, ItemInfo, ObjectDeletion, ObjectInfo, ObjectName
    from actors.model.pages import Page
    from actors.model.requests import CallOptions
    from actors.model.schedule_info import ScheduleInfo
    from actors.model.schedule_options import BackfillOptions, ScheduleOptions
    from actors.model.service_info import ServiceInfo
    from actors.query.audit import AuditCheck, AuditPage, AuditQuery
    from actors.query.changes import ChangeSet
    from actors.query.sql.result import Parameters, QueryResult
    from actors.values.limits import Limits
    from actors.values.snapshot import Snapshot
    from journal.events import ControlResult, Outcome, Target


@attrs.frozen(kw_only=True)
class Sent:
    """The result of a send: the id of the invocation, and whether it is new."""

    invocation_id: InvocationId
    is_new: bool


class Backend(HandleBackend, Protocol):
    """The operations of a runtime that a client uses. Those for one invocation are in :class:`HandleBackend`."""

    # Calls.

    @property
    def limits(self) -> Limits:
        """The limits of the runtime that this client knows."""
        ...

    async def call_by_name(self, target: Target, argument: bytes, options: CallOptions) -> tuple[InvocationId, Outcome]:
        """Call a handler with a JSON argument, and wait for the end of the invocation.

        The call is durable before it begins to wait. Raises :class:`actors.NotFoundError`, :class:`actors.InvalidArgumentError`, :class:`actors.LimitExceededError`,
        :class:`actors.ConflictError`; :class:`actors.TooSlowError` after the timeout.
        """
        ...

    async def send_by_name(self, target: Target, argument: bytes, options: CallOptions) -> Sent:
        """Send a message with a JSON argument; it is durable on return. Raises as :meth:`call_by_name`."""
        ...

    # Reading.

    async def find(self, listing: Listing) -> Page[InvocationInfo]:
        """Return a page of the newest invocations that match. Raises :class:`actors.InvalidArgumentError` and
        :class:`actors.LimitExceededError`.
        """
        ...

    async def services(self, *, system: bool = False) -> tuple[ServiceInfo, ...]:
        """Return the classes that are served, and those that only have stored objects. ``system`` adds the built-in
        ones.
        """
        ...

    async def query(self, sql: str, parameters: Parameters) -> QueryResult:
        """Run one SELECT as of one moment and return its result.

        Raises :class:`actors.InvalidArgumentError`, :class:`actors.LimitExceededError`.
        """
        ...

    async def audit(self, query: AuditQuery) -> AuditPage:
        """Return a page of the audit log, newest first. Raises :class:`actors.InvalidArgumentError` for an invalid
        cursor.
        """
        ...

    async def verify_audit(self) -> AuditCheck:
        """Verify the hash chain of the audit log from its first row."""
        ...

    async def changes(self, after: int | None, wait: float) -> ChangeSet:
        """Return the changes after a position, waiting up to ``wait`` seconds if there are none."""
        ...

    # Objects.

    async def object_names(
        self, service: str | None, after: ObjectName | None, limit: int, begin: str
    ) -> Page[ObjectName]:
        """List keyed objects that have been used, by service and key: those after the object ``after`` whose keys begin
        with ``begin``.
        """
        ...

    async def object_info(self, service: str, key: str, at: int | None) -> ObjectInfo:
        """Return an object now, or after event ``at`` of its log.

        Raises :class:`actors.NotFoundError`, :class:`actors.InvalidArgumentError`.
        """
        ...

    async def object_items(
        self, service: str, key: str, field: str, *, at: int | None, start: str, limit: int
    ) -> Page[ItemInfo]:
        """List items of a log from position ``start``, or of a map after the key ``start``."""
        ...

    async def field_history(
        self, service: str, key: str, field: str, *, after: int, before: int | None, newest_first: bool, limit: int
    ) -> list[FieldChange]:
        """Return the past values of a field, as far as they are retained. Raises as :meth:`object_items`."""
        ...

    async def edit_object(
        self, service: str, key: str, options: EditOptions, idempotency_key: str | None
    ) -> EditResult:
        """Change fields of an object, all of them or none; durable on return.

        Raises :class:`actors.ConflictError`, :class:`actors.NotFoundError`, :class:`actors.InvalidArgumentError`.
        """
        ...

    async def delete_object(self, service: str, key: str, reason: str) -> ObjectDeletion:
        """Delete an object with its ended invocations; durable on return.

        Raises :class:`actors.ConflictError`, :class:`actors.NotFoundError`, :class:`actors.LimitExceededError`.
        """
        ...

    # Checks.

    async def check_all(
        self, listing: Listing, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckSummary:
        """Replay all matching invocations on other code, without effects; see :meth:`HandleBackend.check`."""
        ...

    # Gates.

    async def close_gate(self, scope: GateScope, options: GateOptions) -> GateAnswer:
        """Hold every invocation in the scope. On return the gate is durable, and this runtime starts and resumes nothing in the
        scope.

        Raises :class:`actors.NotFoundError`, :class:`actors.InvalidArgumentError` and :class:`actors.LimitExceededError`.
        """
        ...

    async def open_gate(self, scope: GateScope, reason: str) -> GateAnswer:
        """Resume everything in the scope; durable on return. Raises as :meth:`close_gate`."""
        ...

    async def list_gates(self) -> tuple[GateInfo, ...]:
        """Return the closed gates, and the exceptions to them."""
        ...

    # Limits.

    async def set_limit(self, scope: str, options: LimitOptions) -> LimitAnswer:
        """Set the limit. On return it is durable, and in force in this runtime. Raises :class:`actors.LimitExceededError`."""
        ...

    async def delete_limit(self, scope: str, reason: str) -> LimitAnswer:
        """Delete the limit; durable on return."""
        ...

    async def list_limits(self) -> tuple[LimitInfo, ...]:
        """Return the limits by scope."""
        ...

    # Nodes.

    async def list_nodes(self) -> tuple[NodeInfo, ...]:
        """Return the living nodes by name. Raises :class:`actors.ConflictError` if the runtime is not a node of a cluster."""
        ...

    async def drain_node(self, node: str, reason: str) -> NodeAnswer:
        """Let a node own nothing; done on return. Raises :class:`actors.NotFoundError`, :class:`actors.ConflictError` and
        :class:`actors.TooSlowError`."""
        ...

    async def undrain_node(self, node: str, reason: str) -> NodeAnswer:
        """Let a node own partitions again. Raises :class:`actors.NotFoundError` and :class:`actors.ConflictError`."""
        ...

    async def move_partition(self, partition: int, node: str, reason: str) -> NodeAnswer:
        """Move a partition to a node; done on return. Raises as :meth:`drain_node`, and :class:`actors.InvalidArgumentError`."""
        ...

    # Deployments.

    async def list_deployments(self) -> tuple[DeploymentInfo, ...]:
        """Return the registered deployments, newest first."""
        ...

    async def get_deployment(self, deployment: str) -> DeploymentInfo:
        """Return a deployment. Raises :class:`actors.NotFoundError`."""
        ...

    async def list_code(self, deployment: str) -> tuple[CodeFile, ...]:
        """Return the files of a deployment's code by path, without their texts. Raises :class:`actors.NotFoundError`."""
        ...

    async def read_code(self, deployment: str, path: str) -> CodeFile:
        """Return one file of a deployment's code with its text. Raises :class:`actors.NotFoundError`."""
        ...

    async def make_latest(self, deployment: str, reason: str) -> DeploymentChange:
        """Let new invocations run on a deployment; durable on return.

        Raises :class:`actors.NotFoundError` and :class:`actors.errors.BrokenDeploymentError`.
        """
        ...

    async def prune_deployment(self, deployment: str, reason: str) -> DeploymentChange:
        """Delete a deployment and its code; durable on return.

        Raises :class:`actors.NotFoundError` and :class:`actors.ConflictError`.
        """
        ...

    # Jobs.

    async def preview_job(self, choice: Choice, sample: int) -> JobPreview:
        """Count the invocations that a job would select now, and return the number with ``sample`` of them.

        Raises :class:`actors.InvalidArgumentError` and :class:`actors.LimitExceededError`.
        """
        ...

    async def start_job(self, spec: JobSpec, idempotency_key: str | None) -> str:
        """Start a job and return its id once the job is durable. Raises as :meth:`preview_job`, and
        :class:`actors.ConflictError`.
        """
        ...

    async def list_jobs(self, limit: int, after: str | None) -> Page[JobInfo]:
        """Return a page of the retained jobs, newest first: those that follow the job ``after``."""
        ...

    async def job_info(self, job: str) -> JobInfo:
        """Return the state of a job. Raises :class:`actors.NotFoundError`."""
        ...

    async def await_job(self, job: str) -> JobInfo:
        """Wait until a job has ended and return its state. Raises :class:`actors.NotFoundError`."""
        ...

    async def cancel_job(self, job: str, reason: str) -> ControlResult:
        """Cancel a job; durable on return. Raises :class:`actors.NotFoundError`, :class:`actors.ConflictError`."""
        ...

    async def job_items(self, job: str, after: int) -> JobItems:
        """Return the page of a job's results that follows ``after``. Raises :class:`actors.NotFoundError`."""
        ...

    # Schedules.

    async def create_schedule(self, name: str, options: ScheduleOptions) -> ScheduleChange:
        """Create a schedule; durable on return. The same options again change nothing.

        Raises :class:`actors.InvalidArgumentError`, :class:`actors.NotFoundError`, :class:`actors.ConflictError` and
        :class:`actors.LimitExceededError`.
        """
        ...

    async def replace_schedule(self, name: str, options: ScheduleOptions, if_revision: int | None) -> ScheduleChange:
        """Change a schedule, if it still has this revision; durable on return. Raises as :meth:`create_schedule`."""
        ...

    async def list_schedules(self) -> tuple[ScheduleInfo, ...]:
        """Return all schedules, by name."""
        ...

    async def schedule_info(self, name: str, count: int) -> ScheduleInfo:
        """Return a schedule with its next ``count`` nominal times. Raises :class:`actors.NotFoundError`."""
        ...

    async def pause_schedule(self, name: str, reason: str) -> ScheduleChange:
        """Start no run until it is resumed; durable on return. Raises :class:`actors.NotFoundError`."""
        ...

    async def resume_schedule(self, name: str, reason: str) -> ScheduleChange:
        """Start runs again; durable on return. Raises :class:`actors.NotFoundError`."""
        ...

    async def trigger_schedule(self, name: str, reason: str) -> TriggeredRun:
        """Start a run now; durable on return. Raises :class:`actors.NotFoundError` and :class:`actors.ConflictError`."""
        ...

    async def backfill_schedule(self, name: str, options: BackfillOptions) -> int:
        """Plan a run for each nominal time of a past range, and return their number; durable on return.

        Raises :class:`actors.NotFoundError`, :class:`actors.InvalidArgumentError` and :class:`actors.LimitExceededError`.
        """
        ...

    async def delete_schedule(self, name: str, reason: str) -> ScheduleChange:
        """Delete a schedule; durable on return. Raises :class:`actors.NotFoundError`."""
        ...

    # Notifications.

    async def create_notification(self, name: str, options: NotificationOptions) -> NotificationChange:
        """Create a notification; durable and in force on return, with its secret if it is new. The same options again change
        nothing.

        Raises :class:`actors.InvalidArgumentError`, :class:`actors.ConflictError` and :class:`actors.LimitExceededError`.
        """
        ...

    async def replace_notification(self, name: str, options: NotificationOptions) -> NotificationChange:
        """Replace the options of a notification; durable on return. Raises :class:`actors.NotFoundError`."""
        ...

    async def rotate_notification(self, name: str, reason: str) -> NotificationChange:
        """Give a notification a new secret; durable on return. Raises :class:`actors.NotFoundError`."""
        ...

    async def list_notifications(self) -> tuple[NotificationInfo, ...]:
        """Return all notifications, by name."""
        ...

    async def notification_info(self, name: str) -> NotificationInfo:
        """Return a notification with its counts. Raises :class:`actors.NotFoundError`."""
        ...

    async def test_notification(self, name: str) -> PostResult:
        """Send a sample notice now, once. Raises :class:`actors.NotFoundError`."""
        ...

    async def delete_notification(self, name: str, reason: str) -> NotificationChange:
        """Delete a notification; durable on return. Raises :class:`actors.NotFoundError`."""
        ...
