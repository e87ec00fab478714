"""A runtime on virtual time whose store outlives it, so that a test can stop it anywhere and start it again."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

from actors import Limits
from actors.environment import Environment, offload_inline
from actors.runtime import Runtime, open_runtime
from journal import keys
from journal.events import PauseCause
from journal.ids import stream_of
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch
from journal.log.kv_journal import KvJournal
from journal.replicated.journal import open_replicated
from journal.replicated.memory_log import MemoryLog
from tests import replicated
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from opentelemetry.sdk.trace.export import SpanExporter

    from actors.environment import Offload
    from actors.model.handles import InvocationHandle
    from actors.values.snapshot import Snapshot
    from journal.in_flight import InFlight


class Lab:
    """Runs the same classes on the same store, again and again. Needs a ``MockClock`` that jumps."""

    def __init__(
        self,
        *classes: type,
        limits: Limits | None = None,
        partitions: int = 1,
        retention: float = 24 * 3600.0,
        seed: int = 1,
        store: Any = None,
        run_detached: Offload = offload_inline,
        has_watchdog: bool = True,
    ) -> None:
        self.classes = classes
        self.limits = limits or Limits()
        self.partitions = partitions
        self.retention = retention
        self.clock = VirtualClock()
        self._store = store if store is not None else MemoryStore()
        self._log = MemoryLog()
        self._is_cold = store is None
        self._random = Random(seed)
        self._run_detached = run_detached
        self._has_watchdog = has_watchdog
        self.in_flight: InFlight | None = None

    @asynccontextmanager
    async def running(
        self,
        *classes: type,
        paused: bool = False,
        fail_fast: bool = False,
        drain: float = 0.0,
        code: Snapshot | None = None,
        telemetry: SpanExporter | None = None,
        public_url: str | None = None,
    ) -> AsyncIterator[Runtime]:
        """The runtime, until the block is left: then it is gone at once, like a process that was killed, without a drain."""
        async with (
            self._journal() as journal,
            self._runtime(journal, classes, paused, fail_fast, drain, code, telemetry, public_url) as runtime,
        ):
            yield runtime

    @property
    def store(self) -> Any:
        """What keeps it. On a replicated journal, the copy of the node; a test that looks into it or damages it has the same
        copy at the next start."""
        self._is_cold = False
        return self._store

    @store.setter
    def store(self, store: Any) -> None:
        self._is_cold = False
        self._store = store

    @asynccontextmanager
    async def _journal(self) -> AsyncIterator[KvJournal]:
        if not replicated.is_wanted:
            yield KvJournal(self._store, partitions=self.partitions, clock=self.clock, secret="lab")
            return
        if self._is_cold:
            self._store = MemoryStore()
        async with open_replicated(
            self._store, self._log, partitions=self.partitions, clock=self.clock, secret="lab"
        ) as journal:
            yield journal

    @asynccontextmanager
    async def _runtime(
        self,
        journal: KvJournal,
        classes: tuple[type, ...],
        paused: bool,
        fail_fast: bool,
        drain: float,
        code: Snapshot | None,
        telemetry: SpanExporter | None,
        public_url: str | None,
    ) -> AsyncIterator[Runtime]:
        world = Environment(
            clock=self.clock,
            random=self._random,
            offload=offload_inline,
            offload_detached=self._run_detached,
            in_flight=self.in_flight,
            has_watchdog=self._has_watchdog,
        )
        async with open_runtime(
            *(classes or self.classes),
            journal=journal,
            environment=world,
            limits=self.limits,
            retention=self.retention,
            paused=paused,
            fail_fast=fail_fast,
            drain=drain,
            code=code,
            telemetry=telemetry,
            public_url=public_url,
        ) as runtime:
            yield runtime

    def copy(self) -> Lab:
        """Another lab that goes on from what this one has kept so far."""
        made = Lab(
            *self.classes,
            limits=self.limits,
            partitions=self.partitions,
            retention=self.retention,
            store=MemoryStore(self._store.contents()),
        )
        made._log, made._is_cold = self._log.copy(), self._is_cold
        return made


class Damage:
    """Other bits in the first event of an object, until they are repaired."""

    def __init__(self, lab: Lab, service: str, key: str) -> None:
        stream = stream_of(service, key)
        partition = stream % lab.partitions
        record = keys.record(partition, stream, 1)
        self._lab = lab
        [(self._key, self._value)] = lab.store.scan(record, keys.record(partition, stream, 2), limit=1)
        lab.store.apply(Batch({self._key: bytes([self._value[0] ^ 0xFF]) + self._value[1:]}))

    def repair(self) -> None:
        self._lab.store.apply(Batch({self._key: self._value}))


class SlowDisk(MemoryStore):
    """A store on which a commit takes a second."""

    async def commit(self, batch: Batch) -> None:
        await trio.sleep(1.0)
        await super().commit(batch)


class Ledger:
    """Counts what really happened, outside of every runtime: the world that side effects act on."""

    def __init__(self) -> None:
        self.entries: list[Any] = []

    def note(self, entry: Any) -> None:
        self.entries.append(entry)

    def clear(self) -> None:
        self.entries.clear()

    def count(self, entry: Any) -> int:
        return self.entries.count(entry)


WORLD = Ledger()
"""Side effects of the test actors; each test begins with none."""


async def until(condition: Callable[[], bool], *, within: float = 60.0) -> None:
    """Let virtual time pass until something has happened."""
    with trio.fail_after(within):
        while not condition():
            await trio.sleep(0.01)


async def cause_of_pause(handle: InvocationHandle[Any]) -> PauseCause:
    """Why it was paused last, from its history."""
    causes = [event.details["cause"] async for event in handle.events() if event.name == "InvocationPaused"]
    return PauseCause(causes[-1])


async def quiet() -> None:
    """Let everything that can happen at this instant happen."""
    await trio.testing.wait_all_tasks_blocked()
