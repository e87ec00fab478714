"""Tasks and futures of a hosted loop.

Their place in a set is the same in each replay: asyncio, anyio and users walk over sets of them. A task awaits futures of its own loop
and nothing else. asyncio raises an error in a task that awaits something else, and does not tell the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_FOREIGN_AWAITS = 3
"""The number of awaits in a row that are not durable after which a task is left waiting."""


class WatchedCoroutine(Coroutine[Any, Any, Any]):
    """The coroutine of a task. If it awaits anything but a future of the loop, ``refuse`` makes the error that is raised there."""

    __slots__ = ("_coroutine", "_loop", "_refuse")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        loop: asyncio.AbstractEventLoop,
        refuse: Callable[[Coroutine[Any, Any, Any], object], BaseException],
    ) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._refuse = refuse

    def send(self, value: Any) -> Any:
        return self._checked(self._coroutine.send(value))

    def throw(self, *error: Any) -> Any:
        return self._checked(self._coroutine.throw(*error))

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        """Look like the coroutine: asyncio and anyio read its name, state and frames."""
        return getattr(self._coroutine, name)

    def _checked(self, awaited: Any) -> Any:
        for _ in range(_FOREIGN_AWAITS):
            if awaited is None or (
                getattr(awaited, "_asyncio_future_blocking", None) is True and awaited.get_loop() is self._loop
            ):
                return awaited
            awaited = self._coroutine.throw(self._refuse(self._coroutine, awaited))
        never = self._loop.create_future()
        never._asyncio_future_blocking = True
        return never


class HostedTask(asyncio.Task[Any]):
    """A task whose place in a set is the same in each replay. ``made_by`` refers to the task that has made it."""

    def __init__(self, coroutine: WatchedCoroutine, *, number: int, **options: Any) -> None:
        maker = asyncio.current_task(options["loop"])
        self.made_by = None if maker is None else ref(maker)
        self._number = number
        super().__init__(coroutine, **options)

    def get_coro(self) -> Any:
        """Return the coroutine as it was given to the loop."""
        watched: Any = super().get_coro()
        return watched if watched is None else watched._coroutine

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class HostedFuture(asyncio.Future[Any]):
    """A future whose place in a set is the same in each replay."""

    def __init__(self, number: int, *, loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other
