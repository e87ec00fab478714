"""The Model Context Protocol: the remote control as a server for assistants, and the tools of other servers as steps.

::

    async with actors.connect(url, token=token) as client:
        await serve_stdio(client, allow="control")

Needs the extra ``mcp``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.extras import require

if TYPE_CHECKING:
    from actors.integrations.mcp.client import McpTools
    from actors.integrations.mcp.server import remote_control, serve_stdio

require("mcp")


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from actors.integrations.mcp import client, server  # after the check of the extra

    return getattr(client if name == "McpTools" else server, name)


__all__ = ["McpTools", "remote_control", "serve_stdio"]
