"""Gates from outside: hold a service, a handler, a key, a deployment, or everything, and let it go on again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.gates import GateScope, parse_scope
from actors.values.arguments import checked_text, one_of
from journal.events import PauseMode

if TYPE_CHECKING:
    from actors.control.backend import Backend
    from actors.model.info import GateAnswer, GateInfo


class GateClient:
    """The gates of a runtime. While a gate is closed, what is in its scope is accepted and waits; nothing of it starts or goes on.

    A scope is written ``everything``, ``backlog`` (everything accepted before the gate was closed), ``service:Agent``,
    ``handler:Agent/run_task``, ``key:Chat/alice`` or ``deployment:dep_1…``. What an invocation waits for is still recorded while it is held: results of calls, dates,
    signals. A cancel is recorded and delivered when the gate opens; a kill works at once. Gates are durable.

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
        """Hold everything in the scope, whatever was opened in it before. Closing it twice changes nothing.

        ``drain`` lets a running step end and records it; ``now`` aborts it, and it runs again later. When this returns, nothing
        of what is held goes on but steps that are ending. Raises ``InvalidScopeError``, ``UnknownServiceError``,
        ``UnknownHandlerError``, ``InvalidKeyError``, ``TooManyGatesError``.
        """
        held = one_of(PauseMode, mode, "mode")
        return await self._backend.close_gate(_checked_scope(scope), held, checked_text(reason, "reason"))

    async def open(self, scope: str | GateScope, *, reason: str = "") -> GateAnswer:
        """Resume everything in the scope, except narrower scopes that were closed individually.

        While a wider gate is closed, this makes an exception to it: close ``everything``, look, then open one service. An
        exception ends with the gate that it is an exception to. Opening what is not held changes nothing.
        """
        return await self._backend.open_gate(_checked_scope(scope), checked_text(reason, "reason"))

    async def list(self) -> tuple[GateInfo, ...]:
        """The gates that are closed, and the exceptions to them (``state`` is ``open``)."""
        return await self._backend.list_gates()


def _checked_scope(scope: str | GateScope) -> GateScope:
    return parse_scope(checked_text(str(scope) if isinstance(scope, GateScope) else scope, "scope"))
