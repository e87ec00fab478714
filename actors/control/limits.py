"""The client for limits: how many invocations run at once, how many start in a period, and how much they may spend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.limits import checked_limit_scope
from actors.model.limit_info import LimitOptions
from actors.values.arguments import Seconds, checked_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.control.backend import Backend
    from actors.model.limit_info import LimitAnswer, LimitInfo
    from actors.values.amounts import Amount


class LimitClient:
    """The limits of a runtime: how many invocations of a scope run at once, and how many start in a period. Other invocations wait, and
    start or continue in the order in which they were accepted. A limit may also have a budget: when it is used up, no invocation starts,
    and running ones are paused before their handlers continue. All of them continue when the budget is raised.

    A scope is written ``everything``, ``service:Agent``, ``handler:Agent/run_task``, ``key:Chat/alice`` or ``tag:user=ada``.
    ``key:Chat`` is a limit of each key, and ``tag:user`` a limit of each value of the tag; a limit of one key or value replaces it for that
    key or value. An invocation counts while its handler has a turn, or while one of its steps runs or is retried. Its place is free for
    others while it sleeps, waits for a signal or a call, is paused, or waits for the next attempt of its handler. An invocation under
    several limits runs when all of them have room. In a cluster each node counts on its own: a concurrency of 5 lets 5 invocations run on each
    node; a limit of one key is exact, because one node runs its object. A budget counts on all nodes together. Limits are durable, and so are the starts that a rate counts and the amounts that were
    spent (:func:`actors.spend`).

    ::

        await client.limits.set("service:Agent", concurrency=50)
        await client.limits.set("tag:user", concurrency=2, rate=100, period=60, reason="a fair share for each")
        await client.limits.set("tag:user=ada", concurrency=10)
        await client.limits.set("handler:Agent/research", budget={"tokens": 1_000_000, "euros": "25"})
        await client.limits.delete("tag:user=ada")
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def set(
        self,
        scope: str,
        *,
        concurrency: int | None = None,
        rate: int | None = None,
        period: Seconds = 60.0,
        budget: Mapping[str, Amount] | None = None,
        reason: str = "",
    ) -> LimitAnswer:
        """Let at most ``concurrency`` invocations of the scope run at once, at most ``rate`` start in any ``period`` of seconds, and all of
        them spend at most the ``budget``: amounts by the name of the quantity, as :func:`actors.spend` counts them.
        It replaces the limit of the scope, and is in force on return. Running invocations are not stopped. None sets no bound; a limit of
        one key or value without bounds exempts it from the limit of each.

        A new budget counts the amounts that are spent from now on. A budget that replaces another keeps the amounts spent so far: to
        raise a budget, set a larger one; to begin at zero, delete the limit and set it again. The last steps before a budget is used up
        may spend more than the rest. A start is the first start of an invocation, not a further attempt. Raises
        ``InvalidArgumentError``, and ``LimitExceededError`` if there are too many limits.
        """
        options = LimitOptions(concurrency=concurrency, rate=rate, period=period, budget=budget, reason=reason)
        return await self._backend.set_limit(_scope(scope), options)

    async def delete(self, scope: str, *, reason: str = "") -> LimitAnswer:
        """Delete the limit of the scope. Deleting one that does not exist changes nothing."""
        return await self._backend.delete_limit(_scope(scope), checked_text(reason, "reason"))

    async def list(self) -> tuple[LimitInfo, ...]:
        """Return the limits by scope, with the numbers of running and waiting invocations and the amounts spent. For a limit of each key or
        value, these are the sums over all keys or values."""
        return await self._backend.list_limits()


def _scope(scope: str) -> str:
    return checked_limit_scope(checked_text(scope, "scope"))
