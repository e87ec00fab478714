"""How a process takes part in a cluster: where the journal is, and where the other nodes reach it."""

from __future__ import annotations

import attrs

from actors.errors import InvalidArgumentError
from actors.http.server_options import LOOPBACK_NAMES, checked_address, name_of_host
from actors.values.arguments import checked_count, checked_text
from journal.replicated.snapshots import SNAPSHOT_BYTES

_MOST_SNAPSHOT_BYTES = 1 << 40
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on


@attrs.frozen
class ClusterOptions:
    """How a runtime takes part in a cluster.

    ``database`` is the address of the PostgreSQL database with the journal, of the NATS servers, or of the object store. ``listen`` is ``host:port`` where this node takes the requests
    of other nodes; port 0 takes any free one. ``advertise`` is ``host:port`` where the others reach it, if that is another address, as in
    a container; its port may be 0 for the one that is listened on. ``insecure_network`` permits an address beyond loopback: requests
    between nodes are signed with a secret of the cluster, and they are not encrypted. ``snapshot_bytes`` is the size of the log after the
    newest snapshot at which this node makes the next one, when it is its turn; the same on all nodes is best.

    Without ``listen``, a runtime with ``serve=`` listens on the host of its server, and one without on loopback, for nodes on one
    machine.

    Raises :class:`actors.InvalidArgumentError` for an address that cannot be used.

    ::

        options = ClusterOptions("postgresql://app@db.internal/app", listen="10.0.0.1:9071", insecure_network=True)
        async with actors.open_runtime(Counter, path="node-data", cluster=options) as runtime:
            ...
    """

    database: str
    listen: str | None = attrs.field(default=None, kw_only=True)
    advertise: str | None = attrs.field(default=None, kw_only=True)
    insecure_network: bool = attrs.field(default=False, kw_only=True)
    snapshot_bytes: int = attrs.field(default=SNAPSHOT_BYTES, kw_only=True)

    def __attrs_post_init__(self) -> None:
        checked_text(self.database, "cluster")
        checked_count(self.snapshot_bytes, "snapshot_bytes", at_most=_MOST_SNAPSHOT_BYTES)
        if self.advertise is not None and checked_address(self.advertise, "advertise")[0] in _EVERY_ADDRESS:
            raise InvalidArgumentError(
                f"advertise is {self.advertise!r}, which names no machine; give an address that other nodes can connect to",
                path="advertise",
            )
        if self.listen is None:
            return
        host, _ = checked_address(self.listen, "listen")
        if host in _EVERY_ADDRESS and self.advertise is None:
            raise InvalidArgumentError(
                f"listen is {self.listen!r}, which names no machine; say where other nodes reach this one: advertise, or --advertise",
                path="advertise",
            )
        if name_of_host(host) not in LOOPBACK_NAMES and not self.insecure_network:
            raise InvalidArgumentError(
                f"nodes do not encrypt what they send to each other, so anyone on the network of {host} could read data. On a trusted "
                "network, such as a VPN, permit it: insecure_network=True, or --insecure-network",
                path="listen",
            )


def with_default_address(options: ClusterOptions, server_host: str | None, *, insecure_network: bool) -> ClusterOptions:
    """Return the options with an address to listen on: without one, the host of the process's server, or loopback if it has none.
    ``insecure_network`` is what is permitted to the server."""
    if options.listen is not None:
        return options
    name = "127.0.0.1" if server_host is None else name_of_host(server_host)
    return attrs.evolve(options, listen=f"{name}:0", insecure_network=options.insecure_network or insecure_network)


def advertised_address(options: ClusterOptions, port: int) -> str:
    """Return where the other nodes reach one that listens on ``port``."""
    host, given = checked_address(options.advertise or options.listen or "127.0.0.1:0", "advertise")
    return f"{name_of_host(host)}:{(given if options.advertise is not None else 0) or port}"
