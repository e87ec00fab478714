"""Laws of which code an invocation runs on, and of code that does something else than what was recorded."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import attrs
import msgspec

from actors.core.requests import is_request
from journal import events as e
from journal.events import OutcomeKind, PauseCause
from journal.ids import InvocationId
from tests.simulation.cast import Node, as_done
from tests.simulation.lives import LONGEST_COMMIT_SECONDS, SAME_TIME
from tests.simulation.versions import WAYS, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm


_ASK_ONCE = ("step", "once", "sleep", "wait")
"""Nodes of a program that are one request each, so that the place of a request is the place of its node."""


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
    asked = _ways_asked(lives, life)
    stay = None
    for place, (way, recorded, at) in enumerate(zip(_ways_of_code(life), life.events, life.at, strict=True)):
        if _is_new_code(life, place):
            if stay is not None:
                stay.until = at
                yield stay
            stay = _Stay(at) if _has_met_a_difference(life, asked[:place], way) else None
        elif stay is not None:
            stay.events.append(recorded.event)
    if stay is not None:
        yield stay


def _is_new_code(life: Life, place: int) -> bool:
    """Whether from this event on what is recorded may have been recorded on other code."""
    return isinstance(life.events[place].event, e.InvocationMoved) or place == _end_of_kept(life)


def _end_of_kept(life: Life) -> int:
    """The place of the event that ends what a restart has taken over; -1 if it has taken over nothing."""
    return max((place for place, r in enumerate(life.events) if isinstance(r.event, e.HistoryCopied)), default=-1)


def _ways_of_code(life: Life) -> Iterator[str]:
    """The way of the code that the invocation is on, at each of its events."""
    way = ""
    for recorded in life.events:
        if isinstance(recorded.event, (e.InvocationAccepted, e.InvocationMoved)):
            way = WAYS.get(version_of(recorded.event.deployment), "")
        yield way


def _ways_asked(lives: dict[InvocationId, Life], life: Life) -> list[str | None]:
    """For each event: the way of the code that asked for it, None if it is not a request that has a place in the program. A restart
    takes over the requests of its predecessor, which may itself have taken them over from code of another way."""
    before = None if life.accepted.restarts is None else lives.get(life.accepted.restarts.invocation_id)
    taken_over = iter(() if before is None else [way for way in _ways_asked(lives, before) if way is not None])
    end_of_kept = _end_of_kept(life)
    asked: list[str | None] = []
    is_cancelled = False
    for place, (way, recorded) in enumerate(zip(_ways_of_code(life), life.events, strict=True)):
        is_cancelled = is_cancelled or isinstance(recorded.event, e.CancelRequested)  # it compensates from there on
        if is_cancelled or not is_request(recorded.event):
            asked.append(None)
        else:
            asked.append(next(taken_over, None) if place < end_of_kept else way)
    return asked


def _has_met_a_difference(life: Life, asked: list[str | None], way: str) -> bool:
    """Whether code of this way asks for something else in the place of a request that is recorded."""
    if life.accepted.handler != "work":
        return False
    program = msgspec.json.decode(life.accepted.argument)["program"]
    if any(node[0] not in _ASK_ONCE for node in program):
        return False
    is_now = _requests(program, way)
    before = [
        _requests(program, was)[place : place + 1] for place, was in enumerate(was for was in asked if was is not None)
    ]
    return any(request != is_now[place : place + 1] for place, request in enumerate(before))


def _requests(program: list[Node], way: str) -> list[Node]:
    """The requests of a work, in order; of a sleep the length makes no difference."""
    return [node[:1] if node[0] == "sleep" else node for node in [*as_done(program, way), ["sleep", 1.0]]]


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
