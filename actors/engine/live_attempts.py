"""Keeps the attempts in memory, and finds those that can leave it: attempts that have waited long, and attempts above the limit.

Leaving memory is not recorded. The status of an invocation (``running``, ``suspended``) does not depend on it, and the next event for its
handler starts an attempt again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from actors.engine.attempt import Attempt
    from actors.engine.engine_context import EngineContext
    from actors.engine.loaded_object import LoadedObject
    from journal.ids import InvocationId


class LiveAttempts:
    """The attempts of one processor. ``wake`` starts a round, at whose end those that can leave are unloaded."""

    def __init__(self, context: EngineContext, wake: Callable[[], None]) -> None:
        self._clock = context.environment.clock
        self._limit = context.limits.live_attempts
        self._wake = wake
        self._live: dict[InvocationId, tuple[LoadedObject, Attempt]] = {}
        self.leaving: dict[InvocationId, LoadedObject] = {}
        """The attempts to unload at the end of the round, unless they take a turn before."""
        # Attempts that could leave: no step of theirs runs, and they are not leaving. Longest idle first.
        self._movable: OrderedDict[InvocationId, LoadedObject] = OrderedDict()
        self.some = trio.Event()
        """Set while there are any."""

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[tuple[LoadedObject, Attempt]]:
        return iter(list(self._live.values()))

    def add(self, loaded: LoadedObject, attempt: Attempt) -> None:
        """Keep an attempt, and let others leave for it if there are too many."""
        self._live[attempt.invocation_id] = (loaded, attempt)
        self.some.set()
        excess = len(self._live) - len(self.leaving) - self._limit
        for _ in range(min(excess, len(self._movable))):
            of, idle = self._movable.popitem(last=False)
            self.leaving[of] = idle

    def remove(self, of: InvocationId) -> None:
        """Forget an attempt that has ended."""
        self._live.pop(of, None)
        self._movable.pop(of, None)
        self.leaving.pop(of, None)

    def close(self) -> None:
        """Drop every attempt; nothing is recorded."""
        for _, attempt in self._live.values():
            attempt.close()
        self._live.clear()
        self._movable.clear()
        self.leaving.clear()

    def after_turn(self, loaded: LoadedObject, attempt: Attempt, now: float) -> None:
        """Record that the attempt has taken a turn now."""
        of = attempt.invocation_id
        attempt.last_active = now
        self.leaving.pop(of, None)
        if of not in loaded.steps:
            self._movable[of] = loaded
            self._movable.move_to_end(of)

    def after_step_began(self, of: InvocationId) -> None:
        """Keep the attempt in memory: it has a running step."""
        self._movable.pop(of, None)
        self.leaving.pop(of, None)

    def after_last_step(self, loaded: LoadedObject, of: InvocationId) -> None:
        """Let the attempt leave memory again: none of its steps runs any more."""
        if of in self._live:
            self.leaving.pop(of, None)
            self._movable[of] = loaded

    def release_idle(self, seconds: float) -> None:
        """Let the attempts leave that have been idle for this long."""
        now = self._clock.now()
        for of, loaded in list(self._movable.items()):
            if now - loaded.attempts[of].last_active < seconds:
                break
            del self._movable[of]
            self.leaving[of] = loaded
        if self.leaving:
            self._wake()
        if not self._live:
            self.some = trio.Event()
