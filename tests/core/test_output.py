"""Which pieces of an output count, and when that is known."""

from __future__ import annotations

import pytest

from actors.core.output import LiveView, Mark, MarkFilter, OutputKind, SettledView, mark_of, void_pieces
from journal import events as e
from journal.events import Outcome, OutcomeKind, Recorded
from journal.ids import StepId
from tests.core.situations import BROKEN, IT
from tests.core.story import stamp_of
from tests.journal.samples import EVENTS

Told = list[str]


def piece(text: str, offset: int, *, step: str = "1", attempt: int = 1) -> e.OutputEmitted:
    return e.OutputEmitted(invocation_id=IT, step=StepId(step), value=text.encode(), attempt=attempt, offset=offset)


def own(text: str) -> e.OutputEmitted:
    return e.OutputEmitted(invocation_id=IT, step=StepId("9"), value=text.encode(), offset=0)


def fails(step: str = "1", attempt: int = 1) -> e.StepAttemptFailed:
    return e.StepAttemptFailed(invocation_id=IT, step=StepId(step), attempt=attempt, failure=BROKEN, retry_at=1.0)


def ends(step: str = "1", kind: OutcomeKind = OutcomeKind.SUCCEEDED) -> e.StepCompleted:
    return e.StepCompleted(invocation_id=IT, step=StepId(step), outcome=Outcome(kind, b"1", failure=BROKEN))


OVER = e.InvocationCompleted(invocation_id=IT, outcome=Outcome(OutcomeKind.KILLED))


def history(*events: e.Event) -> list[Recorded]:
    return [Recorded(number, stamp_of(number), event) for number, event in enumerate(events, 1)]


def told(view: MarkFilter[Mark], *events: e.Event) -> Told:
    """What a reader has been given after each event, as text; a reset as its step."""
    given: Told = []
    for recorded in history(*events):
        mark = mark_of(recorded)
        for one in () if mark is None else view.feed(mark):
            given.append(one.value.decode() if one.kind is OutputKind.CHUNK else f"-{one.step}")
        given.append("|")
    return given


FAILED_ONCE = [piece("a", 0), piece("b", 1), fails(), piece("x", 0, attempt=2), piece("y", 1, attempt=2), ends()]


def test_the_settled_view_gives_the_pieces_of_the_try_that_did_not_fail_when_it_is_over() -> None:
    assert told(SettledView(), *FAILED_ONCE) == ["|", "|", "|", "|", "|", "x", "y", "|"]


def test_the_live_view_gives_every_piece_at_once_and_says_which_are_void() -> None:
    assert told(LiveView(), *FAILED_ONCE) == ["a", "|", "b", "|", "-1", "|", "x", "|", "y", "|", "|"]


def test_a_handlers_own_pieces_are_settled_at_once() -> None:
    for view in (SettledView[Mark](), LiveView[Mark]()):
        assert told(view, own("a"), own("b")) == ["a", "|", "b", "|"]


def test_a_run_that_was_cut_off_and_begins_again_is_void() -> None:
    events = [piece("a", 0), piece("b", 1), piece("x", 0), ends()]
    assert told(SettledView(), *events) == ["|", "|", "|", "x", "|"]
    assert told(LiveView(), *events) == ["a", "|", "b", "|", "-1", "x", "|", "|"]


def test_a_try_that_emits_nothing_leaves_nothing_of_those_before() -> None:
    assert told(SettledView(), piece("a", 0), fails(), ends(), OVER) == ["|", "|", "|", "|"]


def test_a_step_that_fails_for_good_has_no_line() -> None:
    events = [piece("a", 0), ends(kind=OutcomeKind.FAILED), OVER]
    assert told(SettledView(), *events) == ["|", "|", "|"]
    assert told(LiveView(), *events) == ["a", "|", "-1", "|", "|"]


@pytest.mark.parametrize("stopped", [e.StepAborted(invocation_id=IT, step=StepId("1")), OVER])
def test_what_was_emitted_until_a_step_was_stopped_stays(stopped: e.Event) -> None:
    assert told(SettledView(), piece("a", 0), stopped) == ["|", "a", "|"]


def test_pieces_are_given_in_the_order_in_which_they_were_emitted() -> None:
    events = [piece("a", 0), own("b"), piece("c", 0, step="2"), ends("2"), own("d"), ends("1")]
    assert told(SettledView(), *events) == ["|", "|", "|", "|", "|", "a", "b", "c", "d", "|"]
    failing = [piece("a", 0), own("b"), fails(), ends("1")]
    assert told(SettledView(), *failing) == ["|", "|", "b", "|", "|"]


def test_a_reset_has_a_number_before_the_piece_that_it_makes_way_for() -> None:
    view = LiveView[Mark]()
    marks = [mark for recorded in history(piece("a", 0), piece("x", 0)) if (mark := mark_of(recorded)) is not None]
    first, reset, second = [given for mark in marks for given in view.feed(mark)]
    assert (first.number, reset.number, second.number) == (1, 1, 2)


@pytest.mark.parametrize("after", range(len(FAILED_ONCE) + 1))
def test_reading_on_after_a_piece_that_was_given_loses_and_repeats_none(after: int) -> None:
    events = [own("0"), *FAILED_ONCE, own("1"), OVER]
    marks = [mark for recorded in history(*events) if (mark := mark_of(recorded)) is not None]
    view = SettledView[Mark]()
    given = [one for mark in marks for one in view.feed(mark)]
    last = given[min(after, len(given) - 1)].number
    rest = SettledView[Mark]()
    again = [one for mark in marks if mark.number > last for one in rest.feed(mark)]
    assert again == [one for one in given if one.number > last]


def test_pieces_of_older_records_which_do_not_say_their_offset_are_told_apart_by_failures() -> None:
    older = [piece("a", -1), piece("b", -1), fails(), piece("x", -1, attempt=2), piece("y", -1, attempt=2), ends()]
    assert told(SettledView(), *older)[-3:] == ["x", "y", "|"]


def test_pieces_that_do_not_count_are_named() -> None:
    assert void_pieces(history(*FAILED_ONCE, OVER)) == {1, 2}
    assert void_pieces(history(piece("a", 0), ends())) == frozenset()


def test_other_events_mean_nothing_for_the_output() -> None:
    known = {e.OutputEmitted, e.StepAttemptFailed, e.StepCompleted, e.StepAborted, e.InvocationCompleted}
    assert {type(r.event) for r in history(*EVENTS) if mark_of(r) is not None} == known
