"""What readers see of a store while commits are on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from journal.errors import CorruptRecord
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch
from journal.log.committed_view import CommittedView

if TYPE_CHECKING:
    from collections.abc import Sequence


class DamagedStore(MemoryStore):
    """A store that cannot read the rows ``b`` and ``c``, and whose next commit returns when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.apply(Batch(rows={b"a": b"1", b"b": b"1", b"c": b"1"}))
        self.damaged = {b"b", b"c"}
        self.may_return = trio.Event()

    def get(self, key: bytes) -> bytes | None:
        if key in self.damaged:
            raise CorruptRecord(f"the row {key!r} has other bits than were written")
        return super().get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    async def commit(self, batch: Batch) -> None:
        await self.may_return.wait()
        await super().commit(batch)
        self.damaged -= batch.rows.keys()


class ShowingStore(MemoryStore):
    """A store that shows a commit before it returns, as a disk does."""

    def __init__(self) -> None:
        super().__init__([(b"a", b"1")])
        self.may_return = trio.Event()

    async def commit(self, batch: Batch) -> None:
        self.apply(batch)
        await self.may_return.wait()


async def test_what_is_read_together_is_as_of_the_commits_that_have_returned() -> None:
    store = ShowingStore()
    view = CommittedView(store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(view.commit, Batch(rows={b"a": b"2", b"b": b"2"}), lambda: None)
        await trio.testing.wait_all_tasks_blocked()
        assert store.get_many([b"a", b"b", b"c"]) == [b"2", b"2", None]
        assert view.get_many([b"a", b"b", b"c"]) == [b"1", None, None]
        store.may_return.set()
    assert view.get_many([b"b", b"c", b"a"]) == [b"2", None, b"2"]


async def test_a_damaged_row_can_be_replaced_and_only_its_readers_hear_of_it() -> None:
    store = DamagedStore()
    view = CommittedView(store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(view.commit, Batch(rows={b"a": b"2", b"b": b"2", b"c": None}), lambda: None)
        await trio.testing.wait_all_tasks_blocked()
        assert view.get(b"a") == b"1"
        for damaged in (b"b", b"c"):
            with pytest.raises(CorruptRecord):
                view.get(damaged)
        with pytest.raises(CorruptRecord):
            view.scan(b"a", b"d")
        store.may_return.set()
    assert [view.get(key) for key in (b"a", b"b", b"c")] == [b"2", b"2", None]
