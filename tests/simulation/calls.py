"""Laws of what invocations do to each other: sends, calls, and what becomes of these when their caller is stopped."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from journal import events as e
from journal.events import Mode, OutcomeKind
from journal.ids import InvocationId
from tests.simulation.cast import Notebook
from tests.simulation.lives import SAME_TIME

if TYPE_CHECKING:
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm

_UNWIND_SECONDS = 0.3
"""The longest that a body of the cast takes to give way."""


def judge(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """Hold a storm against these."""
    purged = {*storm.purged, *(heir for of in storm.purged for heir in storm.heirs(of))}
    for life in lives.values():
        sent = [event for event in life.of(e.SendScheduled) if event.target.service != Notebook.__name__]
        lost = [event.callee for event in sent if event.callee not in lives]
        storm.law("what was sent is done", not [of for of in lost if of not in purged], f"{life.id}: {lost}")
        if life.service != "Walker":
            _children(storm, lives, life)
    _writers(storm, lives)


def _children(storm: Storm, lives: dict[InvocationId, Life], life: Life) -> None:
    """What was called and is no longer wanted is cancelled, or killed with its caller."""
    if life.accepted.restarts is not None or life.of(e.InvocationRestarted):
        return  # a restart takes over what was called
    calls: dict[str, InvocationId] = {}
    unwanted: set[str] = set()
    for recorded in life.events:
        match recorded.event:
            case e.CallScheduled(step=step, callee=callee):
                calls[step] = callee
            case e.CallCompleted(step=step):
                calls.pop(step, None)
                unwanted.discard(step)
            case e.CallCancelRequested(step=step):
                unwanted.add(step)
    for step, callee in calls.items():
        child = lives.get(callee)
        if child is None or child.outcome is None or child.of(e.InvocationRestarted):
            continue
        storm.law("an unwanted call is waited for", step not in unwanted or not life.is_done, f"{life.id} {step}")
        if life.outcome is not None and life.outcome.kind is OutcomeKind.KILLED:
            is_so = child.outcome.kind is OutcomeKind.KILLED or child.ended_durably < life.ended_durably + SAME_TIME
            storm.law("a kill reaches what was called", is_so, f"{callee}, called by {life.id}: {child.outcome.kind}")


def _writers(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """Bodies stop with their invocation, and those of two that need their object for themselves never run at a time."""
    running: dict[str, float] = {}
    for what, key, at in storm.world.story:
        of = key.partition("/")[0]
        life = lives.get(InvocationId(of))
        if what == "death":
            running.clear()
        elif what == "end":
            running.pop(key, None)
            last = inf if life is None else life.ended_durably + _UNWIND_SECONDS + 0.1
            storm.law(
                "what has ended stops", at <= last, f"{key} ended at {at}, its invocation {_UNWIND_SECONDS} s before"
            )
        else:
            if life is not None and life.key is not None and life.accepted.mode is Mode.EXCLUSIVE:
                beside = [other for other in running if _is_beside(lives, life, other)]
                storm.law("one writer at a time", not beside, f"{key} at {at}, beside {beside}")
            running[key] = at
    for of, at, bodies in storm.world.turns:
        life = lives.get(InvocationId(of))
        if life is not None and life.key is not None:
            beside = [body for body in bodies if _is_beside(lives, life, body)]
            storm.law("one writer at a time", not beside, f"{of} at {at}, beside {beside}")


def _is_beside(lives: dict[InvocationId, Life], life: Life, step: str) -> bool:
    other = lives.get(InvocationId(step.partition("/")[0]))
    if other is None or other.id == life.id or other.accepted.mode is not Mode.EXCLUSIVE:
        return False
    return (other.service, other.key) == (life.service, life.key)
