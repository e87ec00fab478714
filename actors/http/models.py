"""The responses of the API, besides the public records, and the names of its headers."""

from __future__ import annotations

from typing import Any, Literal

import attrs
import msgspec

from actors.model.deployment_info import CodeFile, DeploymentInfo
from actors.model.explain import WaitReason
from actors.model.gate_info import GateInfo
from actors.model.history import JournalEntry
from actors.model.info import InvocationInfo
from actors.model.job_info import JobInfo
from actors.model.limit_info import LimitInfo
from actors.model.node_info import NodeInfo
from actors.model.notification_info import NotificationInfo
from actors.model.object_info import FieldChange, ItemInfo, ObjectName
from actors.model.output import OutputChunk
from actors.model.restart_result import RestartResult
from actors.model.schedule_info import ScheduleInfo
from actors.model.service_info import ServiceInfo
from journal.events import ControlResult, OutcomeKind, Status, Successor
from journal.ids import InvocationId

INVOCATION_HEADER = "x-playhead-invocation-id"
"""The header with the id of the invocation that a call created."""

NODE_HEADER = "x-playhead-node"
"""The node of a cluster that has answered."""

USER_HEADER = "x-playhead-user"
"""The user name that the client states; recorded beside the token, and not verified."""

JSON_LOSES_HEADER = "x-playhead-json-loses"
"""The Python types in the value of a signal that its JSON does not preserve, percent-encoded. Clients that send JSON omit it."""

RESTATE_ID_HEADER = "x-restate-id"
"""The same for clients made for Restate."""

PROBLEM_TYPE = "application/problem+json"


@attrs.frozen(kw_only=True)
class Problem:
    """An error in the format of RFC 9457. ``error`` is the type of the exception and ``carried`` its attributes, so that a client
    can raise it again.

    ``code`` identifies the error, ``kind`` is the kind of resource that was not found, and ``limit`` is the exceeded limit, with its
    ``maximum`` and the value that was ``found``. ``path`` is the place in the body or the query, ``position`` the character of an SQL query, ``signal``
    the name of a signal that came as an error; ``outcome`` is the
    outcome of the invocation, if the error is one; ``invocation_status`` is its status, if that is the reason.
    """

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    error: str = ""
    details: Any = None
    carried: Any = None
    code: str = ""
    kind: str | None = None
    limit: str | None = None
    maximum: float | None = None
    found: float | None = None
    path: str | None = None
    position: int | None = None
    signal: str | None = None
    invocation_id: InvocationId | None = None
    outcome: OutcomeKind | None = None
    invocation_status: Status | None = None


class SentModel(msgspec.Struct, kw_only=True, rename="camel"):
    """A message was accepted; field names as clients of Restate expect them."""

    invocation_id: InvocationId
    status: Literal["Accepted", "PreviouslyAccepted"]


class FoundModel(msgspec.Struct, kw_only=True, rename="camel"):
    """The invocation that was looked up; field names as clients of Restate expect them."""

    invocation_id: InvocationId


@attrs.frozen(kw_only=True)
class AnswerModel:
    """The result of a verb. ``new_invocation_id`` is that of a restart's successor, under the name that clients of Restate
    expect."""

    changed: bool
    before: Status
    after: Status
    successor: Successor | None = None
    new_invocation_id: InvocationId | None = None


def answer_model(answer: ControlResult | RestartResult) -> AnswerModel:
    """Return the result of a verb as a response."""
    successor = answer.successor
    return AnswerModel(
        changed=answer.changed,
        before=answer.before,
        after=answer.after,
        successor=successor,
        new_invocation_id=None if successor is None else successor.invocation_id or None,
    )


@attrs.frozen(kw_only=True)
class InvocationList:
    """A page of invocations, newest first. ``next`` is the ``after`` of the next page, null on the last one."""

    invocations: list[InvocationInfo]
    next: str | None = None


@attrs.frozen(kw_only=True)
class ServiceList:
    """The served classes."""

    services: list[ServiceInfo]


@attrs.frozen(kw_only=True)
class EventList:
    """Events of an invocation, up to event ``last``. ``is_over``: it has completed, and there are no more."""

    events: list[JournalEntry]
    last: int
    is_over: bool


@attrs.frozen(kw_only=True)
class OutputList:
    """Output pieces of an invocation; ``after=last`` requests the next. ``is_over``: it has completed, and there are no more."""

    chunks: list[OutputChunk]
    last: int
    is_over: bool


@attrs.frozen(kw_only=True)
class ReasonList:
    """The reasons why an invocation waits, in the order in which they must end."""

    reasons: list[WaitReason]


@attrs.frozen(kw_only=True)
class GateList:
    """The closed gates and the exceptions to them."""

    gates: list[GateInfo]


@attrs.frozen(kw_only=True)
class LimitList:
    """The limits by scope."""

    limits: list[LimitInfo]


@attrs.frozen(kw_only=True)
class NodeList:
    """The living nodes of a cluster, by name."""

    nodes: list[NodeInfo]


@attrs.frozen(kw_only=True)
class ObjectList:
    """A page of objects, by service and key. ``next`` is the ``after`` of the next page, null on the last one."""

    objects: list[ObjectName]
    next: str | None = None


@attrs.frozen(kw_only=True)
class ItemList:
    """A page of items of a log or a map. ``next`` is the ``start`` of the next page, null on the last one."""

    items: list[ItemInfo]
    next: str | None = None


@attrs.frozen(kw_only=True)
class ChangeList:
    """The changes of a field, oldest first."""

    changes: list[FieldChange]


@attrs.frozen(kw_only=True)
class EditedModel:
    """The result of an edit: whether a value has changed, and the old and new value of each field."""

    changed: bool
    version_before: int
    before: dict[str, Any]
    after: dict[str, Any]


@attrs.frozen(kw_only=True)
class DeploymentList:
    """The registered deployments, newest first."""

    deployments: list[DeploymentInfo]


@attrs.frozen(kw_only=True)
class FileList:
    """The files of a deployment, by path, without their texts."""

    files: list[CodeFile]


@attrs.frozen(kw_only=True)
class JobList:
    """A page of bulk jobs, newest first. ``next`` is the ``after`` of the next page, null on the last one."""

    jobs: list[JobInfo]
    next: str | None = None


@attrs.frozen(kw_only=True)
class ScheduleList:
    """Schedules, by name."""

    schedules: list[ScheduleInfo]


@attrs.frozen(kw_only=True)
class NotificationList:
    """Notifications, by name."""

    notifications: list[NotificationInfo]


@attrs.frozen(kw_only=True)
class PlannedModel:
    """The number of runs that a backfill has planned."""

    runs: int
