"""Whatever bytes a client sends, a connection answers with valid responses and then ends; how they are split changes nothing."""

from __future__ import annotations

import re
import socket
from types import SimpleNamespace
from typing import Any

import trio
import trio.testing
from hypothesis import example, given
from hypothesis import strategies as st

from actors.http.closing import Closing
from actors.http.messages import HttpRequest, HttpResponse, UnreadableRequest
from actors.http.problems import respond_unreadable
from actors.http.server.connection import ConnectionEnds, HttpConnection
from actors.http.server.connections import Connections, Seat
from actors.http.server_options import DEFAULT_LIMITS

PIECES = [
    b"GET / HTTP/1.1\r\n",
    b"POST /Counter/k/add HTTP/1.1\r\n",
    b"HEAD /x HTTP/1.1\r\n",
    b"PUT /x HTTP/1.0\r\n",
    b"CONNECT x:1 HTTP/1.1\r\n",
    b"PRI * HTTP/2.0\r\n",
    b"host: localhost\r\n",
    b"content-length: 5\r\n",
    b"content-length: 0\r\n",
    b"Content-Length: 999\r\n",
    b"transfer-encoding: chunked\r\n",
    b"expect: 100-continue\r\n",
    b"connection: close\r\n",
    b"connection: keep-alive\r\n",
    b"upgrade: websocket\r\nconnection: upgrade\r\n",
    b" folded\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00",
    b"hello",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"fffffffffffffffffffff\r\n",
    b"5;x=y\r\nhello\r\n0\r\nx: y\r\n\r\n",
]
BYTES = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)), max_size=14).map(b"".join)
CUTS = st.lists(st.integers(0, 300), max_size=6)


async def echo(request: HttpRequest) -> HttpResponse:
    """An application that gives back the body, as the one of this package reads it."""
    data = b""
    try:
        while (piece := request.carrier.arrived()) != b"":
            if piece is None:
                await request.carrier.wait_for_more()
            else:
                data += piece
    except UnreadableRequest as error:
        return respond_unreadable(error.status_code)
    # h11 would take a success of CONNECT for another protocol; the application has no such route.
    return HttpResponse(data, 405 if request.method == "CONNECT" else 200, {"x-method": request.method})


async def answer_to(pieces: list[bytes]) -> bytes:
    """What a connection answers to these pieces, sent one after the other by a client that then closes its side."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    stream: Any = SimpleNamespace(socket=ours)
    seat = Seat("peer", stream, Connections(DEFAULT_LIMITS), DEFAULT_LIMITS)
    ends = ConnectionEnds(client=("127.0.0.1", 1), server="127.0.0.1")
    connection = HttpConnection(echo, ours.fileno(), seat, Closing(), DEFAULT_LIMITS, ends=ends)
    with ours, theirs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.serve)
            for piece in pieces:
                theirs.sendall(piece)
                await trio.testing.wait_all_tasks_blocked()
            theirs.shutdown(socket.SHUT_WR)
        ours.shutdown(socket.SHUT_RDWR)
        theirs.settimeout(5)
        found = b""
        while piece := theirs.recv(1 << 16):
            found += piece
        return found


def statuses(answer: bytes) -> list[int]:
    """The statuses of these responses, which must be whole, each with its length, and all that there is."""
    found = []
    while answer:
        head, end, answer = answer.partition(b"\r\n\r\n")
        line = re.match(rb"HTTP/1\.1 (\d{3}) \r\n", head)
        assert line is not None, head
        assert end, head
        found.append(int(line[1]))
        length = re.search(rb"\r\ncontent-length: (\d+)", head)
        if length is not None and b"\r\nx-method: HEAD" not in head:
            assert len(answer) >= int(length[1])
            answer = answer[int(length[1]) :]
        assert found[-1] == 100 or length is not None
    return found


@given(BYTES, CUTS)
@example(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n", [5])
@example(
    b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nnonsense\r\n\r\n", [50]
)
def test_any_bytes_are_answered_or_the_connection_ends(sent: bytes, cuts: list[int]) -> None:
    whole = trio.run(answer_to, [sent])
    assert set(statuses(whole)) <= {100, 200, 400, 405, 413, 431, 501}
    edges = sorted({min(cut, len(sent)) for cut in cuts})
    split = [sent[start:end] for start, end in zip([0, *edges], [*edges, len(sent)], strict=True) if start < end]
    assert without_times(trio.run(answer_to, split)) == without_times(whole)


def without_times(answer: bytes) -> bytes:
    """Without dates, and without the permission to send what has been sent together with the head."""
    return re.sub(rb"HTTP/1\.1 100 \r\ndate: [^\r]*\r\n\r\n|\r\ndate: [^\r]*", b"", answer)
