"""A reader of changes is told of each while they are few, and of some of them, seldom, while they are many."""

from __future__ import annotations

import trio

from actors.http.server.changes import LONGEST_TOGETHER_SECONDS, TOGETHER_SECONDS, seconds_together
from actors.query.changes import MAX_CHANGES, SAMPLE, changes_since
from tests.counter import Counter
from tests.lab import Lab
from tests.virtual import on_virtual_time


@on_virtual_time
async def test_all_changes_are_listed_while_they_are_few() -> None:
    lab = Lab(Counter)
    async with lab.running() as runtime:
        journal = runtime.engine.journal
        begin = changes_since(journal, None).position
        for number in range(20):
            await runtime.client.actor(Counter, str(number)).add(1)
        found = changes_since(journal, begin)
        assert (found.is_complete, len(found.invocations)) == (True, 20)
        assert TOGETHER_SECONDS < seconds_together(found) < LONGEST_TOGETHER_SECONDS / 2


@on_virtual_time
async def test_the_latest_changes_are_listed_where_there_are_too_many() -> None:
    lab = Lab(Counter)
    async with lab.running() as runtime:
        journal = runtime.engine.journal
        begin = changes_since(journal, None).position
        async with trio.open_nursery() as nursery:
            for number in range(MAX_CHANGES + 1):
                nursery.start_soon(runtime.client.actor(Counter, str(number)).add, 1)
        last = await runtime.client.actor(Counter, "last").add.send(1)
        await last.result()
        found = changes_since(journal, begin)
        assert (found.is_complete, len(found.invocations)) == (False, SAMPLE)
        assert found.invocations[-1].id == last.id
        assert seconds_together(found) == LONGEST_TOGETHER_SECONDS
