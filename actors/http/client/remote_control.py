"""Gates, objects, deployments, jobs, schedules and notifications of a server, over a connection."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs

from actors.core.deployments import DeploymentChange
from actors.errors import UnavailableError
from actors.http.client.connection import as_json, decoded, key_header, path_of
from actors.http.client.notifications import RemoteNotifications
from actors.http.client.schedules import RemoteSchedules
from actors.http.models import (
    AnswerModel,
    ChangeList,
    DeploymentList,
    EditedModel,
    FileList,
    GateList,
    ItemList,
    JobList,
    LimitList,
    NodeList,
    ObjectList,
)
from actors.model.checks import CheckReport, CheckSummary
from actors.model.deployment_info import CodeFile, DeploymentInfo
from actors.model.edit import EditResult
from actors.model.gate_info import GateAnswer
from actors.model.job_info import JobInfo, JobItems, JobPreview, job_cursor
from actors.model.limit_info import LimitAnswer, LimitInfo, LimitOptions
from actors.model.node_info import NodeAnswer, NodeInfo
from actors.model.object_info import ObjectDeletion, ObjectInfo, object_cursor
from actors.model.pages import Page
from journal.events import ControlResult

if TYPE_CHECKING:
    import os

    from actors.core.gates import GateScope
    from actors.core.jobs import Choice, JobSpec
    from actors.model.control_options import EditOptions, GateOptions
    from actors.model.gate_info import GateInfo
    from actors.model.listing import Listing
    from actors.model.object_info import FieldChange, ItemInfo, ObjectName
    from actors.values.snapshot import Snapshot
    from journal.ids import InvocationId


class RemoteControl(RemoteSchedules, RemoteNotifications):
    """Controls and shows gates, objects, deployments, jobs, schedules and notifications."""

    # Gates.

    async def close_gate(self, scope: GateScope, options: GateOptions) -> GateAnswer:
        body = {"mode": options.mode.value, "reason": options.reason}
        return await self._connection.patch(path_of("gates", str(scope), "close"), GateAnswer, body)

    async def open_gate(self, scope: GateScope, reason: str) -> GateAnswer:
        return await self._connection.patch(path_of("gates", str(scope), "open"), GateAnswer, {"reason": reason})

    async def list_gates(self) -> tuple[GateInfo, ...]:
        return tuple((await self._connection.get("/gates", GateList)).gates)

    # Limits.

    async def set_limit(self, scope: str, options: LimitOptions) -> LimitAnswer:
        return await self._connection.patch(path_of("limits", scope, "set"), LimitAnswer, attrs.asdict(options))

    async def delete_limit(self, scope: str, reason: str) -> LimitAnswer:
        return await self._connection.patch(path_of("limits", scope, "delete"), LimitAnswer, {"reason": reason})

    async def list_limits(self) -> tuple[LimitInfo, ...]:
        return tuple((await self._connection.get("/limits", LimitList)).limits)

    # Nodes.

    async def list_nodes(self) -> tuple[NodeInfo, ...]:
        return tuple((await self._connection.get("/cluster/nodes", NodeList)).nodes)

    async def drain_node(self, node: str, reason: str) -> NodeAnswer:
        return await self._connection.patch(path_of("cluster", "nodes", node, "drain"), NodeAnswer, {"reason": reason})

    async def undrain_node(self, node: str, reason: str) -> NodeAnswer:
        return await self._connection.patch(
            path_of("cluster", "nodes", node, "undrain"), NodeAnswer, {"reason": reason}
        )

    async def move_partition(self, partition: int, node: str, reason: str) -> NodeAnswer:
        path = path_of("cluster", "partitions", str(partition), "move")
        return await self._connection.patch(path, NodeAnswer, {"node": node, "reason": reason})

    # Objects.

    async def object_names(
        self, service: str | None, after: ObjectName | None, limit: int, begin: str
    ) -> Page[ObjectName]:
        cursor = None if after is None else object_cursor(after)
        asked: dict[str, Any] = {"service": service, "after": cursor, "begin": begin, "limit": limit}
        found = await self._connection.get("/objects", ObjectList, **asked)
        return Page(found.objects, next=found.next)

    async def object_info(self, service: str, key: str, at: int | None) -> ObjectInfo:
        return await self._connection.get(path_of("objects", service, key), ObjectInfo, at=at)

    async def object_items(
        self, service: str, key: str, field: str, *, at: int | None, start: str, limit: int
    ) -> Page[ItemInfo]:
        path = path_of("objects", service, key, "fields", field, "items")
        found = await self._connection.get(path, ItemList, at=at, start=start, limit=limit)
        return Page(found.items, next=found.next)

    async def field_history(
        self, service: str, key: str, field: str, *, after: int, before: int | None, newest_first: bool, limit: int
    ) -> list[FieldChange]:
        path = path_of("objects", service, key, "fields", field, "history")
        asked: dict[str, Any] = {"after": after, "before": before, "newest_first": newest_first, "limit": limit}
        return (await self._connection.get(path, ChangeList, **asked)).changes

    async def edit_object(
        self, service: str, key: str, options: EditOptions, idempotency_key: str | None
    ) -> EditResult:
        path = path_of("objects", service, key, "fields")
        done = await self._connection.patch(path, EditedModel, attrs.asdict(options), idempotency_key=idempotency_key)
        return EditResult(version_before=done.version_before, before=done.before, after=done.after)

    async def delete_object(self, service: str, key: str, reason: str) -> ObjectDeletion:
        path = path_of("objects", service, key, "delete")
        return await self._connection.patch(path, ObjectDeletion, {"reason": reason})

    # Deployments.

    async def list_deployments(self) -> tuple[DeploymentInfo, ...]:
        return tuple((await self._connection.get("/deployments", DeploymentList)).deployments)

    async def get_deployment(self, deployment: str) -> DeploymentInfo:
        return await self._connection.get(path_of("deployments", deployment), DeploymentInfo)

    async def list_code(self, deployment: str) -> tuple[CodeFile, ...]:
        return tuple((await self._connection.get(path_of("deployments", deployment, "files"), FileList)).files)

    async def read_code(self, deployment: str, path: str) -> CodeFile:
        return await self._connection.get(path_of("deployments", deployment, "files", path), CodeFile)

    async def make_latest(self, deployment: str, reason: str) -> DeploymentChange:
        path = path_of("deployments", deployment, "make-latest")
        return await self._connection.patch(path, DeploymentChange, {"reason": reason})

    async def prune_deployment(self, deployment: str, reason: str) -> DeploymentChange:
        path = path_of("deployments", deployment, "prune")
        return await self._connection.patch(path, DeploymentChange, {"reason": reason})

    # Checks.

    async def check(
        self, of: InvocationId, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckReport:
        _only_registered(code)
        path = path_of("invocations", of, "check")
        return await self._connection.get(path, CheckReport, takes=math.inf, deployment=deployment)

    async def check_all(
        self, listing: Listing, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckSummary:
        _only_registered(code)
        body = {
            "deployment": deployment,
            "where": listing.where or "",
            "status": [status.value for status in listing.status or ()],
            "service": listing.service,
            "key": listing.key,
            "handler": listing.handler,
        }
        params, content = {"limit": listing.limit}, as_json(body)
        sent = await self._connection.send(
            "POST", "/checks", takes=math.inf, is_read=True, params=params, content=content
        )
        return decoded(sent, CheckSummary)

    # Jobs.

    async def preview_job(self, choice: Choice, sample: int) -> JobPreview:
        content = as_json({**attrs.asdict(choice), "sample": sample})
        sent = await self._connection.send("POST", "/jobs/preview", takes=math.inf, is_read=True, content=content)
        return decoded(sent, JobPreview)

    async def start_job(self, spec: JobSpec, idempotency_key: str | None) -> str:
        content, headers = as_json(attrs.asdict(spec, recurse=False)), key_header(idempotency_key)
        return decoded(await self._connection.send("POST", "/jobs", content=content, headers=headers), JobInfo).id

    async def list_jobs(self, limit: int, after: str | None) -> Page[JobInfo]:
        cursor = None if after is None else job_cursor(after)
        found = await self._connection.get("/jobs", JobList, limit=limit, after=cursor)
        return Page(found.jobs, next=found.next)

    async def job_info(self, job: str) -> JobInfo:
        return await self._connection.get(path_of("jobs", job), JobInfo)

    async def await_job(self, job: str) -> JobInfo:
        return await self._connection.get(path_of("jobs", job), JobInfo, takes=math.inf, wait="true")

    async def cancel_job(self, job: str, reason: str) -> ControlResult:
        return answer_of(await self._connection.patch(path_of("jobs", job, "cancel"), AnswerModel, {"reason": reason}))

    async def job_items(self, job: str, after: int) -> JobItems:
        return await self._connection.get(path_of("jobs", job, "items"), JobItems, after=after)


def answer_of(answer: AnswerModel) -> ControlResult:
    """Decode the result of a verb."""
    return ControlResult(answer.changed, answer.before, answer.after, answer.successor)


def _only_registered(code: object) -> None:
    if code is not None:
        raise UnavailableError(
            "code on disk is not sent to a server: check it on the machine with the data, with 'playhead invocations check --app', "
            "or register it there"
        )
