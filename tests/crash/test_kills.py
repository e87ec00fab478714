"""Whole servers are killed from outside, under a bit of everything that clients ask for over HTTP; nothing acknowledged is lost.

Between deaths the store is read as it lies there: a step whose outcome is in it must never begin again. In the end everything is let
go on, and judged. ``CRASH_KILLS`` raises the number of deaths, ``CRASH_KILLS_SECONDS`` the time for them, ``CRASH_SEED`` picks other
moments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.crash.box import box
from tests.crash.lives import die_often

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_nothing_acknowledged_is_lost_however_often_a_server_is_killed(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    deaths = box("kills", goal=200, seconds=170, floor=12)
    tally = trio.run(die_often, tmp_path, deaths, False)
    record_property("reached", f"kills: {deaths}; {tally}")
