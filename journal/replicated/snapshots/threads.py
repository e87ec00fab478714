"""Work on files, or with a library that blocks, beside the event loop, so that commits go on."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

import trio

from journal.mock_clock import is_mocked, still

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


async def in_thread(
    function: Callable[[], T], *, limiter: trio.CapacityLimiter | None = None, abandon_on_cancel: bool = False
) -> T:
    """Return what the function returns in a thread; trio's clock does not jump meanwhile. The arguments are those of
    :func:`trio.to_thread.run_sync`."""
    with still() if is_mocked() else nullcontext():
        return await trio.to_thread.run_sync(function, limiter=limiter, abandon_on_cancel=abandon_on_cancel)
