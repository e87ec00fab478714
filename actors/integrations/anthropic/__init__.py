"""The client of Anthropic in handlers: each model request and each call of a tool is a step.

::

    client = AsyncAnthropic()


    class Helper(Service):
        @handler
        async def ask(self, question: str) -> str:
            said = [{"role": "user", "content": question}]
            return (await run_tools(client, model="claude-sonnet-4-5", messages=said, tools=[weather])).text

Needs the extra ``anthropic``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.extras import require
from actors.integrations.chat.errors import ModelRefusedError, ModelResponseError, ToolError, TooManyTurnsError
from actors.integrations.chat.loop import Conversation
from actors.integrations.chat.prices import Price
from actors.integrations.chat.records import Usage
from actors.integrations.chat.tools import Tool

if TYPE_CHECKING:
    from actors.integrations.anthropic.messages import run_tools

require("anthropic")


def __getattr__(name: str) -> object:
    if name != "run_tools":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from actors.integrations.anthropic.messages import run_tools  # after the check of the extra

    globals()[name] = run_tools
    return run_tools


__all__ = [
    "Conversation",
    "ModelRefusedError",
    "ModelResponseError",
    "Price",
    "TooManyTurnsError",
    "Tool",
    "ToolError",
    "Usage",
    "run_tools",
]
