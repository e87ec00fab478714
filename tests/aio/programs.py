"""Objects that programs of the tests call which do not run on trio, and the loops that run those on asyncio."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

import actors
from actors import Actor, Service, handler, shared

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

LONGEST_SECONDS = 60.0
"""After this time a program of a test hangs."""

WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


class Wallet(Actor):
    coins: int = 0

    @handler
    async def add(self, coins: int, *, note: str = "") -> int:
        self.coins += coins
        return self.coins

    @shared
    async def count(self) -> int:
        return self.coins

    @handler
    async def refuse(self) -> None:
        raise actors.TerminalError("empty")


class Waiter(Service):
    @handler
    async def wait(self) -> str:
        return await actors.signal("go", str)

    @handler
    async def count(self, to: int) -> int:
        for number in range(to):
            actors.emit(number)
        return to


def uvloop_run(main: Coroutine[Any, Any, T]) -> T:
    import uvloop

    return uvloop.run(main)


LOOPS = [
    pytest.param(asyncio.run, id="asyncio"),
    pytest.param(
        uvloop_run,
        id="uvloop",
        marks=pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not installed"),
    ),
]
"""What runs a program, for tests that every loop must pass."""


def in_asyncio(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in asyncio, with a limit of time. Its parameters are fixtures, as those of any test."""
    import functools
    import inspect

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(LONGEST_SECONDS):
                await test(**fixtures)

        asyncio.run(bounded())

    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    del run.__wrapped__  # type: ignore[attr-defined]  # pytest would take it for a test of trio
    return run
