"""Server-sent events, written as they become durable, with the journal position as the event's id."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import msgspec
import trio

from actors.errors import InvalidArgumentError
from actors.http.messages import JSON, StreamedResponse
from actors.values.arguments import MAX_COUNT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from actors.http.messages import HttpRequest, SendPiece
    from actors.http.server.request_context import Exchange
    from actors.model.history import JournalEntry
    from actors.model.output import OutputChunk

HEARTBEAT_SECONDS = 15.0
"""After this time without an event a comment is sent, so that a lost client is noticed."""

EVENT_STREAM = "text/event-stream"

_encode = msgspec.json.Encoder().encode


def wants_stream(request: HttpRequest) -> bool:
    """Report whether the client asks for a stream rather than the current data."""
    return EVENT_STREAM in request.headers.get("accept")


def wants_page(request: HttpRequest) -> bool:
    """Report whether the client asks for the current data on a route that streams by default."""
    return not wants_stream(request) and JSON in request.headers.get("accept")


def position_of(request: HttpRequest, after: int) -> int:
    """Return the position to start from: the query's or, when a client reconnects, the position of the last event that it
    received.
    """
    seen = request.headers.find("last-event-id")
    if seen is None:
        return after
    if not (seen.isascii() and seen.isdecimal() and len(seen) < 20 and int(seen) <= MAX_COUNT):
        raise InvalidArgumentError(
            f"the header Last-Event-ID is {seen[:80]!r}, expected the id of an event of this stream"
        )
    return max(after, int(seen))


async def as_events(entries: AsyncIterator[JournalEntry]) -> AsyncGenerator[tuple[int, bytes]]:
    """Yield a history as server-sent events."""
    async for entry in entries:
        yield entry.number, _encode(entry)


async def as_output(chunks: AsyncIterator[OutputChunk]) -> AsyncGenerator[tuple[int, bytes]]:
    """Yield the output of an invocation and its resets as server-sent events."""
    async for chunk in chunks:
        yield chunk.number, _encode(chunk)


class EventStream(StreamedResponse):
    """A response that continues until the source ends, the client disconnects, its token is revoked, or the server stops.

    The token is looked at before each event, and every ``HEARTBEAT_SECONDS`` if none is due.

    A client that reconnects with ``Last-Event-ID`` continues where it was.
    """

    def __init__(self, exchange: Exchange, events: AsyncGenerator[tuple[int, bytes]]) -> None:
        super().__init__(headers={"cache-control": "no-store"}, media_type=f"{EVENT_STREAM}; charset=utf-8")
        self._exchange = exchange
        self._events = events

    async def stream(self, send: SendPiece) -> None:
        """Send the events."""
        async with trio.open_nursery() as nursery:

            async def leave_with_server() -> None:
                await self._exchange.closing.begin.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(leave_with_server)
            with (
                self._exchange.traffic.streaming(),
                self._exchange.request.carrier.streaming(nursery.cancel_scope),
            ):
                await self._pass_on(send)
            nursery.cancel_scope.cancel()

    async def _pass_on(self, send: SendPiece) -> None:
        channel_in, channel_out = trio.open_memory_channel[bytes](0)

        async def read() -> None:
            async with channel_in, aclosing(self._events):
                async for number, data in self._events:
                    await channel_in.send(b"id: %d\ndata: %b\n\n" % (number, data))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            while True:
                piece = b": still here\n\n"
                try:
                    with trio.move_on_after(HEARTBEAT_SECONDS):
                        piece = await channel_out.receive()
                except trio.EndOfChannel:
                    return
                if not self._exchange.is_admitted():
                    nursery.cancel_scope.cancel()
                    return
                await send(piece)
