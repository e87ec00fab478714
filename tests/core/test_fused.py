"""The law of the short way: what is recorded as a whole is what would have been decided event by event."""

from __future__ import annotations

import copy
from random import Random
from typing import TYPE_CHECKING

import attrs
import pytest

from actors.core import commands as c
from actors.core import effects as f
from actors.core.decide import decide
from actors.core.evolve import evolve, spans_with
from actors.core.fused import starts_at_once, whole_invocation, with_whole
from actors.core.react import react
from actors.rows.index import row_of, row_of_whole
from actors.values.limits import Limits
from journal import events as e
from journal.events import Caller, Kind, Link, Mode, Outcome, OutcomeKind, Stamp
from journal.fused import WholeInvocation
from tests.core.situations import CALLER, Situation, events_of, invoke
from tests.core.story import CREATED, fold, nth
from tests.core.walk import OFTEN, Walker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.core.state import ObjectState
    from journal.events import Event
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
    {"tags": {"session": "s1", "user": "ada"}},
]


def copied(state: ObjectState | None) -> ObjectState | None:
    return copy.deepcopy(state)


def call(state: ObjectState | None, **given: object) -> c.ResolvedInvoke:
    """A call of the object, whoever it is."""
    command = invoke(invocation_id=NEW, **given)
    if state is None:
        return command
    target = attrs.evolve(command.asked.target, service=state.service, key=state.key)
    return attrs.evolve(command, asked=attrs.evolve(command.asked, target=target), kind=state.kind)


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
            assert row_of_whole(short, whole, first, after.version, purge_at=PURGE_AT) == row
            assert [type(effect) for effect in effects] == effects_of(command)
            compared += 1
    return compared


def effects_of(command: c.ResolvedInvoke) -> list[type[f.Effect]]:
    """What the engine does on the short way by itself: run the handler, drop it, tell the clients and the caller."""
    told = [] if command.asked.caller is None else [f.Deliver]
    return [f.StartAttempt, f.EndAttempt, *told, f.NotifyWaiters]


class Comparing(Walker):
    """A walk that compares both ways at each place that it comes to."""

    def __init__(self) -> None:
        super().__init__()
        self.compared = 0

    def _check(self, state: ObjectState) -> None:
        super()._check(state)
        self.compared += check_law(state)


def test_a_call_of_a_new_object_is_recorded_as_it_would_be_decided() -> None:
    assert check_law(None) == len(CALLS) * len(CHANGES)


def test_random_walks_lead_to_no_object_in_which_the_two_ways_differ() -> None:
    compared = 0
    for seed in range(60):
        random = Random(seed)
        walker = Comparing()
        walker.walk((random.choice(OFTEN), random.randrange(6), random.randrange(68)) for _ in range(60))
        compared += walker.compared
    assert compared > 500, "walks come to free objects often enough"


@pytest.mark.parametrize(
    ("situation", "mode"), [(s, m) for s in Situation for m in Mode if (s, m) != (Situation.QUEUED, Mode.SHARED)]
)
def test_a_call_is_left_to_decide_unless_it_would_start_now(situation: Situation, mode: Mode) -> None:
    state = fold(None, [CREATED, *events_of(situation, mode)])
    if starts_at_once(state, call(state), LIMITS):
        check_law(state)
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
        None, attrs.evolve(call(None), kind=kind), ASKED, ran_at=RAN_AT, fields={"total": b"7"}, result=b"42"
    )
