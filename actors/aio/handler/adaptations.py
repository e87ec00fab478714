"""Adapts the few places in asyncio and anyio that a loop alone cannot make deterministic. Elsewhere than on a hosted loop they
stay as they are.

- ``asyncio.as_completed`` makes its tasks from a set of coroutines, so in the order of their addresses, which differs in each
  process. On a hosted loop it gets the tasks, made in the order in which the coroutines were given.
- A cancel scope of anyio walks over a set of the scopes inside of it. On a hosted loop that is an ordered set.
- The worker threads of anyio are threads of its own. On a hosted loop they become ``run_in_executor``, which refuses them.
- trio looks for the run and the task that call it, and the engine hides its own. In a handler that is refused.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import events
from collections.abc import Callable, Iterable, Iterator, MutableSet
from types import FunctionType
from typing import Any

from actors.aio.handler.loop import HostedLoop
from actors.event_loop import guard_trio
from actors.model.verbs.refused_use import refused_use

_DONE = "_adapted_to_hosted_loops"


class OrderedSet(MutableSet[Any]):
    """A set that is walked over in the order of insertion."""

    def __init__(self) -> None:
        self._members: dict[Any, None] = {}

    def __contains__(self, member: object) -> bool:
        return member in self._members

    def __iter__(self) -> Iterator[Any]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def add(self, value: Any) -> None:
        self._members[value] = None

    def discard(self, value: Any) -> None:
        self._members.pop(value, None)


def adapt() -> None:
    """Adapt the loaded modules that have not been adapted yet."""
    if not hasattr(asyncio.tasks, _DONE):
        setattr(asyncio.tasks, _DONE, _in_order)
        _adapt_as_completed(asyncio.as_completed)
        guard_trio(refused_use)
    if "anyio" in sys.modules:
        import anyio._backends._asyncio as backend  # anyio itself loads it at its first use

        if not hasattr(backend, _DONE):
            setattr(backend, _DONE, True)
            _adapt_threads(backend.AsyncIOBackend)
            _adapt_scopes(backend.CancelScope)


def _in_order(awaitables: Iterable[Any]) -> Iterable[Any]:
    if not isinstance(events._get_running_loop(), HostedLoop):
        return awaitables
    return [asyncio.ensure_future(awaitable) for awaitable in dict.fromkeys(awaitables)]


def _adapt_as_completed(function: Any) -> None:
    """Replace the code of the function, because users import the function by name."""
    original = FunctionType(function.__code__, function.__globals__, function.__name__)
    original.__kwdefaults__ = function.__kwdefaults__

    def as_completed(fs: Any, *, timeout: Any = None) -> Any:
        return _original_as_completed(_adapted_to_hosted_loops(fs), timeout=timeout)  # type: ignore[name-defined]  # noqa: F821

    function.__globals__["_original_as_completed"] = original
    function.__code__ = as_completed.__code__


def _adapt_threads(backend: Any) -> None:
    original = backend.run_sync_in_worker_thread

    async def run_sync_in_worker_thread(
        _: Any, function: Callable[..., Any], args: tuple[Any, ...], *rest: Any, **options: Any
    ) -> Any:
        loop = events._get_running_loop()
        if isinstance(loop, HostedLoop):
            return await loop.run_in_executor(None, function, *args)
        return await original(function, args, *rest, **options)

    backend.run_sync_in_worker_thread = classmethod(run_sync_in_worker_thread)


def _adapt_scopes(scope_type: Any) -> None:
    original = scope_type.__init__

    def __init__(scope: Any, *args: Any, **options: Any) -> None:  # noqa: N807  # it takes the place of another
        original(scope, *args, **options)
        if isinstance(events._get_running_loop(), HostedLoop):
            scope._child_scopes = OrderedSet()

    scope_type.__init__ = __init__
