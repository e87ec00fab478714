"""Laws of which code an invocation runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal import events as e
from journal.ids import InvocationId
from tests.simulation.limits import OF_THE_CAST
from tests.simulation.lives import LONGEST_COMMIT_SECONDS, SAME_TIME
from tests.simulation.versions import version_of

if TYPE_CHECKING:
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm


def judge(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """An invocation runs on the code that it began on, until it is moved. One that began on none runs on what is served."""
    if all(process.code for process in storm.plan.lives):
        for life in lives.values():
            is_pinned = life.service not in OF_THE_CAST or bool(life.accepted.deployment)
            storm.law("each begins on some code", is_pinned, f"{life.id} of {life.service}")
    for of, at, version in storm.world.ran:
        life = lives.get(InvocationId(of))
        if life is not None:
            expected = _versions(life, at)
            is_so = 0 in expected or version in expected
            storm.law("each runs on its own code", is_so, f"{of} ran on version {version} at {at}, expected {expected}")


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
