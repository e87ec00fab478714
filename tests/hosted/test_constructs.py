"""asyncio and anyio mean in a handler what they mean elsewhere."""

from __future__ import annotations

import pytest

from tests.hosted.programs import NAMES, PROGRAMS, Hosts, Neighbour
from tests.lab import Lab
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@pytest.mark.parametrize("name", NAMES)
async def test_a_program_returns_what_it_returns_in_asyncio_and_replays_the_same(name: str) -> None:
    async with Lab(Hosts, Neighbour).running() as runtime:
        handle = await runtime.client.service(Hosts).run.send(name)
        result = await handle.result()
        report = await handle.check()
    [expected] = [expected for program, expected in PROGRAMS.items() if program.__name__ == name]
    if expected is not None:
        assert result == expected
    assert report.is_compatible, report.summary
    assert report.changed == 0
    assert report.new == 0
