"""openai-agents in handlers: each model request, each call of a tool and each call of an MCP server is a step.

::

    agent = durable(Agent(name="weather", model="gpt-5", tools=[temperature]))


    class Forecast(Service):
        @handler
        async def ask(self, question: str) -> str:
            return (await actors.aio.host(Runner.run, agent, question)).final_output

Needs the extra ``openai-agents``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.extras import require

if TYPE_CHECKING:
    from actors.integrations.openai_agents.durability import durable
    from actors.integrations.openai_agents.sessions import MapSession

require("openai-agents")


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from actors.integrations.openai_agents import durability, sessions  # after the check of the extra

    globals().update(durable=durability.durable, MapSession=sessions.MapSession)
    return globals()[name]


__all__ = ["MapSession", "durable"]
