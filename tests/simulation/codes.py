"""Laws of which code an invocation runs on, and of code that does something else than what was recorded."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import attrs

from actors.core.requests import is_request
from journal import events as e
from journal.events import OutcomeKind, PauseCause
from journal.ids import InvocationId
from tests.simulation.lives import LONGEST_COMMIT_SECONDS, SAME_TIME
from tests.simulation.versions import WAYS, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm


def judge(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """An invocation runs on the code that it began on, until it is moved. One that began on none runs on what is served. Code that
    does something else than what was recorded is found out before it does anything."""
    if all(process.code for process in storm.plan.lives):
        for life in lives.values():
            is_pinned = life.service not in storm.company.honest or bool(life.accepted.deployment)
            storm.law("each begins on some code", is_pinned, f"{life.id} of {life.service}")
    for of, at, version in storm.world.ran:
        life = lives.get(InvocationId(of))
        if life is not None:
            expected = _versions(life, at)
            is_so = 0 in expected or version in expected
            storm.law("each runs on its own code", is_so, f"{of} ran on version {version} at {at}, expected {expected}")

    begins = storm.world.begins()
    for life in lives.values():
        for stay in _stays_on_code_that_differs(lives, life):
            _stay(storm, life, stay, begins)


@attrs.define
class _Stay:
    """The time from a move to code that does something else than what was recorded until the next move, or until the end."""

    since: float
    until: float = inf
    events: list[e.Event] = attrs.field(factory=list)


def _stays_on_code_that_differs(lives: dict[InvocationId, Life], life: Life) -> Iterator[_Stay]:
    recorded_on = _way(life)
    if life.accepted.restarts is not None:
        before = lives.get(life.accepted.restarts.invocation_id)
        recorded_on = recorded_on if before is None else _way(before)
    way, requests, stay = recorded_on, 0, None
    for recorded, at in zip(life.events, life.at, strict=True):
        event = recorded.event
        is_new_code = isinstance(event, (e.InvocationMoved, e.HistoryKept))
        if is_new_code:
            if stay is not None:
                stay.until = at
                yield stay
            way = _way(life) if isinstance(event, e.HistoryKept) else WAYS.get(version_of(event.deployment), "")
            is_met = requests > (1 if way == "a step more later" else 0)
            stay = _Stay(at) if way != recorded_on and is_met else None
        elif stay is not None:
            stay.events.append(event)
        requests += is_request(event)
    if stay is not None:
        yield stay


def _way(life: Life) -> str:
    return WAYS.get(version_of(life.accepted.deployment), "")


def _stay(storm: Storm, life: Life, stay: _Stay, begins: list[tuple[str, float]]) -> None:
    """It asks for nothing new, no step begins, it is paused with the difference, and it ends only if somebody kills it."""
    storm.differed += 1
    new = [event for event in stay.events if is_request(event)]
    storm.law("code that differs does nothing new", not new, f"{life.id}: {new[:1]}")
    begun = [key for key, at in begins if key.startswith(life.id) and stay.since + SAME_TIME < at < stay.until]
    storm.law("code that differs begins no step", not begun, f"{life.id}: {begun}")
    ends = [event.outcome.kind for event in stay.events if isinstance(event, e.InvocationCompleted)]
    is_killed = OutcomeKind.KILLED in ends
    storm.law("code that differs comes to no end", is_killed or not ends, f"{life.id}: {ends}")
    pauses = [event for event in stay.events if isinstance(event, e.InvocationPaused)]
    differing = [event for event in pauses if event.cause is PauseCause.MISMATCH]
    storm.law("code that differs is paused", is_killed or bool(differing), f"{life.id}: {pauses}")
    for event in differing:
        is_typed = event.failure is not None and event.failure.type.endswith("NonDeterminismError")
        is_told = all(part in event.reason for part in ("recorded:", "attempted:", "step "))
        storm.law("a difference is shown", is_typed and is_told, f"{life.id}: {event}")


def _versions(life: Life, at: float) -> set[int]:
    """Those that it may run on at a time. What is recorded is not durable in the same moment."""
    versions: set[int] = set()
    for recorded, durable in zip(life.events, life.at, strict=True):
        match recorded.event:
            case e.InvocationAccepted(deployment=deployment) | e.InvocationMoved(deployment=deployment):
                if durable <= at - LONGEST_COMMIT_SECONDS:
                    versions.clear()
                if durable <= at + LONGEST_COMMIT_SECONDS + SAME_TIME:
                    versions.add(version_of(deployment))
            case _:
                pass
    return versions or {0}
