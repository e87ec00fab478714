"""The company of the storms: accounts that pay each other, claims and errands, and the laws of their world."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import attrs
import trio

import actors
from journal import keys
from journal.ids import stream_of
from journal.kv.store import scan_all
from tests.hostile.programs import Walker
from tests.simulation import loads
from tests.simulation.cast import CAST, Account, Claim, Errands
from tests.simulation.debounces import DebounceClients
from tests.simulation.deletions import DeletionClients
from tests.simulation.heard import Told
from tests.simulation.lives import SAME_TIME
from tests.simulation.plan import KEYS
from tests.simulation.questions import QuestionClients
from tests.simulation.run_limits import LimitClients
from tests.simulation.schedules import ScheduleClients
from tests.simulation.streams import StreamClients
from tests.simulation.tallies import TallyClients
from tests.simulation.world import RICH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors import InvocationHandle
    from actors.runtime import Runtime
    from journal.ids import InvocationId, StreamId
    from tests.simulation.disk import Disk
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm

PATIENCE_SECONDS = 2.0
"""How long an object may take to answer while another one is misread."""


@attrs.define(eq=False)
class Seen:
    """What a client saw of an account between two moments: its version, or the number that it wrote; None: no answer came."""

    key: str
    start: float
    end: float
    value: int | None


class Bank(
    TallyClients, ScheduleClients, LimitClients, QuestionClients, DeletionClients, DebounceClients, StreamClients
):
    """What clients ask of the cast, and what they saw of it (:class:`tests.simulation.storm.Company`)."""

    classes: tuple[type, ...] = (*CAST, Walker)
    honest: frozenset[str] = frozenset(cls.__name__ for cls in CAST)
    keys: Sequence[str] = KEYS

    def __init__(self, storm: Storm) -> None:
        TallyClients.__init__(self, storm)
        ScheduleClients.__init__(self, storm)
        LimitClients.__init__(self, storm)
        QuestionClients.__init__(self, storm)
        DeletionClients.__init__(self, storm)
        DebounceClients.__init__(self, storm)
        StreamClients.__init__(self, storm)
        self.requests: dict[str, tuple[str, int, list[Any]]] = {}
        self.calls: list[Seen] = []
        self.looks: list[tuple[Seen, list[int]]] = []
        self.edits: list[Seen] = []

    def stream_of(self, key: str) -> StreamId:
        """An account's."""
        return stream_of(Account.__name__, key)

    async def brief(self) -> InvocationHandle[Any]:
        """A call whose handler says that its result is kept for ``BRIEF_SECONDS``."""
        handle: InvocationHandle[Any] = await self.storm.client.actor(Account, "a").forget_me.send(1)
        await handle.result()
        return handle

    # Deeds.

    async def ask(self, key: str, number: int, program: list[Any], delay: float | None) -> None:
        work = self.storm.client.actor(Account, key).work.options(delay=delay)
        try:
            handle = await work.send(number, self._cast(program))
        except actors.RefusedError:
            self.storm.refused.add(number)
            raise
        self.storm.told.append(Told(handle.id, "work", number))

    async def ask_again(self, request: str, key: str, number: int, program: list[Any]) -> None:
        key, number, program = self.requests.setdefault(request, (key, number, self._cast(program)))
        handle = await self.storm.client.actor(Account, key).work.options(idempotency_key=request).send(number, program)
        self.storm.found.setdefault(request, []).append(handle.id)
        self.storm.told.append(Told(handle.id, "work", number, is_loose=False))

    async def call(self, key: str, number: int, program: list[Any]) -> None:
        seen = Seen(key, trio.current_time(), inf, None)
        self.calls.append(seen)
        try:
            seen.value = await self.storm.client.actor(Account, key).work(number, program)
        except actors.LimitExceededError:
            self.storm.refused.add(number)
            raise
        seen.end = trio.current_time()

    async def move(self, key: str, number: int, seconds: float) -> None:
        handle = await self.storm.client.actor(Account, key).move.send(number, seconds)
        self.storm.told.append(Told(handle.id, "move", number))

    async def look(self, key: str) -> None:
        seen = Seen(key, trio.current_time(), inf, None)
        left, right, seen.value = await self.storm.client.actor(Account, key).read()
        seen.end = trio.current_time()
        self.looks.append((seen, [left, right]))

    async def read_lines(self, key: str) -> None:
        count, lines = await self.storm.client.actor(Account, key).all_lines()
        self.storm.law("a log is read as it is", count == len(lines), f"{key}: {lines}, {count} in all")

    async def bystander(self, key: str) -> None:
        """An object that nothing is wrong with answers while another one is misread."""
        with trio.move_on_after(PATIENCE_SECONDS) as scope:
            await self.look(key)
        is_held = scope.cancelled_caught and (self.storm.has_gates or bool(self.asked_of_limits))
        self.storm.law("others go on beside damage", is_held or not scope.cancelled_caught, f"{key} did not answer")

    async def pay(self, source: str, to: str, amount: int, number: int) -> None:
        handle = await self.storm.client.actor(Account, source).pay.send(to, amount, number)
        self.storm.told.append(Told(handle.id, "pay", number, is_loose=False))

    async def errand(self, number: int, seconds: float) -> None:
        handle = await self.storm.client.service(Errands).run.send(number, seconds)
        self.storm.told.append(Told(handle.id, "errand", number))

    async def claim(self, key: str, number: int) -> None:
        handle = await self.storm.client.workflow(Claim, key).run.send(number)
        self.storm.found.setdefault(f"claim {key}", []).append(handle.id)
        self.storm.told.append(Told(handle.id, "claim", number, is_loose=False))

    async def hostile(self, program: list[Any]) -> None:
        handle = await self.storm.client.actor(Walker, "h").walk.send(program)
        self.storm.told.append(Told(handle.id, "hostile", 0))

    def _cast(self, node: Any) -> Any:
        """The program with invocations that there are in the place of numbers."""
        if isinstance(node, list) and node[:1] in (["cancel"], ["join"]):
            told = self.storm.told[-8:]
            return [node[0], told[node[1] % len(told)].id] if told else ["emit", 0]
        return [self._cast(inner) for inner in node] if isinstance(node, list) else node

    async def edit(self, key: str, number: int) -> None:
        seen = Seen(key, trio.current_time(), inf, number)
        self.edits.append(seen)
        await self.storm.client.object(Account, key).edit(set={"label": number})
        seen.end = trio.current_time()

    # Laws.

    async def judge(self, runtime: Runtime, lives: dict[InvocationId, Life]) -> None:
        """Accounts are linearizable, hold what was done to them, and no money comes or goes."""
        self._check_calls()
        await self._check_accounts(runtime, lives)
        await self.judge_tallies(runtime, lives)
        await self.judge_schedules(runtime, lives)
        await self.judge_limits(runtime, lives)
        self.judge_questions(lives)
        await self.judge_deletions(runtime, lives)
        self.judge_debounces(lives)
        self.judge_streams(lives)
        loads.judge(self.storm, lives)

    def _check_calls(self) -> None:
        """The versions that clients were told of an account are in an order that fits when they asked and were answered. After a
        rewind it has versions again that it had before."""
        for key in KEYS:
            calls = [] if self.storm.has_rewound else [s for s in self.calls if s.key == key]
            done = sorted((s.value, s.start, s.end) for s in calls if s.value is not None)
            latest = -inf  # the latest start among those with a smaller version
            previous = None
            for version, start, end in done:
                self.storm.law(
                    "each key is linearizable", version != previous, f"{key}: version {version} was given twice"
                )
                self.storm.law(
                    "each key is linearizable", end >= latest, f"{key}: version {version} came before an earlier one"
                )
                latest, previous = max(latest, start), version
            for look, (left, right) in self.looks:
                self.storm.law("an atomic change is seen whole", left == right, f"{look.key}: {left}, {right}")
                if look.key != key or self.storm.successors:
                    continue
                known = max(
                    (s.value or 0 for s in self.calls if s.key == key and s.end < look.start - SAME_TIME), default=0
                )
                self.storm.law(
                    "a reader sees what was acknowledged", (look.value or 0) >= known, f"{key}: {look.value} < {known}"
                )

    async def _check_accounts(self, runtime: Runtime, lives: dict[InvocationId, Life]) -> None:
        """Each account is what its invocations made of it, in their order; and no money came or went."""
        is_rewound = self.storm.has_rewound
        purged = {
            told.number for told in self.storm.told if told.id in self.storm.purged
        }  # a restart has the same number
        total, balances = 0, {}
        for key in KEYS:
            if not self.storm.has_object(self.stream_of(key)):
                total += RICH
                continue
            seen, balance, lines, label, left, right = await runtime.client.actor(Account, key).all_of_it()
            total, balances[key] = total + balance, balance
            rows = count_of_lines(self.storm.disk, self.storm.lab.partitions, key)
            self.storm.law("an item has one row", rows == len(lines), f"{key}: {rows} rows of {lines}")
            # One that had succeeded and is restarted from its middle writes its second half only, over what came since.
            self.storm.law(
                "an atomic change is whole", self.storm.has_restarted or left == right, f"{key}: {left}, {right}"
            )
            if is_rewound:
                continue
            works = [life for life in lives.values() if _is_done(life, key)]
            works.sort(key=lambda life: life.ended_at)
            known = {life.number for life in works} - purged
            expected = [life.number for life in works if life.number in known]
            self.storm.law(
                "an object is what was done", [n for n in seen if n in known] == expected, f"{key}: {seen} {expected}"
            )
            is_restarted = any(life.accepted.restarts is not None for life in lives.values())
            self.storm.law("a line is written once", is_restarted or len(lines) == len({*lines}), f"{key}: {lines}")
            _check_label(self.storm, [edit for edit in self.edits if edit.key == key], label)
        self.storm.law("money neither comes nor goes", is_rewound or total == RICH * len(KEYS), f"{total}: {balances}")


def count_of_lines(disk: Disk, partitions: int, key: str) -> int:
    """How many rows the disk has of the lines of an account."""
    stream = stream_of("Account", key)
    prefix = keys.items(stream % partitions, stream, "lines")
    return sum(1 for _ in scan_all(disk, prefix, keys.after_prefix(prefix)))


def _is_done(life: Life, key: str) -> bool:
    return (life.service, life.key) == ("Account", key) and life.number is not None and life.is_done


def _check_label(storm: Storm, edits: list[Seen], label: int) -> None:
    by_number = {edit.value: edit for edit in edits}
    if label == 0:
        storm.law("an edit stays", all(edit.end == inf for edit in edits), f"{edits[:1]} is gone")
        return
    last = by_number[label]
    later = [edit.value for edit in edits if edit.end != inf and edit.start > last.end]
    storm.law("an edit stays", not later, f"{later} came after {label}, which is there")
