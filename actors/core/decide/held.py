"""Delays the start of invocations that a closed gate holds, or that must wait for a place under a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from actors.core.gates import Gates
from actors.core.limits import Candidate
from actors.core.state import InvocationState, ObjectState
from actors.errors import ErrorCode, LimitExceededError
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import Mode, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.run_places import RunPlaces
    from actors.values.limits import Limits
    from journal.events import Event
    from journal.ids import InvocationId

Owner: TypeAlias = ObjectState | e.ObjectCreated
Known: TypeAlias = InvocationState | e.InvocationAccepted


def without_held(state: ObjectState | None, events: list[Event], limits: Limits, gates: Gates) -> list[Event]:
    """Return the events without the starts that a gate forbids, as :func:`without`."""
    return without(state, events, limits, lambda owner, known, deployment: _is_held(owner, known, deployment, gates))


def without_waiting(
    state: ObjectState | None, events: list[Event], limits: Limits, places: RunPlaces, accepted_at: float
) -> list[Event]:
    """Return the events without the starts that must wait for a place, as :func:`without`; the other starts get a place.
    ``accepted_at`` is the acceptance time of a new invocation."""
    return without(
        state,
        events,
        limits,
        lambda owner, known, _: not places.take(_candidate(owner, known, accepted_at), is_start=True),
    )


def candidate_of(state: ObjectState, invocation: InvocationState) -> Candidate:
    """Return the properties of an open invocation that limits depend on."""
    return _candidate(state, invocation, invocation.accepted_at)


def _candidate(owner: Owner, known: Known, accepted_at: float) -> Candidate:
    return Candidate(
        invocation_id=known.invocation_id,
        service=owner.service,
        key=owner.key,
        handler=known.handler,
        tags=known.tags,
        accepted_at=known.accepted_at if isinstance(known, InvocationState) else accepted_at,
    )


def without(
    state: ObjectState | None, events: list[Event], limits: Limits, is_held: Callable[[Owner, Known, str], bool]
) -> list[Event]:
    """Return the events without the starts of held invocations, which stay in the queue.

    A shared handler needs no turn, so no queue limits how many of them wait: they are counted here. Raises
    :class:`LimitExceededError` if too many wait.
    """
    owner = state if state is not None else events[0]
    if not isinstance(owner, (ObjectState, e.ObjectCreated)):
        raise BrokenInvariant("the first event of a new object is not ObjectCreated")
    starting = {event.invocation_id for event in events if isinstance(event, e.InvocationStarted)}
    # An update runs nothing of its own. What holds its run holds it.
    starting -= {event.update for event in events if isinstance(event, e.UpdateAccepted)}
    if not starting:
        return events
    known: dict[InvocationId, InvocationState | e.InvocationAccepted] = {}
    if state is not None:
        known |= {of: state.invocations[of] for of in starting & state.invocations.keys()}
    known |= {event.invocation_id: event for event in events if isinstance(event, e.InvocationAccepted)}
    moved = {event.invocation_id: event.deployment for event in events if isinstance(event, e.InvocationMoved)}

    held = {of for of in starting if is_held(owner, known[of], moved.get(of, known[of].deployment))}
    if any(isinstance(known[of], e.InvocationAccepted) and known[of].mode is Mode.SHARED for of in held):
        _check_room_for_readers(state, limits)
    return [event for event in events if not (isinstance(event, e.InvocationStarted) and event.invocation_id in held)]


def _is_held(owner: Owner, known: Known, deployment: str, gates: Gates) -> bool:
    if isinstance(known, e.InvocationAccepted):
        return bool(gates.holding(owner.service, owner.key, known.handler, deployment))
    return bool(gates.holding(owner.service, owner.key, known.handler, deployment, accepted_at=known.accepted_at))


def _check_room_for_readers(state: ObjectState | None, limits: Limits) -> None:
    waiting = 0 if state is None else sum(i.status is Status.QUEUED for i in state.invocations.values())
    if waiting >= limits.mailbox:
        if state is None:
            raise BrokenInvariant("invocations wait for an object without a state")
        raise LimitExceededError(
            f"a gate or a limit holds {state.name}, {waiting} invocations wait for it already (limit `mailbox`={limits.mailbox}); "
            "try again later",
            limit="mailbox",
            maximum=limits.mailbox,
            found=waiting,
            code=ErrorCode.BUSY,
        )
