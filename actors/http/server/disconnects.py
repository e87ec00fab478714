"""Detects clients that disconnect, for all connections of a server.

A connection that answers a request does not read, so that the kernel stops a client whose buffer is full. Reading therefore does not
detect a disconnect, and a separate task for each call would cost as much as the call. Instead, one epoll watches all connections for
the end of a stream (``EPOLLRDHUP``), which the kernel reports even if unread data precede it. An epoll is itself readable when it has
an event, so trio can wait for it.
"""

from __future__ import annotations

import select
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_AT_ONCE = 1_000


class DisconnectWatch:
    """Calls a function for each connection whose client disconnects."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._functions: dict[int, Callable[[], None]] = {}

    def __enter__(self) -> DisconnectWatch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._epoll.close()

    @contextmanager
    def calling(self, descriptor: int, function: Callable[[], None]) -> Iterator[None]:
        """Call the function, which may not raise, if the peer of this socket closes its side during the block.

        Close the socket only after the block, because another socket could get the number of its descriptor.
        """
        self._epoll.register(descriptor, select.EPOLLRDHUP | select.EPOLLONESHOT)
        self._functions[descriptor] = function
        try:
            yield
        finally:
            del self._functions[descriptor]
            self._epoll.unregister(descriptor)

    async def run(self) -> None:
        """Report disconnects until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self._epoll.fileno())
            for descriptor, _ in self._epoll.poll(0, _AT_ONCE):
                self._functions[descriptor]()
