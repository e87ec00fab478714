"""The law of code that differs: it judges by what is recorded, and by the code that recorded it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.plan import Deed, Life, Plan
from tests.simulation.storm import play

PROGRAM: list[Any] = [["step", 0.1, 0.0, 0], ["wait", "s"], ["step", 0.1, 0.0, 1], ["wait", "t"]]
ASKED = Deed(at=0.05, what="ask", given=["b", 1, PROGRAM, None])
SIGNALLED = Deed(at=0.2, what="steer", given=["signal", "number 1", 0, {"name": "s", "number": 2}])
CLOSED = Deed(at=0.5, what="gate", given=["close", "everything", "drain"])


def restarted(at: float, which: int, step: float, **options: str) -> Deed:
    given = {"step": step, "stop": "kill", "rewind_state": False, "input": False} | options
    return Deed(at=at, what="steer", given=["restart", "number 1", which, given])


def moved_home(at: float, which: int) -> Deed:
    return Deed(at=at, what="steer", given=["resume", "number 1", which, {"deployment": "home"}])


WAYS: dict[str, tuple[list[Deed], list[Deed], int]] = {
    "a restart is moved back before it begins": (
        [ASKED, CLOSED],
        [restarted(0.6, 0, 0.5, deployment="latest"), moved_home(2.0, 1)],
        7,
    ),
    "a restart keeps what a restart has kept": (
        [ASKED, SIGNALLED],
        [restarted(0.6, 0, 0.9, deployment="latest"), restarted(1.0, 1, 0.0), moved_home(2.0, 2)],
        4,
    ),
    "a restart keeps a wait that both codes have": (
        [Deed(at=0.05, what="ask", given=["b", 1, [["wait", "s"], *PROGRAM[:1]], None])],
        [restarted(0.6, 0, 0.0, deployment="latest")],
        7,
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_code_that_asks_for_what_is_recorded_may_go_on(way: str) -> None:
    first, then, code = WAYS[way]
    lives = [Life(seconds=1.0, code=1, deeds=first), Life(seconds=4.0, code=code, deeds=then)]
    assert not play(Plan(seed=0, lives=lives)).broken
