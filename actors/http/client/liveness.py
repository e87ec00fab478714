"""Notices that a server has stopped answering, although its connections are open: a process that is stopped or blocked, or a host that is gone.

Most requests are answered at once, so a timeout bounds them. A request for an outcome may wait for days, in which the server sends
nothing. So while there is such a request, and the server has sent nothing for a while, it is asked for ``/health`` over a connection
of its own::

    a request waits ──── nothing comes ────► GET /health ──┬─ any answer, even an error ─► the request waits on
                     half of answer_timeout                └─ none within answer_timeout ─► every request that waits ends

Alternative refused: requests that wait in pieces, each bounded by a timeout. The outcome of an invocation without retention is gone once
it has been given, so an outcome that comes between two pieces would be lost.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import httpx2
import trio

from actors.http.client.causes import causes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER_SECONDS = 30.0
"""How long a server may take by default to answer a request that does not wait for anything."""

CONNECT_SECONDS = 5.0
"""How long it may take to connect."""

REMARK_SECONDS = 5.0
"""After how long a client that reports it says that it waits for the server to answer."""

_LOOK_SECONDS = 1.0


@attrs.define(eq=False)
class PendingRequest:
    """A request without an answer so far. ``due`` is when a server answers at the latest that is not overloaded; never, if the request waits
    for something."""

    began: float
    due: float
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    @property
    def waits(self) -> bool:
        """Whether it waits until something happens, however long that takes."""
        return math.isinf(self.due)


class Liveness:
    """The state of a connection to its server: the requests that it has not answered, and when it answered the last time.

    ``probe`` opens a client for ``/health``.
    """

    def __init__(self, answer_timeout: float = ANSWER_SECONDS) -> None:
        self.answer_timeout = answer_timeout
        self._pending: dict[PendingRequest, None] = {}
        self._waits = trio.Event()
        self._heard = -math.inf

    @contextmanager
    def pending(self, takes: float) -> Iterator[None]:
        """Count a request as pending for the block. It is cancelled, and the block left, if it waits and the server is silent."""
        now = trio.current_time()
        request = PendingRequest(now, now + takes)
        self._pending[request] = None
        if request.waits:
            self._waits.set()
        try:
            with request.scope:
                yield
                self._heard = trio.current_time()
        finally:
            del self._pending[request]

    async def watch(self, opened: Callable[[], httpx2.AsyncClient]) -> None:
        """Ask the server for its health while requests wait and it is silent; runs until it is cancelled."""
        async with opened() as http:
            while True:
                waiting = [request for request in self._pending if request.waits and not request.scope.cancel_called]
                if not waiting:
                    self._waits = trio.Event()
                    await self._waits.wait()
                    continue
                due = max(self._heard, min(request.began for request in waiting)) + self.answer_timeout / 2
                if trio.current_time() < due:
                    await trio.sleep_until(due)
                elif await self._is_alive(http):
                    self._heard = trio.current_time()
                else:
                    for request in waiting:
                        request.scope.cancel()

    async def _is_alive(self, http: httpx2.AsyncClient) -> bool:
        """Ask for the health. A connection that is refused or broken is an answer of its host: the server is starting or stopping, and the
        connections of the requests that wait end by themselves."""
        try:
            with self.pending(takes=0.0):
                await http.get("/health", timeout=httpx2.Timeout(self.answer_timeout, connect=CONNECT_SECONDS))
        except httpx2.TimeoutException:
            return False
        except httpx2.ConnectError as error:
            return any(isinstance(cause, (ConnectionError, FileNotFoundError)) for cause in causes_of(error))
        except httpx2.TransportError:
            return True
        return True

    async def remark_silence(self, remark: Callable[[], None]) -> None:
        """Call ``remark`` once for each silence of :data:`REMARK_SECONDS`; runs until it is cancelled."""
        said: PendingRequest | None = None
        while True:
            await trio.sleep(_LOOK_SECONDS)
            late = next((one for one in self._pending if trio.current_time() - one.due >= REMARK_SECONDS), None)
            if late is not None and late is not said:
                remark()
            said = late
