"""Makes a compiled graph of langgraph durable: the bodies of its nodes become steps."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeVar

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.constants import START
from langgraph.graph.state import CompiledStateGraph

from actors.errors import DefinitionError, DefinitionReason
from actors.integrations.langgraph.ids import repeat_ids
from actors.integrations.langgraph.steps import DurableNode, NodeOptions
from actors.values.texts import shown

if TYPE_CHECKING:
    from collections.abc import Collection

    from langgraph.checkpoint.serde.base import SerializerProtocol

    from actors.values.arguments import Seconds
    from actors.values.retries import RetryPolicy

G = TypeVar("G", bound="CompiledStateGraph[Any, Any, Any, Any]")


def durable(
    graph: G,
    *,
    in_handler: Collection[str] = (),
    retry: RetryPolicy | None = None,
    timeout: Seconds | None = None,
    serde: SerializerProtocol | None = None,
) -> G:
    """Return a copy of a compiled graph whose nodes are steps, each with the name of its node.

    Run it in a handler: ``await actors.aio.host(graph.ainvoke, {…}, threads="inline")``. Anywhere else it runs as the original.
    ``threads="inline"`` is for the plain functions of conditional edges, which are called in the handler, again in each replay. A node may do
    what it likes: it runs on the asyncio loop that the process keeps for such steps, a plain function in a thread. Only its output counts, and is
    recorded; a restart from a step re-runs that node and what follows.

    Where a node calls ``interrupt(question)``, the invocation waits for a signal with the name of the node, for days if need be, and no
    checkpointer is needed. The question is a piece of the invocation's output. The node then runs again from its beginning, as langgraph
    promises, and the call returns the value of the signal. Other nodes continue meanwhile.

    A graph that is a node is made durable as well. ``in_handler`` names the nodes that are no steps, because they use durable verbs.
    ``retry`` and ``timeout`` are those of each step, the retry by default that of the handler. ``serde`` is the serializer for outputs that are not
    plain JSON.

    Raises :class:`DefinitionError` unless it is given a compiled ``StateGraph``.
    """
    if not isinstance(graph, CompiledStateGraph):
        raise DefinitionError(
            f"durable() is given {shown(graph)}, expected a compiled StateGraph: durable(builder.compile())",
            reason=DefinitionReason.INTEGRATION,
            name=shown(graph),
        )
    unknown = sorted(set(in_handler) - {*graph.nodes})
    if unknown:
        raise DefinitionError(
            f"in_handler names {unknown[0]!r}, which is not a node of the graph",
            reason=DefinitionReason.INTEGRATION,
            name=unknown[0],
        )
    repeat_ids()
    return _made(graph, NodeOptions(frozenset(in_handler), retry, timeout, serde or JsonPlusSerializer()))


def _made(graph: G, options: NodeOptions) -> G:
    made = copy.copy(graph)
    made.nodes = {}
    for name, node in graph.nodes.items():
        if name == START:
            made.nodes[name] = node
        elif isinstance(node.bound, CompiledStateGraph):
            inner = _made(node.bound, options)
            made.nodes[name] = node.copy({"bound": inner, "subgraphs": [inner]})
        elif isinstance(node.bound, DurableNode):
            made.nodes[name] = node
        else:
            made.nodes[name] = node.copy({"bound": DurableNode(name, node.bound, options)})
    return made
