"""How much there is of what, for whoever watches a runtime from outside."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from actors.counting import count_rows
from journal import keys
from journal.events import Status

if TYPE_CHECKING:
    from actors.engine.engine import Engine


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
        status: await count_rows(engine.journal, partial(keys.open_prefix, status=status))
        for status in Status
        if status is not Status.COMPLETED
    }
    return Figures(
        open_invocations=counted,
        objects_in_memory=engine.objects_in_memory,
        arrivals=engine.arrivals,
        closed_gates=sum(1 for _ in engine.registry.gates),
        deployments=len(engine.applications.registered.known),
        has_room=engine.journal.has_room(),
    )
