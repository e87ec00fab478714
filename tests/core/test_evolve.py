"""What an event does to the object: where it may happen, what it leaves, and that everything else stops the object."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from actors.core.evolve import evolve, spans_with
from actors.core.snapshots import decode_snapshot, encode_snapshot
from actors.core.state import Cancel, Changes, InvocationState, ObjectState, Wait, WaitKind, existing
from actors.core.transitions import LEGAL, IllegalEvent
from actors.values.digests import digest
from journal import events as e
from journal.events import EVENT_TYPES, Kind, Mode, Outcome, OutcomeKind, PauseCause, Stamp, Status
from journal.ids import StepId
from tests.core.situations import (
    AHEAD,
    ATTEMPT_FAILED,
    BEHIND,
    BROKEN,
    CALLEE,
    CALLER,
    CANCEL_REQUESTED,
    DATE_HAS_COME,
    DUE,
    IT,
    PAUSE_REQUESTED,
    SIGNAL_AWAITED,
    STEP,
    STEP_EXHAUSTED,
    STEP_FAILED,
    STEP_SCHEDULED,
    SUCCEEDED,
    TARGET,
    accepted,
    completed,
    of,
    outcome_of,
    paused,
    started,
)
from tests.core.story import CREATED, STREAM, fold, given, stamp_of
from tests.journal.samples import EVENTS

if TYPE_CHECKING:
    from journal.events import Event

SAMPLES: dict[type, Any] = {type(event): of(IT, event) for event in EVENTS if hasattr(event, "invocation_id")}
SAMPLES[e.SignalReceived] = attrs.evolve(SAMPLES[e.SignalReceived], deferred=False)
AT: StepId = SAMPLES[e.StepScheduled].step
SIGNAL: str = SAMPLES[e.SignalReceived].name

# Where each event may happen, and the status after it. The invocation before it is as ``stands`` makes it: one that backs
# off does so because its handler failed, unless the event is about a step's retry; one that is suspended waits for the
# signal. ``None``: it is no longer known.

_STAYS: dict[Status, Status] = {status: status for status in Status if status is not Status.COMPLETED}
_SAID_BY_A_HANDLER: dict[Status, Status] = {
    status: status for status in (Status.RUNNING, Status.SUSPENDED, Status.BACKING_OFF)
}
_ASKS_OTHERS = {**_SAID_BY_A_HANDLER, Status.RUNNING: Status.SUSPENDED}
_WAKES = {**_SAID_BY_A_HANDLER, Status.SUSPENDED: Status.RUNNING, Status.PAUSED: Status.PAUSED}
_OF_A_STEP: dict[Status, Status] = {status: status for status in (Status.RUNNING, Status.BACKING_OFF, Status.PAUSED)}

_STAYS_ONCE_STARTED = {s: s for s in _STAYS if s not in (Status.SCHEDULED, Status.QUEUED)}

ARROWS: dict[type, dict[Status, Status | None]] = {
    e.InvocationDue: {Status.SCHEDULED: Status.QUEUED, Status.PAUSED: Status.PAUSED},
    e.InvocationRescheduled: {Status.SCHEDULED: Status.SCHEDULED, Status.PAUSED: Status.PAUSED},
    e.InvocationStarted: {Status.QUEUED: Status.RUNNING},
    e.StepScheduled: {**_SAID_BY_A_HANDLER, Status.SUSPENDED: Status.RUNNING},
    e.StepCompleted: {**_OF_A_STEP},
    e.StepAttemptFailed: {
        Status.RUNNING: Status.BACKING_OFF,
        Status.BACKING_OFF: Status.BACKING_OFF,
        Status.PAUSED: Status.PAUSED,
    },
    e.StepHeartbeat: {**_OF_A_STEP},
    e.StepRetried: {Status.BACKING_OFF: Status.RUNNING},
    e.StepAborted: {**_OF_A_STEP},
    e.SleepScheduled: {**_ASKS_OTHERS},
    e.DeadlineScheduled: {**_ASKS_OTHERS},
    e.TimerFired: {**_WAKES},
    e.WaitDropped: {**_SAID_BY_A_HANDLER, Status.SUSPENDED: Status.RUNNING},
    e.CallScheduled: {**_ASKS_OTHERS},
    e.AttachScheduled: {**_ASKS_OTHERS},
    e.CallCompleted: {**_WAKES},
    e.CallCancelRequested: {**_SAID_BY_A_HANDLER},
    e.SendScheduled: {**_SAID_BY_A_HANDLER},
    e.SignalAwaited: {**_SAID_BY_A_HANDLER},
    e.SignalReceived: {**_STAYS, Status.SUSPENDED: Status.RUNNING},
    e.SignalReassigned: {**_SAID_BY_A_HANDLER, Status.SUSPENDED: Status.RUNNING},
    e.QuestionAsked: {**_SAID_BY_A_HANDLER},
    e.VerbScheduled: {**_ASKS_OTHERS},
    e.VerbAnswered: {**_WAKES},
    e.PatchMarked: {**_SAID_BY_A_HANDLER},
    e.StatusTextChanged: {**_SAID_BY_A_HANDLER},
    e.UpdateAccepted: {**_STAYS},
    e.UpdateCancelRequested: {**_STAYS},
    e.UpdateCompleted: {**_SAID_BY_A_HANDLER},
    e.QuantitiesSpent: {**_SAID_BY_A_HANDLER, Status.PAUSED: Status.PAUSED},
    e.BudgetRaised: {**_STAYS},
    e.BudgetUsedUp: {**_STAYS},
    e.FieldsChanged: {**_SAID_BY_A_HANDLER},
    e.LogExtended: {**_SAID_BY_A_HANDLER},
    e.MapChanged: {**_SAID_BY_A_HANDLER},
    e.ReadsPinned: {**_SAID_BY_A_HANDLER},
    e.ItemsPinned: {**_SAID_BY_A_HANDLER},
    e.FieldsInitialized: {**_SAID_BY_A_HANDLER},
    e.LogConverted: {**_SAID_BY_A_HANDLER},
    e.MapConverted: {**_SAID_BY_A_HANDLER},
    e.AttemptFailed: dict.fromkeys(_SAID_BY_A_HANDLER, Status.BACKING_OFF),
    e.AttemptRetried: {Status.BACKING_OFF: Status.RUNNING},
    e.InvocationSuspended: {**_SAID_BY_A_HANDLER},
    e.CancelRequested: {
        Status.RUNNING: Status.RUNNING,
        Status.SUSPENDED: Status.SUSPENDED,
        Status.BACKING_OFF: Status.RUNNING,
        Status.PAUSED: Status.RUNNING,
    },
    e.CancelDeadlineMoved: {**_STAYS_ONCE_STARTED},
    e.CancelDeliveredEarlier: {**_SAID_BY_A_HANDLER},
    e.PauseRequested: {Status.RUNNING: Status.RUNNING, Status.BACKING_OFF: Status.BACKING_OFF},
    e.InvocationPaused: {status: Status.PAUSED for status in _STAYS if status is not Status.PAUSED},
    e.InvocationResumed: {**_OF_A_STEP, Status.PAUSED: Status.RUNNING},
    e.InvocationMoved: {status: same for status, same in _STAYS.items() if status is not Status.RUNNING},
    e.AttachRequested: {**_STAYS},
    e.AttachDropped: {**_STAYS},
    e.InvocationCompleted: dict.fromkeys(_STAYS),
    e.InvocationRestarted: {**_STAYS},
    e.FieldsRewound: {Status.RUNNING: Status.RUNNING},
    e.HistoryCopied: {Status.RUNNING: Status.RUNNING, Status.SUSPENDED: Status.SUSPENDED},
    e.CallTransferred: {**_STAYS_ONCE_STARTED},
    e.CallsDetached: {**_STAYS_ONCE_STARTED},
}

WAITS_FOR: dict[type, WaitKind] = {
    e.StepCompleted: WaitKind.STEP,
    e.StepAttemptFailed: WaitKind.STEP,
    e.StepHeartbeat: WaitKind.STEP,
    e.StepRetried: WaitKind.STEP_RETRY,
    e.StepAborted: WaitKind.STEP,
    e.TimerFired: WaitKind.SLEEP,
    e.WaitDropped: WaitKind.SLEEP,
    e.CallCompleted: WaitKind.CALL,
    e.CallCancelRequested: WaitKind.CALL,
    e.VerbAnswered: WaitKind.VERB,
    e.CallTransferred: WaitKind.CALL,
}
"""What must be waited for, so that the event means something."""

EVERYWHERE = [*itertools.product(ARROWS, _STAYS)]


DUE_LATER = (e.InvocationDue, e.InvocationRescheduled)
"""What happens to an invocation that waits for its time."""


def stands(status: Status, event: type) -> ObjectState:
    """An object with an invocation in this status, in which nothing but the status is in the event's way."""
    is_started = status not in (Status.SCHEDULED, Status.QUEUED) and event not in DUE_LATER
    invocation = InvocationState(
        invocation_id=IT,
        handler="open",
        mode=Mode.EXCLUSIVE,
        status=status,
        accepted_at=1.0,
        accepted_by="tests",
        spans=[(2, 2)],
        started_at=2.0 if is_started else None,
        scheduled_for=DUE if status is Status.SCHEDULED or event in DUE_LATER else None,
        retry_at=DUE if status is Status.BACKING_OFF and event is not e.StepRetried else None,
    )
    if event in WAITS_FOR:
        invocation.waits[AT] = Wait(WAITS_FOR[event], 1.0)
    if status is Status.SUSPENDED:
        invocation.waits[SAMPLES[e.SignalReceived].step] = Wait(WaitKind.SIGNAL, 1.0, SIGNAL)
    invocation.count_steps()
    state = ObjectState(service="Door", key="front", kind=Kind.ACTOR, version=7, invocations={IT: invocation})
    if event in (e.CancelDeadlineMoved, e.CancelDeliveredEarlier):
        invocation.cancel = Cancel("why", "tests", 3.0)
    if event is e.BudgetRaised:
        invocation.budget = {"usd": "1"}
    if event is e.InvocationRestarted:
        of = SAMPLES[event].successor
        state.invocations[of] = attrs.evolve(invocation, invocation_id=of, status=Status.QUEUED, mode=Mode.SHARED)
    if is_started:
        state.holder = IT
    elif invocation.scheduled_for is None:
        state.queue = [IT]
    return state


def test_the_table_of_arrows_has_every_event_of_an_invocation_and_agrees_with_what_is_legal() -> None:
    of_invocations = {kind for kind in EVENT_TYPES if hasattr(attrs.fields(kind), "invocation_id")}
    assert ARROWS.keys() == LEGAL.keys() == of_invocations - {e.InvocationAccepted}
    assert {kind: {*row} for kind, row in ARROWS.items()} == {kind: {*LEGAL[kind]} for kind in LEGAL}


@pytest.mark.parametrize(("kind", "status"), EVERYWHERE, ids=lambda value: getattr(value, "__name__", None))
def test_an_event_happens_where_it_is_legal_and_stops_the_object_elsewhere(kind: type, status: Status) -> None:
    state, event = stands(status, kind), SAMPLES[kind]
    if status in ARROWS[kind]:
        after = evolve(state, 8, stamp_of(8), event)
        invocation = after.invocations.get(IT)
        assert (None if invocation is None else invocation.status) is ARROWS[kind][status]
        assert after.version == 8
    else:
        with pytest.raises(IllegalEvent, match=f"{kind.__name__} cannot happen to {IT}, which is {status.value}"):
            evolve(state, 8, stamp_of(8), event)


@pytest.mark.parametrize(
    "kind", [kind for kind in ARROWS if kind is not e.InvocationRestarted], ids=lambda kind: kind.__name__
)
def test_nothing_happens_to_an_invocation_that_has_ended(kind: type) -> None:
    state = fold(None, [CREATED, accepted(), started(), completed()])
    with pytest.raises(IllegalEvent):
        fold(state, [SAMPLES[kind]])


def test_an_invocation_that_has_ended_can_be_repeated_which_the_object_need_not_know() -> None:
    state = fold(None, [CREATED, accepted(), started(), completed()])
    after = fold(state, [SAMPLES[e.InvocationRestarted]])
    assert after is not None
    assert after.version == 5


def test_whoever_waited_for_one_that_is_handed_over_waits_for_its_successor() -> None:
    again = of(AHEAD, accepted())
    restarted = e.InvocationRestarted(invocation_id=IT, successor=AHEAD, step=STEP, reason="why", hands_over=True)
    story = given(accepted(), started(), e.AttachRequested(invocation_id=IT, by=CALLER), again, restarted)
    assert story.invocation(IT).attached == []
    assert story.invocation(IT).successors == [AHEAD]
    assert story.invocation(AHEAD).attached == [CALLER]


def test_what_the_kept_part_of_a_history_wrote_is_not_written_again() -> None:
    kept = e.HistoryCopied(invocation_id=IT, fields={}, lengths={}, maps={})
    changed = e.FieldsChanged(invocation_id=IT, fields={"a": b"1"})
    later = e.FieldsChanged(invocation_id=IT, fields={"b": b"2"})
    story = given(accepted(), started(), changed, kept, later, completed())
    assert story.state is not None
    assert story.state.fields == {"b": b"2"}


def test_what_it_wrote_is_written_with_the_rest_where_it_is_carried() -> None:
    kept = e.HistoryCopied(invocation_id=IT, fields={}, lengths={}, maps={}, carries=True)
    changed = e.FieldsChanged(invocation_id=IT, fields={"a": b"1"})
    later = e.FieldsChanged(invocation_id=IT, fields={"b": b"2"})
    story = given(accepted(), started(), changed, kept, later, completed())
    assert story.state is not None
    assert story.state.fields == {"a": b"1", "b": b"2"}


def test_rewound_fields_are_all_there_is() -> None:
    rewound = e.FieldsRewound(invocation_id=IT, fields={"a": b"1"}, lengths={"lines": 2}, logs={}, maps={}, before={})
    written = e.FieldsChanged(invocation_id=AHEAD, fields={"a": b"9", "b": b"9"})
    story = given(accepted(AHEAD), started(AHEAD), written, completed(AHEAD), accepted(), started(), rewound)
    assert story.state is not None
    assert (story.state.fields, story.state.lengths) == ({"a": b"1"}, {"lines": 2})


def test_a_request_that_was_obeyed_is_remembered_with_the_status_that_it_found() -> None:
    state = fold(None, [CREATED, accepted(), started()])
    asked = Stamp(5.0, "request:r-1", "user:ada")
    after = evolve(state, 4, asked, paused())
    assert after.invocations[IT].applied_requests == {"request:r-1": Status.RUNNING}
    for number in range(5, 45):
        resumes = number % 2
        event = e.InvocationResumed(invocation_id=IT, reason="") if resumes else paused()
        after = evolve(after, number, Stamp(5.0, f"request:r-{number}", "user:ada"), event)
    assert [*after.invocations[IT].applied_requests] == [f"request:r-{number}" for number in range(29, 45)]


def test_every_event_is_handled() -> None:
    accepted_too = fold(None, [CREATED, SAMPLES[e.InvocationAccepted]])
    purged = fold(accepted_too, [e.InvocationsPurged(invocation_ids=[AHEAD]), e.Erased()])
    assert purged is not None
    assert purged.version == 4
    assert {*EVENT_TYPES} == {e.ObjectCreated, e.InvocationAccepted, e.InvocationsPurged, e.Erased, *ARROWS}


# What a stream must be like.


def test_a_stream_begins_with_whose_it_is_and_says_so_once() -> None:
    with pytest.raises(IllegalEvent, match="begins with ObjectCreated"):
        fold(None, [accepted()])
    with pytest.raises(IllegalEvent, match="ObjectCreated is event 1, not 2"):
        evolve(None, 2, stamp_of(2), CREATED)
    with pytest.raises(IllegalEvent, match="created once"):
        fold(None, [CREATED, CREATED])


@pytest.mark.parametrize("number", [0, 1, 3])
def test_numbers_of_a_stream_have_no_hole_and_no_repetition(number: int) -> None:
    state = fold(None, [CREATED])
    with pytest.raises(IllegalEvent, match=f"event {number} follows 1"):
        evolve(state, number, stamp_of(number), accepted())


def test_an_invocation_is_accepted_once() -> None:
    with pytest.raises(IllegalEvent, match="was accepted before"):
        fold(None, [CREATED, accepted(), accepted()])


def test_two_never_hold_the_object_and_nobody_jumps_the_queue() -> None:
    with pytest.raises(IllegalEvent, match="holds Door/front"):
        fold(None, [CREATED, accepted(AHEAD), started(AHEAD), accepted(), started()])
    with pytest.raises(IllegalEvent, match="came first"):
        fold(None, [CREATED, accepted(AHEAD), accepted(), started()])


# What an event leaves.


def test_an_accepted_invocation_is_known_as_it_was_asked_for() -> None:
    chain = [e.Link(CALLER.invocation_id, "Bank/alice/deposit", True)]
    story = given(accepted(argument=b"12345", caller=CALLER, chain=chain, request="r", atomic=True, scheduled_for=DUE))
    assert story.invocation(IT) == InvocationState(
        invocation_id=IT,
        handler="open",
        mode=Mode.EXCLUSIVE,
        status=Status.SCHEDULED,
        accepted_at=2.0,
        accepted_by="tests",
        spans=[(2, 2)],
        caller=CALLER,
        chain=chain,
        request="r",
        argument_digest=digest(b"12345"),
        atomic=True,
        scheduled_for=DUE,
        modified_at=2.0,
        event_count=1,
        value_bytes=5,
    )
    assert given(accepted(argument=b"12345")).invocation(IT).argument_digest == b"", "nobody asks for it again"


def test_who_waits_stands_in_line_who_starts_holds_and_readers_do_neither() -> None:
    reader = accepted(AHEAD, mode=Mode.SHARED)
    story = given(reader, started(AHEAD), accepted(), accepted(BEHIND))
    assert story.state is not None
    assert (story.state.holder, story.state.queue) == (None, [IT, BEHIND])
    fold(story.state, [started()])
    assert (story.state.holder, story.state.queue) == (IT, [BEHIND])
    fold(story.state, [completed(AHEAD)])
    assert (story.state.holder, story.state.queue) == (IT, [BEHIND])
    fold(story.state, [completed(BEHIND)])
    assert (story.state.holder, story.state.queue) == (IT, [])
    fold(story.state, [completed()])
    assert (story.state.holder, story.state.queue, story.state.invocations) == (None, [], {})


def test_what_was_scheduled_joins_the_queue_when_its_date_has_come_also_while_it_is_held() -> None:
    both_ways: list[list[Event]] = [[], [paused()]]
    for held in both_ways:
        story = given(accepted(scheduled_for=DUE), accepted(BEHIND), *held)
        assert story.state is not None
        assert story.state.queue == [BEHIND]
        fold(story.state, [DATE_HAS_COME])
        assert story.state.queue == [BEHIND, IT]
        assert story.invocation(IT).scheduled_for is None
        assert story.status_of(IT) is (Status.PAUSED if held else Status.QUEUED)


WAITS: list[tuple[Event, Wait]] = [
    (STEP_SCHEDULED, Wait(WaitKind.STEP, 4.0, "work")),
    (e.SleepScheduled(invocation_id=IT, step=STEP, wake_at=DUE), Wait(WaitKind.SLEEP, 4.0, at=DUE)),
    (e.DeadlineScheduled(invocation_id=IT, step=STEP, expires_at=DUE), Wait(WaitKind.DEADLINE, 4.0, at=DUE)),
    (
        e.CallScheduled(invocation_id=IT, step=STEP, callee=CALLEE, target=TARGET, argument=b""),
        Wait(WaitKind.CALL, 4.0, "Bank/alice/deposit", callee=CALLEE),
    ),
    (e.AttachScheduled(invocation_id=IT, step=STEP, callee=CALLEE), Wait(WaitKind.ATTACH, 4.0, callee=CALLEE)),
    (SIGNAL_AWAITED, Wait(WaitKind.SIGNAL, 4.0, "go")),
    (
        e.VerbScheduled(invocation_id=IT, step=STEP, verb=e.Verb.KILL, of=CALLEE, argument=b""),
        Wait(WaitKind.VERB, 4.0, "kill", callee=CALLEE),
    ),
]


@pytest.mark.parametrize(("event", "wait"), WAITS, ids=lambda value: type(value).__name__)
def test_what_is_waited_for_is_known_with_its_name_and_its_date(event: Event, wait: Wait) -> None:
    assert given(accepted(), started(), event).invocation(IT).waits == {STEP: wait}


def test_every_kind_of_wait_begins_with_an_event() -> None:
    assert {wait.kind for _, wait in WAITS} == {*WaitKind} - {WaitKind.STEP_RETRY}


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (STEP_SCHEDULED, e.StepCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED)),
        (STEP_SCHEDULED, e.StepAborted(invocation_id=IT, step=STEP)),
        (WAITS[1][0], e.TimerFired(invocation_id=IT, step=STEP)),
        (WAITS[2][0], e.TimerFired(invocation_id=IT, step=STEP)),
        (WAITS[3][0], e.CallCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED)),
        (WAITS[4][0], e.CallCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED)),
        (SIGNAL_AWAITED, e.SignalReceived(invocation_id=IT, name="go", value=b"1", signal=1, step=STEP)),
        (WAITS[6][0], e.VerbAnswered(invocation_id=IT, step=STEP, answer=None, refusal=BROKEN)),
        *[(event, e.WaitDropped(invocation_id=IT, step=STEP)) for event, _ in WAITS],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_ended_is_no_longer_waited_for_and_ends_once(begins: Event, ends: Event) -> None:
    story = given(accepted(), started(), begins, ends)
    assert story.invocation(IT).waits == {}
    if not isinstance(ends, (e.WaitDropped, e.SignalReceived)):
        with pytest.raises(IllegalEvent):
            fold(story.state, [ends])


def test_a_drop_that_crosses_with_the_end_of_the_wait_is_harmless() -> None:
    dropped = e.WaitDropped(invocation_id=IT, step=STEP)
    assert given(accepted(), started(), dropped).invocation(IT).waits == {}


def test_a_step_that_failed_waits_for_its_retry_and_remembers_how_often_it_failed() -> None:
    story = given(accepted(), started(), STEP_SCHEDULED, attrs.evolve(STEP_FAILED, attempt=3))
    assert story.invocation(IT).waits == {
        STEP: Wait(WaitKind.STEP_RETRY, 4.0, "work", at=DUE, attempts=3, max_attempts=3)
    }
    assert story.invocation(IT).last_failure == BROKEN
    fold(story.state, [e.StepRetried(invocation_id=IT, step=STEP)])
    assert story.invocation(IT).waits == {STEP: Wait(WaitKind.STEP, 4.0, "work", attempts=3, max_attempts=3)}


def test_a_handler_that_failed_remembers_when_it_is_tried_again_and_how_often_it_failed() -> None:
    story = given(accepted(), started(), attrs.evolve(ATTEMPT_FAILED, attempt=3))
    invocation = story.invocation(IT)
    assert (invocation.failed_attempts, invocation.retry_at, invocation.last_failure) == (3, DUE, BROKEN)
    fold(story.state, [e.AttemptRetried(invocation_id=IT)])
    assert (invocation.failed_attempts, invocation.retry_at, invocation.last_failure) == (3, None, BROKEN)


def test_it_backs_off_until_nothing_of_it_waits_for_another_try() -> None:
    other = StepId("2")
    story = given(
        accepted(),
        started(),
        STEP_SCHEDULED,
        STEP_FAILED,
        e.StepScheduled(invocation_id=IT, step=other, name="work"),
        attrs.evolve(STEP_FAILED, step=other),
        ATTEMPT_FAILED,
    )
    tries: list[tuple[Event, Status]] = [
        (e.StepRetried(invocation_id=IT, step=STEP), Status.BACKING_OFF),
        (e.AttemptRetried(invocation_id=IT), Status.BACKING_OFF),
        (e.StepRetried(invocation_id=IT, step=other), Status.RUNNING),
    ]
    for event, after in tries:
        fold(story.state, [event])
        assert story.status_of(IT) is after


@pytest.mark.parametrize("step_was", [[], [e.StepRetried(invocation_id=IT, step=STEP)]], ids=["waiting", "retried"])
@pytest.mark.parametrize("goes_on", [e.InvocationResumed(invocation_id=IT, reason="why"), CANCEL_REQUESTED])
def test_one_that_goes_on_after_a_pause_has_all_attempts_ahead_and_its_steps_run_at_once(
    goes_on: Event, step_was: list[Event]
) -> None:
    story = given(
        accepted(),
        started(),
        STEP_SCHEDULED,
        STEP_FAILED,
        *step_was,
        attrs.evolve(ATTEMPT_FAILED, attempt=4),
        paused(PauseCause.EXHAUSTED),
        goes_on,
    )
    invocation = story.invocation(IT)
    assert invocation.waits == {STEP: Wait(WaitKind.STEP, 4.0, "work")}
    assert (invocation.failed_attempts, invocation.retry_at) == (0, None)
    assert (invocation.pause_reason, invocation.pause_cause) == ("", None)


def test_a_pause_is_known_with_its_reason_its_cause_and_what_failed() -> None:
    held = e.InvocationPaused(invocation_id=IT, cause=PauseCause.MISMATCH, reason="differs", failure=BROKEN)
    invocation = given(accepted(), started(), STEP_SCHEDULED, PAUSE_REQUESTED, held).invocation(IT)
    assert (invocation.pending_pause, invocation.pause_reason, invocation.pause_cause) == (None, "differs", held.cause)
    assert invocation.last_failure == BROKEN
    failed_before = given(accepted(), started(), STEP_SCHEDULED, STEP_EXHAUSTED, paused()).invocation(IT)
    assert failed_before.last_failure == BROKEN, "a pause without a failure keeps the one before"


def test_a_pause_that_waits_for_steps_keeps_its_reason_and_a_cancel_overrides_it() -> None:
    story = given(accepted(), started(), STEP_SCHEDULED, PAUSE_REQUESTED)
    assert story.invocation(IT).pending_pause == "held"
    fold(story.state, [CANCEL_REQUESTED])
    assert story.invocation(IT).pending_pause is None


def test_a_cancel_is_known_with_who_asked_when_and_how_long_to_wait() -> None:
    requested = e.CancelRequested(invocation_id=IT, reason="why", kill_at=DUE)
    story = given(accepted(), started(), ATTEMPT_FAILED, requested)
    assert story.invocation(IT).cancel == Cancel("why", "tests", 5.0, DUE)
    assert story.invocation(IT).retry_at is None, "the handler is to see it now"


def test_one_is_suspended_once_all_that_it_waits_for_is_up_to_others() -> None:
    other = StepId("9")
    signal = e.SignalReceived(invocation_id=IT, name="go", value=b"1", step=STEP)
    story = given(accepted(), started())
    happens: list[tuple[Event, Status]] = [
        (SIGNAL_AWAITED, Status.SUSPENDED),
        (attrs.evolve(STEP_SCHEDULED, step=other), Status.RUNNING),
        (e.SignalReceived(invocation_id=IT, name="other", value=b"1"), Status.RUNNING),
        (e.StepCompleted(invocation_id=IT, step=other, outcome=SUCCEEDED), Status.SUSPENDED),
        (e.SleepScheduled(invocation_id=IT, step=other, wake_at=DUE), Status.SUSPENDED),
        (signal, Status.SUSPENDED),
        (e.WaitDropped(invocation_id=IT, step=other), Status.RUNNING),
    ]
    for event, after in happens:
        fold(story.state, [event])
        assert story.status_of(IT) is after, event


def test_leaving_memory_in_an_older_store_changes_no_status() -> None:
    left = e.InvocationSuspended(invocation_id=IT)
    assert given(accepted(), started(), SIGNAL_AWAITED, left).status_of(IT) is Status.SUSPENDED
    assert given(accepted(), started(), STEP_SCHEDULED, STEP_FAILED, left).status_of(IT) is Status.BACKING_OFF


def test_an_event_is_unseen_until_the_handler_has_recorded_a_request_after_it() -> None:
    first, second = StepId("8"), StepId("9")
    story = given(accepted(), started(), *(attrs.evolve(SIGNAL_AWAITED, step=step) for step in (STEP, first, second)))
    for step in (first, second):
        fold(story.state, [e.SignalReceived(invocation_id=IT, name="go", value=b"1", step=step)])
    state, asked = existing(story.state), attrs.evolve(SIGNAL_AWAITED, step=StepId("10"))
    assert state.invocations[IT].unseen == state.version
    evolve(state, state.version + 1, Stamp(9.0, f"#{state.version - 1}", IT), asked)
    assert state.invocations[IT].unseen == state.version - 1, "it has been given the first of the two"
    evolve(state, state.version + 1, Stamp(9.0, f"#{state.version - 1}", IT), attrs.evolve(asked, step=StepId("11")))
    assert state.invocations[IT].unseen == 0


def test_signals_are_kept_until_a_wait_takes_them() -> None:
    def signal(number: int, step: StepId | None = None) -> e.SignalReceived:
        return e.SignalReceived(invocation_id=IT, name="go", value=b"1", signal=number, step=step)

    def reassigned(number: int, step: StepId | None) -> e.SignalReassigned:
        return e.SignalReassigned(invocation_id=IT, signal=number, name="go", step=step)

    story = given(accepted(), signal(1), signal(2), started())
    invocation = story.invocation(IT)
    assert (invocation.signals, invocation.signals_received) == ({"go": [1, 2]}, 2)
    fold(story.state, [attrs.evolve(SIGNAL_AWAITED, ready=True, signal=2)])
    assert (invocation.signals, invocation.waits) == ({"go": [1]}, {})
    fold(story.state, [SIGNAL_AWAITED])  # by a handler that was not given the other one yet
    assert (invocation.signals, [*invocation.waits]) == ({"go": [1]}, [STEP])
    fold(story.state, [reassigned(1, STEP)])
    assert (invocation.signals, invocation.waits) == ({}, {})
    fold(story.state, [SIGNAL_AWAITED, signal(3, STEP), signal(4)])
    assert (invocation.signals, invocation.waits) == ({"go": [4]}, {})
    fold(story.state, [e.WaitDropped(invocation_id=IT, step=STEP), reassigned(3, None)])
    assert (invocation.signals, invocation.waits) == ({"go": [3, 4]}, {})


def wrote() -> list[Event]:
    return [
        e.FieldsChanged(invocation_id=IT, fields={"a": b"1", "b": b"22"}),
        e.LogExtended(invocation_id=IT, field="lines", items=[b"1", b"22"]),
        e.MapChanged(invocation_id=IT, field="items", items={"x": b"1", "y": None}),
        e.FieldsChanged(invocation_id=IT, fields={"a": b"333"}),
        e.LogExtended(invocation_id=IT, field="lines", items=[b"333"]),
        e.MapChanged(invocation_id=IT, field="items", items={"y": b"22"}),
    ]


def test_what_a_handler_writes_is_left_to_the_object_when_it_ends_and_not_before() -> None:
    story = given(accepted(), started(), *wrote())
    assert story.state is not None
    assert (story.state.fields, story.state.lengths) == ({}, {})
    assert story.invocation(IT).changes == Changes(
        {"a": b"333", "b": b"22"}, {"lines": [b"1", b"22", b"333"]}, {"items": {"x": b"1", "y": b"22"}}, size=5 + 6 + 3
    )
    seen_by_a_reader = story.state.fields
    fold(story.state, [completed()])
    assert (story.state.fields, story.state.lengths) == ({"a": b"333", "b": b"22"}, {"lines": 3})
    assert seen_by_a_reader == {}, "whoever reads beside the writer keeps what it saw"
    fold(story.state, [accepted(BEHIND), started(BEHIND)])
    more = e.LogExtended(invocation_id=BEHIND, field="lines", items=[b"1"])
    fold(story.state, [more, e.FieldsChanged(invocation_id=BEHIND, fields={"c": b"1"}), completed(BEHIND)])
    assert (story.state.fields, story.state.lengths) == ({"a": b"333", "b": b"22", "c": b"1"}, {"lines": 4})


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("kind", OutcomeKind, ids=lambda kind: kind.value)
def test_what_an_atomic_handler_wrote_is_dropped_unless_it_succeeds(kind: OutcomeKind, atomic: bool) -> None:
    story = given(accepted(atomic=atomic), started(), *wrote(), completed(outcome=outcome_of(kind)))
    assert story.state is not None
    kept = not atomic or kind is OutcomeKind.SUCCEEDED
    assert story.state.fields == ({"a": b"333", "b": b"22"} if kept else {})
    assert story.state.lengths == ({"lines": 3} if kept else {})


VALUES: list[tuple[Event, int]] = [
    (e.CallScheduled(invocation_id=IT, step=STEP, callee=CALLEE, target=TARGET, argument=b"123"), 3),
    (e.SendScheduled(invocation_id=IT, step=STEP, callee=CALLEE, target=TARGET, argument=b"123"), 3),
    (e.SignalReceived(invocation_id=IT, name="go", value=b"123"), 3),
    (e.FieldsChanged(invocation_id=IT, fields={"a": b"1", "b": b"22"}), 3),
    (e.LogExtended(invocation_id=IT, field="lines", items=[b"1", b"22"]), 3),
    (e.MapChanged(invocation_id=IT, field="items", items={"x": b"123", "y": None}), 3),
    (STEP_SCHEDULED, 0),
]


@pytest.mark.parametrize(("event", "size"), VALUES, ids=lambda value: type(value).__name__)
def test_a_history_knows_how_long_it_is_and_how_much_it_holds(event: Event, size: int) -> None:
    invocation = given(accepted(argument=b"12"), started(), event).invocation(IT)
    assert (invocation.event_count, invocation.value_bytes, invocation.modified_at) == (3, 2 + size, 4.0)


@pytest.mark.parametrize(
    ("begins", "ends"),
    [
        (STEP_SCHEDULED, e.StepCompleted(invocation_id=IT, step=STEP, outcome=Outcome(OutcomeKind.SUCCEEDED, b"123"))),
        (
            e.CallScheduled(invocation_id=IT, step=STEP, callee=CALLEE, target=TARGET, argument=b""),
            e.CallCompleted(invocation_id=IT, step=STEP, outcome=Outcome(OutcomeKind.SUCCEEDED, b"123")),
        ),
    ],
    ids=["step", "call"],
)
def test_results_count_for_how_much_a_history_holds(begins: Event, ends: Event) -> None:
    assert given(accepted(), started(), begins, ends).invocation(IT).value_bytes == 3


def test_a_history_knows_where_it_lies_and_passes_over_a_few_events_of_others() -> None:
    assert spans_with([(2, 2)], 3) == [(2, 3)]
    assert spans_with([(2, 5)], 37) == [(2, 37)]
    assert spans_with([(2, 5)], 38) == [(2, 5), (38, 38)]
    assert spans_with([(2, 5), (40, 41)], 42) == [(2, 5), (40, 42)]
    others: list[Event] = [accepted(AHEAD, mode=Mode.SHARED), started(AHEAD)]
    others += [e.PatchMarked(invocation_id=AHEAD, name=str(i)) for i in range(40)]
    assert given(accepted(), *others, e.AttachRequested(invocation_id=IT, by=CALLER)).invocation(IT).spans == [
        (2, 2),
        (45, 45),
    ]


def test_a_snapshot_of_an_object_with_everything_in_it_comes_back_as_it_was() -> None:
    rich = fold(
        None,
        [
            CREATED,
            accepted(AHEAD),
            started(AHEAD),
            *[of(AHEAD, event) for event in wrote()],
            completed(AHEAD),
            accepted(argument=b"1", caller=CALLER, chain=[e.Link(CALLEE, "x", True)], request="r", atomic=True),
            started(),
            *wrote(),
            STEP_SCHEDULED,
            STEP_FAILED,
            e.SignalReceived(invocation_id=IT, name="go", value=b"1"),
            e.AttachRequested(invocation_id=IT, by=CALLER),
            attrs.evolve(CANCEL_REQUESTED, kill_at=DUE),
            paused(PauseCause.EXHAUSTED),
            accepted(BEHIND, scheduled_for=DUE),
        ],
    )
    assert rich is not None
    assert decode_snapshot(STREAM, rich.version, encode_snapshot(rich)) == rich


def test_what_comes_while_it_is_held_is_counted_until_it_goes_on() -> None:
    held = [accepted(), started(), STEP_SCHEDULED, PAUSE_REQUESTED]
    came = [
        e.SignalReceived(invocation_id=IT, name="go", value=b"1"),
        e.StepCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED),
    ]
    assert _held_back([*held, *came]) == 2
    assert _held_back([*held, came[0], e.InvocationResumed(invocation_id=IT, reason="")]) == 0
    assert _held_back([*held, came[0], CANCEL_REQUESTED]) == 0
    assert _held_back([accepted(), started(), STEP_SCHEDULED, *came]) == 0


def _held_back(events: list[Event]) -> int:
    state = fold(None, [CREATED, *events])
    assert state is not None
    return state.invocations[IT].held_back


class Unlooked(dict[StepId, Wait]):
    """Waits that are found by their step alone."""

    def __iter__(self) -> Any:
        raise AssertionError("all waits are looked at")

    keys = values = items = __iter__


def test_the_end_of_one_of_many_steps_needs_no_look_at_the_others() -> None:
    steps = [StepId(f"1.{number}.1") for number in range(1, 51)]
    begun = [e.StepScheduled(invocation_id=IT, step=step, name="work") for step in steps]
    story = given(accepted(), started(), *begun)
    invocation = story.invocation(IT)
    invocation.waits = Unlooked(invocation.waits)
    completed = e.StepCompleted(invocation_id=IT, step=steps[7], outcome=SUCCEEDED)
    evolve(story.state, existing(story.state).version + 1, stamp_of(1), completed)
    assert len(invocation.waits) == 49
    assert invocation.status is Status.RUNNING
