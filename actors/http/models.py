"""What goes over the wire besides what inspection shows."""

from __future__ import annotations

from typing import Any

import attrs

from actors.inspection import InvocationInfo, JournalEntry, ServiceInfo
from journal.events import Status, Successor
from journal.ids import InvocationId

INVOCATION_HEADER = "x-playhead-invocation-id"
"""The header that says which invocation a call became."""

PROBLEM_TYPE = "application/problem+json"


@attrs.frozen(kw_only=True)
class Problem:
    """An error as RFC 9457 has it. ``error`` is the type of the exception, so that a client can raise it again."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    error: str = ""
    details: Any = None
    invocation_id: InvocationId | None = None


@attrs.frozen(kw_only=True)
class SentModel:
    """A message was taken."""

    invocation_id: InvocationId
    is_new: bool


@attrs.frozen(kw_only=True)
class AnswerModel:
    """What a verb did."""

    changed: bool
    before: Status
    after: Status
    successor: Successor | None = None
    new_invocation_id: InvocationId | None = None


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
    """The history of an invocation."""

    events: list[JournalEntry]


@attrs.frozen(kw_only=True)
class CancelBody:
    """How to cancel."""

    reason: str = ""
    children: str = "called"
    kill_after: float | None = None


@attrs.frozen(kw_only=True)
class PauseBody:
    """How to pause."""

    reason: str = ""
    mode: str = "drain"


@attrs.frozen(kw_only=True)
class RestartBody:
    """How to restart; ``from_step`` is a step's name or path, ``input`` takes the place of the argument."""

    from_step: str = ""
    input: Any = None
    stop: str | None = None
    rewind_state: bool = False
    hand_over: bool = True
    dry_run: bool = False
    reason: str = ""


@attrs.frozen(kw_only=True)
class ReasonBody:
    """Why."""

    reason: str = ""
