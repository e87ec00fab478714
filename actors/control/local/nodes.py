"""The nodes of a cluster, for a client in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.control.local.registry import LocalRegistry
from actors.errors import (
    ConflictError,
    ErrorCode,
    InvalidArgumentError,
    NotFoundError,
    RefusedError,
    ResourceKind,
    TooSlowError,
)
from actors.model.node_info import NodeAnswer, NodeInfo, NodeState
from actors.rows.audit import ControlAction
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.engine.router import RequestRouter


class LocalNodes(LocalRegistry):
    """Shows the nodes, drains them, and moves partitions. The rules are in the registry, which every node follows."""

    async def list_nodes(self) -> tuple[NodeInfo, ...]:
        await trio.lowlevel.checkpoint()
        return tuple(sorted(self._router.nodes, key=lambda each: each.name))

    async def drain_node(self, node: str, reason: str) -> NodeAnswer:
        act = ControlAction(verb="drain-node", target=f"node:{_cut(node)}", reason=reason)
        await self._checked(act, lambda: self._check_can_drain(node))
        changed = await self.ask_registry(
            "drain_node", act, node=node, living=self._living(), reason=reason, by=self.who.by
        )
        await self._until(
            lambda: all(self._router.owner_of(each) not in ("", node) for each in self._partitions()), node
        )
        return NodeAnswer(changed=changed, node=self._node(node))

    async def undrain_node(self, node: str, reason: str) -> NodeAnswer:
        act = ControlAction(verb="undrain-node", target=f"node:{_cut(node)}", reason=reason)
        await self._checked(act, lambda: self._node(node))
        changed = await self.ask_registry("undrain_node", act, node=node, reason=reason, by=self.who.by)
        return NodeAnswer(changed=changed, node=self._node(node))

    async def move_partition(self, partition: int, node: str, reason: str) -> NodeAnswer:
        act = ControlAction(
            verb="move-partition", target=f"partition:{partition}", detail=f"to {_cut(node)}", reason=reason
        )
        await self._checked(act, lambda: self._check_target(partition, node))
        changed = await self.ask_registry(
            "move_partition", act, partition=partition, node=node, living=self._living(), reason=reason, by=self.who.by
        )
        await self._until(lambda: self._router.owner_of(partition) == node, node)
        return NodeAnswer(changed=changed, node=self._node(node))

    async def _checked(self, act: ControlAction, check: Callable[[], object]) -> None:
        try:
            check()
        except RefusedError as refusal:
            await self.note_refusal(act, refusal)
            raise

    async def _until(self, has_moved: Callable[[], bool], node: str) -> None:
        if not await self._router.until(has_moved):
            raise TooSlowError(
                f"the rule for node {node} is in force, but not all partitions have moved yet: 'playhead cluster status' shows the owners",
                details={"nodes": [node]},
            )

    @property
    def _router(self) -> RequestRouter:
        router = self.engine.router
        if router is None:
            raise ConflictError(
                "this runtime is not a node of a cluster, so there is nothing to drain or to move; a server is one with --cluster",
                code=ErrorCode.NOT_POSSIBLE,
            )
        return router

    def _partitions(self) -> range:
        return range(self.engine.journal.partitions)

    def _living(self) -> list[str]:
        return [each.name for each in self._router.nodes]

    def _node(self, node: str) -> NodeInfo:
        found = next((each for each in self._router.nodes if each.name == node), None)
        if found is None:
            raise NotFoundError(
                f"no living node is called {shown(node)}; the living ones are {', '.join(sorted(self._living()))}",
                kind=ResourceKind.NODE,
            )
        return found

    def _check_can_drain(self, node: str) -> None:
        self._node(node)
        if all(each.name == node or each.state is not NodeState.ALIVE for each in self._router.nodes):
            raise ConflictError(
                f"no other node could take the partitions of {node}: start one, or undrain one, first",
                code=ErrorCode.NOT_POSSIBLE,
            )

    def _check_target(self, partition: int, node: str) -> None:
        if partition not in self._partitions():
            raise InvalidArgumentError(
                f"partition is {partition}, expected a number from 0 to {len(self._partitions()) - 1}", path="partition"
            )
        state = self._node(node).state
        if state is not NodeState.ALIVE:
            raise ConflictError(f"node {node} is {state.value}, so it takes no partitions", code=ErrorCode.NOT_POSSIBLE)


def _cut(node: str) -> str:
    """Return a name for the audit log, cut if it is too long."""
    return node[:_SHOWN]


_SHOWN = 200
