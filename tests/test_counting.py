"""Counting rows under a prefix: all of them, in every partition, and never longer than a page without letting others run."""

from __future__ import annotations

from functools import partial

import attrs
import trio

from actors.query.counts import count_rows
from journal import keys
from journal.events import Status
from journal.ids import InvocationId
from journal.kv.store import SCAN_PAGE


@attrs.frozen
class Kept:
    """Rows by their keys, and how many reads it took."""

    names: list[bytes]
    reads: list[int] = attrs.field(factory=list)

    def get(self, key: bytes) -> bytes | None:
        return b"" if key in self.names else None

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        found = sorted((name for name in self.names if start <= name < stop), reverse=reverse)[:limit]
        self.reads.append(len(found))
        return [(name, b"") for name in found]


def many(count: int, partition: int, status: Status) -> list[bytes]:
    return [keys.open_by_status(partition, status, InvocationId(f"inv_1{n:033d}")) for n in range(count)]


async def test_it_counts_all_of_all_partitions_and_nothing_beside_and_others_run_between_its_pages() -> None:
    names = [*many(1_500, 0, Status.QUEUED), *many(700, 1, Status.QUEUED), *many(40, 1, Status.PAUSED)]
    kept = Kept(names)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        assert await count_rows(kept, 2, partial(keys.open_prefix, status=Status.QUEUED)) == 2_200
        assert turns >= sum(1 for page in kept.reads if page) - 2, "one to start it, one that may come after ours"
        nursery.cancel_scope.cancel()
    assert max(kept.reads) < 1_500, "it is read in pages"


async def test_of_nothing_there_is_nothing() -> None:
    assert await count_rows(Kept([]), 2, partial(keys.open_prefix, status=Status.QUEUED)) == 0
