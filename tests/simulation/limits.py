"""Laws of what there may be at most: steps that run, invocations that wait, tries."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from journal import events as e
from journal.events import Mode

if TYPE_CHECKING:
    from journal.events import Recorded
    from journal.ids import InvocationId
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm


TRIES = 2
"""Of each step of the cast."""


def judge(storm: Storm, lives: dict[InvocationId, Life], objects: list[list[Recorded]]) -> None:
    """Hold a storm against these."""
    _running_steps(storm)
    for events in objects:
        _mailbox(storm, events)
    for life in lives.values():
        _tries(storm, life)


def _running_steps(storm: Storm) -> None:
    most = storm.lab.limits.running_steps * storm.lab.partitions
    for key, at, beside in storm.world.runs():
        running = len(beside | {key})
        storm.law("no more steps run than may", running <= most, f"{running} at {at}, {most} may")


def _mailbox(storm: Storm, events: list[Recorded]) -> None:
    waiting: set[InvocationId] = set()
    most = storm.lab.limits.mailbox
    for recorded in events:
        match recorded.event:
            case e.InvocationAccepted(mode=Mode.EXCLUSIVE, restarts=restarts, scheduled_for=date, invocation_id=of):
                is_too_much = restarts is None and len(waiting) >= most
                storm.law("no more wait than may", not is_too_much, f"{of} is one more than {most}")
                if date is None:
                    waiting.add(of)
            case e.InvocationDue(invocation_id=of):
                waiting.add(of)
            case e.InvocationStarted(invocation_id=of) | e.InvocationCompleted(invocation_id=of):
                waiting.discard(of)


def _tries(storm: Storm, life: Life) -> None:
    """Each try that failed is counted, and after the last one there is no other until somebody asks for it."""
    if life.service not in storm.company.honest or life.accepted.restarts is not None:
        return
    counts: dict[str, int] = defaultdict(int)
    is_paused = False
    for recorded in life.events:
        match recorded.event:
            case e.InvocationPaused():
                is_paused = True
            case e.StepAttemptFailed(step=step, attempt=attempt, retry_at=retry_at):
                counts[step] += 1
                is_so = attempt == counts[step] <= TRIES and (retry_at is None) == (attempt == TRIES)
                storm.law("a step is tried as often as its policy says", is_so, f"{life.id} {step}: {recorded.event}")
            case e.InvocationResumed() | e.CancelRequested() if is_paused:
                counts.clear()
                is_paused = False
