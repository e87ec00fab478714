"""Opens the journal of a runtime: a data directory, memory, or one that the nodes of a cluster share."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import attrs
import trio

from actors.cluster.options import advertised_address
from actors.environment import Peers
from actors.errors import DefinitionError, DefinitionReason, InvalidArgumentError, UnavailableError
from actors.extras import require, require_for_cluster
from actors.http.server_options import checked_address
from journal.kv.store import Durability
from journal.log.open import memory_journal, open_journal

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from actors.cluster.options import ClusterOptions
    from journal.clock import Clock
    from journal.log.protocol import Journal
    from journal.replicated.place import ClusterPlace

PARTITIONS_OF_CLUSTER = 16
"""The partitions of a new journal that several nodes share: the most nodes that can own some."""


class OpenedJournal(NamedTuple):
    """An open journal, and the other nodes if it is shared."""

    journal: Journal
    peers: Peers | None = None


@attrs.frozen(kw_only=True)
class JournalPlace:
    """Where a runtime keeps its journal, by the arguments of ``open_runtime``. ``url`` returns the address of the runtime for clients, once
    it has a port; ``payload_bytes`` is the largest value that they may send."""

    path: str | os.PathLike[str] | None
    journal: Journal | None
    cluster: ClusterOptions | None
    durability: Durability
    partitions: int | None
    payload_bytes: int
    url: Callable[[], str | None]

    @property
    def is_kept(self) -> bool:
        """Whether it is on a disk, so that code is stored with it."""
        return self.path is not None and self.journal is None

    def open(self, clock: Clock) -> AbstractAsyncContextManager[OpenedJournal]:
        """Return the journal for a block. Raises :class:`actors.errors.InvalidArgumentError` and
        :class:`actors.errors.MissingExtraError`; the block raises as the journal does. :class:`actors.errors.MalformedAddress` is raised at once."""
        if self.cluster is not None:
            return self._open_shared(self.cluster, clock)
        if self.durability is Durability.REPLICATED:
            raise InvalidArgumentError(
                "durability is 'replicated', which needs cluster= (the address of a database, of NATS or of an object store)"
            )
        if self.journal is not None:
            return _as_it_is(self.journal)
        partitions = self.partitions or 1
        if self.durability is Durability.MEMORY:
            return _as_it_is(memory_journal(partitions=partitions, clock=clock))
        if self.path is None:
            raise DefinitionError(
                "open_runtime() needs path= (the data directory) or durability='memory'",
                reason=DefinitionReason.OPTION,
                name="path",
            )
        return _alone(open_journal(self.path, durability=self.durability, partitions=partitions, clock=clock))

    def _open_shared(self, options: ClusterOptions, clock: Clock) -> AbstractAsyncContextManager[OpenedJournal]:
        require_for_cluster(options.database)
        require("server")
        from journal.replicated.place import place_at

        if self.journal is not None or self.path is None:
            raise InvalidArgumentError(
                "cluster= keeps the journal in a database: give path= (a directory for this node's copy), and no journal="
            )
        if self.durability not in (Durability.FSYNC, Durability.REPLICATED):
            raise InvalidArgumentError(
                f"durability is {self.durability.value!r}, and with cluster= it is 'replicated': the database keeps the journal"
            )
        return self._shared(self.path, place_at(options.database), options, clock)

    @asynccontextmanager
    async def _shared(
        self, path: str | os.PathLike[str], place: ClusterPlace, options: ClusterOptions, clock: Clock
    ) -> AsyncIterator[OpenedJournal]:
        from actors.cluster.transport import NodeTransport
        from actors.http.own_token import make_token, shared_token
        from journal.replicated.shared import open_shared_journal

        listeners = await _listen(options)
        try:
            async with open_shared_journal(
                path,
                place,
                partitions=self.partitions or PARTITIONS_OF_CLUSTER,
                url=self.url() or "",
                address=advertised_address(options, listeners[0].socket.getsockname()[1]),
                snapshot_bytes=options.snapshot_bytes,
                clock=clock,
            ) as (journal, node):
                if journal.directory is not None:
                    make_token(journal.directory, shared_token(journal.secret))
                transport = NodeTransport(
                    node.name, journal.secret, listeners, payload_bytes=self.payload_bytes, clock=clock
                )
                yield OpenedJournal(journal, Peers(node, journal, transport.ask, transport.serve))
        finally:
            for listener in listeners:
                listener.socket.close()


async def _listen(options: ClusterOptions) -> list[trio.SocketListener]:
    host, port = checked_address(options.listen or "127.0.0.1:0", "listen")
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UnavailableError(
            f"cannot listen for the other nodes on {options.listen}: {why}. Choose another address for cluster=, or "
            "--cluster-listen; port 0 takes any free one"
        ) from error


@asynccontextmanager
async def _alone(opening: AbstractAsyncContextManager[Journal]) -> AsyncIterator[OpenedJournal]:
    async with opening as journal:
        yield OpenedJournal(journal)


@asynccontextmanager
async def _as_it_is(journal: Journal) -> AsyncIterator[OpenedJournal]:
    await trio.lowlevel.checkpoint()
    yield OpenedJournal(journal)
