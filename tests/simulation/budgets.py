"""Laws of budgets: what was spent is counted once, whatever dies; what has used up its budget begins nothing more; and it goes on when
there is more."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING, Any

import msgspec

from journal import events as e
from journal import invocation_keys
from journal.events import OutcomeKind
from journal.ids import stream_of_invocation
from journal.rows import InvocationRow, decode_row
from tests.simulation.cast import Flop
from tests.simulation.lives import LONGEST_COMMIT_SECONDS
from tests.simulation.versions import WAYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.ids import InvocationId
    from tests.simulation.lives import Life
    from tests.simulation.run_limits import Asked, Span
    from tests.simulation.storm import Storm

TOKENS = "tokens"

ENOUGH = 1_000_000_000
"""The budget that lets everything come to its end."""


def tokens_of(life: Life) -> list[tuple[int, float]]:
    """What an invocation has spent itself, each with when that was durable."""
    return [(int(r.event.spent[TOKENS]), at) for r, at in life.own if isinstance(r.event, e.QuantitiesSpent)]


def judge(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """Hold what each invocation spent against what it did."""
    for life in lives.values():
        spent = tokens_of(life)
        if spent or (life.service == "Account" and b'"spend"' in life.accepted.argument):
            _row(storm, life, sum(amount for amount, _ in spent))
            _by_its_handler(storm, life)
            _by_its_steps(storm, life)


def _row(storm: Storm, life: Life, expected: int) -> None:
    data = storm.disk.get(invocation_keys.invocation(stream_of_invocation(life.id) % storm.lab.partitions, life.id))
    found = {} if data is None else decode_row(InvocationRow, data).spent or {}
    storm.law("an invocation knows what it has spent", found.get(TOKENS, "0") == str(expected), f"{life.id}: {found}")


def _by_its_handler(storm: Storm, life: Life) -> None:
    """What a handler spends is counted once, however often it is replayed."""
    nodes = [*_nodes(msgspec.json.decode(life.accepted.argument)["program"])]
    asked = Counter(node[1] for node in nodes if node[0] == "spend")
    counted = Counter(int(event.spent[TOKENS]) for event in (r.event for r, _ in life.own) if _is_of_handler(event))
    storm.law("a spend is counted once", counted <= asked, f"{life.id}: {counted}, its program has {asked}")
    is_whole = life.is_done and life.accepted.restarts is None and not any(node[0] == "deadline" for node in nodes)
    if is_whole and not any(process.code in WAYS for process in storm.plan.lives):
        storm.law("what is spent is counted", counted == asked, f"{life.id}: {counted}, its program has {asked}")


def _is_of_handler(event: Any) -> bool:
    return isinstance(event, e.QuantitiesSpent) and not event.step


def _nodes(program: Any) -> Any:
    for node in program if isinstance(program, list) else ():
        if isinstance(node, list):
            if node and isinstance(node[0], str):
                yield node
            yield from _nodes(node)


def _by_its_steps(storm: Storm, life: Life) -> None:
    """Each try that ended by itself has counted once; one that died with its process has not."""
    counted: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    surely: Counter[str] = Counter()
    for event in (r.event for r, _ in life.own):
        match event:
            case e.QuantitiesSpent(step=step) if step:
                counted[step] += 1
            case e.StepScheduled(step=step, name="buy"):
                ended[step] += 0
            case e.StepCompleted(step=step, outcome=outcome) if step in ended:
                ended[step] += 1
                surely[step] += outcome.kind is OutcomeKind.SUCCEEDED
            case e.StepAttemptFailed(step=step, failure=failure) if step in ended:
                ended[step] += 1
                surely[step] += failure.type.endswith(Flop.__name__)
            case e.StepAborted(step=step) if step in ended:
                ended[step] += 1
    for step, tries in ended.items():
        is_so = surely[step] <= counted[step] <= min(tries, storm.world.times[f"{life.id}/{step}"])
        storm.law("a spend is counted once", is_so, f"{life.id} {step}: {counted[step]} times, {tries} tries ended")


class BudgetTrial:
    """The budgets that clients set for one scope, against what the invocations of it spent. ``group`` says among which ones a limit of
    this scope counts an invocation, None if it does not. ``is_replaced``: for some of them a limit of their own may have counted
    instead."""

    def __init__(
        self,
        storm: Storm,
        scope: str,
        asked: list[Asked],
        group: Callable[[str, Life], str | None],
        *,
        is_replaced: bool,
    ) -> None:
        self._is_replaced = is_replaced
        self._storm = storm
        self._scope = scope
        self._asked = sorted(asked, key=lambda one: one.start)
        self._group = group

    def judge(self, spans: list[Span], found: dict[str, str] | None, lives: dict[InvocationId, Life]) -> None:
        """``found`` is the sum that the limit shows in the end, None if there is no limit."""
        spent: dict[str, list[tuple[float, int]]] = defaultdict(list)
        for life in lives.values():
            amounts = tokens_of(life)
            group = self._group(self._scope, life) if amounts else None
            if group is not None:
                spent[group] += [(at, amount) for amount, at in amounts]
        if found is not None and self._asked[-1].budget is not None:
            self._check_sum(int(found.get(TOKENS, "0")), [one for each in spent.values() for one in each])
        if self._storm.weather_is_calm:
            for span in spans:
                if span.limit.budget is not None:
                    for group, amounts in spent.items():
                        self._check_end(span, span.limit.budget, group, sorted(amounts), lives)

    def _since(self, last: Asked) -> tuple[float, float]:
        """From when on at the latest, and at the earliest, a budget counts what is spent: those that it took the place of count too."""
        latest, earliest = inf, inf
        for one in self._asked:
            if one.budget is None:
                latest = inf
                earliest = inf if one.is_answered else earliest
            else:
                latest = min(latest, one.end if one.is_answered else inf)
                earliest = min(earliest, one.start)
            if one is last:
                break
        return latest, earliest

    def _check_sum(self, found: int, spent: list[tuple[float, int]]) -> None:
        if any(after.start <= before.end for before, after in pairwise(self._asked)):
            return  # nobody knows which one came first
        latest, earliest = self._since(self._asked[-1])
        least = sum(amount for at, amount in spent if at > latest + LONGEST_COMMIT_SECONDS)
        most = inf if self._storm.purged or self._is_replaced else sum(amount for at, amount in spent if at >= earliest)
        is_so = least <= found <= most
        self._storm.law("a budget counts what was spent", is_so, f"{self._scope}: {found}, expected {least} to {most}")

    def _check_end(
        self, span: Span, budget: int, group: str, spent: list[tuple[float, int]], lives: dict[InvocationId, Life]
    ) -> None:
        """Once it is used up nothing begins, except what is cancelled, which compensates."""
        counts_from, total, used_up_at = self._since(span.limit)[0] + LONGEST_COMMIT_SECONDS, 0, inf
        for at, amount in spent:
            total += amount if at > counts_from else 0
            if total >= budget:
                used_up_at = at
                break
        since = max(span.since, used_up_at) + LONGEST_COMMIT_SECONDS
        if since >= span.until:
            return
        for life in lives.values():
            if self._group(self._scope, life) == group:
                begun = _begins(life, since, span.until)
                self._storm.law(
                    "what is used up lets nothing begin",
                    not begun,
                    f"{life.id}: {begun[:1]} after {since}, {span.limit}",
                )


def _begins(life: Life, since: float, until: float) -> list[tuple[float, e.Event]]:
    """What it has begun in this time, unless it was cancelled before."""
    found: list[tuple[float, e.Event]] = []
    for recorded, at in life.own:
        if isinstance(recorded.event, e.CancelRequested):
            break
        if since < at < until and isinstance(recorded.event, (e.InvocationStarted, e.StepScheduled)):
            found.append((at, recorded.event))
    return found
