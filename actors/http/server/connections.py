"""The connections of a server: the limits for each kind, and the choice of the connection that is closed to make room."""

from __future__ import annotations

import enum
import resource
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.http.server_options import ServerLimits


_OWN_DESCRIPTORS = 256
"""The descriptors that the store, the threads of steps and the rest of the process may need."""


class Connections:
    """The open connections.

    Two kinds are counted separately, each up to a limit, so that other clients cannot lock out an operator: connections with a
    token that may read or control (see :meth:`Seat.take_control_seat`), and connections whose call waits for its answer. Of the
    others, the oldest one for which the server waits is closed if there is no room (:class:`Rank`). The number of descriptors
    limits all of them together: without a free descriptor, RocksDB cannot create a file, and the store fails.
    """

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._at_most = _descriptors_for_connections()
        self._seats: dict[Seat, None] = {}
        self._apart: Counter[str] = Counter()
        self._of_peer: Counter[str] = Counter()
        self._none = trio.Event()

    @property
    def count(self) -> int:
        """The number of connections of all kinds."""
        return len(self._seats)

    def make_room(self, peer: str) -> bool:
        """Make room for a new connection of this peer, closing another if necessary. Returns whether there is room."""
        limits = self._limits
        if len(self._seats) >= self._at_most:
            return _drop_one([seat for seat in self._seats if not seat.is_of_control])
        if len(self._seats) < limits.connections and self._of_peer[peer] < limits.connections_of_one_peer:
            return True
        ordinary = [seat for seat in self._seats if not seat.is_apart]
        of_peer = [seat for seat in ordinary if seat.peer == peer]
        if len(of_peer) >= limits.connections_of_one_peer:
            return _drop_one(of_peer)
        return len(ordinary) < limits.connections or _drop_one(ordinary)

    @contextmanager
    def counted(self, seat: Seat) -> Iterator[None]:
        """Count a connection for the block."""
        self._seats[seat] = None
        self._of_peer[seat.peer] += 1
        try:
            yield
        finally:
            seat.leave()
            del self._seats[seat]
            self._of_peer[seat.peer] -= 1
            if not self._of_peer[seat.peer]:
                del self._of_peer[seat.peer]
            if not self._seats:
                self._none.set()
                self._none = trio.Event()

    def drop_idle(self) -> None:
        """Close the connections on which no request has begun."""
        for seat in [seat for seat in self._seats if seat.is_idle]:
            seat.drop()

    def take_apart(self, kind: str, limit: int) -> bool:
        """Count a connection under this kind, if there is room."""
        if self._apart[kind] >= limit:
            return False
        self._apart[kind] += 1
        return True

    def put_back(self, kind: str) -> None:
        """Stop counting the connection under this kind."""
        self._apart[kind] -= 1

    async def wait_for_none(self) -> None:
        """Wait until all connections are closed."""
        if self._seats:
            await self._none.wait()


_CONTROL = "control"
_WAITING = "waiting"


class Rank(enum.IntEnum):
    """The order in which connections are closed to make room."""

    SLOW = enum.auto()
    """The server waits for the client: for a request, for the rest of a body, or for a read. All in one rank, because a new
    connection is idle as well: in a crowd that sends no bodies, the older ones make room."""
    STREAMING = enum.auto()
    """The client receives changes and can continue where it was."""
    WAITING = enum.auto()
    """A call waits for its answer, and its client can attach again."""
    BUSY = enum.auto()
    """The server is working for it, which does not take long. It is never closed for room."""


@attrs.define(eq=False)
class Seat:
    """The accounting of a connection. ``is_idle``: no byte of a request has arrived since the last one was answered.
    ``waits_for_client``: the client has to send or to read. ``is_streaming``: it receives changes."""

    peer: str
    _stream: trio.SocketStream
    _connections: Connections
    _limits: ServerLimits
    is_idle: bool = True
    waits_for_client: bool = False
    is_streaming: bool = False
    _apart: set[str] = attrs.field(factory=set)
    _is_dropped: bool = False
    scope: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)

    @property
    def is_apart(self) -> bool:
        """Whether the connection is counted separately."""
        return bool(self._apart)

    @property
    def is_of_control(self) -> bool:
        """Whether the connection is counted with those whose tokens may read or control."""
        return _CONTROL in self._apart

    @property
    def rank(self) -> Rank:
        """The current activity of the connection."""
        if self._is_dropped:
            return Rank.BUSY
        if self.is_idle or self.waits_for_client:
            return Rank.SLOW
        if self.is_streaming:
            return Rank.STREAMING
        return Rank.WAITING if _WAITING in self._apart else Rank.BUSY

    def take_control_seat(self) -> None:
        """Count the connection with those whose tokens may read or control, if there is room."""
        self._take(_CONTROL, self._limits.control_connections)

    def begin_wait(self) -> None:
        """Count the connection with those whose call waits for its answer, if there is room."""
        self._take(_WAITING, self._limits.waiting_calls)

    def end_wait(self) -> None:
        """Count the connection as it was counted before."""
        self._put_back(_WAITING)

    def leave(self) -> None:
        """Remove the closed connection."""
        for kind in tuple(self._apart):
            self._put_back(kind)

    def drop(self) -> None:
        """Close the connection even during a response that is not read, which is shielded, and before requests that
        have already arrived.
        """
        self._is_dropped = True
        self.scope.cancel()
        with suppress(OSError):
            self._stream.socket.shutdown(trio.socket.SHUT_RDWR)

    def _take(self, kind: str, limit: int) -> None:
        if kind not in self._apart and self._connections.take_apart(kind, limit):
            self._apart.add(kind)

    def _put_back(self, kind: str) -> None:
        if kind in self._apart:
            self._apart.discard(kind)
            self._connections.put_back(kind)


def _drop_one(seats: list[Seat]) -> bool:
    """Close the oldest connection of the first rank that has any. Returns whether one was closed."""
    first = min(seats, key=lambda seat: seat.rank, default=None)
    if first is None or first.rank is Rank.BUSY:
        return False
    first.drop()
    return True


def _descriptors_for_connections() -> int:
    """Return how many files the process can open, minus those that it needs itself."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(soft - _OWN_DESCRIPTORS, soft // 2)
