"""The address of a journal in NATS: which servers, who asks, and the name of the journal there. ::

nats://user:password@a.internal:4222,b.internal:4222,c.internal:4222/playhead?monitor=8222
"""

from __future__ import annotations

import re
import ssl
from urllib.parse import parse_qsl, unquote

import attrs

from journal.errors import MalformedAddress

_PORT = 4222
_MONITOR_PORT = 8222
_MOST_PORT = 0xFFFF
_REPLICAS = ("1", "3", "5")
_OPTIONS = frozenset({"monitor", "sync", "replicas", "tls_ca", "tls_cert", "tls_key"})
_SHAPE = re.compile(r"(?P<scheme>nats|tls)://(?P<servers>[^/?]+)(?:/(?P<name>[^?]*))?(?:\?(?P<options>.*))?")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>[0-9]{1,5}))?")


@attrs.frozen
class NatsServer:
    """Where clients reach a server, and where its monitoring page is; None if that is not to be looked at."""

    host: str
    port: int
    monitor: tuple[str, int] | None

    def __str__(self) -> str:
        return _shown(self.host, self.port)


@attrs.frozen(kw_only=True)
class NatsAddress:
    """The servers of a NATS cluster, and what a client tells them. ``name`` begins the names of all streams of the journal. ``replicas`` is
    how many servers keep each stream, None for the default."""

    servers: tuple[NatsServer, ...]
    name: str
    user: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    token: str | None = attrs.field(default=None, repr=False)
    tls: ssl.SSLContext | None = None
    replicas: int | None = None


def parse_address(address: str) -> NatsAddress:
    """Read an address. Raises :class:`journal.errors.MalformedAddress`, whose text has no password."""
    found = _SHAPE.fullmatch(re.sub(r",(?:nats|tls)://", ",", address))
    if found is None:
        raise _unreadable("it has another form")
    options = _options_in(found["options"] or "")
    credentials: set[str] = set()
    places: list[tuple[str, int]] = []
    for each in found["servers"].split(","):
        who, at, place = each.rpartition("@")
        if at:
            credentials.add(who)
        places.append(_place_in(place, _PORT, "a server"))
    if len(credentials) > 1:
        raise _unreadable("two of its servers have different users; a cluster has one")
    name = found["name"] or "playhead"
    if not _NAME.fullmatch(name):
        raise _unreadable(
            f"the name of the journal is {name!r}, expected at most 64 characters, each one of a-z, A-Z, 0-9, '-' and '_'"
        )
    user, colon, password = (credentials.pop() if credentials else "").partition(":")
    return NatsAddress(
        servers=_with_monitors(places, options),
        name=name,
        user=unquote(user) if colon else None,
        password=unquote(password) if colon else None,
        token=unquote(user) if user and not colon else None,
        tls=_tls(found["scheme"], options),
        replicas=_replicas(options),
    )


def _options_in(text: str) -> dict[str, str]:
    options = dict(parse_qsl(text, keep_blank_values=True))
    for name in options.keys() - _OPTIONS:
        raise _unreadable(f"it has the option {name!r}, expected one of {', '.join(sorted(_OPTIONS))}")
    return options


def _with_monitors(places: list[tuple[str, int]], options: dict[str, str]) -> tuple[NatsServer, ...]:
    sync = options.get("sync", "checked")
    if sync not in {"checked", "unchecked"}:
        raise _unreadable(f"sync is {sync!r}, expected 'checked' or 'unchecked'")
    if sync == "unchecked":
        return tuple(NatsServer(host, port, None) for host, port in places)
    monitors = options.get("monitor", str(_MONITOR_PORT)).split(",")
    if len(monitors) == 1 and monitors[0].isdecimal():
        monitors *= len(places)
    if len(monitors) != len(places):
        raise _unreadable("monitor is expected to be one port for all servers, or a port or HOST:PORT for each of them")
    return tuple(
        NatsServer(host, port, _place_in(f"{_shown_host(host)}:{each}" if each.isdecimal() else each, 0, "monitor"))
        for (host, port), each in zip(places, monitors, strict=True)
    )


def _place_in(text: str, port: int, what: str) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None or not 0 < int(found["port"] or port) <= _MOST_PORT:
        raise _unreadable(f"{what} is {text!r}, expected HOST:PORT")
    return found["six"] or found["host"], int(found["port"] or port)


def _replicas(options: dict[str, str]) -> int | None:
    given = options.get("replicas")
    if given is not None and given not in _REPLICAS:
        raise _unreadable(f"replicas is {given!r}, expected one of {', '.join(_REPLICAS)}")
    return None if given is None else int(given)


def _tls(scheme: str, options: dict[str, str]) -> ssl.SSLContext | None:
    ca, certificate, key = (options.get(name) for name in ("tls_ca", "tls_cert", "tls_key"))
    if scheme != "tls":
        if ca or certificate or key:
            raise _unreadable("it names certificates; an encrypted connection begins with tls://")
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
        if certificate:
            context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise _unreadable(f"the certificates cannot be loaded: {error.strerror or error}") from error
    return context


def _shown(host: str, port: int) -> str:
    return f"{_shown_host(host)}:{port}"


def _shown_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _unreadable(reason: str) -> MalformedAddress:
    return MalformedAddress(reason, of="NATS", such_as="nats://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME")
