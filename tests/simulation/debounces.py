"""Clients that send messages under debounce keys, and the laws of these: of a burst only the last one runs, at its time, and whoever
waits for one that was replaced gets the answer of the last."""

from __future__ import annotations

from collections import defaultdict
from math import inf
from typing import TYPE_CHECKING

import attrs
import trio

import actors
from journal import events as e
from tests.simulation.cast import POKE_SECONDS, Tally
from tests.simulation.heard import Told
from tests.simulation.lives import LONGEST_COMMIT_SECONDS

if TYPE_CHECKING:
    from actors.model.outcomes import Outcome
    from journal.ids import InvocationId
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm

ANSWER_SECONDS = 6.0
"""How long a client waits for the outcome of its message."""


@attrs.frozen
class Poke:
    """How a client sent a message under a debounce key."""

    delay: float
    max_delay: float | None


@attrs.frozen
class Waited:
    """A client waited for an outcome, and was told of it or gave up at ``until``."""

    of: InvocationId
    since: float
    until: float
    outcome: Outcome | None


class DebounceClients:
    """What clients sent, and what they were told."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.pokes: dict[InvocationId, Poke] = {}
        self.waited: list[Waited] = []

    # Deeds.

    async def poke(
        self, key: str, name: str, number: int, seconds: float, delay: float, max_delay: float | None
    ) -> None:
        """Add to a tally: at once when its time has come, or after a step of these seconds."""
        tally = self.storm.client.actor(Tally, key)
        try:
            if seconds:
                weigh = tally.weigh.options(delay=delay, debounce=name, max_delay=max_delay)
                handle = await weigh.send(number, seconds)
            else:
                handle = await tally.add.options(delay=delay, debounce=name, max_delay=max_delay).send(number)
        except actors.RefusedError:
            self.storm.refused.add(number)
            raise
        self.storm.told.append(Told(handle.id, "poke", number, is_loose=False))
        self.pokes[handle.id] = Poke(delay, max_delay)
        since, outcome = trio.current_time(), None
        with trio.move_on_after(ANSWER_SECONDS):
            outcome = await self.storm.client.outcome_of(handle.id, leaves_at_pause=False)
            self.storm.outcomes.append((handle.id, outcome))
        self.waited.append(Waited(handle.id, since, trio.current_time(), outcome))

    # Laws.

    def judge_debounces(self, lives: dict[InvocationId, Life]) -> None:
        """Hold what was sent under debounce keys, and who waited for it, against the laws."""
        bursts: dict[tuple[str, str | None, str, str], list[Life]] = defaultdict(list)
        for life in lives.values():
            if life.accepted.debounce is not None:
                bursts[life.service, life.key, life.accepted.handler, life.accepted.debounce].append(life)
        turns = {of for of, _, _ in self.storm.world.turns} if bursts else set()
        for burst in bursts.values():
            burst.sort(key=lambda life: life.events[0].number)
            for at, life in enumerate(burst):
                self._check_replaced(life, burst[:at], turns)
                self._check_time(life, lives, burst)
        for waited in self.waited:
            if waited.of in lives:
                self._check_wait(waited, lives)

    def _check_replaced(self, life: Life, before: list[Life], turns: set[str]) -> None:
        """It has replaced the one before, if that had not begun; and what was replaced never begins."""
        number, law = life.events[0].number, self.storm.law
        for other in before:
            if other.of(e.InvocationPaused):
                continue  # it is left to whoever paused it
            settled = [r.number for r in other.events if isinstance(r.event, _SETTLES)]
            is_free = any(other_number < number for other_number in settled)
            is_replaced = any(event.successor == life.id for event in other.of(e.InvocationRestarted))
            law("of a burst only the last waits", is_free or is_replaced, f"{other.id} beside {life.id}")
        for replaced in life.of(e.InvocationRestarted):
            begun = life.of(e.InvocationStarted) or life.of(e.InvocationDue) or life.id in turns
            law("what is replaced does not begin", not begun, f"{life.id}, replaced by {replaced.successor}")

    def _check_time(self, life: Life, lives: dict[InvocationId, Life], burst: list[Life]) -> None:
        """It is due its own delay after it was sent, but no later than its longest delay after the first of the burst."""
        of_client = life.accepted.caller is None and life.id not in self.pokes
        if self.storm.has_jumped or of_client:
            return  # nobody knows what was asked of one whose client was not told
        poke = self.pokes.get(life.id, Poke(POKE_SECONDS, None))
        replaced = {event.successor: one for one in burst for event in one.of(e.InvocationRestarted)}
        first, at = life, life.events[0].stamp.at
        while first.id in replaced:
            first = replaced[first.id]
        due = at + poke.delay
        if poke.max_delay is not None and first is not life:
            due = max(at, min(due, first.events[0].stamp.at + poke.max_delay))
        found = life.accepted.scheduled_for
        is_so = found is not None and abs(found - due) < LONGEST_COMMIT_SECONDS
        self.storm.law("a debounced message has its time", is_so, f"{life.id}: {found}, expected {due}, {poke}")

    def _check_wait(self, waited: Waited, lives: dict[InvocationId, Life]) -> None:
        """Whoever waited before it was replaced gets the answer of the last."""
        last, replaced_at = lives[waited.of], inf
        while replaced := [(r.event, at) for r, at in last.own if isinstance(r.event, e.InvocationRestarted)]:
            ((event, at),) = replaced[:1]
            if event.successor not in lives:
                return
            last, replaced_at = lives[event.successor], min(at, replaced_at)
        law = self.storm.law
        if waited.outcome is None:
            is_late = last.ended_durably > waited.until - LONGEST_COMMIT_SECONDS
            law("who waits gets an answer", is_late or not self.storm.was_kept(waited.until), f"{waited} of {last.id}")
        elif waited.since + LONGEST_COMMIT_SECONDS < replaced_at < waited.until:
            is_so = waited.outcome == last.outcome
            law("who waits gets the answer of the last", is_so, f"{waited}, {last.id} ended with {last.outcome}")


_SETTLES = (e.InvocationDue, e.InvocationStarted, e.InvocationCompleted)
"""A later message does not replace it any more."""
