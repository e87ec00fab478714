"""The queries and bodies of requests, besides the options of verbs: attrs classes with the limits of each field in its annotation.

An unknown field is refused, so that a misspelt option of a verb is not ignored.
"""

from __future__ import annotations

import enum
from typing import Annotated, Any, ClassVar

import attrs
import msgspec

from actors.core.jobs import MAX_NAMED, Choice
from actors.http.durations import DURATION, DURATION_ABOVE_ZERO, parse_duration
from actors.model.control_options import Position
from actors.model.keys import MAX_REQUEST_KEY
from actors.model.notification_options import NotificationOptions
from actors.model.pages import MAX_CURSOR, MAX_PAGE
from actors.model.requests import CallOptions
from actors.model.schedule_options import ScheduleOptions
from actors.model.tags import MAX_TAG_NAME, MAX_TAG_VALUE, MAX_TAGS, TAG_PAIR, tags_of_pairs
from actors.model.verb_options import DeploymentWord, ErrorText, ReasonText, StepName
from actors.values.amounts import AMOUNT_PAIR, MAX_QUANTITIES, amounts_of_pairs
from actors.values.arguments import MAX_COUNT, MAX_NAME
from journal.events import Status
from journal.ids import ID_PATTERN

_MAX_KEY = 1_024
MAX_WAIT = 60.0
"""How long a request waits for new data at most, in seconds."""

WITH_IDS = (64 << 10) + MAX_NAMED * 48
"""The size of a body with the largest allowed number of invocation ids, in bytes."""

_DURATIONS = "`10s`, `500ms`, `2h` or `PT10S`; a plain number is milliseconds"

IdText = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_KEY)]
TagPair = Annotated[
    str,
    msgspec.Meta(
        max_length=MAX_TAG_NAME + 1 + MAX_TAG_VALUE,
        description="A tag: `name=value`. A value may have any printable characters, also beyond ASCII.",
        extra_json_schema={"pattern": TAG_PAIR},
    ),
]
Duration = Annotated[str, msgspec.Meta(max_length=64, extra_json_schema={"pattern": DURATION})]
DurationAboveZero = Annotated[str, msgspec.Meta(max_length=64, extra_json_schema={"pattern": DURATION_ABOVE_ZERO})]
TagPairs = Annotated[list[TagPair], msgspec.Meta(max_length=MAX_TAGS)]
BudgetPairs = Annotated[
    list[
        Annotated[
            str,
            msgspec.Meta(
                max_length=128,
                description="An amount that the invocation and those that it calls may spend, as `tokens=100000`.",
                extra_json_schema={"pattern": AMOUNT_PAIR},
            ),
        ]
    ],
    msgspec.Meta(max_length=MAX_QUANTITIES),
]
Cursor = Annotated[
    str, msgspec.Meta(max_length=MAX_CURSOR, description="The `next` of the page before; by default the first page.")
]
PageSize = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)]


# Queries.


@attrs.frozen(kw_only=True)
class ServicesQuery:
    """Which services to list."""

    system: bool = False


@attrs.frozen(kw_only=True)
class InvocationsQuery:
    """Which invocations to list; ``status`` and ``tag`` can be given several times: with any of the statuses, and all of the
    tags, each as ``name=value``."""

    status: list[Status] = attrs.field(factory=list)
    tag: TagPairs = attrs.field(factory=list)
    service: Name | None = None
    key: Key | None = None
    handler: Name | None = None
    where: (
        Annotated[str, msgspec.Meta(max_length=4_096, description="A condition in SQL over sys_invocation.")] | None
    ) = None
    limit: PageSize = 100
    after: Cursor | None = None
    system: bool = False


@attrs.frozen(kw_only=True)
class EventsQuery:
    """Which events to list: those after ``after`` (or the header Last-Event-ID), with this ``name``, at most ``limit``.

    If there are none yet, the request waits up to ``wait`` seconds.
    """

    after: Position = 0
    name: Name | None = None
    limit: PageSize = MAX_PAGE
    wait: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT)] = 0.0


class OutputView(enum.Enum):
    """The view of the output: final pieces only; every piece at once with resets; or all pieces with their marks."""

    SETTLED = "settled"
    LIVE = "live"
    ALL = "all"


@attrs.frozen(kw_only=True)
class OutputQuery:
    """Which pieces: those after ``after`` (or the header Last-Event-ID), at most ``limit``, in a ``view``, of the ``stream`` with this
    name, by default the one without a name. The view ``all`` has the pieces of all streams.

    If there are none yet, the request waits up to ``wait`` seconds.
    """

    after: Position = 0
    view: OutputView = OutputView.SETTLED
    stream: Annotated[str, msgspec.Meta(max_length=MAX_NAME)] = ""
    limit: PageSize = MAX_PAGE
    wait: Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT)] = 0.0


@attrs.frozen(kw_only=True)
class AuditQueryModel:
    """Which audit rows."""

    by: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    verb: Name | None = None
    target: Annotated[str, msgspec.Meta(max_length=_MAX_KEY + 2 * MAX_NAME)] | None = None
    limit: PageSize = 100
    after: Cursor | None = None


@attrs.frozen(kw_only=True)
class ObjectsQuery:
    """Which objects: those of a service, with keys that begin with ``begin``; or all."""

    service: Name | None = None
    after: Cursor | None = None
    begin: Annotated[str, msgspec.Meta(max_length=_MAX_KEY)] = ""
    limit: PageSize = 100


@attrs.frozen(kw_only=True)
class ObjectQuery:
    """The event of the object's log after which to read it; by default the last."""

    at: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] | None = None


@attrs.frozen(kw_only=True)
class ItemsQuery:
    """The items to read: from an index of a log, or after a key of a map (as JSON); and the event after which to read them."""

    at: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] | None = None
    start: Annotated[str, msgspec.Meta(max_length=_MAX_KEY)] = ""
    limit: PageSize = 100


@attrs.frozen(kw_only=True)
class HistoryQuery:
    """Which changes: those after one event and before another, from the oldest or from the newest.

    The changes of one event are not split, so the result may exceed ``limit`` by the rest of the last event.
    """

    after: Position = 0
    before: Position | None = None
    newest_first: bool = False
    limit: PageSize = 100


@attrs.frozen(kw_only=True)
class JobsQuery:
    """Which jobs to list."""

    limit: PageSize = 20
    after: Cursor | None = None


@attrs.frozen(kw_only=True)
class JobQuery:
    """Whether to wait until the job has ended."""

    wait: bool = False


@attrs.frozen(kw_only=True)
class JobItemsQuery:
    """The page to read: the ``next`` of the previous page."""

    after: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)] = 0


@attrs.frozen(kw_only=True)
class ScheduleQuery:
    """How many of the next nominal times to show."""

    count: PageSize = 5


@attrs.frozen(kw_only=True)
class WorkQuery:
    """The options that calls and messages share. :meth:`options` makes the options of the request from them and from the header
    ``Idempotency-Key``."""

    parameter: (
        Annotated[
            str,
            msgspec.Meta(
                max_length=MAX_NAME,
                description="The body is the value of this parameter; empty: the body is an object of parameters by name.",
            ),
        ]
        | None
    ) = None
    tag: TagPairs = attrs.field(factory=list)
    max_duration: (
        Annotated[
            DurationAboveZero,
            msgspec.Meta(description=f"How long the invocation may take until it is cancelled: {_DURATIONS}."),
        ]
        | None
    ) = None
    budget: BudgetPairs = attrs.field(factory=list)

    def options(self, idempotency_key: str | None) -> CallOptions:
        """Return the options of the request, with its key."""
        return CallOptions(idempotency_key=idempotency_key, **self._given())

    def _given(self) -> dict[str, Any]:
        return {
            "tags": tags_of_pairs(self.tag, "tag") if self.tag else None,
            "max_duration": _seconds(self.max_duration, "max_duration"),
            "budget": amounts_of_pairs(self.budget, "budget") if self.budget else None,
        }


_LATER = "a call starts at once; POST to …/send for a message that starts later"


@attrs.frozen(kw_only=True)
class CallQuery(WorkQuery):
    """The options of a call."""

    MISPLACED: ClassVar[dict[str, str]] = dict.fromkeys(("delay", "debounce", "max_delay"), _LATER)

    wait: Annotated[
        bool,
        msgspec.Meta(
            description="Keep waiting while the invocation is paused; by default a pause is answered with 503."
        ),
    ] = False


@attrs.frozen(kw_only=True)
class SendQuery(WorkQuery):
    """The options of a message."""

    MISPLACED: ClassVar[dict[str, str]] = {"wait": "a message is answered once it is durable; leave out wait"}

    delay: (
        Annotated[Duration, msgspec.Meta(description=f"When to deliver the message, from now: {_DURATIONS}.")] | None
    ) = None
    debounce: (
        Annotated[
            str,
            msgspec.Meta(
                min_length=1,
                max_length=MAX_REQUEST_KEY,
                description="A key: the message replaces an earlier one with the same key whose delay has not ended.",
            ),
        ]
        | None
    ) = None
    max_delay: (
        Annotated[
            Duration,
            msgspec.Meta(
                description="The longest time between the first message with the `debounce` key and the delivery of the last."
            ),
        ]
        | None
    ) = None

    def _given(self) -> dict[str, Any]:
        return super()._given() | {
            "delay": _seconds(self.delay, "delay"),
            "debounce": self.debounce,
            "max_delay": _seconds(self.max_delay, "max_delay"),
        }


def _seconds(text: str | None, name: str) -> float | None:
    return None if text is None else parse_duration(text, bare="ms", name=name)


@attrs.frozen(kw_only=True)
class AttachQuery:
    """``wait``: keep waiting while the invocation is paused; by default a pause is answered with 503."""

    wait: bool = False


class RestartQuery(msgspec.Struct, kw_only=True, rename={"from_step": "from"}):
    """The step to restart from. A number names the last journal entry to keep, as clients of Restate count them.
    ``require_compatible``: only if the code replays the kept history. ``again``: even if it was restarted before."""

    from_step: StepName | None = None
    again: bool = False
    deployment: DeploymentWord | None = None
    require_compatible: bool = False


@attrs.frozen(kw_only=True)
class ResumeQuery:
    """``require_compatible``: only if the code replays the recorded history."""

    require_compatible: bool = False


@attrs.frozen(kw_only=True)
class SignalQuery:
    """``error``: the wait for the signal fails with this text, and the body has the details of the error."""

    error: ErrorText | None = None


@attrs.frozen(kw_only=True)
class NoQuery:
    """No parameters."""


# Bodies.


@attrs.frozen(kw_only=True)
class ReasonBody:
    """A reason."""

    reason: ReasonText = ""


@attrs.frozen(kw_only=True)
class MoveBody:
    """The node that a partition is moved to."""

    node: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    reason: ReasonText = ""


@attrs.frozen(kw_only=True)
class PreviewBody(Choice):
    """A job to preview; ``sample`` of its oldest invocations are shown, or of the first named."""

    sample: Annotated[int, msgspec.Meta(ge=0, le=MAX_PAGE)] = 10


@attrs.frozen(kw_only=True)
class CreateScheduleBody(ScheduleOptions):
    """A schedule to create."""

    name: Name


@attrs.frozen(kw_only=True)
class ReplaceScheduleBody(ScheduleOptions):
    """The new options of a schedule; with ``if_revision``, only if it has not changed since."""

    if_revision: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] | None = None


@attrs.frozen(kw_only=True)
class CreateNotificationBody(NotificationOptions):
    """A notification to create."""

    name: Name


class IdempotentTarget(
    msgspec.Struct,
    kw_only=True,
    rename="camel",
    tag="idempotentInvocation",
    tag_field="target",
    forbid_unknown_fields=True,
):
    """An invocation by its target and its idempotency key."""

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
