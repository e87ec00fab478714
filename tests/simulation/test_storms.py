"""Storms of many seeds break no law. That they find an engine that breaks one: ``tests.mutants``.

``PLAYHEAD_SEEDS=2000-502000 python -m pytest -s tests/simulation/test_storms.py -k no_storm`` plays those seeds, ``PLAYHEAD_SECONDS``
says for how long at most. A plan that breaks a law is cut down and told as a story, and kept in ``tests/simulation/found``, which git
ignores, with the law and the seed in its name; it is played again with every run from then on. Its test goes into the suite of what
was at fault.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.simulation.draw import draw
from tests.simulation.plan import CELLS, from_json, to_json
from tests.simulation.shrinking import shrunk, story
from tests.simulation.storm import digest, play

if TYPE_CHECKING:
    from tests.simulation.plan import Plan

FOUND = Path(__file__).parent / "found"
FIRST, LAST = (int(part) for part in os.environ.get("PLAYHEAD_SEEDS", "0-2000").split("-"))
SECONDS = float(os.environ.get("PLAYHEAD_SECONDS", "400"))
CELLS_REACHED = len(CELLS)
"""By the first two thousand seeds, of status or state, verb and death."""


MOST_STORIES = 5
"""After so many that broke a law, no more are played."""


def story_of(plan: Plan, law: str, text: str, *, is_new: bool) -> str:
    """Keep a plan that breaks a law; its story. One of a law that was not broken before is cut down first."""
    small = shrunk(plan, law) if is_new else plan
    text = dict(play(small).broken).get(law, text + " (and not when it was played once more)")
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{re.sub(r'[^a-z0-9]+', '-', law.lower())}-{plan.seed}.json"
    path.write_text(json.dumps(to_json(small)))
    return f"{story(small, law, text)}\nkept as {path}"


def test_no_storm_breaks_a_law(capsys: pytest.CaptureFixture[str]) -> None:
    cells: Counter[tuple[str, str, str]] = Counter()
    stories: dict[str, list[str]] = {}
    began, worked, played = time.monotonic(), time.process_time(), 0
    for seed in range(FIRST, LAST):
        broken = play(draw(seed), cells).broken
        played += 1
        if broken:
            law, text = broken[0]
            told = stories.setdefault(law, [])
            told.append(story_of(draw(seed), law, text, is_new=not told))
        if time.monotonic() - began > SECONDS or sum(map(len, stories.values())) == MOST_STORIES:
            break
    reached = sum(cells[cell] > 0 for cell in CELLS)
    hourly = played / (time.monotonic() - began) * 3600
    each = (time.process_time() - worked) / played
    with capsys.disabled():
        print(
            f"\n{played} of {LAST - FIRST} storms, {hourly:,.0f} an hour, {each:.3f} s of the processor each; "
            f"{reached} of {len(CELLS)} cells of status, verb, death"
        )
    if stories:
        pytest.fail("\n\n".join(story for told in stories.values() for story in told), pytrace=False)
    if FIRST == 0 and played >= 2_000:
        assert {verb for _, verb, _ in cells} == {verb for _, verb, _ in CELLS}
        assert reached >= CELLS_REACHED, [cell for cell in CELLS if not cells[cell]]


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.json")), ids=lambda path: path.stem)
def test_what_broke_a_law_once_does_not_again(path: Path) -> None:
    plan = from_json(json.loads(path.read_text()))
    broken = play(plan).broken
    assert not broken, story(plan, *broken[0])


def test_a_seed_is_the_same_storm_in_every_process() -> None:
    program = (
        "from tests.simulation.draw import draw\nfrom tests.simulation.storm import digest, play\n"
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
