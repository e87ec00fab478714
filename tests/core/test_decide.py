"""What follows from a command: the table of the remote control, cell by cell, and what comes late, twice or never."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeAlias, get_args

import attrs
import pytest

from actors.core import commands as c
from actors.errors import ConflictError, ErrorCode, NotFoundError
from actors.values.retries import RetryPolicy
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import (
    Caller,
    Children,
    ControlResult,
    Mode,
    Outcome,
    OutcomeKind,
    PauseCause,
    PauseMode,
    Status,
    Stop,
)
from journal.ids import StepId, life_of
from tests.core.situations import (
    ATTEMPT_FAILED,
    BEHIND,
    BROKEN,
    CALLEE,
    CALLER,
    CANCEL_REQUESTED,
    DATE_HAS_COME,
    DUE,
    IS_OPEN,
    IS_STARTED,
    IT,
    SIGNAL_AWAITED,
    STATUS,
    STEP,
    STEP_FAILED,
    STEP_SCHEDULED,
    SUCCEEDED,
    TARGET,
    Situation,
    accepted,
    cancel,
    completed,
    events_of,
    invoke,
    paused,
    resume,
    started,
)
from tests.core.story import NOW, given, nth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.core.commands import Command, Decidable
    from journal.events import Event

# What people may ask.


AGAIN = nth(8)
OVER = e.OverBudget(IT, "tokens", "12", "10")


def restart(stop: Stop | None = None) -> c.ResolvedRestart:
    """A restart with what its original was asked for."""
    asked = c.RestartInvocation(invocation_id=IT, successor=AGAIN, reason="why", from_step="work", stop=stop)
    return c.ResolvedRestart(asked=asked, original=accepted(argument=b"7"), original_at=0.0, deployment="", step=STEP)


VERBS: dict[str, Decidable] = {
    "cancel": cancel(),
    "cancel with patience": cancel(children=Children.ALL, kill_after=30),
    "kill": c.KillInvocation(invocation_id=IT, reason="why"),
    "pause": c.PauseInvocation(invocation_id=IT, reason="why"),
    "pause now": c.PauseInvocation(invocation_id=IT, reason="why", mode=PauseMode.NOW),
    "resume": resume(),
    "move": resume(deployment="dep_b"),
    "signal": c.SignalInvocation(invocation_id=IT, name="go", value=b"1"),
    "reschedule": c.RescheduleInvocation(invocation_id=IT, reason="why", delay=30.0),
    "purge": c.PurgeInvocations(invocation_ids=[IT]),
    "attach": c.Attach(invocation_id=IT, by=CALLER),
    "restart": restart(),
    "restart after kill": restart(Stop.KILL),
    "restart after cancel": restart(Stop.CANCEL),
}

ENDS_CANCELLED = completed(IT, Outcome(OutcomeKind.CANCELLED, reason="why"))
ENDS_KILLED = completed(IT, Outcome(OutcomeKind.KILLED, reason="why"))
NEXT = started(BEHIND)
CANCELS = e.CancelRequested(invocation_id=IT, reason="why")
HASTENS = e.CancelDeadlineMoved(invocation_id=IT, kill_at=NOW + 30, reason="why")
HOLDS = paused(reason="why")
DRAINS = e.PauseRequested(invocation_id=IT, reason="why")
MOVES = e.InvocationMoved(invocation_id=IT, deployment="dep_b")
REPEATS = accepted(AGAIN, argument=b"7", restarts=e.Lineage(IT, STEP, seed=life_of(IT, 0.0)))
REPEATS_LATER = attrs.evolve(REPEATS, behind=IT)
RESTARTED = e.InvocationRestarted(invocation_id=IT, successor=AGAIN, step=STEP, reason="why", hands_over=True)
ENDED_AND_RESTARTED = attrs.evolve(RESTARTED, hands_over=False)
RESUMES = e.InvocationResumed(invocation_id=IT, reason="why")
RETRIES_STEP = e.StepRetried(invocation_id=IT, step=STEP)
RETRIES = e.AttemptRetried(invocation_id=IT)
SIGNALS = e.SignalReceived(invocation_id=IT, name="go", value=b"1", signal=1)
ANSWERS = attrs.evolve(SIGNALS, step=STEP)
ATTACHES = e.AttachRequested(invocation_id=IT, by=CALLER)
RESCHEDULES = e.InvocationRescheduled(invocation_id=IT, scheduled_for=NOW + 30, reason="why")
FORGETS = e.InvocationsPurged(invocation_ids=[IT])

ENDED = None

Followed: TypeAlias = "tuple[list[Event], Status | None]"
Cell: TypeAlias = "Followed | ErrorCode"

S = Situation

TABLE: dict[str, dict[Situation, Cell]] = {
    "cancel": {
        S.SCHEDULED: ([ENDS_CANCELLED], ENDED),
        S.QUEUED: ([ENDS_CANCELLED], ENDED),
        S.RUNNING_STEP: ([CANCELS], Status.RUNNING),
        S.SUSPENDED: ([CANCELS], Status.SUSPENDED),  # until the handler, which is given it, goes on
        S.BACKING_OFF_STEP: ([CANCELS], Status.BACKING_OFF),  # until the handler, which is given it, drops the step
        S.BACKING_OFF_HANDLER: ([CANCELS], Status.RUNNING),
        S.PAUSED_SCHEDULED: ([ENDS_CANCELLED], ENDED),
        S.PAUSED_QUEUED: ([ENDS_CANCELLED], ENDED),
        S.PAUSED_HEAD: ([ENDS_CANCELLED, NEXT], ENDED),
        S.PAUSED_IDLE: ([CANCELS], Status.SUSPENDED),
        S.PAUSED_STEP: ([CANCELS], Status.RUNNING),
        S.PAUSED_EXHAUSTED_STEP: ([CANCELS], Status.RUNNING),
        S.PAUSED_EXHAUSTED_HANDLER: ([CANCELS], Status.RUNNING),
        S.PAUSING: ([CANCELS], Status.RUNNING),
        S.CANCELLING: ([], Status.RUNNING),
        S.CANCELLING_IDLE: ([], Status.SUSPENDED),
        S.CANCELLING_PAUSED: ([], Status.PAUSED),
        S.COMPLETED: ErrorCode.NOT_FOUND,
        S.UNKNOWN: ErrorCode.NOT_FOUND,
    },
    "kill": {
        S.SCHEDULED: ([ENDS_KILLED], ENDED),
        S.QUEUED: ([ENDS_KILLED], ENDED),
        S.RUNNING_STEP: ([ENDS_KILLED, NEXT], ENDED),
        S.SUSPENDED: ([ENDS_KILLED, NEXT], ENDED),
        S.BACKING_OFF_STEP: ([ENDS_KILLED, NEXT], ENDED),
        S.BACKING_OFF_HANDLER: ([ENDS_KILLED, NEXT], ENDED),
        S.PAUSED_SCHEDULED: ([ENDS_KILLED], ENDED),
        S.PAUSED_QUEUED: ([ENDS_KILLED], ENDED),
        S.PAUSED_HEAD: ([ENDS_KILLED, NEXT], ENDED),
        S.PAUSED_IDLE: ([ENDS_KILLED, NEXT], ENDED),
        S.PAUSED_STEP: ([ENDS_KILLED, NEXT], ENDED),
        S.PAUSED_EXHAUSTED_STEP: ([ENDS_KILLED, NEXT], ENDED),
        S.PAUSED_EXHAUSTED_HANDLER: ([ENDS_KILLED, NEXT], ENDED),
        S.PAUSING: ([ENDS_KILLED, NEXT], ENDED),
        S.CANCELLING: ([ENDS_KILLED, NEXT], ENDED),
        S.CANCELLING_IDLE: ([ENDS_KILLED, NEXT], ENDED),
        S.CANCELLING_PAUSED: ([ENDS_KILLED, NEXT], ENDED),
        S.COMPLETED: ErrorCode.NOT_FOUND,
        S.UNKNOWN: ErrorCode.NOT_FOUND,
    },
    "pause": {
        S.SCHEDULED: ([HOLDS], Status.PAUSED),
        S.QUEUED: ([HOLDS], Status.PAUSED),
        S.RUNNING_STEP: ([DRAINS], Status.RUNNING),
        S.SUSPENDED: ([HOLDS], Status.PAUSED),
        S.BACKING_OFF_STEP: ([HOLDS], Status.PAUSED),
        S.BACKING_OFF_HANDLER: ([HOLDS], Status.PAUSED),
        S.PAUSED_SCHEDULED: ([], Status.PAUSED),
        S.PAUSED_QUEUED: ([], Status.PAUSED),
        S.PAUSED_HEAD: ([], Status.PAUSED),
        S.PAUSED_IDLE: ([], Status.PAUSED),
        S.PAUSED_STEP: ([], Status.PAUSED),
        S.PAUSED_EXHAUSTED_STEP: ([], Status.PAUSED),
        S.PAUSED_EXHAUSTED_HANDLER: ([], Status.PAUSED),
        S.PAUSING: ([], Status.RUNNING),
        S.CANCELLING: ([DRAINS], Status.RUNNING),
        S.CANCELLING_IDLE: ([HOLDS], Status.PAUSED),
        S.CANCELLING_PAUSED: ([], Status.PAUSED),
        S.COMPLETED: ErrorCode.NOT_FOUND,
        S.UNKNOWN: ErrorCode.NOT_FOUND,
    },
    "pause now": {
        S.SCHEDULED: ([HOLDS], Status.PAUSED),
        S.QUEUED: ([HOLDS], Status.PAUSED),
        S.RUNNING_STEP: ([HOLDS], Status.PAUSED),
        S.SUSPENDED: ([HOLDS], Status.PAUSED),
        S.BACKING_OFF_STEP: ([HOLDS], Status.PAUSED),
        S.BACKING_OFF_HANDLER: ([HOLDS], Status.PAUSED),
        S.PAUSED_SCHEDULED: ([], Status.PAUSED),
        S.PAUSED_QUEUED: ([], Status.PAUSED),
        S.PAUSED_HEAD: ([], Status.PAUSED),
        S.PAUSED_IDLE: ([], Status.PAUSED),
        S.PAUSED_STEP: ([], Status.PAUSED),
        S.PAUSED_EXHAUSTED_STEP: ([], Status.PAUSED),
        S.PAUSED_EXHAUSTED_HANDLER: ([], Status.PAUSED),
        S.PAUSING: ([HOLDS], Status.PAUSED),
        S.CANCELLING: ([HOLDS], Status.PAUSED),
        S.CANCELLING_IDLE: ([HOLDS], Status.PAUSED),
        S.CANCELLING_PAUSED: ([], Status.PAUSED),
        S.COMPLETED: ErrorCode.NOT_FOUND,
        S.UNKNOWN: ErrorCode.NOT_FOUND,
    },
    "resume": {
        S.SCHEDULED: ([], Status.SCHEDULED),
        S.QUEUED: ([], Status.QUEUED),
        S.RUNNING_STEP: ([], Status.RUNNING),
        S.SUSPENDED: ([], Status.SUSPENDED),
        S.BACKING_OFF_STEP: ([RETRIES_STEP], Status.RUNNING),
        S.BACKING_OFF_HANDLER: ([RETRIES], Status.RUNNING),
        S.PAUSED_SCHEDULED: ([RESUMES], Status.SCHEDULED),
        S.PAUSED_QUEUED: ([RESUMES], Status.QUEUED),
        S.PAUSED_HEAD: ([RESUMES, started(IT)], Status.RUNNING),
        S.PAUSED_IDLE: ([RESUMES], Status.SUSPENDED),
        S.PAUSED_STEP: ([RESUMES], Status.RUNNING),
        S.PAUSED_EXHAUSTED_STEP: ([RESUMES], Status.RUNNING),
        S.PAUSED_EXHAUSTED_HANDLER: ([RESUMES], Status.RUNNING),
        S.PAUSING: ([RESUMES], Status.RUNNING),
        S.CANCELLING: ([], Status.RUNNING),
        S.CANCELLING_IDLE: ([], Status.SUSPENDED),
        S.CANCELLING_PAUSED: ([RESUMES], Status.SUSPENDED),
        S.COMPLETED: ErrorCode.NOT_FOUND,
        S.UNKNOWN: ErrorCode.NOT_FOUND,
    },
    "move": {
        S.SCHEDULED: ([MOVES], Status.SCHEDULED),
        S.QUEUED: ([MOVES], Status.QUEUED),
        S.RUNNING_STEP: ErrorCode.STILL_RUNNING,
        S.SUSPENDED: ([MOVES], Status.SUSPENDED),
        S.BACKING_OFF_STEP: ([MOVES, RETRIES_STEP], Status.RUNNING),
        S.BACKING_OFF_HANDLER: ([MOVES, RETRIES], Status.RUNNING),
        S.PAUSED_SCHEDULED: ([MOVES, RESUMES], Status.SCHEDULED),
        S.PAUSED_QUEUED: ([MOVES, RESUMES], Status.QUEUED),
        S.PAUSED_HEAD: ([MOVES, RESUMES, started(IT)], Status.RUNNING),
        S.PAUSED_IDLE: ([MOVES, RESUMES], Status.SUSPENDED),
        S.PAUSED_STEP: ([MOVES, RESUMES], Status.RUNNING),
        S.PAUSED_EXHAUSTED_STEP: ([MOVES, RESUMES], Status.RUNNING),
        S.PAUSED_EXHAUSTED_HANDLER: ([MOVES, RESUMES], Status.RUNNING),
        S.PAUSING: ErrorCode.STILL_RUNNING,
        S.CANCELLING: ErrorCode.STILL_RUNNING,
        S.CANCELLING_IDLE: ([MOVES], Status.SUSPENDED),
        S.CANCELLING_PAUSED: ([MOVES, RESUMES], Status.SUSPENDED),
        S.COMPLETED: ErrorCode.NOT_FOUND,
        S.UNKNOWN: ErrorCode.NOT_FOUND,
    },
    "signal": {
        S.SCHEDULED: ([SIGNALS], Status.SCHEDULED),
        S.QUEUED: ([SIGNALS], Status.QUEUED),
        S.RUNNING_STEP: ([SIGNALS], Status.RUNNING),
        S.SUSPENDED: ([ANSWERS], Status.RUNNING),
        S.BACKING_OFF_STEP: ([SIGNALS], Status.BACKING_OFF),
        S.BACKING_OFF_HANDLER: ([SIGNALS], Status.BACKING_OFF),
        S.PAUSED_SCHEDULED: ([SIGNALS], Status.PAUSED),
        S.PAUSED_QUEUED: ([SIGNALS], Status.PAUSED),
        S.PAUSED_HEAD: ([SIGNALS], Status.PAUSED),
        S.PAUSED_IDLE: ([ANSWERS], Status.PAUSED),
        S.PAUSED_STEP: ([SIGNALS], Status.PAUSED),
        S.PAUSED_EXHAUSTED_STEP: ([SIGNALS], Status.PAUSED),
        S.PAUSED_EXHAUSTED_HANDLER: ([SIGNALS], Status.PAUSED),
        S.PAUSING: ([SIGNALS], Status.RUNNING),
        S.CANCELLING: ([SIGNALS], Status.RUNNING),
        S.CANCELLING_IDLE: ([ANSWERS], Status.RUNNING),
        S.CANCELLING_PAUSED: ([ANSWERS], Status.PAUSED),
        S.COMPLETED: ErrorCode.NOT_FOUND,
        S.UNKNOWN: ErrorCode.NOT_FOUND,
    },
    "purge": {
        **dict.fromkeys(IS_OPEN, ErrorCode.NOT_COMPLETED),
        S.COMPLETED: ([FORGETS], ENDED),
        S.UNKNOWN: ([FORGETS], ENDED),  # whether it ever was is the door's to know
    },
    "attach": {
        **{situation: ([ATTACHES], STATUS[situation]) for situation in IS_OPEN},
        S.COMPLETED: ErrorCode.NOT_FOUND,
        S.UNKNOWN: ErrorCode.NOT_FOUND,
    },
}


TABLE["reschedule"] = {
    **dict.fromkeys(IS_OPEN, ErrorCode.ALREADY_DUE),
    S.SCHEDULED: ([RESCHEDULES], Status.SCHEDULED),
    S.PAUSED_SCHEDULED: ([RESCHEDULES], Status.PAUSED),
    S.COMPLETED: ErrorCode.NOT_FOUND,
    S.UNKNOWN: ErrorCode.NOT_FOUND,
}

_IMPATIENT = attrs.evolve(CANCELS, children=Children.ALL, kill_at=NOW + 30)


def _with_patience(cell: Cell, situation: Situation) -> Cell:
    """What a cancel with ``kill_after`` does. One that is not the first has nothing to say but that."""
    if isinstance(cell, ErrorCode):
        return cell
    events, after = cell
    if situation in (S.CANCELLING, S.CANCELLING_IDLE, S.CANCELLING_PAUSED):
        return [HASTENS], after
    return [_IMPATIENT if event == CANCELS else event for event in events], after


TABLE["cancel with patience"] = {
    situation: _with_patience(cell, situation) for situation, cell in TABLE["cancel"].items()
}


def _after(stop: str, situation: Situation) -> Cell:
    """What a restart does that stops the original first: that, between the acceptance and whatever may start by then."""
    cell = TABLE[stop][situation]
    assert isinstance(cell, tuple)
    stopping, after = cell
    accepts = REPEATS if after is None else REPEATS_LATER
    starts = [started(AGAIN)] if situation is S.SCHEDULED or situation is S.PAUSED_SCHEDULED else []
    return [accepts, RESTARTED, *stopping, *starts], after


TABLE["restart"] = {
    **dict.fromkeys(IS_OPEN, ErrorCode.STILL_OPEN),
    S.COMPLETED: ([REPEATS, ENDED_AND_RESTARTED], ENDED),
    S.UNKNOWN: ([REPEATS, ENDED_AND_RESTARTED], ENDED),  # whether it ever was is the door's to know
}
for _stop in ("kill", "cancel"):
    TABLE[f"restart after {_stop}"] = {
        **{situation: _after(_stop, situation) for situation in IS_OPEN},
        S.COMPLETED: TABLE["restart"][S.COMPLETED],
        S.UNKNOWN: TABLE["restart"][S.UNKNOWN],
    }

SHARED_INSTEAD: dict[tuple[str, Situation], Cell] = {
    ("resume", S.PAUSED_QUEUED): ([RESUMES, started(IT)], Status.RUNNING),
    ("move", S.PAUSED_QUEUED): ([MOVES, RESUMES, started(IT)], Status.RUNNING),
}
"""Where a shared one fares otherwise than an exclusive one: it waits for nobody."""

CELLS = [(verb, situation) for verb, row in TABLE.items() for situation in row]
SHARED_CELLS = [(verb, situation) for verb, situation in CELLS if situation is not S.QUEUED]


def named(value: object) -> str | None:
    return value.name.lower() if isinstance(value, Situation) else None


def check(command: Decidable, situation: Situation, mode: Mode, cell: Cell) -> None:
    story = given(*events_of(situation, mode))
    assert story.status_of(IT) is STATUS[situation]
    story.when(command)
    if isinstance(cell, ErrorCode):
        kind = NotFoundError if cell is ErrorCode.NOT_FOUND else ConflictError
        story.then_refused(kind, code=cell).leaves(IT, STATUS[situation])
    else:
        events, after = cell
        story.then(*events).leaves(IT, after)


def test_the_table_of_verbs_has_every_cell() -> None:
    assert {*CELLS} == {*itertools.product(VERBS, Situation)}
    kinds = {type(getattr(command, "asked", command)) for command in VERBS.values()}
    assert kinds == {c.Attach, *c.VERB_OF_COMMAND}
    assert {STATUS[situation] for situation in Situation} == {*Status, None} - {Status.COMPLETED}


@pytest.mark.parametrize(("verb", "situation"), CELLS, ids=named)
def test_a_verb_does_in_each_situation_what_the_table_says(verb: str, situation: Situation) -> None:
    check(VERBS[verb], situation, Mode.EXCLUSIVE, TABLE[verb][situation])


@pytest.mark.parametrize(("verb", "situation"), SHARED_CELLS, ids=named)
def test_a_verb_does_the_same_to_a_shared_one_but_nobody_waits_behind_it(verb: str, situation: Situation) -> None:
    cell = SHARED_INSTEAD.get((verb, situation), TABLE[verb][situation])
    command = VERBS[verb]
    if isinstance(command, c.ResolvedRestart):
        command = attrs.evolve(command, original=accepted(argument=b"7", mode=Mode.SHARED))
    if isinstance(cell, tuple):
        events, after = cell
        events = [
            attrs.evolve(event, mode=Mode.SHARED) if event in (REPEATS, REPEATS_LATER) else event for event in events
        ]
        waits_for_its_turn = REPEATS in cell[0] and started(AGAIN) not in events
        events += [started(AGAIN)] if waits_for_its_turn else []
        cell = [event for event in events if event != NEXT], after
    check(command, situation, Mode.SHARED, cell)


@pytest.mark.parametrize(
    ("first", "second", "ends_at"),
    [
        (None, None, None),
        (None, 30.0, 30.0),
        (30.0, None, None),
        (30.0, 10.0, 10.0),
        (30.0, 30.0, None),
        (30.0, 50.0, None),
        (30.0, 0.0, 0.0),
    ],
)
def test_of_two_cancels_the_earlier_end_of_patience_holds(
    first: float | None, second: float | None, ends_at: float | None
) -> None:
    patient = attrs.evolve(CANCEL_REQUESTED, kill_at=None if first is None else NOW + first)
    hastens = [] if ends_at is None else [attrs.evolve(HASTENS, kill_at=NOW + ends_at)]
    story = given(accepted(), started(), STEP_SCHEDULED, patient)
    story.when(cancel(kill_after=second)).then(*hastens).leaves(IT, Status.RUNNING)
    requested = story.invocation(IT).cancel
    assert requested is not None
    ends = [NOW + seconds for seconds in (first, second) if seconds is not None]
    assert requested.kill_at == (min(ends) if ends else None)


@pytest.mark.parametrize(
    "asked", [cancel().asked, resume().asked, restart().asked, invoke().asked], ids=lambda asked: type(asked).__name__
)
def test_a_command_that_its_processor_has_not_resolved_is_a_fault(asked: Command) -> None:
    with pytest.raises(BrokenInvariant):
        given(*events_of(S.RUNNING_STEP)).when(asked)


@pytest.mark.parametrize(
    ("asked", "moved_to"), [({}, NOW), ({"at": DUE - 1.0}, DUE - 1.0), ({"at": DUE}, None), ({"delay": 0.5}, NOW + 0.5)]
)
def test_a_reschedule_moves_the_time_to_that_one_or_to_now(asked: dict[str, float], moved_to: float | None) -> None:
    moved = [] if moved_to is None else [attrs.evolve(RESCHEDULES, scheduled_for=moved_to)]
    given(*events_of(S.SCHEDULED)).when(c.RescheduleInvocation(invocation_id=IT, reason="why", **asked)).then(*moved)


def test_what_cannot_be_purged_says_why_and_what_would_work() -> None:
    (
        given(*events_of(S.RUNNING_STEP))
        .when(c.PurgeInvocations(invocation_ids=[nth(99), IT]))
        .then_refused(
            ConflictError,
            code="not_completed",
        )
    )


def test_a_resume_tries_everything_again_that_waits_for_another_try() -> None:
    other = StepId("2")
    (
        given(
            accepted(),
            started(),
            STEP_SCHEDULED,
            STEP_FAILED,
            e.StepScheduled(invocation_id=IT, step=other, name="work"),
            e.StepAttemptFailed(invocation_id=IT, step=other, attempt=1, failure=BROKEN, retry_at=DUE),
            ATTEMPT_FAILED,
        )
        .when(VERBS["resume"])
        .then(RETRIES_STEP, e.StepRetried(invocation_id=IT, step=other), RETRIES)
        .leaves(IT, Status.RUNNING)
    )


def test_a_pause_waits_for_the_last_running_step_and_for_nothing_else() -> None:
    other = StepId("2")
    (
        given(
            accepted(),
            started(),
            STEP_SCHEDULED,
            e.StepScheduled(invocation_id=IT, step=other, name="work"),
            e.SleepScheduled(invocation_id=IT, step=StepId("3"), wake_at=DUE),
        )
        .when(VERBS["pause"])
        .then(DRAINS)
        .when(c.CompleteStep(invocation_id=IT, step=other, outcome=SUCCEEDED))
        .then(e.StepCompleted(invocation_id=IT, step=other, outcome=SUCCEEDED))
        .when(c.CompleteStep(invocation_id=IT, step=STEP, outcome=SUCCEEDED))
        .then(e.StepCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED), HOLDS)
        .leaves(IT, Status.PAUSED)
    )


# What comes by itself: dates, and the ends of what was begun.

TRY_AGAIN = RetryPolicy(max_attempts=3, initial_delay=8.0, max_delay=60.0)

FAIL_STEP = c.FailStep(invocation_id=IT, step=STEP, failure=BROKEN, policy=TRY_AGAIN, jitter=0.0)

CANNOT_BE = Outcome(OutcomeKind.FAILED, failure=BROKEN)
BY_ITSELF: dict[str, Command] = {
    "the date of its beginning": c.StartDue(invocation_id=IT),
    "the date of a timer": c.FireTimer(invocation_id=IT, step=STEP),
    "the date of a retry": c.RetryAttempt(invocation_id=IT),
    "a step's outcome": c.CompleteStep(invocation_id=IT, step=STEP, outcome=SUCCEEDED),
    "a step's heartbeat": c.NoteHeartbeat(invocation_id=IT, step=STEP, details=b"7"),
    "a step's failure": FAIL_STEP,
    "a step's giving way": c.AbortStep(invocation_id=IT, step=STEP),
    "a call's outcome": c.CompleteCall(invocation_id=IT, step=STEP, outcome=SUCCEEDED),
    "a verb's answer": c.CompleteVerb(invocation_id=IT, step=STEP, answer=None, refusal=BROKEN),
    "a callee's successor": c.TransferCall(invocation_id=IT, step=STEP, callee=CALLEE),
    "a caller's leaving": c.Detach(invocation_id=IT, by=CALLER),
    "its withdrawal": c.WithdrawCall(invocation_id=IT, outcome=CANNOT_BE),
    "no step runs": c.FinishDrain(invocation_id=IT),
    "its budgets have room": c.ResumeInBudget(invocation_id=IT),
    "its budget is used up": c.NoteUsedUp(invocation_id=IT, paused=CALLEE, over=OVER),
    "its max_duration is over": c.ExpireInvocation(invocation_id=IT),
    "a gate opens": c.StartWaiting(),
}

STEP_ENDS = e.StepCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED)
STEP_SAYS = e.StepHeartbeat(invocation_id=IT, step=STEP, details=b"7")
STEP_FAILS = e.StepAttemptFailed(
    invocation_id=IT, step=STEP, attempt=1, failure=BROKEN, retry_at=NOW + 4.0, max_attempts=3
)
STEP_GIVES_WAY = e.StepAborted(invocation_id=IT, step=STEP)
TAKES_EFFECT = paused(reason="held")

WITHDRAWN = completed(IT, CANNOT_BE)
MATTERS: dict[str, dict[Situation, Followed]] = {
    "the date of its beginning": {
        S.SCHEDULED: ([DATE_HAS_COME, started()], Status.RUNNING),
        S.PAUSED_SCHEDULED: ([DATE_HAS_COME], Status.PAUSED),
    },
    "the date of a timer": {S.BACKING_OFF_STEP: ([RETRIES_STEP], Status.RUNNING)},
    "the date of a retry": {S.BACKING_OFF_HANDLER: ([RETRIES], Status.RUNNING)},
    "a step's outcome": {
        S.RUNNING_STEP: ([STEP_ENDS], Status.RUNNING),
        S.PAUSED_STEP: ([STEP_ENDS], Status.PAUSED),
        S.PAUSING: ([STEP_ENDS, TAKES_EFFECT], Status.PAUSED),
        S.CANCELLING: ([STEP_ENDS], Status.RUNNING),
    },
    "a step's heartbeat": {
        S.RUNNING_STEP: ([STEP_SAYS], Status.RUNNING),
        S.PAUSED_STEP: ([STEP_SAYS], Status.PAUSED),
        S.PAUSING: ([STEP_SAYS], Status.RUNNING),
        S.CANCELLING: ([STEP_SAYS], Status.RUNNING),
    },
    "a step's failure": {
        S.RUNNING_STEP: ([STEP_FAILS], Status.BACKING_OFF),
        S.PAUSED_STEP: ([STEP_FAILS], Status.PAUSED),
        S.PAUSING: ([STEP_FAILS, TAKES_EFFECT], Status.PAUSED),
        S.CANCELLING: ([STEP_FAILS], Status.BACKING_OFF),
    },
    "a step's giving way": {
        S.RUNNING_STEP: ([STEP_GIVES_WAY], Status.RUNNING),
        S.BACKING_OFF_STEP: ([STEP_GIVES_WAY], Status.RUNNING),
        S.PAUSED_STEP: ([STEP_GIVES_WAY], Status.PAUSED),
        S.PAUSED_EXHAUSTED_STEP: ([STEP_GIVES_WAY], Status.PAUSED),
        S.PAUSING: ([STEP_GIVES_WAY, TAKES_EFFECT], Status.PAUSED),
        S.CANCELLING: ([STEP_GIVES_WAY], Status.RUNNING),
    },
    "a call's outcome": {},
    "a verb's answer": {},
    "a callee's successor": {},
    "a caller's leaving": {},
    "its withdrawal": {
        S.SCHEDULED: ([WITHDRAWN], None),
        S.QUEUED: ([WITHDRAWN], None),
        S.PAUSED_SCHEDULED: ([WITHDRAWN], None),
        S.PAUSED_QUEUED: ([WITHDRAWN], None),
        S.PAUSED_HEAD: ([WITHDRAWN, NEXT], None),
    },
    "no step runs": {S.PAUSING: ([TAKES_EFFECT], Status.PAUSED)},
    "its budgets have room": {},
    "its budget is used up": {
        situation: ([e.BudgetUsedUp(invocation_id=IT, paused=CALLEE, over=OVER)], STATUS[situation])
        for situation in IS_OPEN  # it has none, as if that had been raised or had ended since: the callee continues
    },
    "its max_duration is over": {},
    "a gate opens": {},
}
"""What it leads to. Everywhere else it comes too late, or for somebody else, and leads to nothing."""

COMING = list(itertools.product(BY_ITSELF, Situation))


def test_the_table_of_what_comes_by_itself_covers_every_command_that_does() -> None:
    by_a_handler = {c.RecordProgress, c.FinishAttempt, c.FailAttempt, c.PauseAttempt}
    asked_for = {type(getattr(command, "asked", command)) for command in VERBS.values()}
    assert {type(command) for command in BY_ITSELF.values()} == {*get_args(c.Command)} - asked_for - by_a_handler - {
        c.Invoke
    }
    assert MATTERS.keys() == BY_ITSELF.keys()


@pytest.mark.parametrize(("what", "situation"), COMING, ids=named)
def test_what_comes_by_itself_counts_where_it_is_waited_for_and_is_nothing_elsewhere(
    what: str, situation: Situation
) -> None:
    events, after = MATTERS[what].get(situation, ([], STATUS[situation]))
    given(*events_of(situation)).when(BY_ITSELF[what]).then(*events).leaves(IT, after)


@pytest.mark.parametrize(
    "scheduled",
    [
        e.SleepScheduled(invocation_id=IT, step=STEP, wake_at=DUE),
        e.DeadlineScheduled(invocation_id=IT, step=STEP, expires_at=DUE),
    ],
    ids=["sleep", "deadline"],
)
@pytest.mark.parametrize("held", [[], [paused()], [ATTEMPT_FAILED]])
def test_a_timer_fires_whatever_the_handler_is_doing(scheduled: Event, held: list[Event]) -> None:
    (
        given(accepted(), started(), scheduled, *held)
        .when(BY_ITSELF["the date of a timer"])
        .then(e.TimerFired(invocation_id=IT, step=STEP))
    )


@pytest.mark.parametrize(
    "scheduled",
    [
        e.CallScheduled(invocation_id=IT, step=STEP, callee=CALLEE, target=TARGET, argument=b""),
        e.AttachScheduled(invocation_id=IT, step=STEP, callee=CALLEE),
    ],
    ids=["call", "attach"],
)
@pytest.mark.parametrize("held", [[], [paused()], [ATTEMPT_FAILED]])
def test_an_outcome_is_recorded_whatever_the_handler_is_doing(scheduled: Event, held: list[Event]) -> None:
    (
        given(accepted(), started(), scheduled, *held)
        .when(BY_ITSELF["a call's outcome"])
        .then(e.CallCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED))
    )


@pytest.mark.parametrize("held", [[], [paused()], [ATTEMPT_FAILED]])
def test_an_answer_is_recorded_whatever_the_handler_is_doing(held: list[Event]) -> None:
    answer = ControlResult(True, Status.RUNNING, Status.PAUSED)
    asked = e.VerbScheduled(invocation_id=IT, step=STEP, verb=e.Verb.PAUSE, of=CALLEE, argument=b"")
    (
        given(accepted(), started(), asked, *held)
        .when(c.CompleteVerb(invocation_id=IT, step=STEP, answer=answer))
        .then(e.VerbAnswered(invocation_id=IT, step=STEP, answer=answer))
    )


@pytest.mark.parametrize("begun", [[], [started()]], ids=["queued", "running"])
def test_what_takes_too_long_is_cancelled_once(begun: list[Event]) -> None:
    bounded = attrs.evolve(accepted(), expires_at=DUE, max_duration=1.0)
    story = given(bounded, *begun).when(BY_ITSELF["its max_duration is over"])
    (event,) = story.events
    if begun:
        assert isinstance(event, e.CancelRequested)
        assert event.expired
        story.when(BY_ITSELF["its max_duration is over"]).then()
    else:
        assert isinstance(event, e.InvocationCompleted)
        assert event.outcome.kind is OutcomeKind.CANCELLED
        assert event.outcome.expired


# Failures.


@pytest.mark.parametrize(("earlier", "delay"), [(0, 4.0), (1, 8.0)])
def test_a_failed_attempt_is_tried_again_after_a_delay_that_grows(earlier: int, delay: float) -> None:
    history: list[Event] = [accepted(), started()]
    for attempt in range(1, earlier + 1):
        history += [attrs.evolve(ATTEMPT_FAILED, attempt=attempt), RETRIES]
    (
        given(*history)
        .when(c.FailAttempt(invocation_id=IT, failure=BROKEN, handed_over=5, policy=TRY_AGAIN, jitter=0.0))
        .then(attrs.evolve(ATTEMPT_FAILED, attempt=earlier + 1, handed_over=5, retry_at=NOW + delay))
        .leaves(IT, Status.BACKING_OFF)
    )


def exhausted_attempts() -> list[Event]:
    return [accepted(), started(), ATTEMPT_FAILED, RETRIES, attrs.evolve(ATTEMPT_FAILED, attempt=2), RETRIES]


def test_after_the_last_attempt_it_is_held_and_says_how_often_and_with_what_it_failed() -> None:
    reason = "its handler failed 3 times, last with ValueError: broken"
    (
        given(*exhausted_attempts())
        .when(c.FailAttempt(invocation_id=IT, failure=BROKEN, handed_over=0, policy=TRY_AGAIN, jitter=0.0))
        .then(
            e.AttemptFailed(invocation_id=IT, attempt=3, failure=BROKEN, handed_over=0, max_attempts=3),
            e.InvocationPaused(invocation_id=IT, cause=PauseCause.EXHAUSTED, reason=reason, failure=BROKEN),
        )
        .leaves(IT, Status.PAUSED)
    )


def test_after_the_last_attempt_it_fails_if_its_policy_says_so_and_the_next_one_starts() -> None:
    policy = attrs.evolve(TRY_AGAIN, on_exhausted="fail")
    (
        given(*exhausted_attempts(), accepted(BEHIND))
        .when(c.FailAttempt(invocation_id=IT, failure=BROKEN, handed_over=0, policy=policy, jitter=0.0))
        .then(
            e.AttemptFailed(invocation_id=IT, attempt=3, failure=BROKEN, handed_over=0, max_attempts=3),
            completed(IT, Outcome(OutcomeKind.FAILED, failure=BROKEN)),
            NEXT,
        )
    )


def exhausted_step() -> list[Event]:
    again = attrs.evolve(STEP_FAILED, attempt=2)
    return [accepted(), started(), STEP_SCHEDULED, STEP_FAILED, RETRIES_STEP, again, RETRIES_STEP]


def test_after_its_last_try_a_step_holds_the_invocation_and_says_which_step_and_why() -> None:
    reason = "step 'work' failed 3 times, last with ValueError: broken"
    (
        given(*exhausted_step())
        .when(FAIL_STEP)
        .then(
            e.StepAttemptFailed(invocation_id=IT, step=STEP, attempt=3, failure=BROKEN, max_attempts=3),
            e.InvocationPaused(invocation_id=IT, cause=PauseCause.EXHAUSTED, reason=reason, failure=BROKEN),
        )
        .leaves(IT, Status.PAUSED)
    )


def test_a_step_that_may_be_tried_once_is_said_to_have_failed_once() -> None:
    story = given(*events_of(S.RUNNING_STEP)).when(attrs.evolve(FAIL_STEP, policy=RetryPolicy(max_attempts=1)))
    (held,) = (event for event in story.events if isinstance(event, e.InvocationPaused))
    assert held.reason == "step 'work' failed once, last with ValueError: broken"


def test_after_its_last_try_a_step_has_failed_if_its_policy_says_so() -> None:
    policy = attrs.evolve(TRY_AGAIN, on_exhausted="fail")
    (
        given(*exhausted_step())
        .when(attrs.evolve(FAIL_STEP, policy=policy))
        .then(
            e.StepAttemptFailed(invocation_id=IT, step=STEP, attempt=3, failure=BROKEN, max_attempts=3),
            e.StepCompleted(invocation_id=IT, step=STEP, outcome=Outcome(OutcomeKind.FAILED, failure=BROKEN)),
        )
        .leaves(IT, Status.RUNNING)
    )


@pytest.mark.parametrize("what", ["resume", "cancel"])
def test_going_on_after_a_pause_puts_all_attempts_ahead_again(what: str) -> None:
    story = given(*exhausted_step()).when(FAIL_STEP).when(VERBS[what])
    (story.leaves(IT, Status.RUNNING).when(FAIL_STEP).then(STEP_FAILS).leaves(IT, Status.BACKING_OFF))


def test_a_handler_that_cannot_go_on_is_held_with_the_reason() -> None:
    (
        given(*events_of(S.SUSPENDED))
        .when(c.PauseAttempt(invocation_id=IT, cause=PauseCause.MISMATCH, reason="differs", failure=BROKEN))
        .then(e.InvocationPaused(invocation_id=IT, cause=PauseCause.MISMATCH, reason="differs", failure=BROKEN))
        .leaves(IT, Status.PAUSED)
    )


# A handler that has not met its cancel.

RETURNS = c.FinishAttempt(
    invocation_id=IT, events=[e.FieldsChanged(invocation_id=IT, fields={"a": b"1"})], outcome=SUCCEEDED, handed_over=3
)
OVERTAKES = e.CancelDeliveredEarlier(invocation_id=IT, handed_over=3)


def test_one_that_returns_without_having_met_its_cancel_is_given_it_before_what_it_returned_on() -> None:
    given(*events_of(S.CANCELLING_IDLE)).when(RETURNS).then(OVERTAKES).leaves(IT, Status.SUSPENDED)


def test_one_that_returns_without_it_again_ends_cancelled_and_keeps_what_it_wrote() -> None:
    cancelled = Outcome(OutcomeKind.CANCELLED, reason=CANCEL_REQUESTED.reason)
    story = given(*events_of(S.CANCELLING_IDLE), OVERTAKES).when(RETURNS)
    assert story.events[:2] == [*RETURNS.events, e.InvocationCompleted(invocation_id=IT, outcome=cancelled)]


@pytest.mark.parametrize("outcome", [Outcome(OutcomeKind.FAILED, failure=BROKEN), Outcome(OutcomeKind.CANCELLED)])
def test_one_that_does_not_succeed_ends_as_it_says(outcome: Outcome) -> None:
    story = given(*events_of(S.CANCELLING_IDLE)).when(attrs.evolve(RETURNS, outcome=outcome))
    assert e.InvocationCompleted(invocation_id=IT, outcome=outcome) in story.events


def test_one_that_fails_while_its_cancel_is_on_its_way_is_tried_again_at_once() -> None:
    fails = c.FailAttempt(
        invocation_id=IT, failure=BROKEN, handed_over=0, policy=RetryPolicy(max_attempts=1), jitter=0.0
    )
    story = given(*events_of(S.CANCELLING_IDLE)).when(fails)
    assert [type(event) for event in story.events] == [e.AttemptFailed, e.AttemptRetried]
    story.leaves(IT, Status.SUSPENDED)
    given(*events_of(S.CANCELLING_IDLE)).when(attrs.evolve(fails, has_been_given_cancel=True)).leaves(IT, Status.PAUSED)


def test_a_cancel_overtakes_what_came_while_it_was_held() -> None:
    completed_step = e.StepCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED)
    held = given(*events_of(S.PAUSING), completed_step)
    held.when(cancel(held_back=2)).then(attrs.evolve(CANCELS, overtakes=3))


# Late, and twice.

BY_A_HANDLER: dict[str, Command] = {
    "progress": c.RecordProgress(invocation_id=IT, events=[e.PatchMarked(invocation_id=IT, name="new")]),
    "its end": c.FinishAttempt(invocation_id=IT, events=[], outcome=SUCCEEDED, has_met_cancel=True),
    "its failure": c.FailAttempt(invocation_id=IT, failure=BROKEN, handed_over=0, policy=TRY_AGAIN, jitter=0.0),
    "its giving up": c.PauseAttempt(invocation_id=IT, cause=PauseCause.LIMIT, reason="too long"),
}
COMMANDS: dict[str, Decidable] = {**VERBS, **BY_ITSELF, **BY_A_HANDLER, "invoke": invoke()}

ADDITIVE: Mapping[str, str] = {
    "signal": "each is a value of its own",
    "a step's output": "each is a piece of its own",
    "progress": "an attempt says each fact once",
    "its failure": "an attempt fails once, and is over then",
    "its budget is used up": "its callee is told again that this has no budget, and goes on once",
    "purge": "forgetting twice is forgetting; what is left to forget the effect finds out",
}
"""Commands that mean something again when they come again, and why that is right."""

HAS_AN_ATTEMPT = frozenset({S.SUSPENDED, S.RUNNING_STEP, S.CANCELLING, S.CANCELLING_IDLE})


def test_there_is_a_sample_of_every_command() -> None:
    assert {type(getattr(command, "asked", command)) for command in COMMANDS.values()} == {*get_args(c.Command)}


REFUSED_ONCE_ENDED = {
    "cancel",
    "cancel with patience",
    "kill",
    "pause",
    "pause now",
    "resume",
    "move",
    "signal",
    "reschedule",
    "attach",
}


@pytest.mark.parametrize("what", [what for what in COMMANDS if what not in {"purge", "invoke"}])
def test_a_command_for_one_that_has_ended_gives_nothing_or_says_so(what: str) -> None:
    story = given(*events_of(S.COMPLETED)).when(COMMANDS[what])
    if what in REFUSED_ONCE_ENDED:
        story.then_refused(NotFoundError, kind="invocation")
    elif what.startswith("restart"):
        story.then(REPEATS, ENDED_AND_RESTARTED)
    else:
        story.then_nothing()
    story.leaves(BEHIND, Status.RUNNING)


def test_an_object_accepts_the_id_of_an_ended_invocation_again() -> None:
    given(*events_of(S.COMPLETED)).when(invoke()).then(accepted())


TWICE = [
    (what, situation)
    for what, situation in itertools.product(COMMANDS, IS_OPEN)
    if what not in BY_A_HANDLER or situation in HAS_AN_ATTEMPT
]


@pytest.mark.parametrize(("what", "situation"), TWICE, ids=named)
def test_a_command_that_comes_twice_changes_nothing_the_second_time(what: str, situation: Situation) -> None:
    story = given(*events_of(situation)).when(COMMANDS[what])
    first, after = story.events, story.status_of(IT)
    story.when(COMMANDS[what])
    if what in ADDITIVE and story.refusal is None:
        assert [type(event) for event in story.events] == [type(event) for event in first]
    elif after is None and what in REFUSED_ONCE_ENDED:
        story.then_refused(NotFoundError, kind="invocation")
    elif what == "purge":
        story.then_refused(ConflictError, code="not_completed")
    elif what == "move" and TABLE["move"][situation] is ErrorCode.STILL_RUNNING:
        story.then_refused(ConflictError, code="still_running")
    elif what == "restart":
        story.then_refused(ConflictError, code="still_open")
    elif what == "reschedule" and TABLE["reschedule"][situation] is ErrorCode.ALREADY_DUE:
        story.then_refused(ConflictError, code="already_due")
    else:
        story.then_nothing()


def test_situations_are_what_they_say() -> None:
    for situation in Situation:
        story = given(*events_of(situation))
        assert story.status_of(IT) is STATUS[situation]
        if situation in IS_OPEN:
            assert story.invocation(IT).is_started is (situation in IS_STARTED)


def test_a_signal_goes_to_the_one_that_has_waited_longest_for_its_name() -> None:
    second = attrs.evolve(SIGNAL_AWAITED, step=StepId("2"))
    story = given(
        accepted(), started(), attrs.evolve(SIGNAL_AWAITED, step=StepId("0"), name="other"), SIGNAL_AWAITED, second
    )
    story.when(VERBS["signal"])
    assert list(story.invocation(IT).waits) == [StepId("0"), StepId("2")]


def test_callers_are_noted_once_each() -> None:
    by_another = c.Attach(invocation_id=IT, by=Caller(CALLER.invocation_id, StepId("8")))
    story = given(*events_of(S.SUSPENDED)).when(VERBS["attach"]).when(by_another).when(VERBS["attach"]).then_nothing()
    assert story.invocation(IT).attached == [CALLER, by_another.by]


@pytest.mark.parametrize("stays", [False, True])
def test_a_caller_that_no_longer_waits_is_forgotten(stays: bool) -> None:
    attach = attrs.evolve(VERBS["attach"], stays=stays)  # type: ignore[misc, type-var]
    detach = c.Detach(invocation_id=IT, by=CALLER)
    story = given(*events_of(S.SUSPENDED)).when(attach).when(detach)
    story.then(e.AttachDropped(invocation_id=IT, by=CALLER))
    assert [*story.invocation(IT).attached, *story.invocation(IT).watchers] == []
    story.when(detach).then_nothing()
    given(*events_of(S.COMPLETED)).when(detach).then_nothing()
