"""What a NATS server sends is understood however it arrives, and what is no NATS is refused."""

from __future__ import annotations

import pytest

from journal.errors import MalformedAddress
from journal.replicated.nats import protocol
from journal.replicated.nats.address import NatsServer, parse_address
from journal.replicated.nats.protocol import Delivery, Info, Parser, Ping, Pong, ProtocolBroken, ServerError

HEADERS = b"NATS/1.0 204 EOB\r\nNats-Num-Pending: 7\r\n\r\n"
SENT = (
    b'INFO {"version":"2.15.1"} \r\n'
    b"PING\r\nPONG\r\n+OK\r\n"
    b"-ERR 'Authorization Violation'\r\n"
    b"MSG a.b 1 5\r\n\r\nMSG\r\n"
    b"MSG a.b 2 reply 0\r\n\r\n"
    b"HMSG c 3 %d %d\r\n%bdata\r\n" % (len(HEADERS), len(HEADERS) + 4, HEADERS)
)


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_operations_are_the_same_however_they_are_cut(size: int) -> None:
    parser = Parser()
    found = [operation for first in range(0, len(SENT), size) for operation in parser.feed(SENT[first : first + size])]
    info, ping, pong, error, plain, empty, last = found
    assert info == Info({"version": "2.15.1"})
    assert (ping, pong, error) == (Ping(), Pong(), ServerError("Authorization Violation"))
    assert isinstance(plain, Delivery)
    assert isinstance(empty, Delivery)
    assert isinstance(last, Delivery)
    assert (plain.subscription, plain.message.subject, plain.message.data) == (1, "a.b", b"\r\nMSG")
    assert (empty.message.data, empty.message.status) == (b"", 0)
    assert (last.message.status, last.message.number("nats-num-pending"), last.message.data) == (204, 7, b"data")
    assert last.message.header("missing") is None


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"INFO []\r\n",
        b"INFO {\r\n",
        b"MSG a 1\r\n",
        b"MSG a x 1\r\n",
        b"MSG a 1 99999999999\r\n",
        b"HMSG a 1 9 4\r\n",
        b"INFO " + bytes(2 << 20),
    ],
)
def test_what_is_no_protocol_of_nats_is_refused(sent: bytes) -> None:
    with pytest.raises(ProtocolBroken):
        list(Parser().feed(sent))


def test_a_message_is_encoded_with_its_headers() -> None:
    assert protocol.publish("a", b"data", {}) == b"PUB a 4\r\ndata\r\n"
    assert protocol.publish("a", b"d", {"X": 1}, "r") == b"HPUB a r 18 19\r\nNATS/1.0\r\nX: 1\r\n\r\nd\r\n"


def test_an_address_names_servers_and_who_asks() -> None:
    one = parse_address("nats://app:p%40ss@a.internal,b.internal:5222/orders?monitor=9222&replicas=5")
    assert one.servers == (
        NatsServer("a.internal", 4222, ("a.internal", 9222)),
        NatsServer("b.internal", 5222, ("b.internal", 9222)),
    )
    assert (one.name, one.user, one.password, one.token, one.replicas) == ("orders", "app", "p@ss", None, 5)
    assert "p@ss" not in repr(one)
    two = parse_address("nats://secret@[::1]:1,nats://secret@b:2?monitor=81,c:82")
    assert [str(server) for server in two.servers] == ["[::1]:1", "b:2"]
    assert [server.monitor for server in two.servers] == [("::1", 81), ("c", 82)]
    assert (two.name, two.token, two.user) == ("playhead", "secret", None)
    assert parse_address("nats://a?sync=unchecked").servers[0].monitor is None
    assert parse_address("tls://a").tls is not None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("a:4222", "another form"),
        ("nats://", "another form"),
        ("nats://secret@a/name with spaces", "name of the journal"),
        ("nats://secret@a:99999", "a server"),
        ("nats://secret@a:0", "a server"),
        ("nats://x:secret@a,y:secret@b", "different users"),
        ("nats://secret@a?port=1", "the option 'port'"),
        ("nats://secret@a,b?monitor=1,2,3", "monitor"),
        ("nats://secret@a?monitor=x:y", "monitor"),
        ("nats://secret@a?sync=no", "sync"),
        ("nats://secret@a?replicas=2", "replicas"),
        ("nats://secret@a?tls_ca=/nowhere", "tls://"),
        ("tls://secret@a?tls_ca=/nowhere", "certificates"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_with_the_reason(address: str, why: str) -> None:
    with pytest.raises(MalformedAddress, match="the address of NATS cannot be read") as refusal:
        parse_address(address)
    assert why in str(refusal.value)
    assert "secret" not in str(refusal.value)
