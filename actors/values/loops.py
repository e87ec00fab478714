"""The event loops that users' code runs on."""

from __future__ import annotations

import enum


class EventLoop(enum.Enum):
    """The event loop of a handler, or of the body of an async step."""

    TRIO = "trio"
    ASYNCIO = "asyncio"
