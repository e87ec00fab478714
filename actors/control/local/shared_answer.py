"""One answer for all clients that ask the same question within a short time, so that the cost does not grow with their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class SharedAnswer(Generic[T]):
    """The latest answer to a question about the whole runtime.

    It is computed at most once in ``seconds`` while commits arrive, and otherwise once in ``longest_seconds``, for values that depend only
    on the clock. It is computed when a client asks, and never twice at the same time.
    """

    def __init__(
        self,
        compute: Callable[[], Awaitable[T]],
        position: Callable[[], int],
        *,
        seconds: float,
        longest_seconds: float = 60.0,
    ) -> None:
        self._compute = compute
        self._position = position
        self._seconds = seconds
        self._longest_seconds = longest_seconds
        self._known: tuple[float, int, T] | None = None
        self._computing = trio.Lock()

    async def get(self) -> T:
        """Return the answer, at most ``seconds`` old if anything has changed since. Raises what ``compute`` raises."""
        async with self._computing:
            if self._known is not None:
                at, position, answer = self._known
                age = trio.current_time() - at
                if age < (self._longest_seconds if position == self._position() else self._seconds):
                    return answer
            position, at = self._position(), trio.current_time()
            answer = await self._compute()
            self._known = at, position, answer
            return answer
