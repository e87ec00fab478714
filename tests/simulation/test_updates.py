"""Storms of updates and of own budgets break no law."""

from __future__ import annotations

import os

import pytest

from tests.simulation.storm import play
from tests.simulation.updates import Orders, draw_of_updates

FIRST, LAST = (int(part) for part in os.environ.get("PLAYHEAD_SEEDS", "0-60").split("-"))


def test_no_storm_of_updates_breaks_a_law() -> None:
    answered = refused = 0
    for seed in range(FIRST, LAST):
        storm = play(draw_of_updates(seed), company=Orders)
        if storm.broken:
            pytest.fail(f"seed {seed}: {storm.broken[:3]}", pytrace=False)
        answered += sum(one.answer is not None for one in storm.company.asked)
        refused += sum(one.is_refused for one in storm.company.asked)
    assert answered > (LAST - FIRST) // 3
    assert refused > 0
