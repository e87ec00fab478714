"""Stored events that contradict each other are refused by a type, under ``python -O`` as well."""

from __future__ import annotations

import pytest

from actors.core.deadlocks import edges_from
from actors.core.evolve import evolve
from actors.core.state import InvocationState, ObjectState, Wait, WaitKind
from actors.core.transitions import IllegalEvent
from actors.engine.restart_history import acceptance_of
from actors.replay.plan import replay_plan
from journal import events as e
from journal.errors import CorruptRecord
from journal.events import Kind, Mode, Recorded, Stamp, Status
from journal.ids import InvocationId, StepId

IT = InvocationId("inv_1aaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbb")
STAMP = Stamp(1.0, "test", "test")


def recorded(*events: e.Event) -> list[Recorded]:
    return [Recorded(number, STAMP, event) for number, event in enumerate(events, 1)]


def an_object(**waits: Wait) -> ObjectState:
    invocation = InvocationState(
        invocation_id=IT,
        handler="run",
        mode=Mode.SHARED,
        status=Status.RUNNING,
        accepted_at=1.0,
        accepted_by="test",
        started_at=1.0,
        spans=[(1, 1)],
        waits={StepId(step): wait for step, wait in waits.items()},
    )
    return ObjectState(service="S", key=None, kind=Kind.SERVICE, version=1, invocations={IT: invocation})


@pytest.mark.parametrize("history", [[], recorded(e.InvocationStarted(invocation_id=IT))])
def test_a_history_begins_with_its_acceptance(history: list[Recorded]) -> None:
    with pytest.raises(CorruptRecord):
        acceptance_of(history)


def test_a_history_that_is_replayed_says_when_it_started() -> None:
    with pytest.raises(CorruptRecord):
        replay_plan(recorded(e.InvocationResumed(invocation_id=IT, reason="")))


def test_what_overtakes_a_cancel_has_one() -> None:
    with pytest.raises(IllegalEvent):
        evolve(an_object(), 2, STAMP, e.CancelDeliveredEarlier(invocation_id=IT, handed_over=1))


def test_a_wait_for_a_call_names_it() -> None:
    state = an_object(s1=Wait(WaitKind.CALL, 1.0))
    with pytest.raises(CorruptRecord):
        list(edges_from(state, state.invocations[IT]))
