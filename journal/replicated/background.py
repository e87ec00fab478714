"""Tasks beside a block that are not seen by it: its own error, or that of a task, comes out as it is and not in a group."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def background() -> AsyncIterator[trio.Nursery]:
    """Give the block a nursery whose tasks end with it. If a task fails, the block is cancelled and the error is raised; the block's
    own error is raised in any case."""
    raised: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                yield nursery
            except BaseException as error:
                raised = error
                if _is_cancelled(error):
                    raise
            finally:
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if raised is None or _is_cancelled(raised):
            raise _first(group) from None
    if raised is not None and not _is_cancelled(raised):
        raise _without_cancellations(raised)


def _is_cancelled(error: BaseException) -> bool:
    """Whether the error is a cancellation, or a group of nothing else, as the nurseries of the block raise it."""
    return isinstance(error, trio.Cancelled) or (
        isinstance(error, BaseExceptionGroup) and error.split(trio.Cancelled)[1] is None
    )


def _without_cancellations(error: BaseException) -> BaseException:
    """Return the error without the cancellations in it: those of a scope that has ended would end the tasks around it in silence."""
    rest = error.split(trio.Cancelled)[1] if isinstance(error, BaseExceptionGroup) else None
    return error if rest is None else rest


def _first(error: BaseException) -> BaseException:
    """Return the first error of a group that is not a cancellation, or the first of all."""
    while isinstance(error, BaseExceptionGroup):
        rest = error.split(trio.Cancelled)[1]
        error = (rest or error).exceptions[0]
    return error
