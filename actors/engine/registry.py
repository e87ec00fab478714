"""What the registry says, as an engine sees it.

The registry is an object like others (:class:`actors.system.Registry`), and its partition may be owned by another process. So
an engine does not ask it: it reads the object once, before anything runs, and follows its log from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from actors.core.evolve import evolve
from actors.core.gates import NO_GATES, Gates
from actors.engine.directory import fold
from actors.fields import decode_kept
from actors.objects import definition_of
from actors.system.registry import Registry, registry_stream

if TYPE_CHECKING:
    from actors.core.state import ObjectState
    from journal.protocol import Journal


class RegistryView:
    """The registry as of event :attr:`version` of its log, which is never far behind."""

    def __init__(self, journal: Journal) -> None:
        self.gates: Gates = NO_GATES
        self._journal = journal
        self._stream = registry_stream()
        self._state: ObjectState | None = None
        self._advanced = trio.Event()

    @property
    def version(self) -> int:
        """The number of the last event that is seen."""
        return 0 if self._state is None else self._state.version

    async def load(self) -> None:
        """Read the registry as it is kept. Raises ``Damaged``."""
        stored = await self._journal.load(self._stream)
        if stored is not None:
            self._state = fold(self._stream, stored)
            self._read_fields()

    async def follow(self) -> None:
        """Keep up with its log, for ever."""
        async for recorded in self._journal.follow(self._stream, self.version):
            self._state = evolve(self._state, recorded.number, recorded.stamp, recorded.event)
            self._read_fields()
            advanced, self._advanced = self._advanced, trio.Event()
            advanced.set()

    async def reached(self, version: int) -> None:
        """Return when the event of this number is seen."""
        while self.version < version:
            await self._advanced.wait()

    def _read_fields(self) -> None:
        self.gates = Gates(self._field("gates"))

    def _field(self, name: str) -> Any:
        field = definition_of(Registry).fields[name]
        data = None if self._state is None else self._state.fields.get(name)
        if data is None:
            assert field.default is not None, "the registry's fields have defaults"
            return field.default()
        return decode_kept(field.codec, data, f"{Registry.__name__}.{name}")
