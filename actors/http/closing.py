"""The shutdown of a server."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.define(eq=False)
class Closing:
    """The shutdown of a server: ``begin`` stops accepting connections and ends streams; ``last_call`` stops waiting
    calls."""

    begin: trio.Event = attrs.field(factory=trio.Event)
    _waiting: set[trio.CancelScope] = attrs.field(init=False, factory=set)
    _has_called: bool = attrs.field(init=False, default=False)
    _running: int = attrs.field(init=False, default=0)
    _none: trio.Event = attrs.field(init=False, factory=trio.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count a running request for the block. For servers that accept the connections themselves."""
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._none.set()
                self._none = trio.Event()

    async def wait_for_none(self) -> None:
        """Wait until no counted request runs."""
        if self._running:
            await self._none.wait()

    @contextmanager
    def gives_up(self, scope: trio.CancelScope) -> Iterator[None]:
        """Register a waiting call for the block. The scope is cancelled when the call should stop waiting."""
        self._waiting.add(scope)
        if self._has_called:
            scope.cancel()
        try:
            yield
        finally:
            self._waiting.discard(scope)

    def last_call(self) -> None:
        """Stop all waiting calls, present and future."""
        self._has_called = True
        for scope in self._waiting:
            scope.cancel()
