"""Clients of limits, and the laws of these: no more run at once, or start in a period, than a limit permits, also when it was set by an
earlier process; those that wait start in the order of their rank; and nobody waits without end."""

from __future__ import annotations

from collections import defaultdict
from math import inf
from typing import TYPE_CHECKING

import attrs
import trio

from actors.values.names import EDIT
from journal import events as e
from journal.ids import InvocationId
from tests.simulation import budgets
from tests.simulation.cast import Errands
from tests.simulation.heard import Told
from tests.simulation.lives import LONGEST_COMMIT_SECONDS, SAME_TIME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.runtime import Runtime
    from actors.types import LimitInfo
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm

LANE = "lane"
"""The tag by which errands are counted."""

PRIORITY_SECONDS = 60.0
"""By how much earlier a step of priority lets one come."""


@attrs.define(eq=False)
class Asked:
    """A limit that a client set, or deleted if it has no bounds. ``end`` is when the client was answered, or had no answer any more."""

    scope: str
    concurrency: int | None
    rate: int | None
    period: float
    budget: int | None = None
    start: float = attrs.field(factory=trio.current_time)
    end: float = inf
    is_answered: bool = False

    @property
    def bounds(self) -> tuple[int | None, int | None, int | None]:
        return self.concurrency, self.rate, self.budget


@attrs.frozen
class Span:
    """A time in which a limit is sure to have been in force."""

    limit: Asked
    since: float
    until: float


class LimitClients:
    """What clients ask of limits, and what they were told."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.asked_of_limits: dict[str, list[Asked]] = defaultdict(list)

    # Deeds.

    async def limit(
        self, scope: str, concurrency: int | None, rate: int | None, period: float, budget: int | None = None
    ) -> None:
        asked = Asked(scope, concurrency, rate, period, budget)
        self.asked_of_limits[scope].append(asked)
        limits = self.storm.client.limits
        try:
            if asked.bounds == (None, None, None):
                await limits.delete(scope)
            else:
                given = {} if budget is None else {"budget": {budgets.TOKENS: budget}}
                await limits.set(scope, concurrency=concurrency, rate=rate, period=period, **given)
            asked.is_answered = True
        finally:
            asked.end = trio.current_time()

    async def budget(
        self, scope: str, concurrency: int | None, rate: int | None, period: float, budget: int | None
    ) -> None:
        """A limit that counts what is spent."""
        await self.limit(scope, concurrency, rate, period, budget)

    async def errands(self, seconds: float, each: list[tuple[int, int, str]]) -> None:
        """Several, each with a number, a priority and a lane."""
        for number, priority, lane in each:
            run = self.storm.client.service(Errands).run.options(tags={"priority": str(priority), LANE: lane})
            handle = await run.send(number, seconds)
            self.storm.told.append(Told(handle.id, "errand", number))

    async def relax(self) -> None:
        """Raise each budget, so that everything can come to its end."""
        for limit in await self.storm.client.limits.list():
            if limit.budget is not None:
                await self.limit(limit.scope, limit.concurrency, limit.rate, limit.period or 1.0, budgets.ENOUGH)

    # Laws.

    async def judge_limits(self, runtime: Runtime, lives: dict[InvocationId, Life]) -> None:
        """Hold what ran under limits, and what is left of them, against the laws."""
        left = await self._check_what_is_left(runtime)
        budgets.judge(self.storm, lives)
        for scope, asked in self.asked_of_limits.items():
            spans = [*_spans(asked)]
            if any(one.budget is not None for one in asked):
                is_replaced = any(other.startswith(f"{scope}/") for other in self.asked_of_limits)
                trial = budgets.BudgetTrial(self.storm, scope, asked, self._group, is_replaced=is_replaced)
                trial.judge(spans, left.get(scope), lives)
            for span in spans:
                if span.limit.concurrency is not None:
                    self._check_concurrency(span, span.limit.concurrency, lives)
                if span.limit.rate is not None:
                    self._check_rate(span, span.limit.rate, lives)
        if self.asked_of_limits and self.storm.weather_is_calm and not self.storm.has_gates:
            self._check_order(lives)

    async def _check_what_is_left(self, runtime: Runtime) -> dict[str, dict[str, str]]:
        """What was set last is in force; and where nothing runs and nothing waits, that is what is counted. What each counts as spent."""
        left = {limit.scope: limit for limit in await runtime.client.limits.list()}
        for limit in left.values():
            is_so = (limit.running, limit.waiting) == (0, 0)
            self.storm.law("a limit counts what there is", is_so, f"{limit} though all has ended")
        for scope, asked in self.asked_of_limits.items():
            spans = [span for span in _spans(asked) if span.until == inf]
            if spans:
                limit = left.get(scope)
                found = (None, None, None) if limit is None else (limit.concurrency, limit.rate, _tokens(limit))
                self.storm.law("a verb that was answered is done", found == spans[0].limit.bounds, f"{scope}: {limit}")
        return {scope: {**limit.spent} for scope, limit in left.items()}

    def _group(self, scope: str, life: Life) -> str | None:
        """Among which ones a limit of this scope counts it; None if it does not."""
        if life.accepted.handler == EDIT:
            return None
        kind, _, what = scope.partition(":")
        if kind == "tag":
            name, equals, wanted = what.partition("=")
            value = (life.accepted.tags or {}).get(name)
            if value is None or (equals and value != wanted):
                return None
            return value if equals or f"{scope}={value}" not in self.asked_of_limits else None
        if kind == "key" and "/" not in what:
            is_its_own = f"{scope}/{life.key}" not in self.asked_of_limits
            return life.key if life.service == what and is_its_own else None
        names = {"service": life.service, "key": f"{life.service}/{life.key}"}
        return "" if what == names.get(kind, f"{life.service}/{life.accepted.handler}") else None

    def _check_concurrency(self, span: Span, most: int, lives: dict[InvocationId, Life]) -> None:
        """Of those that got their place after it was set: what ran before goes on."""
        slack = LONGEST_COMMIT_SECONDS if self.storm.weather_is_calm else inf
        running: dict[str, str] = {}
        began = 0.0
        for what, key, at in self.storm.world.story:
            if what == "death":
                running.clear()
                began = at
            elif what == "end":
                running.pop(key, None)
            else:
                of = key.partition("/")[0]
                life = lives.get(InvocationId(of))
                group = None if life is None else self._group(span.limit.scope, life)
                if life is None or group is None:
                    continue
                if began < span.since and _started(life) <= span.since + slack:
                    continue
                running[key] = group
                beside = {k.partition("/")[0] for k, g in running.items() if g == group}
                is_in_force = span.since + SAME_TIME < at < span.until - SAME_TIME
                is_so = not is_in_force or len(beside) <= most
                self.storm.law("no more run than a limit permits", is_so, f"{beside} at {at}, {span.limit}")

    def _check_rate(self, span: Span, most: int, lives: dict[InvocationId, Life]) -> None:
        if self.storm.has_jumped or not self.storm.weather_is_calm:
            return
        earlier = _earlier(self.asked_of_limits[span.limit.scope], span)
        counted_since = (earlier[-1] if earlier else span).since + LONGEST_COMMIT_SECONDS
        at_its_begin = max(
            [most, *(one.limit.rate or 0 for one in earlier[:1])]
        )  # as what it took the place of permits
        starts: dict[str, list[float]] = defaultdict(list)
        for life in lives.values():
            group = self._group(span.limit.scope, life)
            if group is not None and counted_since < _started(life) < span.until:
                starts[group].append(_started(life))
        least = span.limit.period - LONGEST_COMMIT_SECONDS
        for times in starts.values():
            for at in times:
                period = sorted(time for time in times if at - least < time <= at)
                permitted = most if at > span.since + LONGEST_COMMIT_SECONDS else at_its_begin
                is_so = at < span.limit.start or len(period) <= permitted
                self.storm.law("no more start in a period than a limit permits", is_so, f"{period}, {span.limit}")

    def _check_order(self, lives: dict[InvocationId, Life]) -> None:
        """Of those that wait for the same limits the one of the least rank starts first."""
        if self.storm.has_jumped:
            return
        waiting: dict[tuple[str | None, ...], list[tuple[float, float, float, Life]]] = defaultdict(list)
        for life in lives.values():
            if life.service == Errands.__name__ and _starts_by_itself(life):
                groups = tuple(self._group(scope, life) for scope in self.asked_of_limits)
                waiting[groups].append((_rank(life), life.at[0], _started(life), life))
        for line in waiting.values():
            for rank, _, started, life in line:
                passed = [
                    other.id
                    for before, accepted, later, other in line
                    if before < rank
                    and accepted < started - LONGEST_COMMIT_SECONDS
                    and later > started + LONGEST_COMMIT_SECONDS
                ]
                self.storm.law("who comes first under a limit starts first", not passed, f"{life.id} before {passed}")


def _tokens(limit: LimitInfo) -> int | None:
    return None if limit.budget is None else int(limit.budget[budgets.TOKENS])


def _spans(asked: list[Asked]) -> Iterator[Span]:
    """When each of them is sure to have been in force: not while another one was asked for."""
    for one in asked:
        others = [other for other in asked if other is not one]
        if one.is_answered and not any(other.start <= one.end and other.end >= one.start for other in others):
            yield Span(one, one.end, min((other.start for other in others if other.start > one.end), default=inf))


def _earlier(asked: list[Asked], span: Span) -> list[Span]:
    """The limits that it took the place of, the latest first, as far as it knows the starts that they counted."""
    found: list[Span] = []
    later = span
    for one in sorted(_spans(asked), key=lambda one: -one.since):
        if one.until == later.limit.start:
            if one.limit.rate is None or one.limit.period < span.limit.period:
                break
            found.append(one)
            later = one
    return found


def _started(life: Life) -> float:
    """When its start was durable; never if there was none."""
    found = (at for r, at in zip(life.events, life.at, strict=True) if isinstance(r.event, e.InvocationStarted))
    return next(found, inf)


def _rank(life: Life) -> float:
    priority = (life.accepted.tags or {}).get("priority", "0")
    return life.events[0].stamp.at - PRIORITY_SECONDS * int(priority)


def _starts_by_itself(life: Life) -> bool:
    """Whether nothing but limits kept it from its start."""
    if life.accepted.scheduled_for is not None or life.accepted.restarts is not None:
        return False
    before = [r.event for r, at in zip(life.events, life.at, strict=True) if at < _started(life)]
    return not any(isinstance(event, (e.InvocationPaused, e.PauseRequested, e.InvocationCompleted)) for event in before)
