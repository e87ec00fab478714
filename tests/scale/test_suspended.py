"""A hundred thousand invocations that wait cost next to nothing, neither when the store is opened nor in memory."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.scale.suspended import build, figures_of

if TYPE_CHECKING:
    from pathlib import Path

FEW, MANY = 100, 100_000

OPENING_SECONDS = 2.0
"""Of the processor: what else the machine does makes no difference."""

GROWN_MEGABYTES = 150.0
LATE_SECONDS = 10.0
"""On a machine that is busy; it is a few hundredths of a second on one that is not."""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_hundred_thousand_suspended_invocations_cost_little_and_the_first_one_due_is_on_time(tmp_path: Path) -> None:
    measured: dict[int, dict[str, float]] = {}
    for count in (FEW, MANY):
        began = time.perf_counter()
        built = build(tmp_path / str(count), count)
        print(f"\n{count} suspended invocations, written in {time.perf_counter() - began:.1f} s:")
        measured[count] = figures_of(tmp_path / str(count), *built)
        for name, value in measured[count].items():
            print(f"  {name:26} {value:8.3f}")
    many = measured[MANY]
    assert many["opening processor seconds"] < OPENING_SECONDS
    assert many["grown megabytes"] < GROWN_MEGABYTES
    assert 0 <= many["recorded late seconds"] < LATE_SECONDS
    assert 0 <= many["result late seconds"] < LATE_SECONDS
    assert many["signal to result seconds"] < LATE_SECONDS
