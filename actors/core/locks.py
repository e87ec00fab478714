"""Locks as data: who holds a lock and who waits for it, and the check that a restart takes no lock over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core.requests import describe
from actors.errors import ConflictError, ErrorCode
from actors.values.names import SYSTEM_NAMESPACE
from journal import events as e
from journal.events import OutcomeKind
from journal.ids import InvocationId, StepId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from journal.events import Event

LOCK = f"{SYSTEM_NAMESPACE}Lock"
"""The class of the built-in objects that are locks."""

ACQUIRE, RELEASE = "acquire", "release"
"""The handlers of a lock that ``actors.lock`` calls."""

MAX_KEYS = 100
"""The most keys of one ``actors.lock``."""

MAX_HOLDERS = 1_000
"""The most invocations that hold one lock or wait for it."""


@attrs.frozen(kw_only=True)
class HeldLock:
    """An invocation that holds a lock or waits for it, since a time in wall seconds. ``guard`` is the invocation of the lock that ends
    when the lock is released, and not before the guard of the invocation ahead has ended."""

    holder: InvocationId
    guard: InvocationId
    since: float


@attrs.frozen(kw_only=True)
class GrantedLock:
    """The place of an invocation among those that want a lock: its own ``guard``, and the guard and the id of the invocation ``ahead``.
    They are None if it has the lock."""

    guard: InvocationId
    ahead: InvocationId | None = None
    ahead_guard: InvocationId | None = None


def check_no_lock(events: Iterable[Event], step: StepId) -> None:
    """Raise :class:`ConflictError` if the handler holds a lock, or waits for one, after these events: the lock belongs to the original
    invocation and not to its restart. ``step`` is the point of the restart."""
    calls: dict[StepId, e.CallScheduled] = {}
    held: dict[str | None, e.CallScheduled] = {}
    for event in events:
        match event:
            case e.CallScheduled() if event.target.service == LOCK:
                calls[event.step] = event
            case e.CallCompleted() if event.step in calls and event.outcome.kind is OutcomeKind.SUCCEEDED:
                held[calls[event.step].target.key] = calls[event.step]
            case e.SendScheduled() if event.target.service == LOCK:
                held.pop(event.target.key, None)
    if held:
        call = next(iter(held.values()))
        raise ConflictError(
            f"{step} is in the block of a lock, which a restart does not have: restart from step {call.step} "
            f"({describe(call)}) or before",
            code=ErrorCode.NOT_POSSIBLE,
        )
