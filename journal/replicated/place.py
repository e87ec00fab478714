"""Where a cluster keeps its journal: PostgreSQL, NATS or an object store, by the address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from journal.replicated.log import ReplicatedLog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from journal.replicated.entries import Position
    from journal.replicated.log import PostedMessage
    from journal.replicated.membership import Membership
    from journal.replicated.node import Node
    from journal.replicated.snapshots.store import SnapshotStore
    from journal.rows import StoreIdentity


class ClusterLog(ReplicatedLog, Protocol):
    """A log with what commands read of it. Each method raises as those of the log do."""

    async def kept_identity(self) -> bytes | None:
        """Return the identity that the log has; None if there is no cluster."""
        ...

    async def last_entry(self, partition: int) -> int:
        """Return the number of the last entry of a partition; 0 if there is none."""
        ...

    async def posted_after(self, partition: int, token: int) -> Sequence[PostedMessage]:
        """Return some of the messages in the post box of a partition, from the one behind this token on."""
        ...

    async def size(self) -> int:
        """Return the bytes that the cluster has."""
        ...


class ClusterStorage(Protocol):
    """The log of a cluster, with what is stored beside it."""

    @property
    def log(self) -> ClusterLog: ...

    @property
    def snapshots(self) -> SnapshotStore: ...

    @property
    def membership(self) -> Membership: ...

    between_looks_seconds: float
    """A dead member is known as one in the second of two looks that are so far apart."""

    def founding(
        self, identity: StoreIdentity, entries: Sequence[tuple[Position, bytes]]
    ) -> AbstractAsyncContextManager[SnapshotStore]:
        """Give the block a store for snapshots whose first one founds a cluster: with its manifest the identity becomes visible, and for
        each partition the entry with which its log begins. Nothing is visible if the block raises. Publishing raises
        :class:`journal.errors.ClusterExists` if there is a cluster."""
        ...

    async def watch(self, node: Node) -> None:
        """Run beside a node, to give notice of what the storage knows of its connection."""
        ...


class ClusterPlace(Protocol):
    """An address of a :class:`ClusterStorage`."""

    def open(self, *, create: bool = False) -> AbstractAsyncContextManager[ClusterStorage]:
        """Open what is there. With ``create``, what a log needs is created if it is missing.

        Raises ``Unavailable`` if it cannot be reached, and :class:`journal.replicated.log.LogUnusable` if it would lose what it has
        acknowledged, or cannot be used for another reason that stays.
        """
        ...


def place_at(address: str) -> ClusterPlace:
    """Return the place with this address. Raises :class:`journal.errors.MalformedAddress`."""
    if address.startswith(("nats://", "tls://")):
        from journal.replicated.nats.storage import NatsPlace

        return NatsPlace(address)
    if address.startswith(("s3://", "file://")):
        from journal.replicated.objects.storage import ObjectPlace

        return ObjectPlace(address)
    from journal.replicated.postgres.storage import PostgresPlace

    return PostgresPlace(address)
