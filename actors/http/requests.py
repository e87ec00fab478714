"""The queries and bodies of requests, besides the options of verbs: attrs classes with the limits of each field in its annotation.

An unknown field is refused, so that a misspelt option of a verb is not ignored.
"""

from __future__ import annotations

import enum
from typing import Annotated

import attrs
import msgspec

from actors.core.jobs import MAX_NAMED, Choice
from actors.model.control_options import Position
from actors.model.notification_options import NotificationOptions
from actors.model.pages import MAX_CURSOR, MAX_PAGE
from actors.model.schedule_options import ScheduleOptions
from actors.model.tags import MAX_TAG_NAME, MAX_TAG_VALUE, MAX_TAGS, TAG_PAIR
from actors.model.verb_options import DeploymentWord, ErrorText, ReasonText, StepName
from actors.values.arguments import MAX_COUNT, MAX_NAME
from journal.events import Status
from journal.ids import ID_PATTERN

_MAX_KEY = 1_024
MAX_WAIT = 60.0
"""How long a request waits for new data at most, in seconds."""

WITH_IDS = (64 << 10) + MAX_NAMED * 48
"""The size of a body with the largest allowed number of invocation ids, in bytes."""

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
TagPairs = Annotated[list[TagPair], msgspec.Meta(max_length=MAX_TAGS)]
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


class RestartQuery(msgspec.Struct, kw_only=True, rename={"from_step": "from"}):
    """The step to restart from. A number names the last journal entry to keep, as clients of Restate count them.
    ``again``: even if it was restarted before."""

    from_step: StepName | None = None
    again: bool = False
    deployment: DeploymentWord | None = None


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
