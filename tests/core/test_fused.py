"""The law of the short ways: what is recorded as one frame is what would have been decided event by event."""

from __future__ import annotations

import copy
from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import pytest

from actors.core import commands as c
from actors.core import effects as f
from actors.core.decide import decide
from actors.core.evolve import evolve, spans_with
from actors.core.fused import (
    opened_invocation,
    row_of_whole,
    starts_at_once,
    whole_invocation,
    with_opened,
    with_whole,
)
from actors.core.owed import needs_attempt, needs_recovery
from actors.core.react import react
from actors.core.resumed import (
    continues_at_once,
    ends_at_once,
    last_turn,
    plain_value,
    resumed_end,
    resumed_turn,
    resumes_at_once,
    step_turn,
    with_last_turn,
    with_resumed_turn,
    with_step_turn,
)
from actors.core.state import REQUEST, WaitKind
from actors.errors import LimitExceededError
from actors.rows.index import listing_of, row_of
from actors.values.limits import Limits
from journal import events as e
from journal.events import Caller, Kind, Link, Mode, Outcome, OutcomeKind, Stamp
from journal.fused import WholeInvocation
from journal.ids import StepId
from journal.rows import encode_row
from journal.waits import RequestedStep, ended_in
from tests.core.situations import BROKEN, CALLER, IT, STEP, Situation, accepted, events_of, invoke, paused, started
from tests.core.story import CREATED, fold, nth
from tests.core.walk import OFTEN, Walker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.core.state import ObjectState, Wait
    from journal.events import Event
    from journal.ids import InvocationId
    from journal.rows import InvocationRow

LIMITS = Limits(mailbox=4, signals=3)
ASKED = Stamp(2_000.0, "a client", "user:alice")
RAN_AT = 2_001.5
PURGE_AT = 5_000.0
NEW = nth(999)
CHANGES: list[dict[str, bytes] | None] = [None, {"total": b"7"}, {"total": b"8", "other": b'"new"'}]
CALLS = [
    {},
    {
        "caller": Caller(CALLER.invocation_id, CALLER.step),
        "chain": [Link(CALLER.invocation_id, "Shop/a", holds_key=True)],
    },
    {"atomic": True, "deployment": "dep_a", "parameter": "amount"},
    {"tags": {"session": "s1", "user": "ada"}, "trace": e.TraceContext(f"00-{1:032x}-{2:016x}-01")},
]


def copied(state: Any) -> Any:
    return copy.deepcopy(state)


def call(state: ObjectState | None, **given: object) -> c.ResolvedInvoke:
    """A call of the object, whoever it is."""
    command = invoke(invocation_id=NEW, **given)
    if state is None:
        return command
    target = attrs.evolve(command.asked.target, service=state.service, key=state.key)
    return msgspec.structs.replace(
        command, asked=msgspec.structs.replace(command.asked, target=target), kind=state.kind
    )


def long_way(
    state: ObjectState | None, command: c.ResolvedInvoke, fields: dict[str, bytes] | None
) -> tuple[ObjectState, list[tuple[Stamp, Event]], InvocationRow, list[f.Effect]]:
    """The object, the events with their stamps, the row and the effects of a call that is decided step by step."""
    entries: list[tuple[Stamp, Event]] = []
    effects: list[f.Effect] = []
    row: InvocationRow | None = None

    def apply(stamp: Stamp, events: list[Event]) -> None:
        nonlocal state, row
        for event in events:
            effects.extend(react(state, event))
            number = (0 if state is None else state.version) + 1
            if isinstance(event, e.InvocationCompleted):
                assert state is not None
                invocation = state.invocations[NEW]
                row = row_of(state, invocation, outcome=event.outcome, completed_at=stamp.at, purge_at=PURGE_AT)
                row.spans = spans_with(row.spans, number)
            state = evolve(state, number, stamp, event)
            entries.append((stamp, event))

    apply(ASKED, decide(state, command, ASKED.at, LIMITS))
    assert state is not None
    ran = Stamp(RAN_AT, f"#{state.version}", NEW)
    events: list[Event] = [] if fields is None else [e.FieldsChanged(invocation_id=NEW, fields=fields)]
    outcome = Outcome(OutcomeKind.SUCCEEDED, b"42")
    apply(ran, decide(state, c.FinishAttempt(invocation_id=NEW, events=events, outcome=outcome), RAN_AT, LIMITS))
    assert row is not None
    return state, entries, row, effects


def check_law(state: ObjectState | None) -> int:
    """Both ways lead from this state to the same events, object and row. Returns how many calls were compared."""
    compared = 0
    for given in CALLS:
        for fields in CHANGES:
            command = call(state, **given)
            if not starts_at_once(state, command, LIMITS):
                continue
            first = (0 if state is None else state.version) + 1
            whole = whole_invocation(copied(state), command, ASKED, ran_at=RAN_AT, fields=fields, result=b"42")
            after, entries, row, effects = long_way(copied(state), command, fields)
            found = whole.expand(first)
            differing = [pair for pair in zip(found, entries, strict=False) if pair[0] != pair[1]]
            assert not differing, f"the first that differs: {differing[:1]}"
            assert whole.count == len(found) == len(entries)
            short = with_whole(copied(state), whole, first + whole.count - 1)
            assert short == after
            outcome = Outcome(OutcomeKind.SUCCEEDED, b"42")
            of_whole = row_of_whole(command.asked.target, short.kind, whole, outcome, first, after.version, PURGE_AT)
            assert encode_row(of_whole) == encode_row(row)
            assert [type(effect) for effect in effects] == effects_of(command)
            compared += 1
    return compared


def long_opening(
    state: ObjectState | None, command: c.ResolvedInvoke, requests: list[Event]
) -> tuple[ObjectState, list[tuple[Stamp, Event]], list[f.Effect]]:
    """The object, the events with their stamps, and the effects of a call that is decided before its handler requests something."""
    entries: list[tuple[Stamp, Event]] = []
    effects: list[f.Effect] = []

    def apply(stamp: Stamp, events: list[Event]) -> None:
        nonlocal state
        for event in events:
            effects.extend(react(state, event))
            state = evolve(state, (0 if state is None else state.version) + 1, stamp, event)
            entries.append((stamp, event))

    apply(ASKED, decide(state, command, ASKED.at, LIMITS))
    assert state is not None
    ran = Stamp(RAN_AT, f"#{state.version}", NEW)
    apply(ran, decide(state, c.RecordProgress(invocation_id=NEW, events=requests), RAN_AT, LIMITS))
    return state, entries, effects


def check_law_of_openings(state: ObjectState | None) -> int:
    """Both ways lead from this state to the same events and object. Returns how many calls were compared."""
    compared = 0
    for given in CALLS:
        for fields in CHANGES:
            for request in REQUESTS:
                command = call(state, **given)
                if not starts_at_once(state, command, LIMITS):
                    continue
                requests: list[Event] = [request]
                if fields is not None:
                    requests.append(e.FieldsChanged(invocation_id=NEW, fields=fields))
                opened = opened_invocation(copied(state), command, ASKED, requests, ran_at=RAN_AT)
                assert opened is not None
                after, entries, effects = long_opening(copied(state), command, requests)
                first = (0 if state is None else state.version) + 1
                assert opened.expand(first) == entries
                assert opened.count == len(entries)
                assert with_opened(copied(state), opened, after.version) == after
                assert effects == [f.StartAttempt(NEW), *react(after, request)]
                compared += 1
    return compared


def effects_of(command: c.ResolvedInvoke) -> list[type[f.Effect]]:
    """What the engine does on the short way by itself: run the handler, drop it, tell the clients and the caller."""
    told = [] if command.asked.caller is None else [f.Deliver]
    return [f.StartAttempt, f.EndAttempt, *told, f.NotifyWaiters]


NEXT = StepId("next")
REQUESTED = e.StepScheduled(
    invocation_id=NEW, step=NEXT, name="charge", source="app.py:7", argument=b"[5]", at_most_once=True, is_compared=True
)


REQUESTS: list[Event] = [
    REQUESTED,
    e.SleepScheduled(invocation_id=NEW, step=NEXT, wake_at=9_000.0, source="app.py:8"),
    e.SignalAwaited(invocation_id=NEW, step=NEXT, name="a", source="app.py:9", schema=b"{}"),
    e.CallScheduled(
        invocation_id=NEW,
        step=NEXT,
        callee=CALLER.invocation_id,
        target=e.Target("Shop", "a/b", "buy"),
        argument=b"[5]",
        source="app.py:10",
        parameter="amount",
        tags={"user": "ada"},
    ),
]


def long_turn(
    state: ObjectState, completed: e.StepCompleted, requests: list[Event], *, at: float, turned_at: float
) -> tuple[ObjectState, list[tuple[Stamp, Event]], list[f.Effect]]:
    """The object, the events with their stamps, and the effects of a step whose end is decided before the turn after it."""
    entries: list[tuple[Stamp, Event]] = []
    effects: list[f.Effect] = []
    of, step = completed.invocation_id, completed.step

    def apply(stamp: Stamp, events: list[Event]) -> None:
        for event in events:
            effects.extend(react(state, event))
            evolve(state, state.version + 1, stamp, event)
            entries.append((stamp, event))

    ended = c.CompleteStep(invocation_id=of, step=step, outcome=completed.outcome)
    apply(Stamp(at, f"step {step}", of), decide(state, ended, at, LIMITS))
    turned = Stamp(turned_at, f"#{state.version}", of)
    apply(turned, decide(state, c.RecordProgress(invocation_id=of, events=requests), turned_at, LIMITS))
    return state, entries, effects


def check_law_of_steps(state: ObjectState) -> int:
    """Both ways lead from the end of each step that may be handed over at once to the same events and object. Returns how many
    ends were compared."""
    compared = 0
    for of, invocation in state.invocations.items():
        for step in invocation.waits:
            if not continues_at_once(invocation, step, state.version):
                continue
            completed = e.StepCompleted(invocation_id=of, step=step, outcome=Outcome(OutcomeKind.SUCCEEDED, b"17"))
            for fields, request in product(CHANGES, REQUESTS):
                requests: list[Event] = [attrs.evolve(request, invocation_id=of)]
                if fields is not None:
                    requests.append(e.FieldsChanged(invocation_id=of, fields=fields))
                times = {"at": ASKED.at, "turned_at": RAN_AT if fields else ASKED.at}
                listed = listing_of(invocation)
                after, entries, effects = long_turn(copied(state), completed, requests, **times)
                turn = step_turn(of, step, b"17", requests, **times)
                assert turn is not None
                if isinstance(turn.request, RequestedStep):
                    assert turn == step_turn(of, step, b"17", [turn.request, *requests[1:]], **times)
                assert turn.expand(state.version + 1) == entries
                assert turn.count == len(entries)
                short = copied(state)
                with_step_turn(short, turn, state.version + 1)
                assert short == after
                assert effects == [f.Continue(of, completed), *react(after, requests[0])]
                if request is REQUESTED:
                    assert listing_of(short.invocations[of]) == listed, "its row need not be written again"
                    assert needs_recovery(short), "a start must look at it, as before"
                compared += 1
    return compared


def long_end(
    state: ObjectState, completed: e.StepCompleted, changes: list[Event], *, at: float, ended_at: float
) -> tuple[ObjectState, list[tuple[Stamp, Event]], InvocationRow, list[f.Effect]]:
    """The object, the events with their stamps, the row and the effects of a step whose end is decided before the turn after it, in
    which its handler returns."""
    entries: list[tuple[Stamp, Event]] = []
    effects: list[f.Effect] = []
    of, step = completed.invocation_id, completed.step
    row: InvocationRow | None = None

    def apply(stamp: Stamp, events: list[Event]) -> None:
        nonlocal row
        for event in events:
            effects.extend(react(state, event))
            number = state.version + 1
            if isinstance(event, e.InvocationCompleted):
                row = row_of(
                    state, state.invocations[of], outcome=event.outcome, completed_at=stamp.at, purge_at=PURGE_AT
                )
                row.spans = spans_with(row.spans, number)
            evolve(state, number, stamp, event)
            entries.append((stamp, event))

    ended = c.CompleteStep(invocation_id=of, step=step, outcome=completed.outcome)
    apply(Stamp(at, f"step {step}", of), decide(state, ended, at, LIMITS))
    finished = c.FinishAttempt(invocation_id=of, events=changes, outcome=RETURNED)
    apply(Stamp(ended_at, f"#{state.version}", of), decide(state, finished, ended_at, LIMITS))
    assert row is not None
    return state, entries, row, effects


FAILED = Outcome(OutcomeKind.FAILED, failure=e.Failure("ValueError", "no"))
RETURNED = Outcome(OutcomeKind.SUCCEEDED, b"42")


def check_law_of_ends(state: ObjectState) -> int:
    """Both ways lead from the end of each step that may be the last to the same events, object and row. Returns how many ends were
    compared."""
    compared = 0
    for of, invocation in state.invocations.items():
        for step, fields in product(invocation.waits, CHANGES):
            if not continues_at_once(invocation, step, state.version) or not ends_at_once(state, invocation):
                continue
            completed = e.StepCompleted(invocation_id=of, step=step, outcome=Outcome(OutcomeKind.SUCCEEDED, b"17"))
            changes: list[Event] = [] if fields is None else [e.FieldsChanged(invocation_id=of, fields=fields)]
            ended_at = RAN_AT if fields else ASKED.at
            after, entries, row, effects = long_end(copied(state), completed, changes, at=ASKED.at, ended_at=ended_at)
            turn = last_turn(of, step, b"17", changes, RETURNED.value, at=ASKED.at, turned_at=ended_at)
            assert turn is not None
            assert turn.expand(state.version + 1) == entries
            assert turn.count == len(entries)
            assert turn.ended_at == ended_at
            short = copied(state)
            ended = with_last_turn(short, turn, state.version + 1)
            assert short == after
            assert row_of(short, ended, outcome=RETURNED, completed_at=ended_at, purge_at=PURGE_AT) == row
            answers = [] if invocation.caller is None else [f.Deliver]
            assert [type(effect) for effect in effects] == [f.Continue, f.EndAttempt, *answers, f.NotifyWaiters]
            compared += 1
    return compared


def end_of(of: InvocationId, step: StepId, wait: Wait) -> c.Decidable | None:
    """What ends the wait, if it is one of the kinds that may be handed over at once."""
    match wait.kind:
        case WaitKind.CALL | WaitKind.ATTACH:
            return c.CompleteCall(invocation_id=of, step=step, outcome=Outcome(OutcomeKind.SUCCEEDED, b"17"))
        case WaitKind.SLEEP:
            return c.FireTimer(invocation_id=of, step=step)
        case WaitKind.SIGNAL:
            return c.SignalInvocation(invocation_id=of, name=wait.name, value=b"17", json_loses="tuple")
        case _:
            return None


def long_resumption(
    state: ObjectState, command: Any, then: c.Decidable, *, at: float, turned_at: float
) -> tuple[ObjectState, list[tuple[Stamp, Event]], InvocationRow | None, list[f.Effect]]:
    """The object, the events with their stamps, the row, if the turn is the last, and the effects of the end of a wait that is
    decided before the turn after it."""
    entries: list[tuple[Stamp, Event]] = []
    effects: list[f.Effect] = []
    of = command.invocation_id
    row: InvocationRow | None = None

    def apply(stamp: Stamp, events: list[Event]) -> None:
        nonlocal row
        for event in events:
            effects.extend(react(state, event))
            number = state.version + 1
            if isinstance(event, e.InvocationCompleted):
                ended = state.invocations[of]
                row = row_of(state, ended, outcome=event.outcome, completed_at=stamp.at, purge_at=PURGE_AT)
                row.spans = spans_with(row.spans, number)
            evolve(state, number, stamp, event)
            entries.append((stamp, event))

    apply(Stamp(at, ASKED.cause, ASKED.by), decide(state, command, at, LIMITS))
    apply(Stamp(turned_at, f"#{state.version}", of), decide(state, then, turned_at, LIMITS))
    return state, entries, row, effects


def check_law_of_waits(state: ObjectState) -> set[WaitKind]:
    """Both ways lead from the end of each wait that may be handed over at once to the same events, object and row. Returns the kinds
    of those waits."""
    compared: set[WaitKind] = set()
    for of, invocation in state.invocations.items():
        for step, wait in invocation.waits.items():
            command = end_of(of, step, wait)
            if command is None or invocation.waits_for is not None:
                continue
            try:
                [completed] = decide(copied(state), command, ASKED.at, LIMITS)
            except LimitExceededError:
                continue
            ended: Any = ended_in(completed)
            if ended is None or not resumes_at_once(invocation, completed, ASKED, state.version):
                continue
            compared.add(wait.kind)
            for fields, request in product(CHANGES, [*REQUESTS, None]):
                changes: list[Event] = [] if fields is None else [e.FieldsChanged(invocation_id=of, fields=fields)]
                times: Any = {"at": ASKED.at, "turned_at": RAN_AT if fields else ASKED.at}
                turned_at, origin = times["turned_at"], (ended, ASKED)
                short, first = copied(state), state.version + 1
                if request is not None:
                    requests = [attrs.evolve(request, invocation_id=of), *changes]
                    then: Any = c.RecordProgress(invocation_id=of, events=requests)
                    after, entries, _, effects = long_resumption(copied(state), command, then, **times)
                    turn = resumed_turn(of, origin, requests, turned_at=turned_at)
                    assert turn is not None
                    with_resumed_turn(short, turn, first)
                    if not isinstance(request, e.StepScheduled) and not invocation.signals:
                        assert not needs_attempt(short.invocations[of]), "a start need not look at it, as before"
                    assert effects == [f.Continue(of, completed), *react(after, requests[0])]
                elif ends_at_once(state, invocation):
                    then = c.FinishAttempt(invocation_id=of, events=changes, outcome=RETURNED)
                    after, entries, row, effects = long_resumption(copied(state), command, then, **times)
                    turn = resumed_end(of, origin, changes, RETURNED.value, turned_at=turned_at)
                    assert turn is not None
                    last = with_last_turn(short, turn, first)
                    at = turn.ended_at
                    assert row_of(short, last, outcome=RETURNED, completed_at=at, purge_at=PURGE_AT) == row
                    answers = [] if invocation.caller is None else [f.Deliver]
                    assert [type(effect) for effect in effects] == [f.Continue, f.EndAttempt, *answers, f.NotifyWaiters]
                else:
                    continue
                assert turn.expand(first) == entries
                assert turn.count == len(entries)
                assert short == after
    return compared


class Comparing(Walker):
    """A walk that compares both ways at each place that it comes to."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.openings = self.steps = self.ends = 0
        self.waits: set[WaitKind] = set()

    def _check(self, state: ObjectState) -> None:
        super()._check(state)
        self.calls += check_law(state)
        self.openings += check_law_of_openings(state)
        self.steps += check_law_of_steps(state)
        self.ends += check_law_of_ends(state)
        self.waits |= check_law_of_waits(state)


def test_a_call_of_a_new_object_is_recorded_as_it_would_be_decided() -> None:
    assert check_law(None) == len(CALLS) * len(CHANGES)
    assert check_law_of_openings(None) == len(CALLS) * len(CHANGES) * len(REQUESTS)


def test_random_walks_lead_to_no_object_in_which_the_two_ways_differ() -> None:
    calls = openings = steps = ends = 0
    waits: set[WaitKind] = set()
    for seed in range(60):
        random = Random(seed)
        walker = Comparing()
        walker.walk((random.choice(OFTEN), random.randrange(6), random.randrange(68)) for _ in range(60))
        calls += walker.calls
        openings += walker.openings
        steps += walker.steps
        ends += walker.ends
        waits |= walker.waits
    assert calls > 500, "walks come to free objects often enough"
    assert openings > 500, "walks come to free objects often enough"
    assert steps > 300, "walks come to single steps often enough"
    assert ends > 20, "walks come to single invocations that wait for a step often enough"
    assert waits == {WaitKind.CALL, WaitKind.ATTACH, WaitKind.SLEEP, WaitKind.SIGNAL}


@pytest.mark.parametrize(
    ("situation", "mode"),
    [(s, m) for s in Situation for m in (Mode.EXCLUSIVE, Mode.SHARED) if (s, m) != (Situation.QUEUED, Mode.SHARED)],
)
def test_a_call_is_left_to_decide_unless_it_would_start_now(situation: Situation, mode: Mode) -> None:
    state = fold(None, [CREATED, *events_of(situation, mode)])
    assert state is not None
    check_law_of_steps(state)
    check_law_of_ends(state)
    check_law_of_waits(state)
    if starts_at_once(state, call(state), LIMITS):
        check_law(state)
        check_law_of_openings(state)
        events = decide(copied(state), call(state), ASKED.at, LIMITS)
        assert [type(event) for event in events][-2:] == [e.InvocationAccepted, e.InvocationStarted]


@pytest.mark.parametrize(
    "given",
    [{"request": "key"}, {"scheduled_for": 9_000.0}, {"mode": Mode.SHARED}],
    ids=lambda given: next(iter(given)),
)
def test_what_needs_more_than_a_free_object_is_left_to_decide(given: dict[str, object]) -> None:
    assert starts_at_once(None, call(None), LIMITS)
    assert not starts_at_once(None, call(None, **given), LIMITS)


def test_a_call_that_is_too_deep_is_left_to_decide() -> None:
    links = [Link(nth(at), f"Shop/{at}", holds_key=False) for at in range(LIMITS.call_depth + 1)]
    assert starts_at_once(None, call(None, chain=links[1:]), LIMITS)
    assert not starts_at_once(None, call(None, chain=links), LIMITS)


def test_another_object_with_the_same_number_is_left_to_decide() -> None:
    [state] = [with_whole(None, whole, whole.count) for whole in wholes(Kind.ACTOR)]
    assert starts_at_once(state, call(state), LIMITS)
    other = attrs.evolve(state, key="another")
    assert not starts_at_once(other, call(state), LIMITS)


def wholes(kind: Kind) -> Iterator[WholeInvocation]:
    yield whole_invocation(
        None, msgspec.structs.replace(call(None), kind=kind), ASKED, ran_at=RAN_AT, fields={"total": b"7"}, result=b"42"
    )


# Steps.


def waiting(*events: Event) -> ObjectState:
    """An object whose invocation waits for step 1, after these events as well."""
    scheduled = e.StepScheduled(invocation_id=IT, step=STEP, name="pay", is_compared=True)
    state = fold(None, [CREATED, accepted(), started(), scheduled, *events])
    assert state is not None
    return state


def goes_on(state: ObjectState, seen: int | None = None) -> bool:
    return continues_at_once(state.invocations[IT], STEP, state.version if seen is None else seen)


def test_the_end_of_the_only_step_is_handed_over_at_once() -> None:
    assert goes_on(waiting())
    assert check_law_of_steps(waiting()) == len(CHANGES) * len(REQUESTS)
    assert check_law_of_ends(waiting()) == len(CHANGES)


@pytest.mark.parametrize(
    "event",
    [
        e.StepScheduled(invocation_id=IT, step=StepId("2"), name="pay"),
        e.SleepScheduled(invocation_id=IT, step=StepId("2"), wake_at=9_000.0),
        e.DeadlineScheduled(invocation_id=IT, step=StepId("2"), expires_at=9_000.0),
        e.CancelRequested(invocation_id=IT, reason="why"),
        e.PauseRequested(invocation_id=IT, reason="why"),
        paused(),
        e.StepAttemptFailed(invocation_id=IT, step=STEP, attempt=1, failure=BROKEN, retry_at=9_000.0),
        e.StepCompleted(invocation_id=IT, step=STEP, outcome=Outcome(OutcomeKind.SUCCEEDED, b"1")),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_step_with_anything_beside_it_is_left_to_decide(event: Event) -> None:
    assert not goes_on(waiting(event))


def test_a_step_that_failed_before_is_left_to_decide() -> None:
    failed = e.StepAttemptFailed(invocation_id=IT, step=STEP, attempt=1, failure=BROKEN, retry_at=9_000.0)
    assert not goes_on(waiting(failed, e.StepRetried(invocation_id=IT, step=STEP)))


def test_a_handler_that_has_not_been_given_all_before_is_left_to_decide() -> None:
    other = StepId("0")
    given = e.StepCompleted(invocation_id=IT, step=other, outcome=Outcome(OutcomeKind.SUCCEEDED, b"1"))
    state = waiting(e.StepScheduled(invocation_id=IT, step=other, name="pay"), given)
    assert goes_on(state, seen=state.version)
    assert not goes_on(state, seen=state.version - 1)


@pytest.mark.parametrize(
    "event",
    [
        accepted(nth(5)),
        e.LogExtended(invocation_id=IT, field="log", items=[b"1"]),
        e.MapChanged(invocation_id=IT, field="map", items={"a": b"1"}),
        e.AttachRequested(invocation_id=IT, by=Caller(CALLER.invocation_id, CALLER.step)),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_end_from_which_more_follows_is_left_to_decide(event: Event) -> None:
    state = waiting()
    assert ends_at_once(state, state.invocations[IT])
    state = waiting(event)
    assert goes_on(state)
    assert not ends_at_once(state, state.invocations[IT])


@pytest.mark.parametrize(
    "changes",
    [
        [e.LogExtended(invocation_id=IT, field="log", items=[b"1"])],
        [e.FieldsChanged(invocation_id=IT, fields={}), e.FieldsChanged(invocation_id=IT, fields={})],
        [REQUESTED],
    ],
)
def test_a_last_turn_with_more_than_a_change_of_fields_is_left_to_decide(changes: list[Event]) -> None:
    assert last_turn(IT, STEP, b"1", changes, b"42", at=1.0, turned_at=1.0) is None


@pytest.mark.parametrize(
    "said",
    [
        {"outcome": FAILED},
        {"attributes": b"{}"},
        {"spent": {"tokens": "1"}},
    ],
)
def test_a_step_that_ends_with_more_than_a_value_is_left_to_decide(said: dict[str, Any]) -> None:
    ended = c.CompleteStep(invocation_id=IT, step=STEP, outcome=Outcome(OutcomeKind.SUCCEEDED, b"1"))
    assert plain_value(ended) == b"1"
    assert plain_value(attrs.evolve(ended, **said)) is None


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [e.DeadlineScheduled(invocation_id=IT, step=NEXT, expires_at=9_000.0)],
        [e.SleepScheduled(invocation_id=IT, step=NEXT, wake_at=float("inf"))],
        [e.SleepScheduled(invocation_id=IT, step=NEXT, wake_at=float("nan"))],
        [e.SignalAwaited(invocation_id=IT, step=NEXT, name="a", ready=True, signal=1)],
        [e.SignalAwaited(invocation_id=IT, step=NEXT, name="a", again=True)],
        [e.FieldsChanged(invocation_id=IT, fields={})],
        [REQUESTED, REQUESTED],
        [REQUESTED, e.LogExtended(invocation_id=IT, field="log", items=[b"1"])],
        [REQUESTED, e.FieldsChanged(invocation_id=IT, fields={}), REQUESTED],
        [attrs.evolve(REQUESTED, argument=b"", argument_bytes=9, argument_digest="00")],
        [attrs.evolve(REQUESTED, opaque=("0",))],
        [attrs.evolve(REQUESTED, is_compared=False)],
    ],
)
def test_a_turn_that_is_not_one_plain_request_is_left_to_decide(requests: list[Event]) -> None:
    assert step_turn(IT, STEP, b"1", requests, at=1.0, turned_at=1.0) is None
    assert opened_invocation(None, call(None), ASKED, requests, ran_at=RAN_AT) is None


# Waits.

WAITS: dict[str, Event] = {
    "call": attrs.evolve(REQUESTS[3], invocation_id=IT, step=STEP),
    "sleep": e.SleepScheduled(invocation_id=IT, step=STEP, wake_at=9_000.0),
    "signal": e.SignalAwaited(invocation_id=IT, step=STEP, name="a"),
    "attached": e.AttachScheduled(invocation_id=IT, step=STEP, callee=CALLER.invocation_id),
}


def suspended(*events: Event) -> ObjectState:
    """An object whose invocation has had these events since its start."""
    state = fold(None, [CREATED, accepted(), started(), *events])
    assert state is not None
    return state


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_the_end_of_the_only_wait_is_handed_over_at_once(wait: Event) -> None:
    assert len(check_law_of_waits(suspended(wait))) == 1


@pytest.mark.parametrize(
    "beside",
    [
        e.StepScheduled(invocation_id=IT, step=StepId("2"), name="pay"),
        e.SleepScheduled(invocation_id=IT, step=StepId("2"), wake_at=9_000.0),
        e.DeadlineScheduled(invocation_id=IT, step=StepId("2"), expires_at=9_000.0),
        e.CancelRequested(invocation_id=IT, reason="why"),
        paused(),
    ],
    ids=lambda event: type(event).__name__,
)
@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_wait_with_anything_beside_it_is_left_to_decide(wait: Event, beside: Event) -> None:
    assert not check_law_of_waits(suspended(wait, beside))


def signal_reaches(wait: e.SignalAwaited, cause: str = "a client", **given: Any) -> bool:
    state = suspended(wait)
    sent = c.SignalInvocation(invocation_id=IT, name="a", value=b"1", **given)
    [received] = decide(copied(state), sent, 1.0, LIMITS)
    stamp = Stamp(ASKED.at, cause, ASKED.by)
    return ended_in(received) is not None and resumes_at_once(state.invocations[IT], received, stamp, state.version)


def test_a_signal_that_is_more_than_a_value_is_left_to_decide() -> None:
    wait = e.SignalAwaited(invocation_id=IT, step=STEP, name="a")
    assert signal_reaches(wait)
    assert not signal_reaches(wait, cause=f"{REQUEST}once")
    assert not signal_reaches(wait, error="refused")
    assert not signal_reaches(attrs.evolve(wait, name="b"))
    assert not signal_reaches(attrs.evolve(wait, question="q"))


def test_a_call_that_fails_is_left_to_decide() -> None:
    failed = Outcome(OutcomeKind.FAILED, failure=BROKEN)
    assert ended_in(e.CallCompleted(invocation_id=IT, step=STEP, outcome=failed)) is None


def test_a_handler_that_has_not_been_given_all_before_its_wait_is_left_to_decide() -> None:
    given = e.StepCompleted(invocation_id=IT, step=StepId("0"), outcome=Outcome(OutcomeKind.SUCCEEDED, b"1"))
    state = suspended(e.StepScheduled(invocation_id=IT, step=StepId("0"), name="pay"), WAITS["sleep"], given)
    fired = e.TimerFired(invocation_id=IT, step=STEP)
    assert resumes_at_once(state.invocations[IT], fired, ASKED, state.version)
    assert not resumes_at_once(state.invocations[IT], fired, ASKED, state.version - 1)


@pytest.mark.parametrize(
    "given", [{"request": "key"}, {"max_duration": 5.0}, {"budget": {"n": "1"}}], ids=lambda given: next(iter(given))
)
def test_a_request_of_a_call_with_more_than_its_argument_is_left_to_decide(given: dict[str, Any]) -> None:
    assert opened_invocation(None, call(None), ASKED, [attrs.evolve(REQUESTS[3], **given)], ran_at=RAN_AT) is None
