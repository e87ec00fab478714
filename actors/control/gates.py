"""The client for gates: pause and resume a service, a handler, a key, a deployment, or everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.gates import GateScope, parse_scope
from actors.model.control_options import GateOptions
from actors.values.arguments import checked_text
from journal.events import PauseMode

if TYPE_CHECKING:
    from actors.control.backend import Backend
    from actors.model.gate_info import GateAnswer, GateInfo


class GateClient:
    """The gates of a runtime. While a gate is closed, new work in its scope is accepted and queued; nothing starts or resumes
    until the gate opens.

    A scope is written ``everything``, ``backlog`` (everything accepted before the gate was closed), ``service:Agent``,
    ``handler:Agent/run_task``, ``key:Chat/alice`` or ``deployment:dep_1…``. Completions of held invocations are still recorded:
    results of calls, timers, signals. A cancel is recorded and delivered when the gate opens; a kill works at once. Gates are
    durable.

    ::

        await client.gates.close("service:Agent", reason="the database is down for maintenance")
        ...
        await client.gates.open("service:Agent", reason="the database is back")
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def close(
        self, scope: str | GateScope, *, mode: str | PauseMode = PauseMode.DRAIN, reason: str = ""
    ) -> GateAnswer:
        """Hold everything in the scope, including narrower scopes that were opened before. Closing it again changes nothing.

        ``drain`` lets a running step end and records it; ``now`` aborts it, and it runs again later. When this returns, nothing
        in the scope runs except steps that are ending. Raises ``InvalidArgumentError``, ``NotFoundError`` and ``LimitExceededError``.
        """
        options = GateOptions(mode=mode, reason=reason)
        return await self._backend.close_gate(_checked_scope(scope), options)

    async def open(self, scope: str | GateScope, *, reason: str = "") -> GateAnswer:
        """Resume everything in the scope, except narrower scopes that were closed individually.

        While a wider gate is closed, this makes an exception to it: close ``everything``, investigate, then open one service. An
        exception ends together with the gate that it is an exception to. Opening a scope that is not held changes nothing.
        """
        return await self._backend.open_gate(_checked_scope(scope), checked_text(reason, "reason"))

    async def list(self) -> tuple[GateInfo, ...]:
        """Return the closed gates and the exceptions to them (whose ``state`` is ``open``)."""
        return await self._backend.list_gates()


def _checked_scope(scope: str | GateScope) -> GateScope:
    return parse_scope(checked_text(str(scope) if isinstance(scope, GateScope) else scope, "scope"))
