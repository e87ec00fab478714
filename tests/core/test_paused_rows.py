"""The law of pauses by rows: the event and the row are those that the object would have decided on."""

from __future__ import annotations

import copy
from random import Random
from typing import TYPE_CHECKING

import pytest

from actors.core import commands as c
from actors.core import effects as f
from actors.core.decide import decide
from actors.core.evolve import evolve
from actors.core.owed import needs_recovery, timers_of
from actors.core.react import react
from actors.core.state import REQUEST
from actors.rows.counters import Group, groups_of_row, recount
from actors.rows.index import listing_of, row_of
from actors.rows.pauses import index_paused, may_be_paused, pause, pause_requested
from actors.values.limits import DEFAULT_LIMITS
from journal import events as e
from journal import invocation_keys
from journal.events import Mode, PauseMode, Stamp, Status
from journal.rows import InvocationRow, StreamHead, decode_row, encode_row
from tests.core import test_updates
from tests.core.situations import CALLER, IT, Situation, events_of
from tests.core.story import CREATED, fold
from tests.core.walk import OFTEN, Walker

if TYPE_CHECKING:
    from actors.core.state import InvocationState, ObjectState

AT = 2_000.0
PARTITION = 1
CAUSES = (f"{REQUEST}job 1", "a client")


def stored(state: ObjectState, invocation: InvocationState) -> InvocationRow:
    return decode_row(InvocationRow, encode_row(row_of(state, invocation)))


def check_law(state: ObjectState) -> int:
    """Compare both ways for each invocation that may be paused by its row. Returns their number."""
    compared = 0
    head = StreamHead(state.version)
    for of, invocation in state.invocations.items():
        for cause in CAUSES:
            if not may_be_paused(stored(state, invocation), head, cause):
                continue
            for mode in PauseMode:
                compare(state, c.PauseInvocation(invocation_id=of, reason="maintenance", mode=mode), cause)
                compared += 1
    return compared


def compare(state: ObjectState, command: c.PauseInvocation, cause: str) -> None:
    of, number, stamp = command.invocation_id, state.version + 1, Stamp(AT, cause, "job:1")
    before = copy.deepcopy(state)
    events = decide(before, command, AT, DEFAULT_LIMITS)
    assert events == [pause_requested(of, command.reason)]
    effects = react(before, events[0])
    assert {type(effect) for effect in effects} <= {f.EndAttempt, f.NotifyPaused}, (
        "nothing to do for who is not in memory"
    )
    after = evolve(before, number, stamp, events[0])
    assert needs_recovery(state) or not needs_recovery(after), "a start has no more to look at than before"
    assert timers_of(after) == timers_of(state)

    row = stored(state, state.invocations[of])
    before_it = encode_row(row)
    counted = pause(row, number, command.reason, stamp)
    assert row == stored(after, after.invocations[of])
    rows, known = dict[bytes, bytes | None](), dict[bytes, bytes | None]()
    counts, expected = dict[Group, int](), dict[Group, int]()
    index_paused(rows, known, counts, PARTITION, before_it, row, counted)
    recount(expected, groups_of_row(stored(state, state.invocations[of])), groups_of_row(row))
    assert counts == expected
    assert rows == {
        invocation_keys.invocation(PARTITION, of): encode_row(row),
        invocation_keys.open_by_status(PARTITION, Status.SUSPENDED, of): None,
        invocation_keys.open_by_status(PARTITION, Status.PAUSED, of): b"",
    }
    assert known == {
        invocation_keys.invocation(PARTITION, of): before_it,
        invocation_keys.open_by_status(PARTITION, Status.SUSPENDED, of): b"",
        invocation_keys.open_by_status(PARTITION, Status.PAUSED, of): None,
    }
    was, now = listing_of(state.invocations[of]), listing_of(after.invocations[of])
    assert (was.deployment, was.awaited) == (now.deployment, now.awaited), "the other indexes stay"


@pytest.mark.parametrize("situation", [Situation.SUSPENDED, Situation.CANCELLING_IDLE])
def test_who_waits_for_others_is_paused_by_its_row_as_its_object_would_decide(situation: Situation) -> None:
    state = fold(None, [CREATED, *events_of(situation, Mode.SHARED)])
    assert state is not None
    assert check_law(state) == len(CAUSES) * len(PauseMode)


@pytest.mark.parametrize(
    "situation", [s for s in Situation if s not in (Situation.SUSPENDED, Situation.CANCELLING_IDLE)]
)
def test_everyone_else_is_paused_by_its_object(situation: Situation) -> None:
    mode = Mode.EXCLUSIVE if situation is Situation.QUEUED else Mode.SHARED
    state = fold(None, [CREATED, *events_of(situation, mode)])
    invocation = None if state is None else state.invocations.get(IT)
    if state is not None and invocation is not None:
        assert not may_be_paused(stored(state, invocation), StreamHead(state.version), CAUSES[0])


def test_an_update_is_not_paused_by_its_row() -> None:
    attached = e.AttachRequested(invocation_id=test_updates.UPDATE, by=CALLER)
    history = test_updates.HISTORY[test_updates.Situation.OPEN]
    state = fold(None, [test_updates.CREATED, *history, attached])
    assert state is not None
    assert state.invocations[test_updates.UPDATE].status is Status.SUSPENDED
    assert check_law(state) == 0


def test_a_row_that_is_older_than_the_last_event_of_its_object_decides_nothing() -> None:
    state = fold(None, [CREATED, *events_of(Situation.SUSPENDED, Mode.SHARED)])
    assert state is not None
    row = stored(state, state.invocations[IT])
    assert may_be_paused(row, StreamHead(state.version), CAUSES[0])
    assert not may_be_paused(row, StreamHead(state.version + 1), CAUSES[0])
    row.applied_requests = {CAUSES[0]: Status.SUSPENDED}
    assert not may_be_paused(row, StreamHead(state.version), CAUSES[0])


class Comparing(Walker):
    """A walk that compares both ways at each place that it comes to."""

    def __init__(self) -> None:
        super().__init__()
        self.compared = 0

    def _check(self, state: ObjectState) -> None:
        super()._check(state)
        self.compared += check_law(state)


def test_random_walks_lead_to_no_row_that_is_paused_otherwise_than_its_object() -> None:
    compared = 0
    for seed in range(30):
        random = Random(seed)
        walker = Comparing()
        walker.walk((random.choice(OFTEN), random.randrange(6), random.randrange(68)) for _ in range(60))
        compared += walker.compared
    assert compared > 100, "walks come to suspended invocations often enough"
