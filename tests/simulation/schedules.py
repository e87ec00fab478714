"""Clients of schedules, and the laws of these: each nominal time is decided on once, and run once, soon after it has come."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import trio

import actors
from actors.core.schedules import OverlapPolicy, Timing
from actors.model.timetable import Timetable
from actors.types import ScheduleState
from tests.simulation.cast import Bell
from tests.simulation.lives import LONGEST_COMMIT_SECONDS, SAME_TIME
from tests.simulation.plan import SCHEDULES

if TYPE_CHECKING:
    from actors.runtime import Runtime
    from actors.types import ScheduleInfo
    from journal.ids import InvocationId
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm

PATIENCE_SECONDS = 2.0
"""How long a client waits for a schedule in the state in which it wants to steer one."""

COMMITS_OF_A_RUN = 5
"""From the wake of a schedule until its run is accepted, and one that was under way before."""


@attrs.define(eq=False)
class Asked:
    """A verb of a client on a schedule; ``answer`` is None if there was none, and ``is_refused`` if that is known not to be done."""

    verb: str
    options: dict[str, Any]
    start: float = attrs.field(factory=trio.current_time)
    end: float = inf
    answer: Any = None
    is_refused: bool = False

    @property
    def is_of_other_times(self) -> bool:
        """Whether it is an update to another interval."""
        return self.verb == "update" and "every" in self.options


@attrs.frozen
class Run:
    """A run as it is recorded: its nominal time, and the invocation."""

    nominal: float
    life: Life


class ScheduleClients:
    """What clients ask of schedules, and what they were told."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.asked_of_schedules: dict[str, list[Asked]] = {name: [] for name in SCHEDULES}
        self._created: dict[str, dict[str, Any]] = {}

    # Deeds.

    async def steer_schedule(self, verb: str, name: str, wanted: str, options: dict[str, Any], dies: str) -> None:
        state = await self._state(name)
        until = trio.current_time() + PATIENCE_SECONDS
        while wanted not in ("", state) and trio.current_time() < until:
            await trio.sleep(0.2)
            state = await self._state(name)
        self.storm.cells[state, f"{verb} schedule", dies] += 1
        self.storm.let_die(dies)
        asked = Asked(verb, options)
        self.asked_of_schedules[name].append(asked)
        try:
            asked.answer = await self._ask(name, verb, options)
        except actors.RefusedError:
            asked.is_refused = True
            raise
        asked.end = trio.current_time()
        self.storm.audited.append((name, f"{verb}-schedule"))

    async def _state(self, name: str) -> str:
        try:
            info = await self.storm.client.schedules.schedule(name).info()
        except actors.NotFoundError:
            return "none"
        return "open" if info.open and info.state is not ScheduleState.PAUSED else info.state.value

    async def _ask(self, name: str, verb: str, options: dict[str, Any]) -> Any:
        schedule, now = self.storm.client.schedules.schedule(name), self.storm.lab.clock.now()
        match verb:
            case "create":
                given = {
                    "argument": {"name": name, "seconds": options["seconds"]},
                    "every": options["every"],
                    "missed": options["missed"],
                    "overlap": options["overlap"],
                    "end_at": now + options["ends_after"],
                }
                given = self._created.setdefault(name, given)  # at each start of the process it is the same
                await self.storm.client.schedules.create(name, "Bell/ring", time_parameter="at", **given)
                return True
            case "backfill":
                return await schedule.backfill(now - options["seconds"], now)
            case "update":
                return await schedule.update(**options)
            case "delete":
                self._created.pop(name, None)
        return await getattr(schedule, verb)()

    # Laws.

    async def judge_schedules(self, runtime: Runtime, lives: dict[InvocationId, Life]) -> None:
        """Hold what clients were told of schedules, and what these have run, against the laws."""
        runs = _runs(lives)
        for name, asked in self.asked_of_schedules.items():
            if not asked:
                continue
            try:
                info = await runtime.client.schedules.schedule(name).info()
            except actors.NotFoundError:
                info = None
            asked = [one for one in asked if not one.is_refused]
            if any(one.verb == "delete" for one in asked):
                _check_deletion(self.storm, name, asked, info)
                continue
            was_created = any(one.verb == "create" and one.answer for one in asked)
            self.storm.law("what was acknowledged is kept", info is not None or not was_created, f"schedule {name}")
            if info is not None:
                _Trial(self.storm, info, asked, runs[name], lives).judge()


def _runs(lives: dict[InvocationId, Life]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {name: [] for name in SCHEDULES}
    for life in lives.values():
        if life.service == Bell.__name__:
            argument = msgspec.json.decode(life.accepted.argument)
            found[argument["name"]].append(Run(argument["at"], life))
    return found


def _check_deletion(storm: Storm, name: str, asked: list[Asked], info: ScheduleInfo | None) -> None:
    """What was deleted last is gone."""
    deleted = max((one.start for one in asked if one.verb == "delete" and one.answer), default=inf)
    is_created_again = any(one.verb == "create" and one.end > deleted for one in asked)
    is_kept = info is not None and deleted != inf and not is_created_again
    storm.law("what was purged is gone", not is_kept, f"schedule {name}")


class _Trial:
    """A schedule that was created once."""

    def __init__(
        self, storm: Storm, info: ScheduleInfo, asked: list[Asked], runs: list[Run], lives: dict[InvocationId, Life]
    ) -> None:
        self._storm = storm
        self._info = info
        self._asked = asked
        self._runs = runs
        self._lives = lives

    def judge(self) -> None:
        self._check_answers()
        self._check_counts()
        self._check_times()
        if not self._storm.has_jumped and not self._storm.has_gates:
            for run in self._runs:
                self._check_moment(run)

    def _law(self, name: str, holds: bool, text: object) -> None:
        self._storm.law(name, holds, f"schedule {self._info.name}: {text}; {self._info.counts}")

    def _all(self, verb: str) -> list[Asked]:
        return [one for one in self._asked if one.verb == verb]

    def _check_answers(self) -> None:
        """Verbs that were answered did what the answer said."""
        info, known = self._info, max((getattr(one.answer, "revision", 0) for one in self._asked), default=0)
        self._law("a verb that was answered is done", info.revision >= known, f"revision {info.revision} < {known}")
        for one in self._all("trigger"):
            if one.answer is not None and not (one.answer.waits and info.waiting):
                self._law("a verb that was answered is done", one.answer.invocation_id in self._lives, one)

    def _check_counts(self) -> None:
        """It counts what it has started, of which all has ended; and what waits for its turn begins."""
        counts, info = self._info.counts, self._info
        self._law("a schedule counts what it starts", counts.started == len(self._runs), f"{len(self._runs)} runs")
        kinds = Counter(run.life.outcome.kind.value for run in self._runs if run.life.outcome is not None)
        is_so = all(getattr(counts, kind) == kinds[kind] for kind in ("succeeded", "failed", "cancelled", "killed"))
        self._law("a schedule learns how its runs end", is_so and not info.open, f"{kinds}, {info.open}")
        is_over = not info.waiting or info.state is ScheduleState.PAUSED
        self._law("all comes to its end", is_over, f"{info.waiting} wait")

    def _check_times(self) -> None:
        """Each nominal time is decided on once: it is run, or counted as missed or as skipped."""
        info, counts = self._info, self._info.counts
        decided = counts.started + counts.missed + counts.skipped + info.waiting
        if any(one.is_of_other_times for one in self._asked):
            return
        nominal = self._nominal()
        if not self._all("backfill"):
            often = Counter(run.nominal for run in self._runs)
            twice = [at for at, count in often.items() if count > 1]
            self._law("a schedule runs each time once", not twice, twice)
        known, possible = self._by_hand()
        is_whole = not self._all("pause") and not self._all("resume")
        is_so = decided <= len(nominal) + possible and (decided >= len(nominal) + known or not is_whole)
        self._law("each nominal time is decided on once", is_so, f"{decided} of {len(nominal)}, and {known}-{possible}")
        if is_whole and not self._storm.has_jumped and not self._storm.has_gates:
            self._law("a schedule misses no time while there is a process", not counts.missed, "")
            if info.overlap in (OverlapPolicy.ALLOW, OverlapPolicy.QUEUE):
                lost = {*nominal} - {run.nominal for run in self._runs}
                self._law("a schedule skips no time", not lost and not counts.skipped, sorted(lost))

    def _nominal(self) -> list[float]:
        """All nominal times that it has had."""
        info = self._info
        timing = Timing(every=info.every, anchor=info.anchor or 0.0, end_at=info.end_at)
        return [*Timetable(timing).times_after(info.created_at)]

    def _by_hand(self) -> tuple[int, float]:
        """How many runs clients have asked for besides: at least, and at most."""
        triggers, backfills = self._all("trigger"), self._all("backfill")
        answered = [one.answer for one in backfills if one.answer is not None]
        known = sum(one.answer is not None for one in triggers) + sum(answered)
        return known, inf if len(answered) < len(backfills) else sum(answered) + len(triggers)

    def _check_moment(self, run: Run) -> None:
        """A run begins when its time has come, and soon afterwards, where nothing keeps it from that."""
        accepted, at = run.life.events[0], run.life.at[0]
        self._law("nothing begins before its time", accepted.stamp.at >= run.nominal - SAME_TIME, run.life.id)
        is_by_itself = not self._all("backfill") and not self._all("trigger") and not self._all("pause")
        if self._info.overlap is OverlapPolicy.ALLOW and is_by_itself:
            latest = self._storm.latest(run.nominal, COMMITS_OF_A_RUN * LONGEST_COMMIT_SECONDS)
            self._law("nothing is late", at <= latest, f"{run.life.id} at {at}, expected until {latest}")
