"""Storms of many seeds break no law; and a storm over an engine that breaks one finds it.

``PLAYHEAD_SEEDS=2000-502000 python -m pytest -s tests/simulation/test_storms.py -k no_storm`` plays those seeds, ``PLAYHEAD_SECONDS``
says for how long at most. A plan that breaks a law is cut down and told as a story, and kept in ``tests/simulation/found`` with the
law in its name; it is played again with every run from then on.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

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
from actors.objects import Definition
from actors.references import new_id
from journal.events import OutcomeKind, Status
from tests.simulation.plan import VERBS, draw, from_json, to_json
from tests.simulation.shrinking import shrunk, story
from tests.simulation.storm import broken_laws, digest, play

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.plan import Plan

FOUND = Path(__file__).parent / "found"
FIRST, LAST = (int(part) for part in os.environ.get("PLAYHEAD_SEEDS", "0-2000").split("-"))
SECONDS = float(os.environ.get("PLAYHEAD_SECONDS", "240"))
SEEDS_TO_FIND_A_FAULT = 300

CELLS = 110
"""Of (status before, verb, death), so many at least are reached by two thousand seeds."""


def check(plan: Plan) -> None:
    """Play it; a plan that breaks a law fails the test with its story."""
    broken = play(plan).broken
    if not broken:
        return
    law, text = broken[0]
    small = shrunk(plan, law)
    text = dict(play(small).broken).get(law, text)
    FOUND.mkdir(exist_ok=True)
    name = re.sub(r"\W+", "-", law)
    FOUND.joinpath(f"{name}-{plan.seed}.json").write_text(json.dumps(to_json(small)))
    pytest.fail(story(small, law, text), pytrace=False)


def test_no_storm_breaks_a_law(capsys: pytest.CaptureFixture[str]) -> None:
    cells: Counter[tuple[str, str, str]] = Counter()
    until, played = time.monotonic() + SECONDS, 0
    for seed in range(FIRST, LAST):
        if play(draw(seed), cells).broken:
            check(draw(seed))
            pytest.fail(f"seed {seed} broke a law once, and not again")
        played += 1
        if time.monotonic() > until:
            break
    with capsys.disabled():
        print(f"\n{played} of {LAST - FIRST} storms, {len(cells)} cells of status, verb and death")
    assert {verb for _, verb, _ in cells} == {*VERBS}
    if played >= 2_000:
        assert len(cells) >= CELLS, sorted(cells)


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.json")), ids=lambda path: path.stem)
def test_what_broke_a_law_once_does_not_again(path: Path) -> None:
    plan = from_json(json.loads(path.read_text()))
    broken = play(plan).broken
    assert not broken, story(plan, *broken[0])


def test_a_seed_is_the_same_storm_in_every_process() -> None:
    program = (
        "from tests.simulation.plan import draw\nfrom tests.simulation.storm import digest, play\n"
        "print(*(digest(play(draw(seed))) for seed in range(20)))"
    )
    here = [digest(play(draw(seed))) for seed in range(20)]
    for hash_seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": hash_seed}, capture_output=True
        )
        assert there.stdout.decode().split() == here, there.stderr.decode()


def test_a_plan_is_the_same_after_it_was_kept_as_a_file() -> None:
    for seed in range(50):
        assert from_json(json.loads(json.dumps(to_json(draw(seed))))) == draw(seed)


# Faults, planted.


def answers_before_it_is_durable(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "when_durable", lambda self, action: action())


def does_the_same_request_again(patch: pytest.MonkeyPatch) -> None:
    unique = itertools.count(1)
    patch.setattr(
        Definition, "request_id", lambda self, target, key, secret, stored: new_id(target, None, next(unique))
    )


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
        found = broken_laws(seed)
        if found:
            print(f"seed {seed}: {found[0]}")
            return
    pytest.fail(f"{SEEDS_TO_FIND_A_FAULT} storms have not found it")
