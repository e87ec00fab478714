"""A backend of trio as one for asyncio tasks: each request is carried out in trio's loop.

A client, its handles and its references ask their backend and await nothing else. So the clients of asyncio programs are those of trio
over another backend, with the same classes, types and docstrings; no method is written twice.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar, cast

from actors.model.handles import InvocationHandle

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.aio.bridge import Bridge
    from actors.control.backend import Backend

B = TypeVar("B", bound="Backend")


def bridged(backend: B, bridge: Bridge) -> B:
    """Return the backend for asyncio tasks."""
    return cast("B", _class_like(type(backend))(backend, bridge))


class _BridgedBackend:
    """The base of bridged backends: operations that do not wait, and streams."""

    def __init__(self, of: Any, bridge: Bridge) -> None:
        self._of = of
        self._bridge = bridge
        self.limits = of.limits

    def events(self, *args: Any, **kwargs: Any) -> Any:
        return self._bridge.iterate(self._of.events(*args, **kwargs))

    def marks(self, *args: Any, **kwargs: Any) -> Any:
        return self._bridge.iterate(self._of.marks(*args, **kwargs))


@functools.cache
def _class_like(backend: type[Any]) -> type[_BridgedBackend]:
    """Make a class with the async methods of the backend."""
    methods = {
        name: _bridged_method(name)
        for name, _ in inspect.getmembers(backend, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    return type(f"Bridged{backend.__name__}", (_BridgedBackend,), methods)


def _bridged_method(name: str) -> Callable[..., Any]:
    async def method(self: _BridgedBackend, *args: Any, **kwargs: Any) -> Any:
        result = await self._bridge.call(getattr(self._of, name), *args, **kwargs)
        if isinstance(result, InvocationHandle):  # of the backend in trio's loop
            return InvocationHandle(cast("Backend", self), result.id, result._returns)
        return result

    method.__name__ = name
    return method
