"""What an invocation spends: recorded with the end of a try, added up exactly, and not again by a restart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from actors.core import commands as c
from actors.core import effects as f
from actors.core.limits import UsedUp, used_up
from actors.rows.spent import add_to_own, keep_budget, spent_of_budget
from actors.values.amounts import added, checked_amount
from actors.values.retries import RetryPolicy
from journal import events as e
from journal.events import Outcome, OutcomeKind, PauseCause, Status
from journal.ids import stream_of_invocation
from tests.core.situations import BROKEN, IT, STEP, STEP_SCHEDULED, accepted, paused, started
from tests.core.story import given

SPENT = {"tokens": "400", "euros": "0.04"}
CHARGED = e.QuantitiesSpent(invocation_id=IT, spent=SPENT, step=STEP)
SUCCEEDED = Outcome(OutcomeKind.SUCCEEDED, b"1")
RUNNING = (accepted(), started(), STEP_SCHEDULED)

ENDS: dict[str, tuple[c.Command, list[e.Event]]] = {
    "it succeeds": (
        c.CompleteStep(invocation_id=IT, step=STEP, outcome=SUCCEEDED, spent=SPENT),
        [e.StepCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED), CHARGED],
    ),
    "it fails for good": (
        c.FailStep(
            invocation_id=IT, step=STEP, failure=BROKEN, policy=RetryPolicy(max_attempts=1), jitter=0.0, spent=SPENT
        ),
        [
            e.StepAttemptFailed(invocation_id=IT, step=STEP, attempt=1, failure=BROKEN, max_attempts=1),
            CHARGED,
        ],
    ),
    "it is stopped": (
        c.AbortStep(invocation_id=IT, step=STEP, spent=SPENT),
        [e.StepAborted(invocation_id=IT, step=STEP), CHARGED],
    ),
}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("is_paused", [False, True])
def test_the_end_of_a_try_says_what_it_has_spent(how: str, *, is_paused: bool) -> None:
    command, expected = ENDS[how]
    story = given(*RUNNING, *([paused()] if is_paused else [])).when(command)
    assert story.events[: len(expected)] == expected
    assert story.invocation(IT).spent == SPENT
    story.when(command).then_nothing()  # it came twice


def test_what_a_restart_copies_was_spent_by_the_original() -> None:
    copied = e.HistoryCopied(invocation_id=IT, fields={}, lengths={}, maps={})
    own = e.QuantitiesSpent(invocation_id=IT, spent={"tokens": "1"})
    story = given(accepted(), started(), e.QuantitiesSpent(invocation_id=IT, spent=SPENT), copied, own)
    assert story.invocation(IT).spent == {"tokens": "1"}


def test_only_what_a_budget_has_paused_is_resumed_by_one() -> None:
    resumes = c.ResumeInBudget(invocation_id=IT)
    given(accepted(), started(), paused(PauseCause.BUDGET)).when(resumes).then(
        e.InvocationResumed(invocation_id=IT, reason="its budgets have room")
    ).owes(f.StartAttempt(IT)).leaves(IT, Status.RUNNING)
    for cause in set(PauseCause) - {PauseCause.BUDGET}:
        given(accepted(), started(), paused(cause)).when(resumes).then_nothing()


def test_the_budget_of_a_limit_does_not_resume_what_the_budget_of_an_invocation_has_paused() -> None:
    of_limits = c.ResumeInBudget(invocation_id=IT, of_limits=True)
    resumed = e.InvocationResumed(invocation_id=IT, reason="its budgets have room")
    over = e.OverBudget(IT, "tokens", "7", "5")
    own = e.InvocationPaused(invocation_id=IT, cause=PauseCause.BUDGET, reason="", over=over)
    given(accepted(), started(), own).when(of_limits).then_nothing()
    given(accepted(), started(), own).when(c.ResumeInBudget(invocation_id=IT)).then(resumed)
    given(accepted(), started(), paused(PauseCause.BUDGET)).when(of_limits).then(resumed)
    given(accepted(), started(), own, resumed, paused(PauseCause.BUDGET)).when(of_limits).then(resumed)


def test_what_is_spent_before_the_row_of_the_budget_arrives_from_another_node_counts() -> None:
    stores: list[dict[bytes, bytes | None]] = [{}, {}]
    home = stream_of_invocation(IT) % 2
    away = 1 - home

    def spend(amounts: dict[str, str]) -> None:
        add_to_own(stores[away], readers, away, IT, amounts, at=20)

    readers: Any = stores
    spend({"tokens": "4", "pages": "1"})
    spend({"tokens": "1"})
    assert spent_of_budget(readers, IT) == {}
    keep_budget(stores[home], readers[home], home, IT, {"tokens": "100"}, life=10)
    assert spent_of_budget(readers, IT) == {"tokens": "5"}
    spend({"tokens": "2", "pages": "1"})
    assert spent_of_budget(readers, IT) == {"tokens": "7"}
    arrived = stores[home].copy()
    stores[home].clear()  # another node takes over, which has not read the budget yet
    spend({"tokens": "3"})
    stores[home].update(arrived)
    assert spent_of_budget(readers, IT) == {"tokens": "10"}


def test_a_budget_is_used_up_when_nothing_is_left_of_one_quantity() -> None:
    budget = {"tokens": "100", "euros": "0.5"}
    assert used_up("everything", {"tokens": "99.999999999", "pages": "7"}, budget) is None
    assert used_up("everything", {"euros": "0.5"}, budget) == UsedUp("everything", "euros", "0.5", "0.5")
    assert str(UsedUp("everything", "tokens", "120000", "100000")) == "120,000 of 100,000 tokens"


@examples(st.lists(st.decimals(0, 10**15, places=9)))
def test_sums_do_not_drift(amounts: list[Decimal]) -> None:
    total: dict[str, str] = {"n": "0"}
    for amount in amounts:
        total = added(total, {"n": checked_amount(amount, "n")})
    assert Decimal(total["n"]) == sum(amounts)
    assert checked_amount(total["n"], "n") == total["n"]
