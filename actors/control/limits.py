"""The client for limits: how many invocations run at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.model.limit_info import LimitOptions
from actors.values.arguments import checked_name, checked_text

if TYPE_CHECKING:
    from actors.control.backend import Backend
    from actors.model.limit_info import LimitAnswer, LimitInfo


class LimitClient:
    """The limits of a runtime: how many invocations of a scope run at once. The others wait, and start or continue in the order in
    which they were accepted.

    A scope is written ``everything``, ``service:Agent``, ``handler:Agent/run_task``, ``key:Chat/alice`` or ``tag:user=ada``. An
    invocation counts while its handler has a turn or one of its steps runs or is retried. While it sleeps or waits for a signal or a
    call, is paused, or waits for the next attempt of its handler, its place is free for others. An invocation under several limits
    runs when all have room. Limits are durable.

    ::

        await client.limits.set("agents", "service:Agent", concurrency=50)
        await client.limits.set("ada", "tag:user=ada", concurrency=2, reason="she has a free account")
        await client.limits.delete("ada")
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def set(self, name: str, scope: str, *, concurrency: int, reason: str = "") -> LimitAnswer:
        """Let at most ``concurrency`` invocations of the scope run at once, or change the limit of this name. It holds on return.
        What runs already is not stopped.

        Raises ``InvalidArgumentError``, and ``LimitExceededError`` if there are too many limits.
        """
        options = LimitOptions(scope=scope, concurrency=concurrency, reason=reason)
        return await self._backend.set_limit(checked_name(name, "name"), options)

    async def delete(self, name: str, *, reason: str = "") -> LimitAnswer:
        """Delete the limit. Deleting one that does not exist changes nothing."""
        return await self._backend.delete_limit(checked_name(name, "name"), checked_text(reason, "reason"))

    async def list(self) -> tuple[LimitInfo, ...]:
        """Return the limits by name, with how many invocations run under each and wait for it."""
        return await self._backend.list_limits()
