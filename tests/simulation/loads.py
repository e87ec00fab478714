"""Laws of heartbeats: a try begins where the one before said that it was, as far as that was recorded; and what is recorded is all but
the last second of a try that died with its process."""

from __future__ import annotations

from collections import defaultdict
from math import inf
from typing import TYPE_CHECKING

import attrs
import msgspec

from journal import events as e
from journal.ids import InvocationId
from tests.simulation.lives import LONGEST_COMMIT_SECONDS, SAME_TIME

if TYPE_CHECKING:
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm

PERIOD_SECONDS = 1.0
"""The longest time from a heartbeat until it, or a later one, is recorded: tries take less than a minute."""


@attrs.define
class Try:
    """One run of a body: where it began, the rows that it said, and when it ended; ``is_dead`` if its process died before."""

    begin: int
    at: float
    rows: list[tuple[int, float]] = attrs.field(factory=list)
    end: float = inf
    is_dead: bool = False


def judge(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """Hold each step that says how far it is against these."""
    tries = _tries(storm)
    for key, of_step in tries.items():
        of, _, step = key.partition("/")
        life = lives.get(InvocationId(of))
        if life is not None and life.accepted.restarts is None:
            recorded = [
                (msgspec.json.decode(r.event.details), at)
                for r, at in life.own
                if isinstance(r.event, e.StepHeartbeat) and r.event.step == step
            ]
            for one, then in zip([None, *of_step], of_step, strict=False):
                _begins(storm, key, one, then, recorded)


def _tries(storm: Storm) -> dict[str, list[Try]]:
    found: dict[str, list[Try]] = defaultdict(list)
    if not storm.world.heard:
        return found
    for key, what, row, at in storm.world.heard:
        if what == "begin":
            found[key].append(Try(row, at))
        else:
            found[key][-1].rows.append((row, at))
    left: dict[str, list[Try]] = {key: [*of_step] for key, of_step in found.items()}
    running: dict[str, Try] = {}
    for what, key, at in storm.world.story:
        if what == "death":
            for one in running.values():
                one.end, one.is_dead = at, True
            running.clear()
        elif key in left:
            if what == "begin":
                running[key] = left[key].pop(0)
            elif key in running:
                running.pop(key).end = at
    return found


def _begins(storm: Storm, key: str, before: Try | None, then: Try, recorded: list[tuple[int, float]]) -> None:
    known = [row for row, at in recorded if at <= then.at + SAME_TIME]
    last = known[-1] if known else 0
    storm.law("a try begins at the last heartbeat", then.begin == last, f"{key} at {then}, recorded: {recorded}")
    if before is None or not before.rows:
        return
    if before.is_dead:
        is_calm = storm.was_calm(before.end)
        surely = before.end - PERIOD_SECONDS - LONGEST_COMMIT_SECONDS
        said = [row for row, at in before.rows if at < surely and is_calm]
    else:
        said = [row for row, _ in before.rows] if storm.was_kept(before.end) else []
    storm.law("a try loses little", not said or then.begin >= said[-1], f"{key}: {then} after {before}")
