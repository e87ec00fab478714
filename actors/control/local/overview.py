"""The overview of a runtime, computed once for all its readers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.control.local.shared_answer import SharedAnswer
from actors.query.overview import Overview, overview
from actors.query.snapshot import open_snapshot

if TYPE_CHECKING:
    from actors.engine.engine import Engine

OVERVIEW_SECONDS = 2.0
"""The overview is computed at most once in this time while something changes."""


def shared_overview(engine: Engine) -> SharedAnswer[Overview]:
    """Return the overview of an engine, which all clients share."""

    async def compute() -> Overview:
        position = engine.journal.changes.look()
        async with open_snapshot(engine.journal) as snapshot:
            return await overview(snapshot, position)

    return SharedAnswer(compute, engine.journal.changes.look, seconds=OVERVIEW_SECONDS)
