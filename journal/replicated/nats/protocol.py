"""The bytes between a NATS client and a server: lines of text, each with a payload if it is a message.

This is the client protocol of https://docs.nats.io/reference/reference-protocols/nats-protocol, as far as a log needs it. ::

    server   INFO {…}    MSG subject sid [reply] bytes    HMSG subject sid [reply] header-bytes bytes    PING   PONG   -ERR 'why'
    client   CONNECT {…}   PUB subject [reply] bytes   HPUB subject [reply] header-bytes bytes   SUB subject sid   PING   PONG
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_END = b"\r\n"
_VERSION = b"NATS/1.0"
_MOST_LINE_BYTES = 1 << 20
_MOST_PAYLOAD_BYTES = 64 << 20
_WORDS = (4, 5)
"""What a message begins with has as many words, besides the length of headers."""


class ProtocolBroken(Exception):
    """The peer does not speak the protocol of NATS."""


@attrs.frozen
class NatsMessage:
    """A message: its subject, its headers as they arrived, and its payload."""

    subject: str
    headers: bytes
    data: bytes

    @property
    def status(self) -> int:
        """The number in the first line of the headers; 0 if there is none."""
        first = self.headers.split(_END, 1)[0].removeprefix(_VERSION).split()
        return int(first[0]) if first and first[0].isdigit() else 0

    def header(self, name: str) -> str | None:
        """The value of a header, None if the message does not have it."""
        wanted = name.encode().lower()
        for line in self.headers.split(_END)[1:]:
            found, colon, value = line.partition(b":")
            if colon and found.strip().lower() == wanted:
                return value.strip().decode(errors="replace")
        return None

    def number(self, name: str) -> int:
        """The number in a header. Raises :class:`ProtocolBroken` if there is none."""
        value = self.header(name)
        if value is None or not value.isdecimal():
            raise ProtocolBroken(f"a message of {self.subject} has {name}: {value}, expected a number")
        return int(value)


@attrs.frozen
class Info:
    """The description of a server by itself."""

    values: Mapping[str, Any]


@attrs.frozen
class Delivery:
    """A message for a subscription."""

    subscription: int
    message: NatsMessage


@attrs.frozen
class Ping:
    """A question whether the client lives."""


@attrs.frozen
class Pong:
    """The answer to the client's own question."""


@attrs.frozen
class ServerError:
    """The server refuses something, or ends the connection."""

    reason: str


Operation = Info | Delivery | Ping | Pong | ServerError


class Parser:
    """Cuts what arrives into operations. No socket, no clock."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> Iterator[Operation]:
        """Take bytes, and yield the operations that are whole. Raises :class:`ProtocolBroken`."""
        self._received += data
        position = 0
        try:
            while True:
                end = self._received.find(_END, position)
                if end < 0:
                    if len(self._received) - position > _MOST_LINE_BYTES:
                        raise ProtocolBroken("a line does not end")
                    return
                line = bytes(self._received[position:end])
                if line.startswith((b"MSG ", b"HMSG ")):
                    delivery, after = self._delivery(line, end + len(_END))
                    if delivery is None:
                        return
                    position = after
                    yield delivery
                else:
                    position = end + len(_END)
                    operation = _operation_in(line)
                    if operation is not None:
                        yield operation
        finally:
            del self._received[:position]

    def _delivery(self, line: bytes, start: int) -> tuple[Delivery | None, int]:
        words = line.split()
        has_headers = words[0] == b"HMSG"
        try:
            size, head = int(words[-1]), int(words[-2]) if has_headers else 0
            subject, subscription = words[1].decode(), int(words[2])
        except (ValueError, IndexError) as error:
            raise ProtocolBroken(f"a message begins with {line[:80]!r}") from error
        if len(words) - has_headers not in _WORDS:
            raise ProtocolBroken(f"a message begins with {line[:80]!r}")
        if not 0 <= head <= size <= _MOST_PAYLOAD_BYTES:
            raise ProtocolBroken(f"a message has {size} bytes")
        end = start + size
        if len(self._received) < end + len(_END):
            return None, start
        headers, data = bytes(self._received[start : start + head]), bytes(self._received[start + head : end])
        return Delivery(subscription, NatsMessage(subject, headers, data)), end + len(_END)


def _operation_in(line: bytes) -> Operation | None:
    """The operation in a line without a payload; None for one that a client may ignore."""
    word, _, rest = line.partition(b" ")
    match word.upper():
        case b"PING":
            return Ping()
        case b"PONG":
            return Pong()
        case b"-ERR":
            return ServerError(rest.decode(errors="replace").strip().strip("'"))
        case b"+OK":
            return None
        case b"INFO":
            try:
                values = msgspec.json.decode(rest)
            except ValueError as error:
                raise ProtocolBroken("the description of the server cannot be decoded") from error
            if not isinstance(values, dict):
                raise ProtocolBroken("the description of the server is not an object")
            return Info(values)
        case _:
            raise ProtocolBroken(f"a line begins with {line[:80]!r}")


def connect(options: Mapping[str, Any]) -> bytes:
    """Encode what a client says of itself."""
    return b"CONNECT " + msgspec.json.encode(options) + _END


def publish(subject: str, data: bytes, headers: Mapping[str, str | int], reply: str = "") -> bytes:
    """Encode a message."""
    to = f"{subject} {reply}".rstrip().encode()
    if not headers:
        return b"PUB %b %d\r\n%b\r\n" % (to, len(data), data)
    lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
    head = _VERSION + _END + lines + _END
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (to, len(head), len(head) + len(data), head, data)


def subscribe(subject: str, number: int) -> bytes:
    """Encode a subscription."""
    return f"SUB {subject} {number}\r\n".encode()


PING = b"PING\r\n"
PONG = b"PONG\r\n"
