"""What each verb does to an update and to its run, in each situation that they can be in: the table of the remote control, for updates."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import pytest

from actors.core import commands as c
from actors.errors import ErrorCode
from journal import events as e
from journal.events import Kind, Mode, Outcome, OutcomeKind, Stop
from journal.ids import StepId
from tests.core.situations import (
    CALLER,
    SIGNAL_AWAITED,
    accepted,
    cancel,
    completed,
    invoke,
    of,
    paused,
    resume,
    started,
)
from tests.core.story import KEY, SERVICE, Story, given, nth

if TYPE_CHECKING:
    from actors.core.commands import Decidable
    from journal.events import Event
    from journal.ids import InvocationId

RUN, UPDATE, AGAIN, NEW = nth(1), nth(2), nth(3), nth(4)

CREATED = e.ObjectCreated(service=SERVICE, key=KEY, kind=Kind.WORKFLOW)
ACCEPTED = [accepted(UPDATE, mode=Mode.UPDATE, expires_at=50_000.0), started(UPDATE)]
GIVEN = e.UpdateAccepted(invocation_id=RUN, update=UPDATE, number=1, name="change", argument=b"1")
SUCCEEDED = Outcome(OutcomeKind.SUCCEEDED, b"1")
WAITS = e.SignalAwaited(invocation_id=RUN, step=StepId("u1.1"), name="go")


class Situation(enum.Enum):
    """What an update and its run can be in."""

    NO_RUN = "no run was started"
    RUN_SCHEDULED = "accepted, and the run has not begun"
    OPEN = "carried out, and waits"
    RUN_PAUSED = "accepted while the run is paused"
    CANCELLING = "being cancelled"
    CANCELLING_PAUSED = "being cancelled while the run is paused"
    RUN_CANCELLING = "carried out by a run that is being cancelled"
    RESTARTING = "the run was killed, and its restart has not begun"
    ANSWERED = "answered, and the run goes on"
    RUN_ENDED = "lost, because the run ended"


S = Situation
_BEGUN = [accepted(RUN), started(RUN), of(RUN, SIGNAL_AWAITED), *ACCEPTED, GIVEN, WAITS]
_CANCELS = e.UpdateCancelRequested(invocation_id=RUN, update=UPDATE, reason="before")
_KILLED = Outcome(OutcomeKind.KILLED)

HISTORY: dict[Situation, list[Event]] = {
    S.NO_RUN: [],
    S.RUN_SCHEDULED: [accepted(RUN, scheduled_for=20_000.0), *ACCEPTED, GIVEN],
    S.OPEN: _BEGUN,
    S.RUN_PAUSED: [accepted(RUN), started(RUN), of(RUN, SIGNAL_AWAITED), paused(of=RUN), *ACCEPTED, GIVEN],
    S.CANCELLING: [*_BEGUN, _CANCELS],
    S.CANCELLING_PAUSED: [*_BEGUN, _CANCELS, paused(of=RUN)],
    S.RUN_CANCELLING: [*_BEGUN, e.CancelRequested(invocation_id=RUN, reason="before")],
    S.RESTARTING: [
        *_BEGUN,
        completed(RUN, _KILLED),
        accepted(AGAIN, restarts=e.Lineage(RUN, StepId("1"), seed="s"), scheduled_for=20_000.0),
    ],
    S.ANSWERED: [
        *_BEGUN,
        e.UpdateCompleted(invocation_id=RUN, update=UPDATE, outcome=SUCCEEDED),
        completed(UPDATE, SUCCEEDED),
    ],
    S.RUN_ENDED: [*_BEGUN, completed(RUN, SUCCEEDED), completed(UPDATE, _KILLED)],
}


def cell(situation: Situation, command: Decidable) -> str | ErrorCode:
    """What follows: the events, each with the invocation that it is about, or the refusal."""
    story: Story = given(CREATED, *HISTORY[situation]).when(command)
    if story.refusal is not None:
        return story.refusal.code
    return ", ".join(map(shown, story.events))


def shown(event: Event) -> str:
    if isinstance(event, e.InvocationsPurged):
        return type(event).__name__
    about = {RUN: "run", UPDATE: "update", AGAIN: "restart", NEW: "new"}[event.invocation_id]
    told = f" {event.outcome.kind.value}" if isinstance(event, e.InvocationCompleted) else ""
    return f"{type(event).__name__}({about}{told})"


def restart(stop: Stop | None, step: str, of: InvocationId = RUN) -> c.ResolvedRestart:
    asked = c.RestartInvocation(invocation_id=of, successor=NEW, reason="why", from_step=step, stop=stop)
    mode = Mode.EXCLUSIVE if of == RUN else Mode.UPDATE
    original = accepted(of, mode=mode)
    return c.ResolvedRestart(asked=asked, original=original, original_at=0.0, deployment="", step=StepId(step))


def about(of: InvocationId) -> dict[str, Decidable]:
    """The verbs, about this invocation."""
    return {
        "cancel": cancel(of),
        "cancel with patience": cancel(of, kill_after=30),
        "expire": c.ExpireInvocation(invocation_id=of),
        "kill": c.KillInvocation(invocation_id=of, reason="why"),
        "pause": c.PauseInvocation(invocation_id=of, reason="why"),
        "resume": resume(of),
        "move": resume(of, deployment="dep_b"),
        "signal": c.SignalInvocation(invocation_id=of, name="other", value=b"1"),
        "reschedule": c.RescheduleInvocation(invocation_id=of, reason="why", delay=30.0),
        "attach": c.Attach(invocation_id=of, by=CALLER),
        "purge": c.PurgeInvocations(invocation_ids=[of]),
        "restart": restart(None, "", of),
        "restart after kill": restart(Stop.KILL, "", of),
        "restart from a step after kill": restart(Stop.KILL, "1", of),
    }


OF_THE_UPDATE = about(UPDATE)
OF_THE_RUN: dict[str, Decidable] = {
    **about(RUN),
    "end": c.FinishAttempt(invocation_id=RUN, events=[], outcome=SUCCEEDED),
    "answer": c.RecordProgress(
        invocation_id=RUN, events=[e.UpdateCompleted(invocation_id=RUN, update=UPDATE, outcome=SUCCEEDED)]
    ),
    "another update": invoke(invocation_id=NEW, mode=Mode.UPDATE),
}

Cell = str | ErrorCode

CANCELS, CANCELLED = "UpdateCancelRequested(run)", "InvocationCompleted(update cancelled)"
KILLED, LOST = "InvocationCompleted(update killed)", "InvocationCompleted(update failed)"
RUN_KILLED, RUN_CANCELLED = "InvocationCompleted(run killed)", "InvocationCompleted(run cancelled)"
ANSWERS = "UpdateCompleted(run), InvocationCompleted(update succeeded)"
REPEATS, BEGINS = "InvocationAccepted(new), InvocationRestarted(run)", "InvocationStarted(new)"

GONE: dict[Situation, Cell] = dict.fromkeys((S.NO_RUN, S.ANSWERED, S.RUN_ENDED), ErrorCode.NOT_FOUND)
"""Where there is no open update."""

RUN_GONE: dict[Situation, Cell] = dict.fromkeys((S.NO_RUN, S.RESTARTING, S.RUN_ENDED), ErrorCode.NOT_FOUND)
"""Where the run is not open."""

PAUSED = (S.RUN_PAUSED, S.CANCELLING_PAUSED)
BEING_CANCELLED = (S.CANCELLING, S.CANCELLING_PAUSED)


def row(usual: Cell, *others: dict[Situation, Cell]) -> dict[Situation, Cell]:
    """The cells of a verb: the usual one, and those that differ."""
    cells = dict.fromkeys(Situation, usual)
    for other in others:
        cells.update(other)
    return cells


FOR_THE_RUN = row(ErrorCode.NOT_POSSIBLE, GONE)
NEVER = row(ErrorCode.NOT_POSSIBLE)

TABLE: dict[str, dict[Situation, Cell]] = {
    "cancel": row(CANCELS, GONE, dict.fromkeys(BEING_CANCELLED, ""), {S.RESTARTING: CANCELLED}),
    "cancel with patience": row(
        CANCELS, GONE, dict.fromkeys(BEING_CANCELLED, "CancelDeadlineMoved(update)"), {S.RESTARTING: CANCELLED}
    ),
    "expire": row(CANCELS, dict.fromkeys([*GONE, *BEING_CANCELLED], ""), {S.RESTARTING: CANCELLED}),
    "kill": row(f"{CANCELS}, {KILLED}", GONE, dict.fromkeys([*BEING_CANCELLED, S.RESTARTING], KILLED)),
    "pause": FOR_THE_RUN,
    "resume": FOR_THE_RUN,
    "move": FOR_THE_RUN,
    "signal": FOR_THE_RUN,
    "reschedule": FOR_THE_RUN,
    "attach": row("AttachRequested(update)", GONE),
    "purge": row(ErrorCode.NOT_COMPLETED, dict.fromkeys(GONE, "InvocationsPurged")),
    "restart": NEVER,
    "restart after kill": NEVER,
    "restart from a step after kill": NEVER,
}

TABLE_OF_THE_RUN: dict[str, dict[Situation, Cell]] = {
    "cancel": row(
        "CancelRequested(run)", RUN_GONE, {S.RUN_SCHEDULED: f"{RUN_CANCELLED}, {LOST}", S.RUN_CANCELLING: ""}
    ),
    "cancel with patience": row(
        "CancelRequested(run)",
        RUN_GONE,
        {S.RUN_SCHEDULED: f"{RUN_CANCELLED}, {LOST}", S.RUN_CANCELLING: "CancelDeadlineMoved(run)"},
    ),
    "expire": row(""),  # the run has no max_duration
    "kill": row(f"{RUN_KILLED}, {LOST}", RUN_GONE, {S.ANSWERED: RUN_KILLED}),
    "pause": row("InvocationPaused(run)", RUN_GONE, dict.fromkeys(PAUSED, "")),
    "resume": row("", RUN_GONE, dict.fromkeys(PAUSED, "InvocationResumed(run)")),
    "move": row(
        "InvocationMoved(run)", RUN_GONE, dict.fromkeys(PAUSED, "InvocationMoved(run), InvocationResumed(run)")
    ),
    "signal": row("SignalReceived(run)", RUN_GONE),
    "reschedule": row(ErrorCode.ALREADY_DUE, RUN_GONE, {S.RUN_SCHEDULED: "InvocationRescheduled(run)"}),
    "attach": row("AttachRequested(run)", RUN_GONE),
    "purge": row(
        ErrorCode.NOT_COMPLETED, dict.fromkeys((S.NO_RUN, S.RUN_ENDED), "InvocationsPurged")
    ),  # not while a restart keeps its history
    "restart": row(ErrorCode.STILL_OPEN, dict.fromkeys(RUN_GONE, f"{REPEATS}, {BEGINS}")),
    "restart after kill": row(
        f"{REPEATS}, {RUN_KILLED}, {LOST}, {BEGINS}",
        dict.fromkeys(RUN_GONE, f"{REPEATS}, {BEGINS}"),
        {S.ANSWERED: f"{REPEATS}, {RUN_KILLED}, {BEGINS}"},
    ),
    "restart from a step after kill": row(
        f"{REPEATS}, {RUN_KILLED}, {BEGINS}", dict.fromkeys(RUN_GONE, f"{REPEATS}, {BEGINS}")
    ),
    "end": row(
        f"InvocationCompleted(run succeeded), {LOST}",
        dict.fromkeys(RUN_GONE, ""),
        {S.ANSWERED: "InvocationCompleted(run succeeded)", S.RUN_CANCELLING: "CancelDeliveredEarlier(run)"},
    ),
    "answer": {
        **dict.fromkeys((S.OPEN, S.CANCELLING, S.RUN_CANCELLING), ANSWERS),
        **dict.fromkeys(RUN_GONE, ""),
        S.ANSWERED: "UpdateCompleted(run)",  # by a restart that has carried it out again
    },
    "another update": row(
        "InvocationAccepted(new), InvocationStarted(new), UpdateAccepted(run)",
        dict.fromkeys((S.NO_RUN, S.RUN_CANCELLING, S.RUN_ENDED), ErrorCode.NO_RUN),
        {S.RESTARTING: ErrorCode.UNAVAILABLE},
    ),
}
"""What is asked about the run: what becomes of the run and of its update. A run that does not run records no answer."""


@pytest.mark.parametrize("verb", OF_THE_UPDATE)
@pytest.mark.parametrize("situation", Situation, ids=lambda situation: situation.name.lower())
def test_what_is_asked_about_an_update(verb: str, situation: Situation) -> None:
    assert cell(situation, OF_THE_UPDATE[verb]) == TABLE[verb][situation]


@pytest.mark.parametrize(
    ("verb", "situation"),
    [(verb, situation) for verb in OF_THE_RUN for situation in TABLE_OF_THE_RUN[verb]],
    ids=lambda given: given if isinstance(given, str) else given.name.lower(),
)
def test_what_is_asked_about_the_run_of_an_update(verb: str, situation: Situation) -> None:
    assert cell(situation, OF_THE_RUN[verb]) == TABLE_OF_THE_RUN[verb][situation]


@pytest.mark.parametrize("situation", Situation, ids=lambda situation: situation.name.lower())
def test_an_update_has_at_most_one_end(situation: Situation) -> None:
    """Whatever is asked twice, of the update and of its run."""
    for first in [*OF_THE_UPDATE.values(), *OF_THE_RUN.values()]:
        story = given(CREATED, *HISTORY[situation])
        was_open = story.status_of(UPDATE) is not None
        ends = 0
        for command in (first, *(OF_THE_RUN[verb] for verb in ("kill", "end"))):
            if isinstance(command, c.RecordProgress) and (S.OPEN is not situation):
                continue
            ends += sum(
                isinstance(event, e.InvocationCompleted) and event.invocation_id == UPDATE
                for event in story.when(command).events
            )
        assert ends <= was_open


def test_a_run_that_answers_in_its_last_turn_ends_the_update_once() -> None:
    answer = e.UpdateCompleted(invocation_id=RUN, update=UPDATE, outcome=SUCCEEDED)
    assert (
        cell(S.OPEN, c.FinishAttempt(invocation_id=RUN, events=[answer], outcome=SUCCEEDED))
        == f"{ANSWERS}, InvocationCompleted(run succeeded)"
    )


def test_an_update_is_for_the_restart_while_the_original_is_being_cancelled() -> None:
    story = given(CREATED, *HISTORY[S.OPEN]).when(restart(Stop.CANCEL, ""))
    story.when(invoke(invocation_id=nth(6), mode=Mode.UPDATE))
    assert [event.invocation_id for event in story.events if isinstance(event, e.UpdateAccepted)] == [NEW]
