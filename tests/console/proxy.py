"""A proxy that takes a prefix off paths, and a line that can be cut: what may lie between a browser and a server."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = 65_536


@attrs.define(eq=False)
class Proxy:
    """Passes bytes on, one request a connection. ``break_off`` cuts every line and takes no new one until ``mend``."""

    port: int
    _cut: threading.Event = attrs.field(factory=threading.Event)
    _lines: set[socket.socket] = attrs.field(factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def break_off(self) -> None:
        self._cut.set()
        for line in list(self._lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._cut.clear()

    def serve(self, inbound: socket.socket, to: int, prefix: bytes) -> None:
        with inbound, suppress(OSError), socket.create_connection(("127.0.0.1", to)) as outbound:
            if self._cut.is_set():
                return
            self._lines.update((inbound, outbound))
            head = b""
            while b"\r\n\r\n" not in head:
                piece = inbound.recv(_PIECE)
                if not piece:
                    return
                head += piece
            outbound.sendall(_rewritten(head, prefix))
            back = threading.Thread(target=_pump, args=(outbound, inbound), daemon=True)
            back.start()
            _pump(inbound, outbound)
            back.join()
            self._lines.difference_update((inbound, outbound))


def _rewritten(head: bytes, prefix: bytes) -> bytes:
    method, target, rest = head.split(b" ", 2)
    assert target.startswith(prefix), "only what lies below the prefix comes here"
    lines, _, body = rest.partition(b"\r\n\r\n")
    kept = [line for line in lines.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return (
        b" ".join((method, target[len(prefix) :] or b"/", b"\r\n".join(kept))) + b"\r\nconnection: close\r\n\r\n" + body
    )


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxied(to: int, *, prefix: str = "") -> Iterator[Proxy]:
    """A proxy before the server on a port, for the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener.getsockname()[1])

        def accept() -> None:
            while True:
                try:
                    inbound, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=proxy.serve, args=(inbound, to, prefix.encode()), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield proxy
        proxy.break_off()
        listener.shutdown(socket.SHUT_RDWR)
