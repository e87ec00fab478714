"""The nodes of a cluster: which partitions they own, and which they are to own."""

from __future__ import annotations

from actors.errors import InvalidArgumentError
from actors.http.models import NodeList
from actors.http.requests import MoveBody, ReasonBody
from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.model.node_info import NodeAnswer
from actors.values.texts import shown

_MOST_DIGITS = 5


async def list_nodes(exchange: Exchange) -> NodeList:
    """List the living nodes of the cluster, with the partitions that they own."""
    return NodeList(nodes=list(await exchange.client.cluster.nodes()))


async def drain_node(exchange: Exchange, body: ReasonBody) -> NodeAnswer:
    """Move all partitions of a node to the others. It gets none until it is undrained, or ends."""
    return await exchange.client.cluster.drain(exchange.path["node"], reason=body.reason)


async def undrain_node(exchange: Exchange, body: ReasonBody) -> NodeAnswer:
    """Let a node own partitions again."""
    return await exchange.client.cluster.undrain(exchange.path["node"], reason=body.reason)


async def move_partition(exchange: Exchange, body: MoveBody) -> NodeAnswer:
    """Move a partition to a node, where it stays until the node ends or is drained, or the partition is moved again."""
    given = exchange.path["partition"]
    if not given.isascii() or not given.isdigit() or len(given) > _MOST_DIGITS:
        raise InvalidArgumentError(
            f"the path has the partition {shown(given)}, expected a number from 0 on", path="partition"
        )
    return await exchange.client.cluster.move(int(given), body.node, reason=body.reason)


ROUTES = (
    Route("GET", "/cluster/nodes", TokenScope.READ, list_nodes),
    Route("PATCH", "/cluster/nodes/{node}/drain", TokenScope.ADMIN, drain_node),
    Route("PATCH", "/cluster/nodes/{node}/undrain", TokenScope.ADMIN, undrain_node),
    Route("PATCH", "/cluster/partitions/{partition}/move", TokenScope.ADMIN, move_partition),
)
