"""The requests that only a running engine can carry out: a data directory at rest refuses each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.control.offline.notifications import OfflineNotifications
from actors.control.offline.schedules import OfflineSchedules

if TYPE_CHECKING:
    from actors.control.backend import Sent
    from actors.core.deployments import DeploymentChange
    from actors.core.gates import GateScope
    from actors.core.jobs import Choice, JobSpec
    from actors.model.control_options import EditOptions, GateOptions
    from actors.model.edit import EditResult
    from actors.model.gate_info import GateAnswer
    from actors.model.handles import InvocationHandle
    from actors.model.job_info import JobPreview
    from actors.model.limit_info import LimitAnswer, LimitOptions
    from actors.model.node_info import NodeAnswer, NodeInfo
    from actors.model.object_info import ObjectDeletion
    from actors.model.requests import CallOptions, Request
    from actors.model.verb_options import VerbOptions
    from actors.query.changes import ChangeSet
    from journal.events import ControlResult, Outcome, Target
    from journal.ids import InvocationId


class OfflineRefusals(OfflineSchedules, OfflineNotifications):
    """Refuses calls, messages, verbs, edits, gates, limits, jobs, the change feed and moves of deployments."""

    async def call(self, request: Request) -> Any:
        self.refuse(f"a call of {request.target}")

    async def send(self, request: Request) -> InvocationHandle[Any]:
        self.refuse(f"a message to {request.target}")

    async def call_by_name(self, target: Target, argument: bytes, options: CallOptions) -> tuple[InvocationId, Outcome]:
        self.refuse(f"a call of {target}")

    async def send_by_name(self, target: Target, argument: bytes, options: CallOptions) -> Sent:
        self.refuse(f"a message to {target}")

    async def execute(
        self, of: InvocationId, options: VerbOptions, idempotency_key: str | None = None
    ) -> ControlResult:
        self.refuse(f"a verb for {of}")

    async def edit_object(
        self, service: str, key: str, options: EditOptions, idempotency_key: str | None
    ) -> EditResult:
        self.refuse(f"an edit of {service}/{key}")

    async def delete_object(self, service: str, key: str, reason: str) -> ObjectDeletion:
        self.refuse(f"the deletion of {service}/{key}")

    async def changes(self, after: int | None, wait: float) -> ChangeSet:
        self.refuse("the change feed")

    async def close_gate(self, scope: GateScope, options: GateOptions) -> GateAnswer:
        self.refuse("closing a gate")

    async def open_gate(self, scope: GateScope, reason: str) -> GateAnswer:
        self.refuse("opening a gate")

    async def set_limit(self, scope: str, options: LimitOptions) -> LimitAnswer:
        self.refuse("setting a limit")

    async def delete_limit(self, scope: str, reason: str) -> LimitAnswer:
        self.refuse("deleting a limit")

    async def list_nodes(self) -> tuple[NodeInfo, ...]:
        self.refuse("the list of nodes")

    async def drain_node(self, node: str, reason: str) -> NodeAnswer:
        self.refuse("draining a node")

    async def undrain_node(self, node: str, reason: str) -> NodeAnswer:
        self.refuse("undraining a node")

    async def move_partition(self, partition: int, node: str, reason: str) -> NodeAnswer:
        self.refuse("moving a partition")

    async def make_latest(self, deployment: str, reason: str) -> DeploymentChange:
        self.refuse("moving latest")

    async def prune_deployment(self, deployment: str, reason: str) -> DeploymentChange:
        self.refuse("pruning a deployment")

    async def preview_job(self, choice: Choice, sample: int) -> JobPreview:
        self.refuse("a job")

    async def start_job(self, spec: JobSpec, idempotency_key: str | None) -> str:
        self.refuse("a job")

    async def cancel_job(self, job: str, reason: str) -> ControlResult:
        self.refuse("cancelling a job")
