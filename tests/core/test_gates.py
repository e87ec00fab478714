"""Gates: which rules hold what, and what an object does while one is closed before it."""

from __future__ import annotations

import itertools

import pytest

from actors import InvalidArgumentError, LimitExceededError
from actors.core import commands as c
from actors.core import effects as f
from actors.core.gates import (
    BACKLOG,
    EVERYTHING,
    NO_GATES,
    Gate,
    Gates,
    GateScope,
    GateState,
    ScopeKind,
    close_gate,
    open_gate,
    parse_scope,
)
from actors.core.owed import needs_recovery, pending
from actors.values.limits import Limits
from journal import events as e
from journal.events import Mode, Outcome, OutcomeKind, PauseMode, Status, Target
from journal.ids import StepId
from tests.core.situations import (
    AHEAD,
    BEHIND,
    DATE_HAS_COME,
    DUE,
    IS_OPEN,
    IS_STARTED,
    IT,
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
from tests.core.story import KEY, NOW, SERVICE, given, given_nothing
from tests.raising import raises

S = Situation

AGENT = GateScope(ScopeKind.SERVICE, "Agent")
RUN = GateScope(ScopeKind.HANDLER, "Agent", "run")
LOOK = GateScope(ScopeKind.HANDLER, "Agent", "look")
BOB = GateScope(ScopeKind.KEY, "Agent", "bob")
CHAT = GateScope(ScopeKind.SERVICE, "Chat")
OLD_CODE = GateScope(ScopeKind.DEPLOYMENT, name="dep_old")
ALL = [EVERYTHING, BACKLOG, AGENT, RUN, LOOK, BOB, CHAT, OLD_CODE]


def closed(scope: GateScope, mode: PauseMode = PauseMode.DRAIN, since: float = 0.0) -> Gate:
    return Gate(scope=scope, state=GateState.CLOSED, since=since, by="user:ada", reason="why", mode=mode)


def opened(scope: GateScope) -> Gate:
    return Gate(scope=scope, state=GateState.OPEN, since=0.0, by="user:ada")


def after(*changes: Gate) -> Gates:
    """The rules when these have been asked for, one after the other."""
    gates = NO_GATES
    for change in changes:
        gates, _ = close_gate(gates, change) if change.is_closed else open_gate(gates, change)
    return gates


def scopes(gates: Gates, state: GateState = GateState.CLOSED) -> list[GateScope]:
    return [gate.scope for gate in gates if gate.state is state]


# Scopes.


@pytest.mark.parametrize(
    "text",
    [
        "everything",
        "backlog",
        "service:Agent",
        "handler:Agent/run",
        "key:Chat/alice",
        "key:Chat/a/b:c d",
        "deployment:dep_1aB",
    ],
)
def test_a_scope_is_the_same_as_text_and_back(text: str) -> None:
    assert str(parse_scope(text)) == text
    assert parse_scope(parse_scope(text)) == parse_scope(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Agent",
        "all",
        "everything:",
        "backlog:x",
        "service:",
        "service:Agent/run",
        "handler:Agent",
        "handler:/run",
        "key:Chat/",
        "*",
    ],
)
def test_text_that_names_no_scope_is_refused_with_what_would(text: str) -> None:
    with raises(InvalidArgumentError, path="scope"):
        parse_scope(text)


def test_scopes_lie_in_each_other_as_what_they_hold_does() -> None:
    within = {
        EVERYTHING: {BACKLOG, AGENT, RUN, LOOK, BOB, CHAT, OLD_CODE},
        AGENT: {RUN, LOOK, BOB},
    }
    for outer, inner in itertools.product(ALL, ALL):
        assert outer.contains(inner) is (inner in within.get(outer, set())), (outer, inner)


# Rules.


def test_without_gates_nothing_is_held() -> None:
    assert NO_GATES.holding("Agent", "bob", "run") == []


@pytest.mark.parametrize(
    ("scope", "held", "free"),
    [
        (EVERYTHING, ("Chat", "alice", "say", ""), None),
        (AGENT, ("Agent", None, "run", ""), ("Chat", "alice", "run", "")),
        (RUN, ("Agent", "ann", "run", ""), ("Agent", "ann", "look", "")),
        (BOB, ("Agent", "bob", "look", ""), ("Agent", "ann", "look", "")),
        (OLD_CODE, ("Agent", "bob", "run", "dep_old"), ("Agent", "bob", "run", "dep_new")),
    ],
)
def test_a_closed_gate_holds_what_is_in_its_scope_and_nothing_else(
    scope: GateScope, held: tuple[str, str | None, str, str], free: tuple[str, str | None, str, str] | None
) -> None:
    gates = after(closed(scope))
    assert [gate.scope for gate in gates.holding(*held)] == [scope]
    assert free is None or gates.holding(*free) == []


BOBS = ("Agent", "bob", "run")


def test_a_backlog_is_what_was_accepted_before_its_gate_was_closed() -> None:
    gates = after(closed(BACKLOG, since=10.0))
    assert [gate.scope for gate in gates.holding(*BOBS, accepted_at=9.0)] == [BACKLOG]
    assert gates.holding(*BOBS, accepted_at=10.0) == []
    assert gates.holding(*BOBS) == [], "what is being accepted"
    assert gates.holding("playhead.Registry", "main", "open_gate", accepted_at=9.0) == []
    assert not gates.holds_all_of("Agent")


def test_a_backlog_that_is_closed_again_has_grown() -> None:
    gates, change = close_gate(after(closed(BACKLOG, since=10.0)), closed(BACKLOG, since=20.0))
    assert change.changed
    assert gates.holding(*BOBS, accepted_at=15.0)
    _, change = close_gate(gates, closed(BACKLOG, since=15.0))
    assert not change.changed


def test_a_service_is_no_exception_to_a_backlog_and_a_backlog_is_one_to_everything() -> None:
    assert after(closed(BACKLOG, since=10.0), opened(AGENT)).holding(*BOBS, accepted_at=9.0)
    gates = after(closed(EVERYTHING), Gate(scope=BACKLOG, state=GateState.OPEN, since=10.0, by="user:ada"))
    assert gates.holding(*BOBS, accepted_at=9.0) == []
    assert gates.holding(*BOBS, accepted_at=11.0)


def test_what_is_built_in_is_held_by_nothing() -> None:
    gates = after(closed(EVERYTHING))
    assert gates.holding("playhead.Registry", "main", "open_gate") == []
    assert not gates.holds_all_of("playhead.Registry")


def test_of_several_that_hold_the_widest_comes_first() -> None:
    gates = after(closed(BOB), closed(AGENT), closed(EVERYTHING))
    assert [gate.scope for gate in gates.holding("Agent", "bob", "run")] == [EVERYTHING, AGENT, BOB]


def test_an_exception_lets_through_what_a_wider_gate_holds() -> None:
    gates = after(closed(EVERYTHING), opened(AGENT))
    assert gates.holding("Agent", "bob", "run") == []
    assert gates.holding("Chat", "alice", "say")


def test_an_exception_pierces_no_gate_that_it_does_not_lie_in() -> None:
    gates = after(closed(EVERYTHING), closed(RUN), opened(BOB))
    assert [gate.scope for gate in gates.holding("Agent", "bob", "run")] == [RUN]
    assert gates.holding("Agent", "bob", "look") == []
    by_code = after(closed(EVERYTHING), closed(OLD_CODE), opened(AGENT))
    assert [gate.scope for gate in by_code.holding("Agent", "bob", "run", "dep_old")] == [OLD_CODE]


def test_a_narrower_gate_that_was_closed_by_itself_stays_closed_when_a_wider_one_opens() -> None:
    gates = after(closed(EVERYTHING), closed(BOB), opened(EVERYTHING))
    assert scopes(gates) == [BOB]


def test_opening_a_narrower_scope_makes_or_takes_away_an_exception() -> None:
    assert scopes(after(closed(AGENT), opened(AGENT))) == []
    both = after(closed(EVERYTHING), closed(AGENT), opened(AGENT))
    assert (scopes(both), scopes(both, GateState.OPEN)) == ([EVERYTHING], [AGENT])


def test_an_exception_ends_with_the_gate_that_it_is_an_exception_to() -> None:
    assert len(after(closed(EVERYTHING), opened(AGENT), opened(EVERYTHING))) == 0


def test_closing_a_scope_closes_all_of_it_whatever_was_opened_in_it_before() -> None:
    gates = after(closed(EVERYTHING), opened(BOB), opened(CHAT), closed(AGENT))
    assert gates.holding("Agent", "bob", "run")
    assert gates.holding("Chat", "alice", "say") == []
    assert after(closed(EVERYTHING), opened(CHAT), closed(EVERYTHING)).holding("Chat", "alice", "say")


def test_closing_twice_changes_nothing_and_keeps_who_closed_it_first() -> None:
    gates = after(closed(AGENT, since=1.0))
    again, change = close_gate(gates, closed(AGENT, since=2.0))
    assert (change.changed, change.before, change.after) == (False, GateState.CLOSED, GateState.CLOSED)
    assert [gate.since for gate in again] == [1.0]
    assert change.gate == closed(AGENT, since=1.0)


def test_closing_again_in_another_mode_is_a_change() -> None:
    gates, change = close_gate(after(closed(AGENT)), closed(AGENT, PauseMode.NOW))
    assert change.changed
    assert [gate.mode for gate in gates] == [PauseMode.NOW]


@pytest.mark.parametrize("scope", ALL)
def test_opening_what_is_not_held_changes_nothing(scope: GateScope) -> None:
    gates, change = open_gate(NO_GATES, opened(scope))
    assert (change.changed, change.before, change.after) == (False, GateState.OPEN, GateState.OPEN)
    assert (len(gates), change.gate) == (0, None)


@pytest.mark.parametrize("scope", ALL)
@pytest.mark.parametrize("wider", [NO_GATES, after(closed(EVERYTHING)), after(closed(EVERYTHING), opened(AGENT))])
def test_a_scope_is_closed_after_closing_and_open_after_opening(scope: GateScope, wider: Gates) -> None:
    gates, change = close_gate(wider, closed(scope))
    assert change.after is GateState.CLOSED
    gates, change = open_gate(gates, opened(scope))
    assert (change.changed, change.after, change.gate) == (True, GateState.OPEN, None)
    assert gates.holding_scope(scope) is None


def test_a_service_is_held_as_a_whole_only_without_an_exception_in_it() -> None:
    assert after(closed(EVERYTHING)).holds_all_of("Agent")
    assert after(closed(AGENT)).holds_all_of("Agent")
    assert not after(closed(AGENT)).holds_all_of("Chat")
    assert not after(closed(RUN)).holds_all_of("Agent")
    assert not after(closed(AGENT), opened(RUN)).holds_all_of("Agent")
    assert not after(closed(EVERYTHING), opened(BOB)).holds_all_of("Agent")
    assert not after(closed(EVERYTHING), opened(OLD_CODE)).holds_all_of("Agent")
    assert after(closed(EVERYTHING), opened(BOB)).holds_all_of("Chat")


@pytest.mark.parametrize(
    ("before", "then", "more"),
    [
        (NO_GATES, after(closed(AGENT)), False),
        (after(closed(AGENT)), NO_GATES, True),
        (after(closed(EVERYTHING)), after(closed(EVERYTHING), opened(AGENT)), True),
        (after(closed(EVERYTHING), opened(AGENT)), after(closed(EVERYTHING)), False),
        (after(closed(AGENT)), after(closed(AGENT, PauseMode.NOW)), False),
        (after(closed(AGENT)), after(closed(CHAT)), True),
    ],
)
def test_it_is_known_whether_anything_may_go_on_that_could_not(before: Gates, then: Gates, more: bool) -> None:
    assert before.let_through_more_as(then) is more


# An object behind a gate.

HERE = closed(GateScope(ScopeKind.KEY, SERVICE, KEY))
OPEN_IT = c.StartWaiting()


@pytest.mark.parametrize("mode", [Mode.EXCLUSIVE, Mode.SHARED])
def test_what_is_asked_for_behind_a_closed_gate_is_accepted_and_waits(mode: Mode) -> None:
    story = given_nothing().under(HERE).when(invoke(mode=mode)).leaves(IT, Status.QUEUED)
    assert not any(isinstance(event, e.InvocationStarted) for event in story.events)
    assert story.effects == []
    story.under().when(OPEN_IT).then(started()).owes(f.StartAttempt(IT))


def test_a_gate_before_another_handler_holds_nothing_here() -> None:
    other = closed(GateScope(ScopeKind.HANDLER, SERVICE, "close"))
    given_nothing().under(other).when(invoke()).leaves(IT, Status.RUNNING)


def test_those_that_waited_start_in_the_order_they_came_and_readers_all_at_once() -> None:
    story = given_nothing().under(HERE)
    for of, mode in ((AHEAD, Mode.EXCLUSIVE), (IT, Mode.EXCLUSIVE), (BEHIND, Mode.SHARED)):
        story.when(invoke(invocation_id=of, mode=mode))
    story.under().when(OPEN_IT).then(started(AHEAD), started(BEHIND))
    story.when(c.FinishAttempt(invocation_id=AHEAD, events=[], outcome=Outcome(OutcomeKind.SUCCEEDED, b"1")))
    story.then(completed(AHEAD, Outcome(OutcomeKind.SUCCEEDED, b"1")), started(IT))


def test_nobody_passes_one_that_is_held() -> None:
    """Also where the gate is only before the handler of the one in front."""
    only_open = closed(GateScope(ScopeKind.HANDLER, SERVICE, "open"))
    another = invoke(invocation_id=BEHIND, target=Target(SERVICE, KEY, "close"))
    story = given_nothing().under(only_open).when(invoke()).when(another)
    story.leaves(IT, Status.QUEUED).leaves(BEHIND, Status.QUEUED).when(OPEN_IT).then_nothing()
    story.under().when(OPEN_IT).then(started(IT))


def test_the_end_of_one_starts_nobody_behind_a_closed_gate() -> None:
    story = given(accepted(AHEAD), started(AHEAD), accepted(IT)).under(HERE)
    story.when(c.KillInvocation(invocation_id=AHEAD, reason="why"))
    story.then(completed(AHEAD, Outcome(OutcomeKind.KILLED, reason="why"))).leaves(IT, Status.QUEUED)
    story.under().when(OPEN_IT).then(started(IT))


def test_a_date_that_comes_behind_a_closed_gate_is_recorded_and_the_work_waits() -> None:
    story = given(accepted(scheduled_for=DUE)).under(HERE).when(c.StartDue(invocation_id=IT), now=DUE)
    story.then(DATE_HAS_COME).leaves(IT, Status.QUEUED).under().when(OPEN_IT).then(started())


def test_resuming_behind_a_closed_gate_takes_the_pause_away_and_leaves_the_gate() -> None:
    story = given(accepted(), paused()).under(HERE).when(resume())
    story.then(e.InvocationResumed(invocation_id=IT, reason="why")).leaves(IT, Status.QUEUED)
    story.under().when(OPEN_IT).then(started())


def test_opening_a_gate_leaves_what_is_paused_alone() -> None:
    given(accepted(), paused(), accepted(BEHIND)).when(OPEN_IT).then_nothing()


def test_readers_that_wait_behind_a_gate_are_counted_against_the_limit_of_the_mailbox() -> None:
    story = given_nothing(limits=Limits(mailbox=2)).under(HERE)
    story.when(invoke(invocation_id=AHEAD, mode=Mode.SHARED)).when(invoke(invocation_id=IT, mode=Mode.SHARED))
    story.when(invoke(invocation_id=BEHIND, mode=Mode.SHARED)).then_refused(
        LimitExceededError, limit="mailbox", code="busy", found=2
    )
    story.under().when(invoke(invocation_id=BEHIND, mode=Mode.SHARED)).leaves(BEHIND, Status.RUNNING)


VERBS: dict[str, c.Decidable] = {
    "cancel": cancel(),
    "kill": c.KillInvocation(invocation_id=IT, reason="why"),
    "pause": c.PauseInvocation(invocation_id=IT, reason="why"),
    "resume": resume(),
    "signal": c.SignalInvocation(invocation_id=IT, name="go", value=b"1"),
    "fire": c.FireTimer(invocation_id=IT, step=StepId("1")),
    "retry": c.RetryAttempt(invocation_id=IT),
}


@pytest.mark.parametrize("situation", [s for s in IS_OPEN if s in IS_STARTED], ids=lambda situation: situation.name)
@pytest.mark.parametrize("what", VERBS)
def test_whatever_is_asked_of_one_that_has_begun_is_recorded_as_if_there_were_no_gate(
    what: str, situation: Situation
) -> None:
    free = given(*events_of(situation)).when(VERBS[what])
    held = given(*events_of(situation)).under(HERE).when(VERBS[what])
    starts_nobody = [event for event in free.events if not isinstance(event, e.InvocationStarted)]
    assert held.events == starts_nobody
    assert held.status_of(IT) is free.status_of(IT)


@pytest.mark.parametrize("situation", IS_OPEN, ids=lambda situation: situation.name)
def test_nothing_behind_a_closed_gate_is_owed_an_attempt_and_all_of_it_is_when_it_opens(situation: Situation) -> None:
    story = given(*events_of(situation))
    assert story.state is not None
    free = pending(story.state)
    held = pending(story.state, Gates([HERE]))
    assert [effect for effect in free if not isinstance(effect, f.StartAttempt)] == held
    assert pending(story.state, NO_GATES) == free


def test_a_start_looks_at_whoever_waits_for_nobody_since_a_gate_held_them() -> None:
    for mode in (Mode.EXCLUSIVE, Mode.SHARED):
        story = given_nothing().under(HERE).when(invoke(mode=mode))
        assert story.state is not None
        assert needs_recovery(story.state)
    scheduled = given(accepted(scheduled_for=NOW + 5.0))
    assert scheduled.state is not None
    assert not needs_recovery(scheduled.state)
    held_by_a_pause = given(accepted(), paused())
    assert held_by_a_pause.state is not None
    assert not needs_recovery(held_by_a_pause.state)


def test_one_that_is_moved_to_code_that_no_gate_holds_starts_if_it_is_its_turn() -> None:
    behind_old_code = closed(GateScope(ScopeKind.DEPLOYMENT, name="dep_old"))
    on_old_code = invoke(deployment="dep_old")
    move = resume(deployment="dep_new")
    moved = e.InvocationMoved(invocation_id=IT, deployment="dep_new")
    story = given_nothing().under(behind_old_code).when(on_old_code).leaves(IT, Status.QUEUED)
    story.when(move).then(moved, started())
    behind_both = [behind_old_code, closed(GateScope(ScopeKind.DEPLOYMENT, name="dep_new"))]
    story = given_nothing().under(*behind_both).when(on_old_code).when(move).then(moved).leaves(IT, Status.QUEUED)
