"""What every trial has: one store, opened again and again, and a bystander that must never notice anything."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio
from hypothesis import HealthCheck, settings

import actors
from actors import Actor, handler
from actors.query.fsck.doctor import examine, rebuild
from actors.query.fsck.report import FsckReport
from actors.rows.audit import Principal
from journal import keys
from journal.events import Status
from journal.log.kv_journal import KvJournal
from journal.log.open import open_for_reading
from journal.rows import PartitionState, decode_row
from tests.lab import Lab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

EXAMPLES = os.environ.get("HOSTILE_EXAMPLES")


def hostile(examples: int) -> settings:
    """So many examples, the same ones each time; or as many new ones as are asked for."""
    return settings(
        max_examples=int(EXAMPLES or examples),
        derandomize=EXAMPLES is None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )


class Bystander(Actor):
    """Takes no part in any of it."""

    count: int = 0

    @handler
    async def add(self) -> int:
        self.count += 1
        return self.count


class Trial:
    """One store, in memory or at a path, how often it was opened, and how often the bystander has been asked."""

    def __init__(self, *classes: type, path: Path | None = None) -> None:
        self.lab = Lab(*classes)
        self.path = path
        self.asked = 0
        self._claims = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[actors.Runtime]:
        """The runtime. Its owner is the same until the block is left: one that ended, and was followed by another, has failed."""
        self._claims += 1
        opened = (
            self.lab.running()
            if self.path is None
            else actors.open_runtime(*self.lab.classes, path=self.path, durability="os", drain=0.0)
        )
        async with opened as runtime:
            yield runtime
            data = runtime.engine.journal.get(keys.partition_state(0))
            assert data is not None, "the partition has been claimed"
            assert decode_row(PartitionState, data).epoch == self._claims, "no owner has ended"

    def examine(self) -> FsckReport:
        """What the doctor finds."""
        if self.path is None:
            return examine(self.lab.store, 1)
        reader, identity = open_for_reading(self.path)
        try:
            return examine(reader, identity.partitions)
        finally:
            reader.close()

    async def ask_bystander(self, runtime: actors.Runtime) -> None:
        """It answers at once, and has forgotten nothing."""
        self.asked += 1
        with trio.fail_after(5):
            assert await runtime.client.actor(Bystander, "b").add() == self.asked

    async def rebuild(self) -> None:
        """As the doctor does."""
        journal = KvJournal(self.lab.store, partitions=1, clock=self.lab.clock, secret="lab")
        await rebuild(journal, Principal("tests", "tests"), retention_seconds=3600.0)
        data = journal.get(keys.partition_state(0))
        assert data is not None, "the partition has been claimed"
        self._claims = decode_row(PartitionState, data).epoch

    async def end(self) -> None:
        """Every invocation that is still open can be killed."""
        async with self.running() as runtime:
            async for info in all_invocations(runtime):
                if info.status is not Status.COMPLETED:
                    await runtime.client.invocation(info.id).kill()
            await self.ask_bystander(runtime)
            statuses = [info.status async for info in all_invocations(runtime)]
            assert {*statuses} == {Status.COMPLETED}
        examination = self.examine()
        assert examination.is_sound, examination.findings


async def all_invocations(runtime: actors.Runtime) -> Any:
    """All that there is, ended or not."""
    async for info in runtime.client.all_invocations():
        yield info
