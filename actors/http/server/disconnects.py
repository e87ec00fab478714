"""Notices the clients that disconnect, for all connections of a server.

A connection that answers a request does not read: what the client sends next stays in the kernel, which stops the client when its
buffer is full. So the end of a client is not seen by reading either, and a task that waits beside each call would cost as much
as the call. One epoll of its own tells it for all connections: it asks only for the end of a stream (``EPOLLRDHUP``), once, which the
kernel reports even if unread data precede it. An epoll is itself readable while it has something to report, so trio can wait for it.
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
