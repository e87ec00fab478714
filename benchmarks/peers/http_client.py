"""A client that costs little, so that what is measured is the server: one program for all who are asked over HTTP.

Needs the standard library alone, as ``asking`` does.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any


class Connections:
    """Connections that stay open, each with one request at a time; as many as are needed at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, body: bytes) -> bytes:
        """The body of the answer, which has to be a good one."""
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(
            b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (path.encode(), len(body), body)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        answer = await _body(head.lower(), reader)
        assert head.startswith(b"HTTP/1.1 20"), f"POST {path}: {head.decode()}{answer.decode()}"
        self._free.append((reader, writer))
        return answer

    def close(self) -> None:
        """All of them."""
        for _, writer in self._free:
            writer.close()


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    _, is_sized, rest = head.partition(b"\r\ncontent-length:")
    if is_sized:
        return await reader.readexactly(int(rest.partition(b"\r\n")[0]))
    assert b"\r\ntransfer-encoding: chunked" in head, f"an answer without an end: {head.decode()}"
    whole = b""
    while size := int(await reader.readline(), 16):
        whole += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return whole


class OverHttp:
    """Restate's addresses are ours: ``/Counter/KEY/add``, ``/Worker/work``, and ``/send`` behind it."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def call(self, key: str) -> object:
        return self._sum(await self._connections.post(f"/Counter/{key}/add", b"1"))

    queue = call  # the key has one writer

    async def work(self, number: int) -> object:
        return self._sum(await self._connections.post("/Worker/work", b"%d" % number))

    async def send(self, key: str) -> object:
        return await self._connections.post(f"/Counter/{key}/add/send", b"1")

    @staticmethod
    def _sum(answer: bytes) -> Any:
        return json.loads(answer)
