"""Which wait of a handler takes which signal.

Values of a name go to the waits of that name in order, the first value to the first wait. ``SignalReceived`` names the wait that
was first when the signal came. The handler is given the signal later, when it has caught up, and may have left that wait by
then (a deadline, a cancel), or have begun another: then a ``SignalReassigned`` names what happened. A wait that begins when a
signal is kept already names it itself. So every signal that was taken can be traced to its wait without a guess; restarts do
(``core/restart.py``).

A restart that goes back to a wait asks again: that wait takes only a signal that comes for it, and none that is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from journal import events as e

if TYPE_CHECKING:
    from journal.ids import StepId


class Signals:
    """The waits of a handler for signals, and the signals that it has been given and no wait has taken, both in order by name."""

    __slots__ = ("_kept", "_waits")

    def __init__(self) -> None:
        self._waits: dict[str, list[e.SignalAwaited]] = {}
        self._kept: dict[str, list[e.SignalReceived]] = {}

    def with_kept(self, wait: e.SignalAwaited, handed_over: int) -> e.SignalAwaited:
        """The wait as it begins: with the signal that it takes at once, if one is kept."""
        kept = self._kept.get(wait.name)
        return attrs.evolve(wait, ready=True, signal=kept[0].signal, handed_over=handed_over) if kept else wait

    def has_kept(self, wait: e.SignalAwaited) -> bool:
        """Whether the signal that it took, if it took one at once, has been received."""
        return not wait.ready or any(signal.signal == wait.signal for signal in self._kept.get(wait.name, ()))

    def begin_wait(self, wait: e.SignalAwaited) -> e.SignalReceived | None:
        """The signal that it takes; None: it waits."""
        if not wait.ready:
            self._waits.setdefault(wait.name, []).append(wait)
            return None
        kept = self._kept[wait.name]
        taken = next(signal for signal in kept if signal.signal == wait.signal)
        kept.remove(taken)
        return taken

    def drop_wait(self, wait: e.SignalAwaited) -> None:
        """It is left without a signal."""
        self._waits[wait.name].remove(wait)

    def receive(self, signal: e.SignalReceived) -> tuple[StepId | None, bool]:
        """Where it goes: the wait that takes it, or None if it is kept; and whether that is not as it was recorded."""
        waits = self._waits.get(signal.name, [])
        taker = next((wait for wait in waits if wait.step == signal.step), None)
        if taker is None:
            taker = next((wait for wait in waits if not wait.again), None)
        if taker is None:
            self._kept.setdefault(signal.name, []).append(signal)
            return None, signal.step is not None
        waits.remove(taker)
        return taker.step, taker.step != signal.step
