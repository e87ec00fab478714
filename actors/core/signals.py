"""Matches signals with the waits of a handler.

The values of a name go to the waits of that name in order, the first value to the first wait. ``SignalReceived`` names the wait
that was first when the signal came. The handler receives the signal later, when it has caught up. By then it may have abandoned
that wait (a deadline, a cancel) or begun another; ``SignalReassigned`` records the wait that took the signal. A wait that
begins while a signal is buffered names that signal. Every signal that was taken can therefore be traced to its wait
without a guess, and a restart does so (``core/restart_plan.py``).

A wait that a restart repeats takes no buffered signal; it waits for a new one.

The answer to a question is a signal that only a wait for this question takes. So a late answer is never taken for the answer to a
later question of the same name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from journal import events as e

if TYPE_CHECKING:
    from journal.ids import StepId


class Signals:
    """The waits of a handler for signals by name, and the buffered signals that it has received by name and question, in order."""

    __slots__ = ("_kept", "_waits")

    def __init__(self) -> None:
        self._waits: dict[str, list[e.SignalAwaited]] = {}
        self._kept: dict[tuple[str, str], list[e.SignalReceived]] = {}

    def with_kept(self, wait: e.SignalAwaited, handed_over: int) -> e.SignalAwaited:
        """Return the wait as it begins: with the signal that it takes at once if one is buffered."""
        kept = self._kept_for(wait)
        return attrs.evolve(wait, ready=True, signal=kept[0].signal, handed_over=handed_over) if kept else wait

    def has_kept(self, wait: e.SignalAwaited) -> bool:
        """Report whether the signal that the wait takes at once, if any, has been received."""
        return not wait.ready or any(signal.signal == wait.signal for signal in self._kept_for(wait))

    def begin_wait(self, wait: e.SignalAwaited) -> e.SignalReceived | None:
        """Begin a wait. Returns the signal that it takes at once, or None if it has to wait."""
        if not wait.ready:
            self._waits.setdefault(wait.name, []).append(wait)
            return None
        taken = next(signal for signal in self._kept_for(wait) if signal.signal == wait.signal)
        self._kept[taken.name, taken.question].remove(taken)
        return taken

    def drop_wait(self, wait: e.SignalAwaited) -> None:
        """End a wait that has received no signal."""
        self._waits[wait.name].remove(wait)

    def receive(self, signal: e.SignalReceived) -> tuple[StepId | None, bool]:
        """Receive a signal. Returns the step of the wait that takes it, or None if it is buffered; and whether that
        differs from the record."""
        waits = self._waits.get(signal.name, [])
        able = [wait for wait in waits if wait.question == signal.question] if signal.question else waits
        taker = next((wait for wait in able if wait.step == signal.step), None)
        if taker is None:
            taker = next((wait for wait in able if not wait.again), None)
        if taker is None:
            self._kept.setdefault((signal.name, signal.question), []).append(signal)
            return None, signal.step is not None
        waits.remove(taker)
        return taker.step, taker.step != signal.step

    def _kept_for(self, wait: e.SignalAwaited) -> list[e.SignalReceived]:
        """Return the buffered signals that the wait may take: the answer to its question, then those of its name."""
        of_name = self._kept.get((wait.name, ""), [])
        return [*self._kept.get((wait.name, wait.question), []), *of_name] if wait.question else of_name
