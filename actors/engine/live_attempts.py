"""Keeps the attempts in memory, and suspends those that have been idle, so that their number stays within its limit."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING

import trio

from actors.core import commands as c
from actors.engine.requests import ObjectRequest
from journal.events import Stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from actors.engine.attempt import Attempt
    from actors.engine.engine_context import EngineContext
    from actors.engine.loaded_object import LoadedObject
    from journal.ids import InvocationId


class LiveAttempts:
    """The attempts of one processor. ``submit`` sends the request to suspend one."""

    def __init__(self, context: EngineContext, submit: Callable[[ObjectRequest], None]) -> None:
        self._clock = context.environment.clock
        self._limit = context.limits.live_attempts
        self._submit = submit
        self._live: dict[InvocationId, tuple[LoadedObject, Attempt]] = {}
        # Attempts that have been asked to suspend and have done nothing since. The question is a request, which is taken when no
        # attempt is ready: one with a result to give must not be suspended before.
        self._leaving: set[InvocationId] = set()
        # Attempts that could be suspended: no step of theirs runs, and they have not been asked. Longest idle first.
        self._movable: OrderedDict[InvocationId, LoadedObject] = OrderedDict()
        self.some = trio.Event()
        """Set while there are any."""

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[tuple[LoadedObject, Attempt]]:
        return iter(list(self._live.values()))

    def add(self, loaded: LoadedObject, attempt: Attempt) -> None:
        """Keep an attempt, and suspend others for it if there are too many."""
        self._live[attempt.invocation_id] = (loaded, attempt)
        self.some.set()
        excess = len(self._live) - len(self._leaving) - self._limit
        if excess > 0:
            for of, idle in list(islice(self._movable.items(), excess)):
                self._suspend(idle, of)

    def remove(self, of: InvocationId) -> None:
        """Forget an attempt that has ended."""
        self._live.pop(of, None)
        self._movable.pop(of, None)
        self._leaving.discard(of)

    def close(self) -> None:
        """Drop every attempt; nothing is recorded."""
        for _, attempt in self._live.values():
            attempt.close()
        self._live.clear()
        self._movable.clear()

    def after_turn(self, loaded: LoadedObject, attempt: Attempt, now: float) -> None:
        """The attempt has done something now."""
        of = attempt.invocation_id
        attempt.last_active = now
        self._leaving.discard(of)
        if of not in loaded.steps:
            self._movable[of] = loaded
            self._movable.move_to_end(of)

    def after_step_began(self, of: InvocationId) -> None:
        """The attempt has a running step, so it stays."""
        self._movable.pop(of, None)
        self._leaving.discard(of)

    def after_last_step(self, loaded: LoadedObject, of: InvocationId) -> None:
        """No step of the attempt runs any more."""
        if of in self._live:
            self._leaving.discard(of)
            self._movable[of] = loaded

    def suspend_idle(self, seconds: float) -> None:
        """Suspend the attempts that have been idle for this long."""
        now = self._clock.now()
        for of, loaded in list(self._movable.items()):
            if now - loaded.attempts[of].last_active < seconds:
                break
            self._suspend(loaded, of)
        if not self._live:
            self.some = trio.Event()

    def _suspend(self, loaded: LoadedObject, of: InvocationId) -> None:
        del self._movable[of]
        self._leaving.add(of)
        stamp = Stamp(self._clock.now(), "idle", "engine")
        self._submit(ObjectRequest(loaded.stream, c.SuspendAttempt(invocation_id=of), stamp))
