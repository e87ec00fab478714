"""Work on files beside the event loop, so that commits go on."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

import trio

from journal.mock_clock import is_mocked, still

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    """Return what the function returns in a thread; trio's clock does not jump meanwhile."""
    with still() if is_mocked() else nullcontext():
        return await trio.to_thread.run_sync(function)
