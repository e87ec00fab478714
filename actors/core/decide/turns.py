"""Decides on turns: which invocation completes, and which starts next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core.state import InvocationState, ObjectState
from journal import events as e
from journal.events import Mode, Outcome, Status

if TYPE_CHECKING:
    from actors.values.limits import Limits
    from journal.events import Event


def start_due(state: ObjectState, invocation: InvocationState, _: Any, __: float, ___: Limits) -> list[Event]:
    """Start an invocation whose scheduled time has come if its object is free; else queue it."""
    if invocation.scheduled_for is None:
        return []
    due: Event = e.InvocationDue(invocation_id=invocation.invocation_id)
    if invocation.status is Status.PAUSED:
        return [due]
    if invocation.mode is Mode.SHARED or (state.holder is None and not state.queue):
        return [due, e.InvocationStarted(invocation_id=invocation.invocation_id)]
    return [due]


def complete(state: ObjectState, invocation: InvocationState, outcome: Outcome) -> list[Event]:
    """Complete the invocation and start the next one."""
    completed = e.InvocationCompleted(invocation_id=invocation.invocation_id, outcome=outcome)
    return [completed, *_start_next(state, without=invocation), *_start_behind(state, invocation)]


def _start_behind(state: ObjectState, ended: InvocationState) -> list[Event]:
    """Start the restarts that waited only for this invocation to complete."""
    return [
        e.InvocationStarted(invocation_id=waiting.invocation_id)
        for waiting in state.invocations.values()
        if waiting.waits_for == ended.invocation_id and waiting.mode is Mode.SHARED and waiting.status is Status.QUEUED
    ]


def _start_next(state: ObjectState, *, without: InvocationState) -> list[Event]:
    """Start the head of the queue after ``without`` has left. A paused head keeps its place: the queue is first come, first
    served."""
    if state.holder not in (None, without.invocation_id):
        return []
    for waiting in state.queue:
        if waiting == without.invocation_id:
            continue
        is_held = state.invocations[waiting].status is Status.PAUSED
        return [] if is_held else [e.InvocationStarted(invocation_id=waiting)]
    return []


def start_if_its_turn(state: ObjectState, invocation: InvocationState) -> list[Event]:
    """Start the invocation if nothing is before it."""
    if invocation.is_started or invocation.scheduled_for is not None or invocation.waits_for in state.invocations:
        return []
    is_head = state.holder is None and state.queue[:1] == [invocation.invocation_id]
    if invocation.mode is Mode.SHARED or is_head:
        return [e.InvocationStarted(invocation_id=invocation.invocation_id)]
    return []


def start_waiting(state: ObjectState | None) -> list[Event]:
    """Start the invocations that waited for a gate, if it is their turn."""
    if state is None:
        return []
    queued = [invocation for invocation in state.invocations.values() if invocation.status is Status.QUEUED]
    return [started for invocation in queued for started in start_if_its_turn(state, invocation)]


def is_free_without(state: ObjectState, ended: InvocationState | None) -> bool:
    """Report whether the object is free once this invocation has left it."""
    gone = None if ended is None else ended.invocation_id
    return state.holder in (None, gone) and all(waiting == gone for waiting in state.queue)
