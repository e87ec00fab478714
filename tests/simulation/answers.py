"""Laws of what is told: to those who wait for an outcome, those who look, and those who asked for a pause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal import events as e
from journal.events import OutcomeKind
from tests.simulation.lives import LONGEST_COMMIT_SECONDS, SAME_TIME

if TYPE_CHECKING:
    from journal.events import Outcome
    from journal.ids import InvocationId
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm


def judge(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """Hold a storm against these."""
    _what_was_awaited(storm, lives)
    _what_was_seen(storm, lives)
    _what_was_read(storm, lives)
    for life in lives.values():
        _what_was_called(storm, lives, life)
        _pauses(storm, life)
        _output(storm, life)


def _possible(lives: dict[InvocationId, Life], of: InvocationId) -> list[Outcome | None]:
    """How it, or a restart of it, ended."""
    line, possible = [of], []
    while line:
        one = line.pop()
        if one in lives:
            possible.append(lives[one].outcome)
            line += [event.successor for event in lives[one].of(e.InvocationRestarted)]
    return possible


def _what_was_awaited(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """Whoever waits for an outcome gets the one that is recorded, or that of a restart."""
    for of, outcome in storm.outcomes:
        if of in lives and not storm.heirs(of) & storm.purged:  # nothing says any more how what was purged had ended
            is_so = outcome in _possible(lives, of)
            storm.law("who waits gets the recorded outcome", is_so, f"{of}: {outcome}")


def _what_was_called(storm: Storm, lives: dict[InvocationId, Life], life: Life) -> None:
    """So does a handler that called, or attached."""
    callees: dict[str, InvocationId] = {}
    for recorded in life.events:
        match recorded.event:
            case e.CallScheduled(step=step, callee=callee) | e.AttachScheduled(step=step, callee=callee):
                callees[step] = callee
            case e.CallTransferred(step=step, callee=callee):
                callees[step] = callee
            case e.CallCompleted(step=step, outcome=outcome) if outcome.kind is OutcomeKind.SUCCEEDED:
                callee = callees[step]
                if callee in lives and not storm.purged & {callee, *storm.heirs(callee)}:
                    is_so = outcome.value in [one.value for one in _possible(lives, callee) if one is not None]
                    storm.law("a caller gets the recorded outcome", is_so, f"{life.id} {step}, of {callee}: {outcome}")


def _what_was_seen(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """Nobody sees an end before it is on the disk to stay."""
    for of, at in storm.seen_ends:
        life = lives.get(of)
        if life is not None:
            storm.law(
                "what is seen is durable", life.ended_durably <= at + SAME_TIME, f"{of} was seen to have ended at {at}"
            )
    for of, at in storm.seen_open:
        life = lives.get(of)
        if life is not None and not life.of(e.InvocationRestarted):
            is_so = life.ended_durably >= at - LONGEST_COMMIT_SECONDS
            storm.law("what is durable is seen", is_so, f"{of} was seen open at {at}, it ended at {life.ended_durably}")


def _what_was_read(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """A history is read whole, and as it is, or not at all."""
    for of, began, entries in storm.histories:
        life = lives.get(of)
        if life is None or of in storm.purged:
            continue
        known = [(r.number, type(r.event).__name__) for r in life.events]
        durable = sum(at < began - SAME_TIME for at in life.at)
        is_whole = len(entries) >= durable and entries == known[: len(entries)]
        storm.law("a history is read as it is", is_whole, f"{of}: {entries}, it is {known}")


def _pauses(storm: Storm, life: Life) -> None:
    """A pause that is not to be at once lets steps that run end first."""
    if life.id in storm.paused_now or life.service == "Walker":
        return
    running: set[str] = set()
    is_asked = False
    for recorded in life.events:
        match recorded.event:
            case e.StepScheduled(step=step) | e.StepRetried(step=step):
                running.add(step)
            case e.StepCompleted(step=step) | e.StepAttemptFailed(step=step) | e.StepAborted(step=step):
                running.discard(step)
            case e.PauseRequested():
                is_asked = True  # from here on it may also find that they died with their process
            case e.InvocationResumed() | e.CancelRequested():
                is_asked = False
            case e.InvocationPaused(cause=e.PauseCause.REQUESTED):
                storm.law("a pause lets steps end", is_asked or not running, f"{life.id}: {running}")
                is_asked = False


def _output(storm: Storm, life: Life) -> None:
    """A handler's piece of output is recorded once, however often the handler is replayed."""
    pieces = [value for run in life.output if not run.attempt for value in run.values]
    is_once = len(pieces) == len({*pieces}) or life.accepted.restarts is not None or life.service == "Walker"
    storm.law("a piece of output comes once", is_once, f"{life.id}: {pieces}")
