"""The client for limits: how many invocations run at once, how many start in a period, and what they spend."""

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
    """The limits of a runtime: how many invocations of a scope run at once, and how many start in a period. The others wait, and start
    or continue in the order in which they were accepted. A limit may also have a budget: once it is used up, no more start, and those
    that have begun are paused before their handlers continue; all of them continue when it is raised.

    A scope is written ``everything``, ``service:Agent``, ``handler:Agent/run_task``, ``key:Chat/alice`` or ``tag:user=ada``.
    ``key:Chat`` counts each key on its own, and ``tag:user`` each value of the tag; the limit of one of them replaces it there. An
    invocation counts while its handler has a turn or one of its steps runs or is retried. While it sleeps or waits for a signal or a
    call, is paused, or waits for the next attempt of its handler, its place is free for others. An invocation under several limits
    runs when all have room. Limits are durable, and so are the starts that a rate counts and what was spent (:func:`actors.spend`).

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
        It replaces the limit of the scope, and holds on return. What runs already is not stopped. None sets no bound: without any,
        one key or value is exempt from the limit of each.

        A budget counts what is spent from now on. One that replaces another counts what was spent under that, so a budget is raised
        by setting a larger one; to begin at zero, delete the limit and set it again. The last steps before it is used up may spend
        more than is left. A start is the beginning of an invocation, and not a further attempt. Raises ``InvalidArgumentError``, and
        ``LimitExceededError`` if there are too many limits.
        """
        options = LimitOptions(concurrency=concurrency, rate=rate, period=period, budget=budget, reason=reason)
        return await self._backend.set_limit(_scope(scope), options)

    async def delete(self, scope: str, *, reason: str = "") -> LimitAnswer:
        """Delete the limit of the scope. Deleting one that does not exist changes nothing."""
        return await self._backend.delete_limit(_scope(scope), checked_text(reason, "reason"))

    async def list(self) -> tuple[LimitInfo, ...]:
        """Return the limits by scope, with how many invocations run under each and wait for it, and how much was spent. Under a
        limit of each key or value, these are the sums over all of them."""
        return await self._backend.list_limits()


def _scope(scope: str) -> str:
    return checked_limit_scope(checked_text(scope, "scope"))
