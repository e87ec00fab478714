"""What a start takes up: an invocation whose handler has something to be given, whatever order led to it."""

from __future__ import annotations

from actors.core.evolve import evolve
from actors.core.owed import needs_recovery, pending
from actors.core.state import ObjectState
from journal import events as e
from journal.events import Event, Stamp, Status
from journal.ids import StepId
from tests.core.situations import IT, accepted, started
from tests.core.story import CREATED

SLEEP = e.SleepScheduled(invocation_id=IT, step=StepId("1"), wake_at=2.0)
FIRED = e.TimerFired(invocation_id=IT, step=StepId("1"))
SIGNAL = e.SignalReceived(invocation_id=IT, name="x", value=b"1", signal=1, step=None)
AWAITED = e.SignalAwaited(invocation_id=IT, step=StepId("2"), name="x")
REASSIGNED = e.SignalReassigned(invocation_id=IT, signal=1, name="x", step=StepId("2"))


def after(*events: tuple[str, Event]) -> ObjectState:
    """The object after these events, each with its cause."""
    state: ObjectState | None = None
    for number, (cause, event) in enumerate(events, 1):
        state = evolve(state, number, Stamp(float(number), cause, IT), event)
    assert state is not None
    return state


BEGUN = [("client", CREATED), ("client", accepted()), ("client", started()), ("#3", SLEEP), ("timer", FIRED)]


def test_a_signal_that_came_before_the_turn_waited_for_it_is_owed() -> None:
    """The turn of event 5 waits for a signal that is event 6, and has not been given yet."""
    state = after(*BEGUN, ("client", SIGNAL), ("#5", AWAITED))
    assert state.invocations[IT].status is Status.SUSPENDED
    assert needs_recovery(state)
    assert len(pending(state)) == 1


def test_a_signal_that_the_handler_was_given_is_not_owed() -> None:
    state = after(*BEGUN, ("client", SIGNAL), ("#5", AWAITED), ("#6", REASSIGNED), ("#6", SLEEP_AGAIN))
    assert not needs_recovery(state)
    assert pending(state) == []


def test_a_signal_of_another_name_is_not_owed() -> None:
    other = e.SignalReceived(invocation_id=IT, name="y", value=b"1", signal=1, step=None)
    assert not needs_recovery(after(*BEGUN, ("client", other), ("#6", AWAITED)))


SLEEP_AGAIN = e.SleepScheduled(invocation_id=IT, step=StepId("3"), wake_at=9.0)
