"""The HTTP server in front of a runtime, and the client for it. Neither uses the engine directly.

``actors.http.asgi`` returns the server as an ASGI application, for frameworks and other servers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.endpoints import asgi


def __getattr__(name: str) -> object:
    if name != "asgi":
        raise AttributeError(f"module 'actors.http' has no attribute {name!r}")
    from actors.endpoints import asgi

    return asgi


__all__ = ["asgi"]
