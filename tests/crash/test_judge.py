"""The judge of dying servers is judged: servers that break a promise on purpose are found out."""

from __future__ import annotations

import re
from itertools import repeat
from typing import TYPE_CHECKING

import pytest
import trio

from tests.crash.bugs import BUGS
from tests.crash.judge import Seen, wrongs_of_log
from tests.crash.lives import Death, live_die_and_finish, open_lives

if TYPE_CHECKING:
    from pathlib import Path

DEATHS = (2, 2, 5, 5, 5)
"""Of the servers of a directory. A bug may go unseen in all but the last, since the moments of death are those that the machine gives."""


@pytest.mark.parametrize("name", BUGS)
def test_a_server_that_breaks_a_promise_is_found_out(tmp_path: Path, name: str) -> None:
    bug = BUGS[name]

    async def die(folder: Path, deaths: int) -> list[str]:
        async with open_lives(folder, is_power_cut=bug.power, bug=name, patience=3.0) as lives:
            await live_die_and_finish(lives, repeat(Death(60), deaths))
            return lives.wrongs()

    found: list[str] = []
    for number, deaths in enumerate(DEATHS):
        found += trio.run(die, tmp_path / str(number), deaths)
        if any(re.search(bug.shows, wrong) for wrong in found):
            return
    pytest.fail(f"{len(found)} wrongs, none of them this: {found[:5]}")


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        pytest.param([1, 1], [], id="appended twice"),
        pytest.param([2, 1], [Seen("a", 1, 1, 0, 1)], id="not where its client was told"),
        pytest.param([2, 1], [Seen("a", 1, 2, 0, 1), Seen("a", 2, 1, 2, 3)], id="behind one that was asked for later"),
        pytest.param([1], [Seen("a", 1, 1, 0, 1), Seen("a", None, 0, 2, 3)], id="not seen by a later reader"),
        pytest.param([], [Seen("a", 1, 1, 0, 1)], id="lost"),
        pytest.param([1], [Seen("a", None, 2, 0, 1)], id="seen, and lost"),
    ],
)
def test_a_log_that_is_not_linearizable_is_found_out(lines: list[int], seen: list[Seen]) -> None:
    assert [*wrongs_of_log("a", lines, seen)]


def test_what_overlaps_may_come_in_any_order() -> None:
    seen = [Seen("a", 1, 2, 0, 3), Seen("a", 2, 1, 1, 2), Seen("a", None, 0, 0, 9), Seen("a", None, 2, 4, 5)]
    assert not [*wrongs_of_log("a", [2, 1], seen)]
