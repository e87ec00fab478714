"""Takes places of limits for attempts that run, and gives them back when the attempts wait or end.

A place belongs to an attempt or to its running steps, in memory; nothing is recorded. Without limits none of this is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.decide.held import candidate_of, without_waiting
from actors.core.owed import needs_attempt
from actors.errors import LimitExceededError
from journal import events as e
from journal.events import Status
from journal.ids import stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from actors.core.gates import Gates
    from actors.core.limits import Candidate
    from actors.core.run_places import RunPlaces
    from actors.core.state import InvocationState, ObjectState
    from actors.engine.batch import CommitBatch
    from actors.engine.live_attempts import LiveAttempts
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.run_limits import RunLimits
    from actors.values.limits import Limits
    from journal.events import Event, Stamp
    from journal.ids import InvocationId


def apply_in_places(
    under: RunLimits,
    limits: Limits,
    batch: CommitBatch,
    loaded: LoadedObject,
    stamp: Stamp,
    events: list[Event],
    apply: Callable[[LoadedObject, Stamp, list[Event]], None],
) -> list[Event]:
    """Apply the events without the starts that must wait for a place, and add the others, and the amounts that are spent, to the rows
    of the batch. Returns the events applied."""
    places = under.places
    try:
        events = without_waiting(loaded.state, events, limits, places, stamp.at)
    except LimitExceededError:
        for event in events:
            if isinstance(event, e.InvocationAccepted):
                places.give_up(event.invocation_id)
        raise
    started = [event.invocation_id for event in events if isinstance(event, e.InvocationStarted)]
    charges = under.budgets.charges(places, loaded.state, events)
    try:
        apply(loaded, stamp, events)
    except BaseException:
        for of in started:
            places.release(of)
        raise
    for of in started:
        under.start_logs[batch.partition].add(batch.rows, of)
    under.budgets.add(batch.rows, batch.partition, charges)
    for event in events:
        if isinstance(event, e.InvocationCompleted):
            places.give_up(event.invocation_id)
    return events


def has_place(
    places: RunPlaces, loaded: LoadedObject, state: ObjectState, invocation: InvocationState, *, is_first: bool
) -> bool:
    """Whether the handler may take its turn now. ``is_first`` says that the turn begins an attempt."""
    of = invocation.invocation_id
    has_turn = of not in loaded.attempts if is_first else needs_attempt(invocation)
    if has_turn:
        return places.take(candidate_of(state, invocation), is_start=False)
    if of in loaded.attempts and places.unused(of):
        leave_place(places, loaded, of)
    return True


def leave_place(places: RunPlaces, loaded: LoadedObject, of: InvocationId) -> None:
    """Give back the place of an invocation that does not run, once none of its steps does."""
    if of not in loaded.steps:
        places.release(of)


def leave_place_if_suspended(places: RunPlaces, loaded: LoadedObject, of: InvocationId) -> None:
    """Give back the place of an invocation whose handler waits, once none of its steps runs."""
    invocation = loaded.open_state(of)
    if invocation is not None and invocation.status is Status.SUSPENDED:
        leave_place(places, loaded, of)


def leave_places(places: RunPlaces, loaded: LoadedObject) -> None:
    """Give back the places of an object's invocations, except those whose steps still run."""
    if places.is_active:
        stream, steps = loaded.stream, loaded.steps
        places.leave_all(lambda of: stream_of_invocation(of) == stream and of not in steps)


def return_unused(places: RunPlaces, gates: Gates, loaded: LoadedObject) -> None:
    """Take back the places of invocations that were woken and cannot run because they have ended, are paused, or are held by a gate."""
    for of in [*places.unused_in(loaded.stream)]:
        state, invocation = loaded.state, loaded.open_state(of)
        if (
            state is None
            or invocation is None
            or not needs_attempt(invocation)
            or gates.holding_invocation(state, invocation)
        ):
            places.release(of)


def running(live: LiveAttempts) -> Iterator[Candidate]:
    """Yield the invocations that run: a handler has a turn, or a step is under way."""
    for loaded, attempt in live:
        invocation = loaded.open_state(attempt.invocation_id)
        if loaded.state is not None and invocation is not None and invocation.status is not Status.SUSPENDED:
            yield candidate_of(loaded.state, invocation)
