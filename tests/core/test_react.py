"""What the outside owes because of an event, and that a start owes the same without any."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, get_args

import attrs
import pytest

from actors.core import commands as c
from actors.core import effects as f
from actors.core.owed import needs_attempt, needs_recovery, pending
from actors.core.react import react
from actors.core.state import Changes, WaitKind, existing
from journal import events as e
from journal.events import EVENT_TYPES, Caller, Children, Link, Mode, Outcome, OutcomeKind, PauseCause
from journal.ids import StepId, stream_of_invocation
from tests.core.situations import (
    AHEAD,
    ATTEMPT_EXHAUSTED,
    ATTEMPT_FAILED,
    BEHIND,
    BROKEN,
    CALLEE,
    CALLER,
    CANCEL_REQUESTED,
    DUE,
    IS_OPEN,
    IT,
    PAUSE_REQUESTED,
    SIGNAL_AWAITED,
    STEP,
    STEP_EXHAUSTED,
    STEP_FAILED,
    STEP_SCHEDULED,
    SUCCEEDED,
    TARGET,
    Situation,
    accepted,
    completed,
    events_of,
    outcome_of,
    paused,
    resume,
    started,
)
from tests.core.story import ELSEWHERE, fold, given

if TYPE_CHECKING:
    from actors.core.effects import Effect
    from journal.events import Event

S = Situation
FIRE = c.FireTimer(invocation_id=IT, step=STEP)
RETRY = c.RetryAttempt(invocation_id=IT)
BEGIN = c.StartDue(invocation_id=IT)
IMPATIENT = c.KillInvocation(invocation_id=IT, reason="cancelled, but not completed in time")
START = f.StartAttempt(IT)
STOPS = f.EndAttempt(IT, abort_steps=True)
TOLD = f.NotifyPaused(IT, "held")
LEAVES_STEPS = f.EndAttempt(IT, abort_steps=False)

SLEEP = e.SleepScheduled(invocation_id=IT, step=STEP, wake_at=DUE)
DEADLINE = e.DeadlineScheduled(invocation_id=IT, step=STEP, expires_at=DUE)
CALL = e.CallScheduled(invocation_id=IT, step=STEP, callee=CALLEE, target=TARGET, argument=b"7", request="r")
ATTACH = e.AttachScheduled(invocation_id=IT, step=STEP, callee=CALLEE)
SEND = e.SendScheduled(
    invocation_id=IT, step=STEP, callee=CALLEE, target=TARGET, argument=b"7", scheduled_for=DUE, request="r"
)
ASKED = c.PauseInvocation(invocation_id=CALLEE, reason="why")
VERB = e.VerbScheduled(invocation_id=IT, step=STEP, verb=e.Verb.PAUSE, of=CALLEE, argument=c.encode_verb(ASKED))
SPARED = e.CallsDetached(invocation_id=IT)
GIVES_UP = f.Deliver(
    stream_of_invocation(IT),
    c.CompleteCall(
        invocation_id=IT,
        step=STEP,
        outcome=Outcome(OutcomeKind.CANCELLED, reason="it continues, for the invocation that repeats this one"),
    ),
)
BOUNDED = accepted(budget={"n": "5"}, budgets=(AHEAD,))
USED_UP = e.BudgetUsedUp(invocation_id=IT, paused=CALLEE, over=e.OverBudget(IT, "n", "6", "5"))
OVER_ABOVE = e.OverBudget(AHEAD, "n", "6", "5")
GO_ON = f.Deliver(stream_of_invocation(CALLEE), c.ResumeInBudget(invocation_id=CALLEE))
CALLED_OFF = e.CallCancelRequested(invocation_id=IT, step=STEP)
DROPPED = e.WaitDropped(invocation_id=IT, step=STEP)

RESTARTED = e.InvocationRestarted(invocation_id=IT, successor=BEHIND, step=STEP, reason="why", hands_over=True)
REWOUND = e.FieldsRewound(invocation_id=IT, fields={}, lengths={}, logs={}, maps={}, before={})
OTHER_CALLER = attrs.evolve(CALLER, step=StepId("8"))

WAITING: dict[WaitKind, list[Event]] = {
    WaitKind.STEP: [STEP_SCHEDULED],
    WaitKind.STEP_RETRY: [STEP_SCHEDULED, STEP_FAILED],
    WaitKind.SLEEP: [SLEEP],
    WaitKind.DEADLINE: [DEADLINE],
    WaitKind.CALL: [CALL],
    WaitKind.ATTACH: [ATTACH],
    WaitKind.SIGNAL: [SIGNAL_AWAITED],
    WaitKind.VERB: [VERB],
}
"""How a handler comes to wait for each thing that there is to wait for."""


def owed(before: list[Event], event: Event) -> list[Effect]:
    """What is owed for an event, given what happened before."""
    return react(given(*before).state, event)


UPDATE = e.UpdateAccepted(invocation_id=IT, update=AHEAD, number=1, name="change", argument=b"1")
CANCELS_UPDATE = e.UpdateCancelRequested(invocation_id=IT, update=AHEAD, reason="why")
RUNNING: list[Event] = [accepted(), started()]
ENDING: list[Event] = [e.StepCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED)]
TO_CALLEE = stream_of_invocation(CALLEE)

OWED: list[tuple[list[Event], Event, list[Effect]]] = [
    ([], e.ObjectCreated(service="Door", key="back", kind=e.Kind.ACTOR), []),
    ([], e.Erased(), []),
    ([], e.InvocationsPurged(invocation_ids=[IT, AHEAD]), [f.EraseHistory([IT, AHEAD])]),
    ([], accepted(), []),
    ([], accepted(scheduled_for=DUE), [f.SetTimer(DUE, BEGIN)]),
    ([accepted(scheduled_for=DUE)], e.InvocationDue(invocation_id=IT), []),
    ([accepted()], started(), [START]),
    (RUNNING, STEP_SCHEDULED, [f.RunStep(IT, STEP)]),
    ([*RUNNING, STEP_SCHEDULED], STEP_FAILED, [f.SetTimer(DUE, FIRE)]),
    ([*RUNNING, STEP_SCHEDULED], STEP_EXHAUSTED, []),
    ([*RUNNING, STEP_SCHEDULED, PAUSE_REQUESTED], STEP_FAILED, [f.SetTimer(DUE, FIRE)]),
    ([*RUNNING, STEP_SCHEDULED, paused()], STEP_FAILED, []),
    (
        [*RUNNING, STEP_SCHEDULED, STEP_FAILED],
        e.StepRetried(invocation_id=IT, step=STEP),
        [f.RetractTimer(DUE, FIRE), f.RunStep(IT, STEP)],
    ),
    (RUNNING, SLEEP, [f.SetTimer(DUE, FIRE)]),
    (RUNNING, DEADLINE, [f.SetTimer(DUE, FIRE)]),
    ([*RUNNING, SLEEP], DROPPED, [f.RetractTimer(DUE, FIRE)]),
    ([*RUNNING, DEADLINE], DROPPED, [f.RetractTimer(DUE, FIRE)]),
    ([*RUNNING, SIGNAL_AWAITED], DROPPED, []),
    (RUNNING, DROPPED, []),
    (RUNNING, ATTACH, [f.Deliver(TO_CALLEE, c.Attach(invocation_id=CALLEE, by=Caller(IT, STEP)))]),
    (
        RUNNING,
        SEND,
        [
            f.Deliver(
                TO_CALLEE,
                c.Invoke(invocation_id=CALLEE, target=TARGET, argument=b"7", scheduled_for=DUE, request="r"),
            )
        ],
    ),
    (
        [*RUNNING, CALL],
        CALLED_OFF,
        [f.Deliver(TO_CALLEE, c.CancelInvocation(invocation_id=CALLEE, reason=f"its caller {IT} no longer waits"))],
    ),
    (RUNNING, CALLED_OFF, []),
    (
        [*RUNNING, attrs.evolve(CALL, request=None), SPARED],
        CALLED_OFF,
        [
            f.Deliver(
                TO_CALLEE,
                c.CancelInvocation(invocation_id=CALLEE, reason=f"its caller {IT} no longer waits", spares=True),
            )
        ],
    ),
    ([*RUNNING, attrs.evolve(CALL, request="key"), SPARED], CALLED_OFF, [GIVES_UP]),
    (RUNNING, SIGNAL_AWAITED, []),
    (RUNNING, VERB, [f.Deliver(TO_CALLEE, attrs.evolve(ASKED, reply_to=Caller(IT, STEP)))]),
    (RUNNING, e.PatchMarked(invocation_id=IT, name="new"), []),
    (RUNNING, e.StepHeartbeat(invocation_id=IT, step=STEP, details=b"7"), []),
    (RUNNING, e.StatusTextChanged(invocation_id=IT, text="x"), []),
    (RUNNING, e.QuantitiesSpent(invocation_id=IT, spent={"tokens": "1"}), []),
    (RUNNING, UPDATE, [f.Continue(IT, UPDATE)]),
    ([*RUNNING, paused()], UPDATE, []),
    (RUNNING, CANCELS_UPDATE, [f.Continue(IT, CANCELS_UPDATE)]),
    (RUNNING, e.UpdateCompleted(invocation_id=IT, update=AHEAD, outcome=SUCCEEDED), []),
    (
        [BOUNDED, started()],
        e.QuantitiesSpent(invocation_id=IT, spent={"n": "1"}),
        [f.AddSpent((IT, AHEAD), {"n": "1"})],
    ),
    ([], BOUNDED, [f.KeepBudget(IT, {"n": "5"})]),
    ([BOUNDED], e.BudgetRaised(invocation_id=IT, more={"n": "2"}), [f.KeepBudget(IT, {"n": "7"})]),
    (
        [BOUNDED, started(), USED_UP],
        e.BudgetRaised(invocation_id=IT, more={"n": "2"}),
        [f.KeepBudget(IT, {"n": "7"}), GO_ON],
    ),
    ([BOUNDED, started()], USED_UP, []),
    ([BOUNDED, started(), e.BudgetRaised(invocation_id=IT, more={"n": "2"})], USED_UP, [GO_ON]),
    (RUNNING, USED_UP, [GO_ON]),
    (
        [BOUNDED, started(), USED_UP],
        CANCEL_REQUESTED,
        [f.KeepBudget(IT, None), GO_ON, f.Continue(IT, CANCEL_REQUESTED)],
    ),
    ([BOUNDED, started(), CANCEL_REQUESTED], USED_UP, [GO_ON]),
    (
        RUNNING,
        attrs.evolve(paused(PauseCause.BUDGET, reason="held"), over=OVER_ABOVE),
        [
            LEAVES_STEPS,
            TOLD,
            f.Deliver(stream_of_invocation(AHEAD), c.NoteUsedUp(invocation_id=AHEAD, paused=IT, over=OVER_ABOVE)),
        ],
    ),
    (
        RUNNING,
        e.QuestionAsked(invocation_id=IT, step=STEP, name="go", question="q", asked_by=IT, choices=["yes"]),
        [],
    ),
    (RUNNING, e.FieldsChanged(invocation_id=IT, fields={}), []),
    (RUNNING, e.LogExtended(invocation_id=IT, field="lines", items=[]), []),
    (RUNNING, e.MapChanged(invocation_id=IT, field="items", items={}), []),
    (RUNNING, e.ReadsPinned(invocation_id=IT, fields={}, lengths={}), []),
    (RUNNING, e.ItemsPinned(invocation_id=IT, field="items", items={}), []),
    (RUNNING, e.FieldsInitialized(invocation_id=IT, fields={"ident": b"1"}), []),
    (
        RUNNING,
        e.LogConverted(invocation_id=IT, field="lines", items=[b"1"]),
        [f.WriteItems(Changes(logs={"lines": [b"1"]}), {})],
    ),
    (
        RUNNING,
        e.MapConverted(invocation_id=IT, field="items", items={"x": b"1"}),
        [f.WriteItems(Changes(maps={"items": {"x": b"1"}}), {})],
    ),
    (RUNNING, ATTEMPT_FAILED, [STOPS, f.SetTimer(DUE, RETRY)]),
    (RUNNING, ATTEMPT_EXHAUSTED, [STOPS]),
    ([*RUNNING, ATTEMPT_FAILED], e.AttemptRetried(invocation_id=IT), [f.RetractTimer(DUE, RETRY), START]),
    (RUNNING, CANCEL_REQUESTED, [f.Continue(IT, CANCEL_REQUESTED)]),
    ([*RUNNING, SIGNAL_AWAITED], CANCEL_REQUESTED, [f.Continue(IT, CANCEL_REQUESTED)]),
    ([*RUNNING, SIGNAL_AWAITED], e.InvocationSuspended(invocation_id=IT), []),
    ([*RUNNING, paused()], CANCEL_REQUESTED, [f.Continue(IT, CANCEL_REQUESTED)]),
    (
        [*RUNNING, ATTEMPT_FAILED],
        CANCEL_REQUESTED,
        [f.RetractTimer(DUE, RETRY), f.Continue(IT, CANCEL_REQUESTED)],
    ),
    (
        RUNNING,
        e.CancelRequested(invocation_id=IT, reason="why", children=Children.ALL, kill_at=DUE),
        [
            f.SetTimer(DUE, IMPATIENT),
            f.StopSentInvocations(IT, "why"),
            f.Continue(IT, e.CancelRequested(invocation_id=IT, reason="why", children=Children.ALL, kill_at=DUE)),
        ],
    ),
    ([*RUNNING, CANCEL_REQUESTED], e.CancelDeadlineMoved(invocation_id=IT, kill_at=DUE), [f.SetTimer(DUE, IMPATIENT)]),
    (
        [*RUNNING, attrs.evolve(CANCEL_REQUESTED, kill_at=DUE + 1)],
        e.CancelDeadlineMoved(invocation_id=IT, kill_at=DUE),
        [f.RetractTimer(DUE + 1, IMPATIENT), f.SetTimer(DUE, IMPATIENT)],
    ),
    (
        [*RUNNING, CANCEL_REQUESTED],
        e.CancelDeliveredEarlier(invocation_id=IT, handed_over=3),
        [LEAVES_STEPS, f.StartAttempt(IT)],
    ),
    ([*RUNNING, STEP_SCHEDULED], PAUSE_REQUESTED, [LEAVES_STEPS]),
    (RUNNING, paused(), [STOPS, TOLD]),
    ([accepted()], paused(), [TOLD]),
    ([accepted(scheduled_for=DUE)], paused(), [TOLD]),
    (RUNNING, paused(PauseCause.EXHAUSTED), [LEAVES_STEPS, TOLD]),
    (RUNNING, paused(PauseCause.MISMATCH), [LEAVES_STEPS, TOLD]),
    (RUNNING, paused(PauseCause.LIMIT), [STOPS, TOLD]),
    (
        [*RUNNING, STEP_SCHEDULED, STEP_FAILED, ATTEMPT_FAILED],
        paused(),
        [STOPS, TOLD, f.RetractTimer(DUE, RETRY), f.RetractTimer(DUE, FIRE)],
    ),
    ([*RUNNING, SLEEP], paused(), [STOPS, TOLD]),
    ([*RUNNING, paused()], e.InvocationResumed(invocation_id=IT, reason="why"), [START]),
    ([accepted(), paused()], e.InvocationResumed(invocation_id=IT, reason="why"), []),
    ([*RUNNING, paused()], e.InvocationMoved(invocation_id=IT, deployment="dep_b"), [LEAVES_STEPS]),
    (
        [accepted(scheduled_for=DUE)],
        e.InvocationRescheduled(invocation_id=IT, scheduled_for=DUE - 1),
        [f.RetractTimer(DUE, BEGIN), f.SetTimer(DUE - 1, BEGIN)],
    ),
    ([*RUNNING, STEP_SCHEDULED, PAUSE_REQUESTED], e.InvocationResumed(invocation_id=IT, reason="why"), [START]),
    (RUNNING, e.AttachRequested(invocation_id=IT, by=CALLER), []),
    (RUNNING, e.AttachDropped(invocation_id=IT, by=CALLER), []),
    (
        [*RUNNING, e.AttachScheduled(invocation_id=IT, step=STEP, callee=CALLEE)],
        e.WaitDropped(invocation_id=IT, step=STEP),
        [f.Deliver(stream_of_invocation(CALLEE), c.Detach(invocation_id=CALLEE, by=Caller(IT, STEP)))],
    ),
    ([accepted(restarts=e.Lineage(AHEAD))], started(), [START]),
    ([accepted(restarts=e.Lineage(AHEAD, STEP))], started(), [f.CopyHistory(IT), START]),
    ([accepted(restarts=e.Lineage(AHEAD, rewinds=True))], started(), [f.CopyHistory(IT), START]),
    (RUNNING, attrs.evolve(RESTARTED, hands_over=False), []),
    (
        [accepted(caller=CALLER), started(), e.AttachRequested(invocation_id=IT, by=OTHER_CALLER)],
        RESTARTED,
        [
            f.Deliver(ELSEWHERE, c.TransferCall(invocation_id=w.invocation_id, step=w.step, callee=BEHIND))
            for w in (CALLER, OTHER_CALLER)
        ]
        + [f.TransferWaiters(IT, BEHIND)],
    ),
    (RUNNING, REWOUND, [f.RewindItems(REWOUND, {})]),
    ([*RUNNING, SIGNAL_AWAITED], e.SignalReassigned(invocation_id=IT, signal=1, name="go", step=STEP), []),
    (RUNNING, e.HistoryCopied(invocation_id=IT, fields={}, lengths={}, maps={}), []),
    ([*RUNNING, CALL], SPARED, []),
    ([*RUNNING, CALL], e.CallTransferred(invocation_id=IT, step=STEP, callee=AHEAD), []),
]
"""What is owed for an event after these others. Calls, completions and the end have tables of their own."""

OWN_TABLES = {
    e.CallScheduled,
    e.SignalReceived,
    e.StepCompleted,
    e.StepAborted,
    e.TimerFired,
    e.CallCompleted,
    e.VerbAnswered,
    e.InvocationCompleted,
}


def test_every_event_is_in_a_table() -> None:
    assert {type(event) for _, event, _ in OWED} == {*EVENT_TYPES} - OWN_TABLES


@pytest.mark.parametrize(("before", "event", "effects"), OWED, ids=lambda value: type(value).__name__)
def test_an_event_is_owed_exactly_this(before: list[Event], event: Event, effects: list[Effect]) -> None:
    assert owed(before, event) == effects


# Calls.


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: mode.value)
def test_a_call_carries_who_waits_for_it_and_everybody_above_who_holds_what(mode: Mode) -> None:
    above = Link(AHEAD, "Bank/bob/deposit", True)
    before: list[Event] = [accepted(mode=mode, chain=[above]), started()]
    link = Link(IT, "Door/front/open", mode is Mode.EXCLUSIVE)
    command = c.Invoke(
        invocation_id=CALLEE, target=TARGET, argument=b"7", caller=Caller(IT, STEP), chain=[above, link], request="r"
    )
    assert owed(before, CALL) == [f.Deliver(ELSEWHERE, command)]


# Completions: the handler is given them while it may go on, and reads them later if not.

COMPLETIONS: dict[str, tuple[list[Event], Event]] = {
    "a step's outcome": ([STEP_SCHEDULED], e.StepCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED)),
    "a step's giving way": ([STEP_SCHEDULED], e.StepAborted(invocation_id=IT, step=STEP)),
    "a timer": ([SLEEP], e.TimerFired(invocation_id=IT, step=STEP)),
    "a call's outcome": ([CALL], e.CallCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED)),
    "a verb's answer": ([VERB], e.VerbAnswered(invocation_id=IT, step=STEP, answer=None, refusal=BROKEN)),
    "a signal": ([SIGNAL_AWAITED], e.SignalReceived(invocation_id=IT, name="go", value=b"1", step=STEP)),
}

OCCUPIED: dict[str, tuple[list[Event], bool]] = {
    "runs": ([], True),
    "waits for something else too": ([attrs.evolve(SIGNAL_AWAITED, step=StepId("9"))], True),
    "waits for another step's retry": (
        [
            e.StepScheduled(invocation_id=IT, step=StepId("9"), name="work"),
            attrs.evolve(STEP_FAILED, step=StepId("9")),
        ],
        True,
    ),
    "is cancelling": ([CANCEL_REQUESTED], True),
    "has failed and waits for its retry": ([ATTEMPT_FAILED], False),
    "is paused": ([paused()], False),
    "is pausing": ([attrs.evolve(STEP_SCHEDULED, step=StepId("9")), PAUSE_REQUESTED], False),
}


@pytest.mark.parametrize(("what", "occupied"), [*itertools.product(COMPLETIONS, OCCUPIED)])
def test_a_completion_is_handed_to_a_handler_that_may_go_on(what: str, occupied: str) -> None:
    waits, event = COMPLETIONS[what]
    how, is_given = OCCUPIED[occupied]
    assert owed([*RUNNING, *waits, *how], event) == ([f.Continue(IT, event)] if is_given else [])


def test_a_signal_that_nobody_waits_for_is_handed_over_but_wakes_nobody() -> None:
    signal = e.SignalReceived(invocation_id=IT, name="other", value=b"1")
    assert owed(RUNNING, signal) == [f.Continue(IT, signal)], "so that the handler has it when it asks"
    assert not needs_recovery(existing(given(*RUNNING, SIGNAL_AWAITED, signal).state)), "nobody has to have it at once"
    assert owed([accepted()], signal) == []


def test_a_step_that_gives_way_while_it_waits_for_its_retry_needs_no_timer_any_more() -> None:
    event = e.StepAborted(invocation_id=IT, step=STEP)
    assert owed([*RUNNING, STEP_SCHEDULED, STEP_FAILED], event) == [f.RetractTimer(DUE, FIRE), f.Continue(IT, event)]


# The end.

KILLED_CHILD = c.KillInvocation(invocation_id=CALLEE, reason=f"its caller {IT} was killed")
CANCELLED_CHILD = c.CancelInvocation(invocation_id=CALLEE, reason=f"its caller {IT} has ended")


def left_behind(kind: WaitKind, ended: OutcomeKind) -> list[Effect]:
    """What becomes of something that the handler waited for when the handler ends."""
    match kind:
        case WaitKind.SLEEP | WaitKind.DEADLINE | WaitKind.STEP_RETRY:
            return [f.RetractTimer(DUE, FIRE)]
        case WaitKind.CALL:
            return [f.Deliver(TO_CALLEE, KILLED_CHILD if ended is OutcomeKind.KILLED else CANCELLED_CHILD)]
        case WaitKind.ATTACH:
            return [f.Deliver(TO_CALLEE, c.Detach(invocation_id=CALLEE, by=Caller(IT, STEP)))]
        case _:
            return []


@pytest.mark.parametrize("ended", OutcomeKind, ids=lambda ended: ended.value)
@pytest.mark.parametrize("kind", WaitKind, ids=lambda kind: kind.value)
def test_the_end_clears_up_whatever_was_waited_for(kind: WaitKind, ended: OutcomeKind) -> None:
    outcome = outcome_of(ended)
    assert owed([*RUNNING, *WAITING[kind]], completed(outcome=outcome)) == [
        STOPS,
        *left_behind(kind, ended),
        f.NotifyWaiters(IT, outcome),
    ]


def test_there_is_a_way_to_wait_for_everything() -> None:
    assert WAITING.keys() == {*WaitKind}
    for kind, events in WAITING.items():
        assert given(*RUNNING, *events).invocation(IT).waits[STEP].kind is kind


@pytest.mark.parametrize("ended", [OutcomeKind.KILLED, OutcomeKind.CANCELLED])
def test_the_end_of_one_that_is_repeated_spares_its_calls_under_a_key(ended: OutcomeKind) -> None:
    done = e.InvocationCompleted(invocation_id=IT, outcome=Outcome(ended))
    fixed = attrs.evolve(CALL, request="key")
    assert [o for o in owed([*RUNNING, fixed, SPARED], done) if isinstance(o, f.Deliver)] == []
    (stopped,) = [
        o for o in owed([*RUNNING, attrs.evolve(CALL, request=None), SPARED], done) if isinstance(o, f.Deliver)
    ]
    assert stopped.command.spares  # type: ignore[union-attr]  # a cancel or a kill


def test_the_end_clears_up_everything_at_once() -> None:
    other = StepId("2")
    history = [
        *RUNNING,
        SLEEP,
        attrs.evolve(CALL, step=other),
        attrs.evolve(CANCEL_REQUESTED, kill_at=DUE + 1),
        attrs.evolve(ATTEMPT_FAILED, retry_at=DUE + 2),
    ]
    assert owed(history, completed(outcome=Outcome(OutcomeKind.CANCELLED))) == [
        STOPS,
        f.RetractTimer(DUE + 2, RETRY),
        f.RetractTimer(DUE + 1, IMPATIENT),
        f.RetractTimer(DUE, FIRE),
        f.Deliver(TO_CALLEE, CANCELLED_CHILD),
        f.NotifyWaiters(IT, Outcome(OutcomeKind.CANCELLED)),
    ]


def test_the_end_of_one_that_never_started_stops_nothing() -> None:
    outcome = Outcome(OutcomeKind.CANCELLED)
    announced = f.NotifyWaiters(IT, outcome)
    assert owed([accepted(AHEAD), started(AHEAD), accepted()], completed(outcome=outcome)) == [announced]
    scheduled = accepted(scheduled_for=DUE)
    assert owed([scheduled], completed(outcome=outcome)) == [f.RetractTimer(DUE, BEGIN), announced]
    assert owed([scheduled, paused()], completed(outcome=outcome)) == [f.RetractTimer(DUE, BEGIN), announced]


@pytest.mark.parametrize("before", [[accepted(caller=CALLER)], [accepted(caller=CALLER), started()]])
@pytest.mark.parametrize("ended", OutcomeKind, ids=lambda ended: ended.value)
def test_the_end_answers_the_caller_first_then_whoever_has_attached_then_those_outside(
    before: list[Event], ended: OutcomeKind
) -> None:
    outcome = outcome_of(ended, b"7")
    other = Caller(BEHIND, StepId("4"))
    effects = owed([*before, e.AttachRequested(invocation_id=IT, by=other)], completed(outcome=outcome))
    assert effects[-3:] == [
        f.Deliver(ELSEWHERE, c.CompleteCall(invocation_id=CALLER.invocation_id, step=CALLER.step, outcome=outcome)),
        f.Deliver(stream_of_invocation(BEHIND), c.CompleteCall(invocation_id=BEHIND, step=other.step, outcome=outcome)),
        f.NotifyWaiters(IT, outcome),
    ]


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("ended", OutcomeKind, ids=lambda ended: ended.value)
def test_items_are_kept_unless_the_handler_is_atomic_and_did_not_succeed(ended: OutcomeKind, atomic: bool) -> None:
    history: list[Event] = [
        accepted(AHEAD),
        started(AHEAD),
        e.LogExtended(invocation_id=AHEAD, field="lines", items=[b"1", b"2"]),
        completed(AHEAD),
        accepted(atomic=atomic),
        started(),
        e.LogExtended(invocation_id=IT, field="lines", items=[b"3"]),
        e.MapChanged(invocation_id=IT, field="items", items={"x": b"1"}),
    ]
    kept = [
        effect for effect in owed(history, completed(outcome=outcome_of(ended))) if isinstance(effect, f.WriteItems)
    ]
    if atomic and ended is not OutcomeKind.SUCCEEDED:
        assert kept == []
    else:
        changes = Changes({}, {"lines": [b"3"]}, {"items": {"x": b"1"}}, size=2)
        assert kept == [f.WriteItems(changes, {"lines": 2})]


def test_lengths_that_go_with_items_are_those_before_them() -> None:
    history: list[Event] = [accepted(), started(), e.LogExtended(invocation_id=IT, field="lines", items=[b"3"])]
    story = given(*history)
    (kept,) = (effect for effect in react(story.state, completed()) if isinstance(effect, f.WriteItems))
    fold(story.state, [completed()])
    assert kept.lengths == {}, "what the object does later does not show in what is owed"


def test_a_handler_that_wrote_nothing_has_nothing_to_keep() -> None:
    assert owed(RUNNING, completed()) == [STOPS, f.NotifyWaiters(IT, SUCCEEDED)]


# What a start owes.

ATTEMPT_IS_PENDING = {
    S.RUNNING_STEP,
    S.CANCELLING,
}


@pytest.mark.parametrize("situation", IS_OPEN, ids=lambda situation: situation.name)
def test_a_start_owes_an_attempt_to_those_that_have_something_to_do(
    situation: Situation,
) -> None:
    story = given(*events_of(situation))
    assert story.state is not None
    expected: list[Effect] = []
    if situation in ATTEMPT_IS_PENDING:
        expected = [START]
    elif situation is S.PAUSING:
        expected = [f.CheckDrained(IT)]
    assert [effect for effect in pending(story.state) if getattr(effect, "invocation_id", None) == IT] == expected
    assert needs_attempt(story.invocation(IT)) is (situation in ATTEMPT_IS_PENDING)


def test_an_object_in_which_nothing_is_under_way_owes_nothing() -> None:
    idle: list[Event] = [accepted(scheduled_for=DUE), accepted(AHEAD, mode=Mode.SHARED), started(AHEAD)]
    waits = attrs.evolve(SIGNAL_AWAITED, invocation_id=AHEAD)
    story = given(*idle, waits)
    assert story.state is not None
    assert pending(story.state) == []
    assert not needs_recovery(story.state)
    fold(story.state, [e.SignalReceived(invocation_id=AHEAD, name="go", value=b"1", step=STEP)])
    assert pending(story.state) == [f.StartAttempt(AHEAD)]
    assert needs_recovery(story.state)


# Whole stories: what decide, evolve and react make of a command together.


def test_a_kill_ends_the_attempt_answers_everybody_and_starts_the_next_one() -> None:
    outcome = Outcome(OutcomeKind.KILLED, reason="stuck")
    (
        given(accepted(caller=CALLER), started(), accepted(BEHIND), SLEEP)
        .when(c.KillInvocation(invocation_id=IT, reason="stuck"))
        .then(completed(outcome=outcome), started(BEHIND))
        .owes(
            STOPS,
            f.RetractTimer(DUE, FIRE),
            f.Deliver(ELSEWHERE, c.CompleteCall(invocation_id=CALLER.invocation_id, step=CALLER.step, outcome=outcome)),
            f.NotifyWaiters(IT, outcome),
            f.StartAttempt(BEHIND),
        )
    )


def test_a_pause_that_drains_lets_the_step_end_and_then_stops_everything() -> None:
    ended = e.StepCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED)
    (
        given(*RUNNING, STEP_SCHEDULED)
        .when(c.PauseInvocation(invocation_id=IT, reason="why"))
        .owes(LEAVES_STEPS)
        .when(c.CompleteStep(invocation_id=IT, step=STEP, outcome=SUCCEEDED))
        .then(ended, paused(reason="why"))
        .owes(STOPS, f.NotifyPaused(IT, "why"))
        .when(resume())
        .owes(START)
    )


def test_a_retry_that_is_brought_forward_needs_no_timer_any_more() -> None:
    (given(*RUNNING, STEP_SCHEDULED).when(c.PauseInvocation(invocation_id=IT, reason="why")).when(resume()).owes(START))
    (given(*RUNNING, STEP_SCHEDULED, STEP_FAILED).when(resume()).owes(f.RetractTimer(DUE, FIRE), f.RunStep(IT, STEP)))


def test_every_effect_is_owed_for_something() -> None:
    mentioned = {type(effect) for _, _, effects in OWED for effect in effects}
    elsewhere = {f.NotifyWaiters, f.WriteItems, f.CheckDrained}
    assert mentioned | elsewhere == {*get_args(f.Effect)}


def test_a_failure_is_no_outcome_while_there_are_attempts_left() -> None:
    effects = owed([accepted(caller=CALLER), started()], attrs.evolve(ATTEMPT_FAILED, failure=BROKEN))
    assert not any(isinstance(effect, (f.NotifyWaiters, f.Deliver)) for effect in effects)
