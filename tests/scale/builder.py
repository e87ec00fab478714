"""Writes large stores quickly: the engine's own ledger, without the handlers whose progress it is told of."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from actors.code.registry import CodeRegistry
from actors.core import commands as c
from actors.core.gates import NO_GATES
from actors.engine.engine_context import EngineContext
from actors.engine.faults import Faults
from actors.engine.machine import Machine
from actors.engine.object_cache import ObjectCache
from actors.engine.run_limits import RunLimits
from actors.engine.watchdog import Watchdog
from actors.environment import Environment
from actors.model.app import App
from actors.model.classes import definition_of
from actors.runtime import RETENTION_SECONDS
from actors.values.limits import DEFAULT_LIMITS
from journal.events import Outcome, OutcomeKind, Stamp, Target
from journal.ids import stream_of_invocation
from journal.kv.store import Durability
from journal.log.open import open_journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from actors.engine.loaded_object import LoadedObject
    from journal.events import Event
    from journal.ids import InvocationId
    from journal.log.protocol import Journal, Partition

PARTITION = 0


class Builder:
    """Decides what objects are told, and commits when it is asked to."""

    def __init__(self, journal: Journal, partition: Partition, *classes: type) -> None:
        self._partition = partition
        self._world = Environment()
        applications = CodeRegistry(App(classes), served_as=None, offload=self._world.offload)
        self._cache = ObjectCache(partition, limit=1_000, limit_bytes=1 << 30)
        context = EngineContext(environment=self._world, limits=DEFAULT_LIMITS, watchdog=Watchdog())
        self._machine = Machine(
            journal,
            partition,
            self._cache,
            applications,
            context,
            gates=NO_GATES,
            retention_seconds=RETENTION_SECONDS,
            faults=Faults(lambda: None),
            run_limits=RunLimits(journal, self._world.clock, tuple, lambda _: None, applications.names_of),
        )

    async def begin(
        self, cls: type, key: str | None, handler: str, argument: bytes = b""
    ) -> tuple[LoadedObject, InvocationId]:
        """A handler begins."""
        definition = definition_of(cls)
        target = Target(definition.name, key, handler)
        of = self._world.new_id(target.service, target.key)
        loaded = await self._cache.get(stream_of_invocation(of))
        self._decide(
            loaded,
            c.ResolvedInvoke(
                asked=c.Invoke(invocation_id=of, target=target, argument=argument),
                kind=definition.kind,
                mode=definition.handler(handler).mode,
            ),
        )
        return loaded, of

    def progress(self, loaded: LoadedObject, of: InvocationId, events: Sequence[Event]) -> None:
        """It goes on: these are the facts of it."""
        self._decide(loaded, c.RecordProgress(invocation_id=of, events=[*events]))

    def end(self, loaded: LoadedObject, of: InvocationId, changes: Sequence[Event], result: bytes) -> None:
        """It has changed its object, and returns."""
        outcome = Outcome(OutcomeKind.SUCCEEDED, result)
        self._decide(loaded, c.FinishAttempt(invocation_id=of, events=[*changes], outcome=outcome))

    async def commit(self) -> None:
        """Write it down."""
        sealed = self._machine.seal()
        await self._partition.commit(self._machine.sealer.appends(sealed), sealed.messages, sealed.retracted)
        self._machine.sealer.settle(sealed)
        self._cache.shrink()

    def _decide(self, loaded: LoadedObject, command: Any) -> None:
        self._machine.now = self._world.clock.now()
        events = self._machine.decide(loaded, command, Stamp(self._machine.now, f"#{loaded.version}", "tests"))
        self._machine.effects.clear()  # nothing runs
        assert events, f"{command} changed nothing"


@asynccontextmanager
async def building(path: Path, *classes: type) -> AsyncIterator[Builder]:
    """Add to a store, which is made if there is none."""
    async with (
        open_journal(path, durability=Durability.OS) as journal,
        journal.claim(PARTITION, "builder") as partition,
    ):
        yield Builder(journal, partition, *classes)
