"""Storms of many seeds break no promise; and a storm over an engine that breaks one finds it."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio._core._run as trio_run  # the scheduler's dice have no public handle
from trio.testing import MockClock

import actors.local
from actors.core import commands as c
from actors.core import decide as deciding
from actors.core import evolve as evolving
from actors.core.replay import Execution
from actors.engine import attempt as attempts
from actors.engine import ledger as ledgers
from actors.engine import stage as stages
from actors.engine.ledger import Ledger
from actors.engine.reception import Reception
from actors.engine.stage import Stage
from journal.events import OutcomeKind, Status
from tests.simulation.storm import broken_laws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SEEDS = int(os.environ.get("PLAYHEAD_EXAMPLES", "60"))
SEEDS_TO_FIND_A_FAULT = 300


@pytest.fixture(autouse=True)
def same_dice_for_the_same_seed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """trio shuffles tasks that are ready together; a seed that failed must fail again."""
    monkeypatch.setattr(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    dice = trio_run._r.getstate()
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    trio_run._r.setstate(dice)


def weather_of(seed: int) -> list[str]:
    """The promises that a storm from this seed breaks."""
    trio_run._r.seed(seed)
    return trio.run(broken_laws, seed, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("tens", range(0, SEEDS, 10))
def test_no_storm_breaks_a_promise(tens: int) -> None:
    for seed in range(tens, tens + 10):
        assert weather_of(seed) == [], f"seed {seed}"


# Faults, planted.


def answers_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "when_durable", lambda self, action: action())


def does_the_same_request_again(patch: pytest.MonkeyPatch) -> None:
    new_id = actors.local.new_id
    patch.setattr(actors.local, "new_id", lambda target, request_key, unique, secret: new_id(target, None, unique))


def goes_on_with_a_killed_one(patch: pytest.MonkeyPatch) -> None:
    completed = evolving._EVOLVE[evolving.e.InvocationCompleted]

    def keeps_it(state: Any, invocation: Any, event: Any, stamp: Any) -> None:
        completed(state, invocation, event, stamp)
        if event.outcome.kind is OutcomeKind.KILLED and invocation.is_started:
            invocation.status = Status.RUNNING
            state.invocations[invocation.invocation_id] = invocation

    patch.setitem(evolving._EVOLVE, evolving.e.InvocationCompleted, keeps_it)


def fires_timers_early(patch: pytest.MonkeyPatch) -> None:
    letter = ledgers.timer_letter
    patch.setattr(ledgers, "timer_letter", lambda to, at, command: letter(to, at - 0.1, command))


def swallows_a_cancel(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Execution, "_cancel_root", lambda self, reason: None)


def compensates_while_the_action_still_runs(patch: pytest.MonkeyPatch) -> None:
    def interrupts_at_once(self: Stage, resident: Any, of: Any, step: Any) -> None:
        task = resident.steps.get((of, step))
        if task is not None:
            task.abandon()
        self._ledger.decide_as_engine(resident, c.AbortStep(invocation_id=of, step=step))

    patch.setattr(Stage, "_interrupt", interrupts_at_once)


def shows_half_of_an_atomic_change(patch: pytest.MonkeyPatch) -> None:
    for module in (attempts, stages):
        patch.setattr(module, "writer_beside", lambda state: state.holder)


def lets_the_last_one_go_first(patch: pytest.MonkeyPatch) -> None:
    accept = evolving._accept

    def in_front(state: Any, number: Any, stamp: Any, event: Any) -> None:
        accept(state, number, stamp, event)
        if len(state.queue) > 1 and state.queue[-1] == event.invocation_id:
            state.queue.insert(0, state.queue.pop())

    patch.setattr(evolving, "_accept", in_front)


def does_a_refused_request_later(patch: pytest.MonkeyPatch) -> None:
    refuse = Reception._refuse

    def postpones(self: Reception, resident: Any, arrival: Any, refusal: Any) -> None:
        refuse(self, resident, arrival, refusal)
        if isinstance(arrival.command, c.Invoke) and arrival.command.caller is None:
            self._postpone(arrival, arrival.command, refusal)

    patch.setattr(Reception, "_refuse", postpones)


def suspends_one_whose_step_is_about_to_run(patch: pytest.MonkeyPatch) -> None:
    def suspends(_: Any, invocation: Any, __: Any, ___: float, ____: Any) -> Any:
        if invocation.status not in deciding.ACTIVE or invocation.pausing is not None or invocation.parked:
            return []
        return [deciding.e.InvocationSuspended(invocation_id=invocation.invocation_id)]

    patch.setitem(deciding._DECISIONS, c.SuspendAttempt, suspends)


def forgets_steps_that_wait_for_their_turn(patch: pytest.MonkeyPatch) -> None:
    run_step = Stage.run_step

    def forgets(self: Stage, resident: Any, of: Any, step: Any) -> None:
        run_step(self, resident, of, step)
        self._waiting_steps.clear()

    patch.setattr(Stage, "run_step", forgets)


def names_letters_after_events(patch: pytest.MonkeyPatch) -> None:
    send = Ledger.send

    def renamed(self: Ledger, letter: Any) -> None:
        send(self, letter if letter.at is not None else type(letter)(f"{letter.to}", letter.to, letter.data))

    patch.setattr(Ledger, "send", renamed)


FAULTS: list[Callable[[pytest.MonkeyPatch], None]] = [
    answers_before_it_is_durable,
    does_the_same_request_again,
    goes_on_with_a_killed_one,
    fires_timers_early,
    swallows_a_cancel,
    compensates_while_the_action_still_runs,
    shows_half_of_an_atomic_change,
    lets_the_last_one_go_first,
    does_a_refused_request_later,
    suspends_one_whose_step_is_about_to_run,
    forgets_steps_that_wait_for_their_turn,
    names_letters_after_events,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_storm_finds_an_engine_that(
    fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    for seed in range(SEEDS_TO_FIND_A_FAULT):
        try:
            found = weather_of(seed)
        except Exception as stopped:  # an engine that contradicts itself stops, which is as good as a broken law
            found = [repr(stopped)]
        if found:
            print(f"seed {seed}: {found[0][:300]}")
            return
    pytest.fail(f"{SEEDS_TO_FIND_A_FAULT} storms have not found it")
