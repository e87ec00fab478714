"""langgraph in handlers: each node of a graph is a step, an interrupt waits for a signal, and a thread is kept in an object.

::

    graph = durable(builder.compile())


    class Expenses(Service):
        @handler
        async def claim(self, amount: int) -> str:
            done = await actors.aio.host(graph.ainvoke, {"amount": amount}, threads="inline")
            return done["answer"]

Needs the extra ``langgraph``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.extras import require

if TYPE_CHECKING:
    from actors.integrations.langgraph.graphs import durable
    from actors.integrations.langgraph.saver import MapSaver

require("langgraph")


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from actors.integrations.langgraph import graphs, saver  # after the check of the extra

    globals().update(durable=graphs.durable, MapSaver=saver.MapSaver)
    return globals()[name]


__all__ = ["MapSaver", "durable"]
