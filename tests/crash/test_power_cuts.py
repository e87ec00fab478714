"""Whole servers lose their power under a bit of everything: what was not synced is gone, and nothing that was acknowledged.

With durability ``os`` the newest may go with it; what is left is sound. ``CRASH_POWER_CUTS`` raises the number of deaths,
``CRASH_POWER_CUTS_SECONDS`` the time for them, ``CRASH_SEED`` picks other moments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.crash.box import box
from tests.crash.lives import die_often

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_nothing_acknowledged_is_lost_however_often_the_power_is_cut(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    deaths = box("power_cuts", goal=100, seconds=100, floor=6)
    tally = trio.run(die_often, tmp_path, deaths, True)
    record_property("reached", f"power cuts: {deaths}; {tally}")
