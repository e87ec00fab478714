"""The client for the nodes of a cluster: who owns what, and where it is to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import InvalidArgumentError
from actors.values.arguments import checked_text
from actors.values.texts import shown

if TYPE_CHECKING:
    from actors.control.backend import Backend
    from actors.model.node_info import NodeAnswer, NodeInfo

MAX_PARTITION = 65_535


class ClusterClient:
    """The nodes of a cluster, and the partitions that they own. Any node can be asked. Of a runtime that is not a node of a cluster,
    each method raises :class:`actors.ConflictError`.

    ::

        for node in await client.cluster.nodes():
            print(node.name, node.state, node.partitions)
        await client.cluster.drain("web-1-4711-a0b1c2d3", reason="upgrade")
        await client.cluster.move(3, "web-2-815-d4c3b2a1")
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def nodes(self) -> tuple[NodeInfo, ...]:
        """Return the living nodes by name, with the partitions that they own."""
        return await self._backend.list_nodes()

    async def drain(self, node: str, *, reason: str = "") -> NodeAnswer:
        """Move all partitions of a node to the others. On return it owns none, and it gets none until :meth:`undrain`, or until it ends;
        a process that is started again is another node. It still accepts requests, and sends them to the owners.

        Raises :class:`actors.NotFoundError` for an unknown or dead node, :class:`actors.ConflictError` if no other node could take its
        partitions, and :class:`actors.TooSlowError` if some are still there after five seconds; they move nevertheless.
        """
        return await self._backend.drain_node(_name(node), checked_text(reason, "reason"))

    async def undrain(self, node: str, *, reason: str = "") -> NodeAnswer:
        """Let a node own partitions again: it gets its share a moment later. Raises :class:`actors.NotFoundError`."""
        return await self._backend.undrain_node(_name(node), checked_text(reason, "reason"))

    async def move(self, partition: int, node: str, *, reason: str = "") -> NodeAnswer:
        """Move a partition to a node; on return the node owns it. It stays there until that node ends or is drained, or the partition is moved
        again. The numbers of partitions of the nodes stay even, so another partition may move in exchange.

        Raises :class:`actors.InvalidArgumentError` for a number that is not that of a partition, :class:`actors.NotFoundError` for an
        unknown or dead node, :class:`actors.ConflictError` for a node that is draining or leaving, and :class:`actors.TooSlowError` if
        the node does not own it after five seconds; the move holds nevertheless.
        """
        return await self._backend.move_partition(
            checked_partition(partition), _name(node), checked_text(reason, "reason")
        )


def checked_partition(partition: int) -> int:
    """Check that it is a whole number that can be that of a partition. Raises :class:`actors.InvalidArgumentError`."""
    if type(partition) is not int or not 0 <= partition <= MAX_PARTITION:
        raise InvalidArgumentError(
            f"partition is {shown(repr(partition))}, expected the number of a partition, from 0 on; 'playhead cluster status' shows them",
            path="partition",
        )
    return partition


def _name(node: str) -> str:
    return checked_text(node, "node")
