"""Which pieces of an output count, and when that is known."""

from __future__ import annotations

import pytest

from actors.core.output import (
    KeptOutput,
    LiveView,
    Mark,
    MarkFilter,
    OutputKind,
    SettledView,
    decision_of,
    marks_of,
)
from journal import events as e
from journal.events import Outcome, OutcomeKind
from journal.ids import ROOT_STEP, StepId
from journal.output import OutputRun, RunKind
from tests.core.situations import BROKEN, IT
from tests.journal.samples import EVENTS

Told = list[str]


def piece(text: str, offset: int = 0, *, step: str = "1", attempt: int = 1) -> OutputRun:
    return OutputRun(RunKind.PIECES, 0, 0.0, 0, StepId(step), attempt, offset, [text.encode()])


def own(text: str, *, after: int = 0) -> OutputRun:
    return OutputRun(RunKind.PIECES, 0, 0.0, after, ROOT_STEP, 0, 0, [text.encode()])


def void(step: str = "1") -> OutputRun:
    return OutputRun(RunKind.VOID, 0, 0.0, 0, StepId(step), 1, 0, [])


def final(step: str = "1") -> OutputRun:
    return OutputRun(RunKind.FINAL, 0, 0.0, 0, StepId(step), 0, 0, [])


def ends(kind: OutcomeKind = OutcomeKind.SUCCEEDED) -> e.StepCompleted:
    return e.StepCompleted(invocation_id=IT, step=StepId("1"), outcome=Outcome(kind, b"1", failure=BROKEN))


OVER = Mark(kind=OutputKind.END, number=99, at=0.0)


def marks(*entries: OutputRun | Mark) -> list[Mark]:
    """The marks of an output with these entries."""
    made: list[Mark] = []
    for position, entry in enumerate(entries, 1):
        if isinstance(entry, Mark):
            made.append(entry)
        else:
            entry.first = position
            made += marks_of(entry)
    return made


def told(view: MarkFilter[Mark], *entries: OutputRun | Mark) -> Told:
    """What a reader has been given after each entry, as text; a reset as its step."""
    given: Told = []
    for mark in marks(*entries):
        for one in view.feed(mark):
            given.append(one.value.decode() if one.kind is OutputKind.CHUNK else f"-{one.step}")
        given.append("|")
    return given


FAILED_ONCE = [piece("a"), piece("b", 1), void(), piece("x", attempt=2), piece("y", 1, attempt=2), final()]


def test_the_settled_view_gives_the_pieces_of_the_try_that_did_not_fail_when_it_is_over() -> None:
    assert told(SettledView(), *FAILED_ONCE) == ["|", "|", "|", "|", "|", "x", "y", "|"]


def test_the_live_view_gives_every_piece_at_once_and_says_which_are_void() -> None:
    assert told(LiveView(), *FAILED_ONCE) == ["a", "|", "b", "|", "-1", "|", "x", "|", "y", "|", "|"]


def test_a_handlers_own_pieces_are_settled_at_once() -> None:
    for view in (SettledView[Mark](), LiveView[Mark]()):
        assert told(view, own("a"), own("b")) == ["a", "|", "b", "|"]


def test_a_try_that_emits_nothing_leaves_nothing_of_those_before() -> None:
    assert told(SettledView(), piece("a"), void(), OVER) == ["|", "|", "|"]


def test_pieces_that_become_void_with_no_try_after_them_are_reported() -> None:
    assert told(LiveView(), piece("a"), void(), OVER) == ["a", "|", "-1", "|", "|"]


@pytest.mark.parametrize("stopped", [final(), OVER])
def test_what_was_emitted_until_a_step_was_stopped_stays(stopped: OutputRun | Mark) -> None:
    assert told(SettledView(), piece("a"), stopped) == ["|", "a", "|"]


def test_pieces_are_given_in_the_order_in_which_they_were_emitted() -> None:
    entries = [piece("a"), own("b"), piece("c", step="2"), final("2"), own("d"), final("1")]
    assert told(SettledView(), *entries) == ["|", "|", "|", "|", "|", "a", "b", "c", "d", "|"]
    failing = [piece("a"), own("b"), void(), final("1")]
    assert told(SettledView(), *failing) == ["|", "|", "b", "|", "|"]


@pytest.mark.parametrize("after", range(len(FAILED_ONCE) + 1))
def test_reading_on_after_a_piece_that_was_given_loses_and_repeats_none(after: int) -> None:
    everything = marks(own("0"), *FAILED_ONCE, own("1"), OVER)
    view = SettledView[Mark]()
    given = [one for mark in everything for one in view.feed(mark)]
    last = given[min(after, len(given) - 1)].number
    rest = SettledView[Mark]()
    again = [one for mark in everything if mark.number > last for one in rest.feed(mark)]
    assert again == [one for one in given if one.number > last]


def test_a_live_reader_that_continues_hears_what_became_void_of_what_it_had() -> None:
    rest = marks(*FAILED_ONCE)[1:]
    view = LiveView[Mark](is_resumed=True)
    given = [one for mark in rest for one in view.feed(mark)]
    assert [one.kind for one in given if one.kind is not OutputKind.CHUNK] == [OutputKind.RESET]
    silent = LiveView[Mark](is_resumed=True)
    assert next(one.kind for mark in rest[1:] for one in silent.feed(mark)) is OutputKind.RESET


def test_a_run_of_pieces_gives_a_mark_for_each_position_and_skips_what_was_read() -> None:
    run = OutputRun(RunKind.PIECES, 5, 2.0, 9, StepId("1"), 3, 7, [b"1", b"2", b"3"])
    assert [(m.number, m.offset, m.attempt, m.value) for m in marks_of(run, after=5)] == [
        (6, 8, 3, b"2"),
        (7, 9, 3, b"3"),
    ]
    assert run.last == 7


def test_a_restart_keeps_own_pieces_before_the_cut_and_the_pieces_that_count_of_kept_steps() -> None:
    runs = [own("0", after=3), *FAILED_ONCE, piece("lost", step="2"), own("late", after=8)]
    kept = KeptOutput(before=8, steps=frozenset({StepId("1")}))
    assert [run.values for run in kept.of(runs)] == [[b"0"], [b"x"], [b"y"]]


def test_own_pieces_that_a_restart_copies_come_after_the_copies_of_the_same_events() -> None:
    kept = KeptOutput(before=20, steps=frozenset(), events=(4, 5, 9))
    assert [kept.after_in_copy(own("x", after=after), 100) for after in (3, 4, 6, 9, 12)] == [100, 101, 102, 103, 103]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (
            e.StepAttemptFailed(invocation_id=IT, step=StepId("1"), attempt=1, failure=BROKEN, retry_at=1.0),
            RunKind.VOID,
        ),
        (ends(OutcomeKind.FAILED), RunKind.VOID),
        (ends(), RunKind.FINAL),
        (e.StepAborted(invocation_id=IT, step=StepId("1")), RunKind.FINAL),
    ],
)
def test_the_end_of_a_try_decides_about_its_pieces(event: e.Event, kind: RunKind) -> None:
    decision = decision_of(event)
    assert decision is not None
    assert (decision.step, decision.kind) == ("1", kind)


def test_other_events_mean_nothing_for_the_output() -> None:
    known = {e.StepAttemptFailed, e.StepCompleted, e.StepAborted}
    assert {type(event) for event in EVENTS if decision_of(event) is not None} == known
