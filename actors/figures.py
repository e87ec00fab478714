"""How much there is of what, for whoever watches a runtime from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from journal import keys
from journal.events import Status

if TYPE_CHECKING:
    from actors.engine.engine import Engine
    from journal.protocol import Journal

_COUNTED_TOGETHER = 512


@attrs.frozen(kw_only=True)
class Figures:
    """``open_invocations`` counts those that have not ended, by status. ``arrivals`` are waiting to be taken in; ``has_room``:
    new work is taken, as far as the disk goes."""

    open_invocations: dict[Status, int]
    objects_in_memory: int
    arrivals: int
    closed_gates: int
    deployments: int
    has_room: bool


async def figures_of(engine: Engine) -> Figures:
    """As of now. The open invocations are counted in the index by status, and the loop goes on between its pages."""
    counted: dict[Status, int] = {
        status: await _count_open(engine.journal, status) for status in Status if status is not Status.COMPLETED
    }
    return Figures(
        open_invocations=counted,
        objects_in_memory=engine.objects_in_memory,
        arrivals=engine.arrivals,
        closed_gates=sum(1 for _ in engine.registry.gates),
        deployments=len(engine.applications.registered.known),
        has_room=engine.journal.has_room(),
    )


async def _count_open(journal: Journal, status: Status) -> int:
    count = 0
    for partition in range(journal.partitions):
        start = keys.open_prefix(partition, status)
        stop = keys.after_prefix(start)
        while page := journal.rows(start, stop, limit=_COUNTED_TOGETHER):
            count += len(page)
            start = page[-1][0] + b"\x00"
            await trio.lowlevel.checkpoint()
    return count
