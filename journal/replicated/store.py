"""The store of a node: a copy of the logs. Every commit is an entry of its partition's log before this store has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import trio

from journal import keys
from journal.errors import BrokenInvariant
from journal.replicated.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from journal.kv.store import Batch, Store, Trouble, View
    from journal.replicated.log import ReplicatedLog


class ReplicatedStore:
    """A :class:`journal.kv.store.Store`. ``local`` is the node's copy; it may be lost, and is made again from the log."""

    def __init__(self, local: Store, log: ReplicatedLog, partitions: int) -> None:
        self.local = local
        self.log = log
        self.durability = log.durability
        self.get, self.get_many, self.scan, self.has_room = local.get, local.get_many, local.scan, local.has_room
        self.replicas = [Replica(local, log, partition) for partition in range(partitions)]

    async def view(self) -> View:
        return await self.local.view()

    async def commit(self, batch: Batch) -> None:
        if not batch:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        concerned = {keys.partition_of(key) for key in batch.rows} | {
            keys.partition_of(start) for start, _ in batch.cleared
        }
        if len(concerned) != 1:
            raise BrokenInvariant(f"a commit changes the partitions {sorted(concerned)}, expected one")
        await self.replicas[concerned.pop()].commit(batch)

    async def copy_to(self, path: Path, *, made_at: float) -> None:
        await self.local.copy_to(path, made_at=made_at)

    async def failed(self) -> NoReturn:
        await self.local.failed()

    def troubles(self) -> Sequence[Trouble]:
        return self.local.troubles()

    async def recover(self) -> None:
        await self.local.recover()

    def close(self) -> None:
        self.local.close()
