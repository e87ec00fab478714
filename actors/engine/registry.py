"""An engine's view of the registry.

The registry is an object (:class:`actors.system.Registry`), and another process may own its partition. So an engine does not call the
object: it reads it once, before anything runs, and follows its log from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.core.deployments import Deployments
from actors.core.fold import advance, fold
from actors.core.gates import NO_GATES, Gates
from actors.system.registry import registry_stream
from actors.system.registry_rows import (
    deployments_of,
    draining_of,
    gates_of,
    limits_of,
    moves_of,
    notifications_of,
    tokens_of,
)
from journal.events import Erased, InvocationCompleted
from journal.replicated.placement import NO_RULES, PlacementRules
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.code.registry import CodeRegistry
    from actors.core.gates import Gate
    from actors.core.limits import Limit
    from actors.core.state import ObjectState
    from actors.core.tokens import TokenRecord
    from actors.engine.notices import Notices
    from journal.log.protocol import Journal

log = SafeLogger(__name__)


class RegistryView:
    """The registry as of event ``version`` of its log, usually at most one commit old. ``turn_gates`` applies changed gates, ``turn_limits``
    applies changed limits, and ``notices`` gets changed notifications."""

    def __init__(
        self,
        journal: Journal,
        turn_gates: Callable[[Gates], Awaitable[None]],
        turn_limits: Callable[[tuple[Limit, ...]], None],
        applications: CodeRegistry,
        notices: Notices,
    ) -> None:
        self.version = 0
        self._applications = applications
        self.gates: Gates = NO_GATES
        self.limits: tuple[Limit, ...] = ()
        self.tokens: tuple[TokenRecord, ...] = ()
        """The named tokens that the nodes of a cluster have in common."""
        self.placement = NO_RULES
        """The drained nodes and the moved partitions of a cluster."""
        self._turn_gates = turn_gates
        self._turn_limits = turn_limits
        self._notices = notices
        self._closed_at_start: Gate | None = None
        self._journal = journal
        self._stream = registry_stream()
        self._state: ObjectState | None = None
        self._advanced = trio.Event()

    async def load(self, *, closed: Gate | None) -> None:
        """Read the stored registry. Raises ``Damaged``.

        The gate in ``closed`` counts as closed, even if the registry disagrees, until :meth:`trust` is called.
        """
        self._closed_at_start = closed
        self.version = await self._read()
        self.gates = self._read_gates()
        self._read_limits()
        self._read_other_rules()
        await self._applications.obey(self._read_deployments())

    async def trust(self) -> None:
        """Follow the registry from now on: it has the gate that was closed at the start."""
        self._closed_at_start = None
        await self._turn()

    async def follow(self) -> None:
        """Follow the log forever."""
        while True:
            async for recorded in self._journal.follow(self._stream, self.version):
                if recorded.number != self.version + 1 or isinstance(recorded.event, Erased):
                    break  # purged before it was seen: its result is in the object
                self._state = advance(self._stream, self._state, recorded)
                if isinstance(recorded.event, InvocationCompleted):
                    await self._turn()
                self._advance(recorded.number)
            version = await self._read()
            await self._turn()
            self._advance(version)

    async def reached(self, version: int) -> None:
        """Wait until the event with this number has been seen and applied."""
        while self.version < version:
            await self._advanced.wait()

    async def _read(self) -> int:
        stored = await self._journal.load(self._stream)
        if stored is None:
            return 0
        self._state = fold(self._stream, stored)
        return stored.last

    def _advance(self, version: int) -> None:
        self.version = version
        advanced, self._advanced = self._advanced, trio.Event()
        advanced.set()

    async def _turn(self) -> None:
        gates = self._read_gates()
        if [*gates] != [*self.gates]:
            self.gates = gates
            await self._turn_gates(gates)
        self._read_limits()
        self._read_other_rules()
        deployments = self._read_deployments()
        if deployments != self._applications.registered:
            await self._applications.obey(deployments)

    def _read_gates(self) -> Gates:
        gates = gates_of(self._state)
        return gates if self._closed_at_start is None else gates.with_closed(self._closed_at_start)

    def _read_limits(self) -> None:
        limits = limits_of(self._state)
        if limits != self.limits:
            self.limits = limits
            self._turn_limits(limits)

    def _read_other_rules(self) -> None:
        """Read the rules that concern no running invocation."""
        self._notices.rules = notifications_of(self._state)
        self.placement = PlacementRules(draining=draining_of(self._state), moved=moves_of(self._state))
        tokens = tokens_of(self._state)
        if tokens != self.tokens:
            self.tokens = tokens

    def _read_deployments(self) -> Deployments:
        return deployments_of(self._state)
