"""What goes over the wire besides what inspection shows.

Bodies and queries of requests are attrs classes with the limits of each field in its annotation. A field that is not here
is refused: a misspelt option of a verb must not be taken for none.
"""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import attrs
import msgspec

from actors.core.jobs import MAX_NAMED, Choice, JobVerb
from actors.http.durations import DURATION
from actors.model.deployment_info import CodeFile, DeploymentInfo
from actors.model.explain import WaitReason as WaitCause
from actors.model.handles import RestartResult
from actors.model.history import JournalEntry
from actors.model.info import GateInfo, InvocationInfo, ServiceInfo
from actors.model.job_info import JobInfo
from actors.model.object_info import FieldChange, ItemInfo, ObjectName
from actors.model.output import OutputChunk
from actors.values.arguments import MAX_NAME, MAX_SECONDS, MAX_WORDS
from journal.events import Children, ControlResult, OutcomeKind, PauseMode, Status, Stop, Successor
from journal.ids import InvocationId

INVOCATION_HEADER = "x-playhead-invocation-id"
"""The header that says which invocation a call became."""

USER_HEADER = "x-playhead-user"
"""The person at the command line, as they call themselves; noted beside the token."""

JSON_LOSES_HEADER = "x-playhead-json-loses"
"""The types that the value of a signal had in Python and its JSON does not tell, percent-encoded. Clients that send JSON have none."""

RESTATE_ID_HEADER = "x-restate-id"
"""The same, for clients that were made for Restate."""

PROBLEM_TYPE = "application/problem+json"

MAX_REASON = 1_000
"""Characters of a reason."""

_MAX_NAME = 256
_MAX_KEY = 1_024
_MAX_POSITION = 2**63 - 1
MAX_PAGE = 1_000
"""Entries of a list at a time."""

MAX_WAIT = 60.0
"""Seconds that a request for what is not there yet waits at most."""

WITH_IDS = (64 << 10) + MAX_NAMED * 48
"""Bytes of a body that names as many invocations as can be named."""

ID_PATTERN = "^inv_1[0-9A-Za-z]{33}$"

IdText = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
WaitReason = Annotated[
    str, msgspec.Meta(max_length=MAX_REASON, description="Why; recorded in the history and in the audit.")
]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_NAME)]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_KEY)]
StepName = Annotated[str, msgspec.Meta(max_length=_MAX_KEY)]
Position = Annotated[int, msgspec.Meta(ge=0, le=_MAX_POSITION, description="A position in the journal.")]
PageSize = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)]
Duration = Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS, description="Seconds.")]
Condition = Annotated[str, msgspec.Meta(max_length=8_192, description="A condition in SQL over sys_invocation.")]
DeploymentWord = Annotated[
    str, msgspec.Meta(min_length=1, max_length=_MAX_NAME, description="keep, latest, or the id of a deployment.")
]


# Answers.


@attrs.frozen(kw_only=True)
class Problem:
    """An error as RFC 9457 has it. ``error`` is the type of the exception, and ``carried`` its attributes, so that a client can
    raise it again.

    ``path`` says where in the body or the query, if it is there; ``outcome`` how the invocation ended, if that is what is said;
    ``invocation_status`` how it stands, if that is why.
    """

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    error: str = ""
    details: Any = None
    carried: Any = None
    path: str | None = None
    invocation_id: InvocationId | None = None
    outcome: OutcomeKind | None = None
    invocation_status: Status | None = None


class SentModel(msgspec.Struct, kw_only=True, rename="camel"):
    """A message was taken; named as clients of Restate expect it."""

    invocation_id: InvocationId
    status: Literal["Accepted", "PreviouslyAccepted"]


class FoundModel(msgspec.Struct, kw_only=True, rename="camel"):
    """The invocation that was looked up; named as clients of Restate expect it."""

    invocation_id: InvocationId


@attrs.frozen(kw_only=True)
class AnswerModel:
    """What a verb did. ``new_invocation_id`` is the successor's, where there is one, named as clients of Restate expect it."""

    changed: bool
    before: Status
    after: Status
    successor: Successor | None = None
    new_invocation_id: InvocationId | None = None


def answer_model(answer: ControlResult | RestartResult) -> AnswerModel:
    """What a verb did, for the wire."""
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
    """Invocations, newest first."""

    invocations: list[InvocationInfo]


@attrs.frozen(kw_only=True)
class ServiceList:
    """What is served."""

    services: list[ServiceInfo]


@attrs.frozen(kw_only=True)
class EventList:
    """A piece of the history of an invocation, up to event ``last``. ``is_over``: it has ended, and this is the end."""

    events: list[JournalEntry]
    last: int
    is_over: bool


@attrs.frozen(kw_only=True)
class OutputList:
    """Pieces of the output of an invocation; ``after=last`` gives the next. ``is_over``: it has ended, and these are the last."""

    chunks: list[OutputChunk]
    last: int
    is_over: bool


@attrs.frozen(kw_only=True)
class ReasonList:
    """The reasons why an invocation is waiting, in the order in which they have to end."""

    reasons: list[WaitCause]


@attrs.frozen(kw_only=True)
class GateList:
    """The gates that are closed, and the exceptions to them."""

    gates: list[GateInfo]


@attrs.frozen(kw_only=True)
class ObjectList:
    """Objects by service and key."""

    objects: list[ObjectName]


@attrs.frozen(kw_only=True)
class ItemList:
    """Items of a log or a map."""

    items: list[ItemInfo]


@attrs.frozen(kw_only=True)
class ChangeList:
    """What a field has been, oldest first."""

    changes: list[FieldChange]


@attrs.frozen(kw_only=True)
class EditedModel:
    """What an edit did: whether anything is other than it was, and what each field that it changed was, and is."""

    changed: bool
    version_before: int
    before: dict[str, Any]
    after: dict[str, Any]


@attrs.frozen(kw_only=True)
class DeploymentList:
    """The deployments that are registered, the newest first."""

    deployments: list[DeploymentInfo]


@attrs.frozen(kw_only=True)
class FileList:
    """The files of a deployment, by path, without their texts."""

    files: list[CodeFile]


@attrs.frozen(kw_only=True)
class JobList:
    """Bulk jobs, newest first."""

    jobs: list[JobInfo]


# Queries.


@attrs.frozen(kw_only=True)
class ServicesQuery:
    """Which services."""

    system: bool = False


@attrs.frozen(kw_only=True)
class InvocationsQuery:
    """Which invocations; ``status`` may be given several times."""

    status: list[Status] = attrs.field(factory=list)
    service: Name | None = None
    key: Key | None = None
    handler: Name | None = None
    where: (
        Annotated[str, msgspec.Meta(max_length=4_096, description="A condition in SQL over sys_invocation.")] | None
    ) = None
    limit: PageSize = 100
    system: bool = False


@attrs.frozen(kw_only=True)
class EventsQuery:
    """Which events: those after ``after`` (the header Last-Event-ID says the same), of this ``name``, at most ``limit``.

    If there are none yet, some are waited for, ``wait`` seconds at most.
    """

    after: Position = 0
    name: Name | None = None
    limit: PageSize = MAX_PAGE
    wait: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT)] = 0.0


class OutputView(enum.Enum):
    """Which pieces of an output: those that stay, once that is known; those and others as they come, with a reset where they are
    void; or all, with what becomes of them."""

    SETTLED = "settled"
    LIVE = "live"
    ALL = "all"


@attrs.frozen(kw_only=True)
class OutputQuery:
    """Which pieces: those after ``after`` (the header Last-Event-ID says the same), at most ``limit``; as a ``view`` gives them.

    If there are none yet, some are waited for, ``wait`` seconds at most.
    """

    after: Position = 0
    view: OutputView = OutputView.SETTLED
    limit: PageSize = MAX_PAGE
    wait: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT)] = 0.0


@attrs.frozen(kw_only=True)
class AuditQueryModel:
    """Which rows of the audit; ``after`` is the ``next`` of the page before."""

    by: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    verb: Name | None = None
    target: Annotated[str, msgspec.Meta(max_length=_MAX_KEY + 2 * _MAX_NAME)] | None = None
    limit: PageSize = 100
    after: Annotated[str, msgspec.Meta(max_length=2_000)] | None = None


@attrs.frozen(kw_only=True)
class ObjectsQuery:
    """Which objects: of a service, after the key ``after``, with keys that ``begin`` so; or of all."""

    service: Name | None = None
    after: Annotated[str, msgspec.Meta(max_length=_MAX_KEY)] = ""
    begin: Annotated[str, msgspec.Meta(max_length=_MAX_KEY)] = ""
    limit: PageSize = 100


@attrs.frozen(kw_only=True)
class ObjectQuery:
    """As of which event of the object's log; now, if none is named."""

    at: Annotated[int, msgspec.Meta(ge=1, le=_MAX_POSITION)] | None = None


@attrs.frozen(kw_only=True)
class ItemsQuery:
    """Which items: from a position in a log, or after a key of a map as JSON; and after which event."""

    at: Annotated[int, msgspec.Meta(ge=1, le=_MAX_POSITION)] | None = None
    start: Annotated[str, msgspec.Meta(max_length=_MAX_KEY)] = ""
    limit: PageSize = 100


@attrs.frozen(kw_only=True)
class HistoryQuery:
    """Which changes: those after an event and before another, from the oldest on or from the newest back.

    What one event has changed is not torn apart: ``limit`` is exceeded by the rest of the last one.
    """

    after: Position = 0
    before: Position | None = None
    newest_first: bool = False
    limit: PageSize = 100


@attrs.frozen(kw_only=True)
class JobsQuery:
    """How many jobs."""

    limit: PageSize = 20


@attrs.frozen(kw_only=True)
class JobQuery:
    """Whether to wait for the job's end."""

    wait: bool = False


@attrs.frozen(kw_only=True)
class JobItemsQuery:
    """Which page: the ``next`` of the one before."""

    after: Annotated[int, msgspec.Meta(ge=0, le=_MAX_POSITION)] = 0


@attrs.frozen(kw_only=True)
class SendQuery:
    """``delay`` says when: ``10s``, ``500ms``, ``2h`` or ``PT10S``; a number alone is milliseconds. ``wait``: a call goes on
    waiting while its invocation is paused; by default a pause is answered with 503. ``parameter``: the body is the value of that
    parameter, however many the handler has; empty: the body is an object of parameters by name."""

    delay: Annotated[str, msgspec.Meta(max_length=64, extra_json_schema={"pattern": DURATION})] | None = None
    wait: bool = False
    parameter: Annotated[str, msgspec.Meta(max_length=MAX_NAME)] | None = None


@attrs.frozen(kw_only=True)
class AttachQuery:
    """``wait``: go on waiting while the invocation is paused; by default a pause is answered with 503."""

    wait: bool = False


class RestartQuery(msgspec.Struct, kw_only=True, rename={"from_step": "from"}):
    """From which step on. A number is an entry of the journal, as clients of Restate count them: it is the last that is kept.
    ``require_compatible``: only if the code gets through what is kept."""

    from_step: StepName | None = None
    deployment: DeploymentWord | None = None
    require_compatible: bool = False


@attrs.frozen(kw_only=True)
class ResumeQuery:
    """``require_compatible``: only if the code gets through what is recorded."""

    require_compatible: bool = False


@attrs.frozen(kw_only=True)
class NoQuery:
    """Nothing."""


# Bodies.


@attrs.frozen(kw_only=True)
class CancelBody:
    """How to cancel."""

    reason: WaitReason = ""
    children: Children = Children.CALLED
    kill_after: Duration | None = None


@attrs.frozen(kw_only=True)
class PauseBody:
    """How to pause."""

    reason: WaitReason = ""
    mode: PauseMode = PauseMode.DRAIN


@attrs.frozen(kw_only=True)
class RestartBody:
    """How to restart; ``from_step`` is a step's name or path, or ``end`` to keep every recorded step. ``input`` takes the place of
    the argument; ``json_loses`` is filled in by clients in Python: the types that it had and JSON does not tell."""

    from_step: StepName | None = None
    input: Any = None
    json_loses: Annotated[str, msgspec.Meta(max_length=MAX_WORDS)] = ""
    stop: Stop | None = None
    rewind_state: bool = False
    hand_over: bool = True
    deployment: DeploymentWord = "keep"
    dry_run: bool = False
    reason: WaitReason = ""


@attrs.frozen(kw_only=True)
class ResumeBody:
    """How to resume, and on which code."""

    reason: WaitReason = ""
    deployment: DeploymentWord = "keep"


@attrs.frozen(kw_only=True)
class ReasonBody:
    """Why."""

    reason: WaitReason = ""


@attrs.frozen(kw_only=True)
class ChoiceBody:
    """Which invocations, one way of three: those that a condition fits, those of these ids, or all that refused another job."""

    where: Condition = ""
    ids: Annotated[list[IdText], msgspec.Meta(max_length=MAX_NAMED, description="Ten thousand at most.")] = attrs.field(
        factory=list
    )
    refused_by: Annotated[
        str,
        msgspec.Meta(
            max_length=_MAX_NAME, description="The id of a completed job: the invocations that it could not change."
        ),
    ] = ""

    def choice(self) -> Choice:
        """The same, each id once."""
        ids = tuple(dict.fromkeys(map(InvocationId, self.ids)))
        return Choice(where=self.where, ids=ids, refused_by=self.refused_by)


@attrs.frozen(kw_only=True)
class PreviewBody(ChoiceBody):
    """What a job would be for; ``sample`` of the oldest are shown, or the first of those that are not told by a condition."""

    sample: Annotated[int, msgspec.Meta(ge=0, le=MAX_PAGE)] = 10


@attrs.frozen(kw_only=True)
class JobBody(ChoiceBody):
    """One verb with its options, and for which invocations: ``limit`` of them at most, the oldest first, ``rate`` a second."""

    verb: JobVerb
    options: dict[str, Any] = attrs.field(factory=dict)
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MAX_POSITION)] | None = None
    rate: Annotated[float, msgspec.Meta(gt=0, le=1e6)] | None = None


@attrs.frozen(kw_only=True)
class GateBody:
    """How to close a gate: what becomes of steps that run."""

    reason: WaitReason = ""
    mode: PauseMode = PauseMode.DRAIN


@attrs.frozen(kw_only=True)
class EditBody:
    """What is to be changed: all of it or nothing. Items of maps are named by their keys as JSON.

    With ``if_version`` only if the fields were last changed by that event; with ``queue`` it waits while the key is held.
    ``json_loses`` is filled in by clients in Python: the types that their values had and JSON does not tell, by field.
    """

    set: dict[str, Any] = attrs.field(factory=dict)
    clear: list[str] = attrs.field(factory=list)
    items: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    remove: dict[str, list[str]] = attrs.field(factory=dict)
    if_version: Position | None = None
    json_loses: dict[str, str] = attrs.field(factory=dict)
    queue: bool = False
    reason: WaitReason = ""


class IdempotentTarget(
    msgspec.Struct,
    kw_only=True,
    rename="camel",
    tag="idempotentInvocation",
    tag_field="target",
    forbid_unknown_fields=True,
):
    """An invocation by what was called under which idempotency key."""

    service: Name
    handler: Name
    idempotency_key: Name
    key: Key | None = None


class WorkflowTarget(
    msgspec.Struct, kw_only=True, rename="camel", tag="workflow", tag_field="target", forbid_unknown_fields=True
):
    """The run of a workflow."""

    workflow_name: Name
    workflow_key: Key


class IdTarget(
    msgspec.Struct, kw_only=True, rename="camel", tag="invocation", tag_field="target", forbid_unknown_fields=True
):
    """An invocation by its id."""

    invocation_id: IdText


Lookup = IdempotentTarget | WorkflowTarget | IdTarget
