"""pydantic-ai in handlers: each model request and each call of a tool is a step.

::

    agent = Agent("openai:gpt-5", name="weather", capabilities=[PlayheadDurability()])


    class Forecast(Service):
        @handler
        async def ask(self, question: str) -> str:
            return (await actors.aio.host(agent.run, question)).output

Needs the extra ``pydantic-ai``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.extras import require

if TYPE_CHECKING:
    from actors.integrations.pydantic_ai.durability import PlayheadDurability

require("pydantic-ai")


def __getattr__(name: str) -> object:
    if name != "PlayheadDurability":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from actors.integrations.pydantic_ai.durability import PlayheadDurability  # after the check of the extra

    globals()[name] = PlayheadDurability
    return PlayheadDurability


__all__ = ["PlayheadDurability"]
