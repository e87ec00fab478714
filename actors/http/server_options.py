"""The options of a server: its address, its names, whether clients need a token, and its limits."""

from __future__ import annotations

import re

import attrs

from actors.errors import InvalidArgumentError
from actors.values.arguments import checked_count, checked_seconds, checked_text
from actors.values.texts import shown

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names of this machine that other machines cannot reach, in the form of the header Host."""

HEAD_BYTES = 16 << 10
"""The longest request head in bytes."""


@attrs.frozen(kw_only=True)
class ServerLimits:
    """The limits of a server. Times are seconds.

    ``connections`` and ``connections_of_one_peer`` exclude two kinds: up to ``control_connections`` with tokens that may read or
    control, and up to ``waiting_calls`` with a call that waits for its answer. The descriptors of the process limit all of them
    together. ``send_seconds`` is how long a client may take to read 64 KiB. ``head_seconds`` is how long the head of a
    request may take, and how long a connection may be idle. ``grace_seconds`` is how long running requests may take when the
    server stops, and ``last_call_seconds`` how long they then may take for a last response.
    """

    connections: int = 1_000
    connections_of_one_peer: int = 100
    control_connections: int = 200
    waiting_calls: int = 10_000
    head_bytes: int = HEAD_BYTES
    head_seconds: float = 10.0
    send_seconds: float = 10.0
    grace_seconds: float = 10.0
    last_call_seconds: float = 2.0

    def __attrs_post_init__(self) -> None:
        for field in attrs.fields(ServerLimits):
            check = checked_seconds if field.name.endswith("_seconds") else checked_count
            check(getattr(self, field.name), field.name)

    def within(self, drain: float) -> ServerLimits:
        """Return these limits for a server that stops within ``drain`` seconds, part of which is kept for steps."""
        return attrs.evolve(
            self,
            grace_seconds=min(self.grace_seconds, 0.7 * drain),
            last_call_seconds=min(self.last_call_seconds, 0.15 * drain),
        )


DEFAULT_LIMITS = ServerLimits()

_PUBLIC_URL = re.compile(
    r"https?://(?P<host>\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?(?:/[^\s?#]*)?"
)
_PUBLIC_URL_LENGTH = 1_000
_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.%]{2,64})\]|(?P<host>[^\s:\[\]/@]{1,253})):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65_535


def checked_address(address: str, name: str) -> tuple[str, int]:
    """Return the host, without brackets, and the port of ``HOST:PORT``. Raises :class:`InvalidArgumentError`, which calls the argument
    by its ``name``."""
    found = _ADDRESS.fullmatch(checked_text(address, name))
    if found is None or int(found["port"]) > _MAX_PORT:
        raise InvalidArgumentError(
            f"{name} is {shown(address)}, expected HOST:PORT such as '127.0.0.1:9070' or '[::1]:9070', with a port of at "
            f"most {_MAX_PORT}; port 0 takes any free one",
            path=name,
        )
    return found["six"] or found["host"], int(found["port"])


def name_of_host(host: str) -> str:
    """Return a host as a header Host has it: in lower case, IPv6 in brackets."""
    return f"[{host}]".lower() if ":" in host else host.lower()


def checked_public_url(url: str | None) -> str | None:
    """Return the public URL of a server without a slash at its end. Raises
    :class:`InvalidArgumentError`."""
    if url is None:
        return None
    text = checked_text(url, "public_url", _PUBLIC_URL_LENGTH)
    if _PUBLIC_URL.fullmatch(text) is None:
        raise InvalidArgumentError(
            f"public_url is {shown(text)}, expected http:// or https:// and a host, such as 'https://objects.example.com', with a path "
            "if the server is below one, and without a query",
            path="public_url",
        )
    return text.rstrip("/")


def host_of(public_url: str) -> str:
    """Return the host of a public address as a header Host has it, without the port."""
    found = _PUBLIC_URL.fullmatch(public_url)
    return "" if found is None else found["host"].lower()


@attrs.frozen
class ServeOptions:
    """How a runtime is served over HTTP.

    ``address`` is ``host:port``, with IPv6 in brackets (``[::1]:9070``); port 0 takes any free one. ``hosts`` are further names
    that clients may use, such as that of a proxy. ``open``: no token is required, on loopback only. ``insecure_network`` permits
    an address beyond loopback, although the server has no TLS. ``limits`` are those of the server.

    Raises :class:`actors.InvalidArgumentError` for an address that cannot be used.

    ::

        options = ServeOptions("127.0.0.1:9070", hosts=("objects.example.com",))
        async with actors.open_runtime(Counter, path="data", serve=options) as runtime:
            print(runtime.url)
    """

    address: str
    hosts: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    open: bool = attrs.field(default=False, kw_only=True)
    insecure_network: bool = attrs.field(default=False, kw_only=True)
    limits: ServerLimits = attrs.field(default=DEFAULT_LIMITS, kw_only=True)

    def __attrs_post_init__(self) -> None:
        for name in self.hosts:
            checked_text(name, "hosts")
        if self.name in LOOPBACK_NAMES:
            return
        if self.open:
            raise InvalidArgumentError(
                f"without tokens (open) a server listens on loopback only, not on {self.host}", path="serve"
            )
        if not self.insecure_network:
            raise InvalidArgumentError(
                f"this server has no TLS, so anyone on the network of {self.host} could read tokens and data. Listen on loopback "
                "and put a proxy with TLS in front (allow its name: hosts, or --allow-host), or tunnel "
                f"(ssh -L {self.port}:127.0.0.1:{self.port}); on a trusted network, permit it: insecure_network=True, or "
                "--insecure-network",
                path="serve",
            )

    @property
    def host(self) -> str:
        """The host to listen on, without brackets."""
        return self._parts[0]

    @property
    def port(self) -> int:
        """The port to listen on."""
        return self._parts[1]

    @property
    def name(self) -> str:
        """The host as a header Host has it: in lower case, IPv6 in brackets."""
        return name_of_host(self.host)

    @property
    def names(self) -> frozenset[str]:
        """All names that clients may use, in lower case."""
        return frozenset(name.lower() for name in (self.name, *self.hosts))

    @property
    def _parts(self) -> tuple[str, int]:
        return checked_address(self.address, "serve")
