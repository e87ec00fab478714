"""A data directory with very many invocations, written quickly: most have ended, the others wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import actors
from actors import Service, handler
from journal import events as e
from journal.ids import StepId
from tests.scale.builder import building

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 100_000
_TOGETHER = 500


class Parcel(Service):
    @handler
    async def deliver(self, number: int) -> str:
        return await actors.signal("at the door", str)


async def build(path: Path, count: int = COUNT) -> None:
    """Every fifth waits for its signal."""
    async with building(path, Parcel) as builder:
        for number in range(count):
            resident, of = await builder.begin(Parcel, None, "deliver", b"%d" % number)
            if number % 5 == 0:
                awaited = e.SignalAwaited(invocation_id=of, step=StepId("1"), name="at the door")
                builder.progress(resident, of, [awaited])
            else:
                builder.end(resident, of, [], b'"left at the door"')
            if number % _TOGETHER == 0:
                await builder.commit()
        await builder.commit()
