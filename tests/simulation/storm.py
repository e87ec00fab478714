"""A storm: a whole engine over a disk that lies, whose process dies, while clients ask for work and steer it, all by a plan.

``Storm.play`` lives through the plan, then lets everything come to its end on a disk that is well. ``broken_laws`` plays the storm
of a seed and names every promise that did not hold (``laws``).
"""

from __future__ import annotations

import functools
import gc
import hashlib
import logging
import sys
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import trio
import trio._core._run as trio_run  # the scheduler's dice have no public handle
from trio.testing import MockClock

import actors
from actors import Limits
from actors.core.restart_plan import OPERATIONS
from actors.engine.containment import log as set_aside_log
from actors.engine.faults import log as faults_log
from actors.engine.processors import log as engine_log
from actors.errors import ActorError
from actors.model.info import belongs_to
from actors.query.fsck.doctor import examine
from journal import invocation_keys, keys
from journal.errors import Conflict, JournalError
from journal.events import PauseCause, Status
from journal.ids import InvocationId, stream_of_invocation
from journal.kv.store import scan_all
from journal.rows import InvocationRow, decode_row
from tests.hostile.programs import Walker
from tests.lab import Lab
from tests.simulation import laws
from tests.simulation.bank import Bank
from tests.simulation.cast import CHOICES, QUESTION
from tests.simulation.disk import Disk, Handle, Weather
from tests.simulation.draw import draw
from tests.simulation.heard import Said, Told
from tests.simulation.lives import LONGEST_COMMIT_SECONDS
from tests.simulation.questions import ADDRESS
from tests.simulation.versions import loaded, snapshot
from tests.simulation.world import BRIEF_SECONDS, new_world
from tests.virtual import EPOCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from actors import InvocationHandle
    from actors.runtime import Runtime
    from journal.ids import StreamId
    from tests.simulation.lives import Life as InvocationLife
    from tests.simulation.plan import Deed, Life, Plan

PATIENCE_SECONDS = 2.0
"""How long a client waits for an invocation in the status in which it wants to steer one."""

MOST_TURNS = 200_000
"""Of trio's loop in one storm; most take less than a thousand."""

RECOVERY_SECONDS = 2.0
"""How long an engine may take to go on once its disk is well again."""

RETENTION_EVERY = 4
"""In so many storms one looks whether what has ended is kept for its retention: it is the same in each."""


_OF_THE_DISK = (JournalError, actors.UnavailableError, actors.UnknownOutcomeError)
"""What a start says whose code cannot be recorded, and an engine that cannot go on."""


class Company(Protocol):
    """The actors of a storm, what clients ask of them, and the laws of their world: all that a storm does not know by itself.

    Each kind of deed that is not the storm's own is a method of its name, and is given what the plan says.
    """

    classes: tuple[type, ...]
    honest: frozenset[str]
    """The names of those that are not written to do harm."""
    keys: Sequence[str]
    """Those in a plan that mean an object whose rows may be damaged, or be read wrongly."""

    def stream_of(self, key: str) -> StreamId:
        """The object that a key means."""
        ...

    async def brief(self) -> InvocationHandle[Any]:
        """Something that has ended, and is kept for ``BRIEF_SECONDS``."""
        ...

    async def relax(self) -> None:
        """Lift the rules of clients that keep works from their end."""
        ...

    async def judge(self, runtime: Runtime, lives: dict[InvocationId, InvocationLife]) -> None:
        """Hold what clients saw, and what is there in the end, against the laws of this world."""
        ...


class Storm:
    """One plan, played. What clients saw is what the laws are held against."""

    def __init__(
        self,
        plan: Plan,
        cells: Counter[tuple[str, str, str]] | None = None,
        company: Callable[[Storm], Company] | None = None,
    ) -> None:
        """``company``: by default :class:`tests.simulation.bank.Bank`."""
        self.plan = plan
        self.company: Company = Bank(self) if company is None else company(self)
        self.cells: Counter[tuple[str, str, str]] = Counter() if cells is None else cells
        self.random = Random(plan.seed)
        self.disk = Disk()
        self.world = new_world()
        limits = Limits(**plan.limits)
        self.lab = Lab(
            *self.company.classes, limits=limits, partitions=plan.partitions, seed=plan.seed, has_watchdog=False
        )
        self.told: list[Told] = []
        self.unanswered: dict[str, float] = {}
        """When a resume was asked for that had no answer yet, or was lost with its commit."""
        self.found: dict[str, list[InvocationId]] = {}
        self.refused: set[int] = set()
        self.purged: set[InvocationId] = set()
        self.deletable: set[InvocationId] = set()
        """Invocations of objects that clients delete."""
        self.paused_now: set[InvocationId] = set()
        self.seen_ends: list[tuple[InvocationId, float]] = []
        self.seen_open: list[tuple[InvocationId, float]] = []
        self.said: list[Said] = []
        self.told_by_jobs: set[bytes] = set()
        """The values of signals that jobs send."""
        self.audited: list[tuple[str, str]] = []
        """What else the audit has: what it was about, and the verb."""
        self.histories: list[tuple[InvocationId, float, list[tuple[int, str]]]] = []
        self.outcomes: list[tuple[InvocationId, Any]] = []
        self.successors: dict[InvocationId, list[tuple[InvocationId, Any]]] = {}
        self.points: dict[InvocationId, str] = {}
        self.homes: dict[InvocationId, str] = {}
        self.differed = 0
        self.closed: list[tuple[str, float, float]] = []
        self.broken: list[tuple[str, str]] = []
        self.faults: list[str] = []
        self.shifts = [0.0]
        self.doubted: set[int] = set()
        self.has_ended = False
        self.has_restarted = False
        self.has_rewound = False
        self.calm: list[tuple[float, float]] = []
        self._closed_since: dict[str, float] = {}
        self._times_opened = 0
        self._died_at = 0.0
        self._runtime: Runtime | None = None
        self._handle: Handle | None = None

    async def play(self) -> None:
        for at, life in enumerate(self.plan.lives, 1):
            await self._live(life, survives=self.plan.survives and at == len(self.plan.lives))
            self.disk.heal()
            self._examine()
        if not self.broken and not self.has_ended:
            await self._begin_the_end()

    def law(self, name: str, holds: bool, text: str) -> None:
        """Note that a law is broken, unless it holds."""
        if not holds:
            self.broken.append((name, text))

    @property
    def client(self) -> Any:
        assert self._runtime is not None
        return self._runtime.client

    # Lives.

    async def _live(self, life: Life, *, survives: bool) -> None:
        began = trio.current_time()
        scope = trio.CancelScope()
        handle = self._handle = Handle(
            self.disk, life.weather, Random(self.random.random()), on_death=lambda: self._mourn(scope)
        )
        with scope:
            self.world.is_alive = True
            self.lab.store = handle
            for key, kind in life.weather.misreads.items():
                self._begin_misreads(key, kind)
            async with trio.open_nursery() as nursery:
                if not survives:
                    nursery.start_soon(self._die_after, handle, life.seconds)
                await self._serve(life, handle, survives=survives)
                nursery.cancel_scope.cancel()
        handle.die()
        if not self.has_ended and not (life.weather.fates or life.weather.full or life.weather.stalls):
            self.calm.append((began, self._died_at))

    def heirs(self, of: InvocationId) -> set[InvocationId]:
        """Those that repeat it, those that repeat them, and so on."""
        found: set[InvocationId] = set()
        line = [of]
        while line:
            more = [again for again, _ in self.successors.get(line.pop(), ())]
            found |= {*more}
            line += more
        return found

    @property
    def has_jumped(self) -> bool:
        """Whether the wall clock was set."""
        return len(self.shifts) > 1

    @property
    def has_gates(self) -> bool:
        """Whether clients close gates."""
        return any(deed.what == "gate" for life in self.plan.lives for deed in life.deeds)

    def latest(self, date: float, takes: float) -> float:
        """When, by the virtual clock, what comes with this date is sure to be on the disk: where a process whose disk is well takes
        so many seconds for it."""
        if self.has_jumped:
            return inf
        due = date - EPOCH
        return next((max(since, due) + takes for since, until in self.calm if max(since, due) + takes < until), inf)

    def has_object(self, stream: StreamId) -> bool:
        """Whether anything was ever kept of an object. An object that was not asked for need not be looked at."""
        return stream in self.disk.streams

    def let_die(self, dies: str) -> None:
        """The process dies over the next commit, if ``dies`` says so."""
        assert self._handle is not None, "clients ask what runs"
        self._handle.dies = dies

    @property
    def weather_is_calm(self) -> bool:
        """Whether every disk did at once what it was told."""
        return not any(w.fates or w.full or w.stalls for w in (life.weather for life in self.plan.lives))

    def was_calm(self, at: float) -> bool:
        """Whether the disk did at once what it was told, in the process that lived, or died, at this time."""
        return any(since < at <= until for since, until in self.calm)

    def was_kept(self, at: float) -> bool:
        """Whether what a handler was given at this time is sure to have been durable before the process died."""
        return any(since < at < until - LONGEST_COMMIT_SECONDS for since, until in self.calm)

    @asynccontextmanager
    async def _running(self, code: int) -> AsyncIterator[Runtime]:
        kept = snapshot(code) if code else None
        async with self.lab.running(*loaded(code), code=kept, public_url=ADDRESS) as runtime:
            yield runtime

    def _mourn(self, scope: trio.CancelScope) -> None:
        self.world.die()
        self._died_at = trio.current_time()
        scope.cancel()

    async def _die_after(self, handle: Handle, seconds: float) -> None:
        await trio.sleep(seconds)
        handle.die()

    async def _serve(self, life: Life, handle: Handle, *, survives: bool) -> None:
        is_up = False
        try:
            async with self._running(life.code) as runtime:
                is_up = True
                self._runtime = runtime
                async with trio.open_nursery() as nursery:
                    if life.weather.shows_early and (life.weather.stalls or life.weather.latency):
                        nursery.start_soon(self._watch)
                    for deed in life.deeds:
                        nursery.start_soon(self._do_at, deed, handle)
                    await trio.sleep(life.seconds if survives else inf)
                    nursery.cancel_scope.cancel()
                await handle.calm()
                await trio.sleep(RECOVERY_SECONDS)
                await self._come_to_the_end(runtime)
        except BaseException as error:
            own, others = _split(error, trio.Cancelled)
            failed, others = _split(others, _OF_THE_DISK) if others is not None else (None, None)
            may_fail = handle.is_dead or handle.has_failed or not is_up
            if others is not None or not (failed is None or may_fail):
                self.law("an engine stops only with its disk", False, repr(error))
            handle.die()
            if own is not None:
                raise own from None

    async def _watch(self) -> None:
        """Look what has ended, again and again: also while a commit is on its way to the disk."""
        while True:
            await trio.sleep(0.1)
            for told in self.told[-8:]:
                self._status_of(told.id)

    async def _do_at(self, deed: Deed, handle: Handle) -> None:
        await trio.sleep(deed.at)
        if not deed.what.startswith("steer"):
            handle.dies = deed.dies
        await self.do(deed)
        if deed.dies:
            handle.die()  # it was answered without a commit

    async def do(self, deed: Deed) -> None:
        """Do it as a client, who may get an error."""
        name = deed.what.removesuffix(" more").replace(" ", "_")
        method = getattr(self.company, name, None) or getattr(self, f"_{name}")
        try:
            if deed.what.startswith("steer"):
                await method(*deed.given, deed.dies)
            else:
                await method(*deed.given)
        except (ActorError, trio.BrokenResourceError):
            return
        except JournalError as error:
            is_expected = self.doubted or (self._handle is not None and self._handle.is_dead)
            self.law("clients get typed errors", bool(is_expected), f"{deed.what}: {error!r}")

    # Looks.

    async def _history(self, at: int) -> None:
        told = self.told[-8:]
        if told:
            is_in_doubt = self._handle is None or self._handle.was_in_doubt
            of, began = told[at % len(told)].id, -inf if is_in_doubt else trio.current_time()
            entries = [(entry.number, entry.name) async for entry in self.client.invocation(of).events()]
            self.histories.append((of, began, entries))

    # Control.

    async def _steer(self, verb: str, wanted: str, at: int, options: dict[str, Any], dies: str) -> None:
        told = await self._pick(verb, wanted, at)
        if told is None:
            return
        self.cells[self._status_of(told.id), verb, dies] += 1
        self.let_die(dies)
        handle = self.client.invocation(told.id)
        number = 0
        match verb:
            case "attach":
                with trio.move_on_after(3.0):
                    self.outcomes.append((told.id, await self.client.outcome_of(told.id, leaves_at_pause=False)))
                return
            case "cancel":
                kill_after = options["kill_after"] if told.is_loose else None
                answer = await handle.cancel(reason="enough", kill_after=kill_after)
            case "kill":
                answer = await handle.kill()
            case "pause":
                answer = await handle.pause()
            case "pause now":
                self.paused_now.add(told.id)
                answer = await handle.pause(mode="now")
            case "resume":
                deployment = await self._deployment(told.id, options)
                self.unanswered[told.id] = trio.current_time()
                answer = await handle.resume(
                    deployment=deployment, check=False
                )  # so that code that differs is found out
                self.unanswered.pop(told.id, None)  # two may have asked at the same time
            case "signal":
                number = options["number"]
                error = "refused" if number % 5 == 0 else None
                answer = await handle.signal(options["name"], [options["name"], number], error=error)
            case "reschedule":
                answer = await handle.reschedule(delay=options["delay"])
            case "purge":
                self.purged.add(told.id)  # also if the answer is lost
                answer = await handle.purge()
            case _:
                await self._restart(told, options)
                return
        self.said.append(Said(told.id, verb, answer.changed, number))

    async def _restart(self, told: Told, options: dict[str, Any]) -> None:
        step = options["step"]
        if isinstance(step, float):
            history = [r async for r in self._journal.read(stream_of_invocation(told.id))]
            steps = [r.event.step for r in history if isinstance(r.event, OPERATIONS) and belongs_to(r.event, told.id)]
            step = steps[int(step * len(steps))] if steps else ""
        deployment = await self._deployment(told.id, options)
        new = {"number": told.number, "program": []} if options["input"] and told.kind == "work" else None
        self.has_restarted = True
        self.has_rewound |= options["rewind_state"]
        answer = await self.client.invocation(told.id).restart(
            step or None,
            check=False,
            input=new,
            stop=options["stop"],
            rewind_state=options["rewind_state"],
            again=True,
            deployment=deployment,
        )
        successor = answer.successor
        self.told.append(Told(successor.invocation_id, told.kind, told.number))
        self.successors.setdefault(told.id, []).append((successor.invocation_id, None if new else successor))
        self.points[successor.invocation_id] = step
        if told.id in self.homes:
            self.homes[successor.invocation_id] = self.homes[told.id]

    async def _deployment(self, of: InvocationId, options: dict[str, Any]) -> str:
        """The code to move it to; its ``home`` is what it ran on before it was first moved."""
        wanted: str = options.get("deployment", "keep")
        if wanted != "keep" and of not in self.homes:
            self.homes[of] = (await self.client.invocation(of).info()).deployment
        return (self.homes[of] or "keep") if wanted == "home" else wanted

    async def _pick(self, verb: str, wanted: str, at: int) -> Told | None:
        """The invocation to steer: one in the wanted status, if there is one within a while. Or one of the wanted number."""
        until, pause = trio.current_time() + PATIENCE_SECONDS, 0.05
        number = int(wanted.removeprefix("number ")) if wanted.startswith("number ") else None
        while True:
            told = [t for t in self.told if _may_be_steered(t, verb)][-12:]
            fitting = [t for t in told if (self._status_of(t.id) == wanted if number is None else t.number == number)]
            if fitting or trio.current_time() > until:
                chosen = fitting or (told if number is None else [])
                return chosen[at % len(chosen)] if chosen else None
            await trio.sleep(pause)
            pause = min(1.5 * pause, 0.4)

    def _status_of(self, of: InvocationId) -> str:
        partition = stream_of_invocation(of) % self.lab.partitions
        try:
            data = self._journal.get(invocation_keys.invocation(partition, of))
            status = None if data is None else _status_in(data)
            if status is Status.COMPLETED:
                self.seen_ends.append((of, trio.current_time()))
            elif self._handle is not None and not self._handle.was_in_doubt:
                self.seen_open.append((of, trio.current_time()))
            return "gone" if status is None else status.value
        except JournalError:
            return "damaged"

    @property
    def _journal(self) -> Any:
        assert self._runtime is not None
        return self._runtime.engine.journal

    async def _gate(self, verb: str, scope: str, mode: str) -> None:
        if verb == "close":
            opened = self._times_opened
            await self.client.gates.close(scope, mode=mode)
            if opened == self._times_opened:
                self._closed_since.setdefault(scope, trio.current_time())
        else:
            self._expect_open()
            await self.client.gates.open(scope)

    def _expect_open(self) -> None:
        """From now on nobody can tell from outside which gates are closed."""
        self._times_opened += 1
        for scope, since in self._closed_since.items():
            self.closed.append((scope, since, trio.current_time()))
        self._closed_since.clear()

    async def _job(self, verb: str, count: int, number: int) -> None:
        ids = [t.id for t in self.told if _may_be_steered(t, verb)][-count:]
        if not ids:
            return
        value = ["s", number]
        self.told_by_jobs.add(msgspec.json.encode(value))
        options = {"name": "s", "value": value} if verb == "signal" else {}
        job = await self.client.jobs.of(ids).start(verb, options)
        with trio.move_on_after(20.0):
            await job.result()
            async for item in job.items():
                self.said.append(Said(item.id, verb, item.result is actors.types.ItemResult.CHANGED, by_job=True))

    # Faults.

    async def _jump(self, seconds: float) -> None:
        self.lab.clock.shift(seconds)
        self.shifts.append(self.shifts[-1] + seconds)

    async def _doom(self, commits: int, dies: str) -> None:
        """The process dies over one of its next commits."""
        if self._handle is not None:
            self._handle.doom = self._handle.commits + commits, dies

    async def _damage_of(self, key: str) -> None:
        """Other bits wherever an account has events or snapshots."""
        rows = [
            row
            for row, _ in self.disk.contents()
            if row[:1] in b"ehs" and _stream_of(row) == self.company.stream_of(key)
        ]
        if rows:
            self.doubted.add(self.company.stream_of(key))
        self.disk.damaged.update(rows)

    async def _misread(self, key: str, kind: str, seconds: float) -> None:
        """What is kept of an account is read wrongly for a while."""
        self._begin_misreads(key, kind)
        await trio.sleep(seconds)
        self.disk.misreads.kinds.pop(self.company.stream_of(key), None)

    def _begin_misreads(self, key: str, kind: str) -> None:
        stream = self.company.stream_of(key)
        self.doubted.add(stream)
        self.disk.misreads.kinds[stream] = kind

    async def _damage(self, at: float) -> None:
        """Other bits in a row of an account: nobody gets wrong values, and the others go on."""
        streams = {self.company.stream_of(key) for key in self.company.keys}
        rows = [key for key, _ in self.disk.contents() if key[:1] in b"ehs" and _stream_of(key) in streams]
        if rows:
            row = rows[int(at * len(rows))]
            self.doubted.add(_stream_of(row))
            self.disk.damaged.add(row)

    # The end.

    async def _begin_the_end(self) -> None:
        handle = self._handle = Handle(self.disk, Weather(), Random(0), on_death=lambda: None)
        self.lab.store = handle
        self.world.is_alive = True
        async with self._running(self.plan.lives[-1].code if self.plan.lives else 0) as runtime:
            self._runtime = runtime
            await self._come_to_the_end(runtime)
        self._examine()

    async def _come_to_the_end(self, runtime: Runtime) -> None:
        """In a process whose disk is well."""
        self.has_ended = True
        self.lab.clock.shift(max(self.shifts) - self.shifts[-1])  # no date is further away than it was when it was set
        self.calm.append((trio.current_time(), inf))
        self._expect_open()
        while (
            closed := await self.client.gates.list()
        ):  # one more may be closed now, by a request that outlived its process
            for gate in closed:
                await self.client.gates.open(gate.scope)
        await self.company.relax()
        await trio.sleep(1_000 + max(self.shifts) - min(self.shifts))  # a restart sleeps as long as was left
        await self._check_that_each_waits_for_something()
        await self._let_all_end()
        if not self.broken:
            if self.plan.seed % RETENTION_EVERY == 0:
                await self._check_retention()
            await laws.judge(self, runtime)

    async def _check_that_each_waits_for_something(self) -> None:
        for of in self._still_open():
            info = await self.client.invocation(of).info()
            named = [wait for wait in info.waits if wait.kind in ("signal", "call", "attach")]
            is_held = info.status in (Status.PAUSED, Status.QUEUED) or info.waits_for is not None
            self.law("each waits for something that has a name", bool(is_held or named), f"{info.id}: {info.status}")
            waits = info.limit_wait
            self.law("nobody waits for a limit without end", waits is None, f"{info.id}: {waits}")
            lacks_budget = info.pause_cause is PauseCause.BUDGET
            self.law("what has a budget again goes on", not lacks_budget, f"{info.id}: {info.pause_reason}")

    def _still_open(self) -> list[InvocationId]:
        """All that has not ended, from the rows: a query in SQL takes its turns by the real clock."""
        found: list[InvocationId] = []
        for partition in range(self.lab.partitions):
            prefix = invocation_keys.invocations(partition)
            for key, value in scan_all(self.disk, prefix, keys.after_prefix(prefix)):
                if decode_row(InvocationRow, value).outcome is None:
                    found.append(InvocationId(invocation_keys.id_at_end(key)))
        return found

    async def _let_all_end(self) -> None:
        """Resume, signal, and at last kill what only a person could end: what is hostile, and what was restarted with other input."""
        still_open: list[InvocationId] = []
        for turn in range(40):
            still_open = self._still_open()
            if not still_open:
                return
            for of in still_open:
                handle = self.client.invocation(of)
                try:
                    info = await handle.info()
                    differs = "replays differently" in str(info.pause_reason)
                    if differs and 2 < turn < 6 and self.homes.get(of):
                        await handle.resume(deployment=self.homes[of], check=False)
                    elif turn > 2 and (info.target.service == Walker.__name__ or differs):
                        await handle.kill()
                        continue
                    if info.status in (Status.PAUSED, Status.BACKING_OFF):
                        await handle.resume()
                    await handle.signal("s", ["s", -1])
                    await handle.signal("t", ["t", -1])
                    await handle.signal(QUESTION, next(iter(CHOICES)))
                except actors.RefusedError:
                    continue
            await trio.sleep(30 if turn < 20 else 600)  # a timer of before a clock was set back waits for that long
        for of in still_open:
            info = await self.client.invocation(of).info()
            self.law("all comes to its end", False, f"{info.id}, {info.target}, is {info.status}: {info.pause_reason}")

    async def _check_retention(self) -> None:
        """What has ended is kept for its retention, and not much longer."""
        handle = await self.company.brief()
        await trio.sleep(0.8 * BRIEF_SECONDS)
        self.law("results are kept for their retention", self._status_of(handle.id) == "completed", handle.id)
        await trio.sleep(0.2 * BRIEF_SECONDS + 60.0)
        self.law("what is past its retention is forgotten", self._status_of(handle.id) == "gone", handle.id)

    def forget_tasks(self) -> None:
        """Collect what trio abandoned when the storm had no end. Its coroutines complain that they were not awaited to theirs."""
        self._runtime = self._handle = None
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            gc.collect()
        finally:
            sys.unraisablehook = hook

    def _examine(self) -> None:
        """All that is kept beside the events says what they say, whenever the process dies."""
        for finding in examine(self.disk, self.lab.partitions).findings:
            self.law("the store is sound", False, f"{finding.where}: {finding.what}")


@functools.lru_cache(1_000)
def _status_in(row: bytes) -> Status:
    return decode_row(InvocationRow, row).status


def _may_be_steered(told: Told, verb: str) -> bool:
    return told.is_loose or verb not in ("kill", "restart", "purge")


def _split(
    error: BaseException, kind: type[BaseException] | tuple[type[BaseException], ...]
) -> tuple[BaseException | None, BaseException | None]:
    """What of an error is of the kind, and what is not."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(kind)
    return (error, None) if isinstance(error, kind) else (None, error)


def _stream_of(key: bytes) -> int:
    return int.from_bytes(key[3:11], "big")


# One storm.


@contextmanager
def _same_dice(seed: int) -> Iterator[None]:
    """trio shuffles tasks that are ready together; a plan that failed must fail again. No garbage is collected at moments that
    depend on what was played before."""
    allowed, dice = trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True
    trio_run._r = _Dice(seed)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        trio_run._r = dice
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = allowed


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What the engine says of faults of its own; nothing else is said."""
    faults: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            is_fault = record.levelno >= logging.ERROR and record.name in (faults_log.name, set_aside_log.name)
            # The only one who writes never writes over what another one wrote.
            is_conflict = record.name == engine_log.name and any(isinstance(arg, Conflict) for arg in record.args or ())
            if is_fault or is_conflict:
                faults.append(record.getMessage())

    listener = Listener(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("actors", "journal")]
    for logger in loggers:
        logger.propagate = False
        logger.addHandler(listener)
    try:
        yield faults
    finally:
        for logger in loggers:
            logger.propagate = True
            logger.removeHandler(listener)


class Endless(Exception):
    """A storm takes far more turns than any other."""


class _Dice(Random):
    """Those that trio throws at each turn. They end a run whose tasks keep each other busy, whatever shields they have."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._turns = 0

    def shuffle(self, x: Any) -> None:
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise Endless(f"not over after {MOST_TURNS} turns, at {trio.current_time():.3f} s")
        if len(x) > 1:
            super().shuffle(x)


def _jumping_clock() -> MockClock:
    """Virtual time, which stands still but for jumps."""
    clock = MockClock(autojump_threshold=0)
    vars(clock)["current_time"] = functools.partial(getattr, clock, "_virtual_base")  # the class is final
    return clock


def play(
    plan: Plan,
    cells: Counter[tuple[str, str, str]] | None = None,
    company: Callable[[Storm], Company] | None = None,
) -> Storm:
    """Play it. An engine that contradicts itself stops, which is as good as a broken law."""
    storm = Storm(plan, cells, company)
    with _same_dice(plan.seed), _heard() as storm.faults:
        try:
            trio.run(storm.play, clock=_jumping_clock())
        except (Endless, trio.TrioInternalError) as error:
            storm.law("a storm comes to its end", False, repr(error.__cause__ or error))
        except Exception as error:
            storm.law("an engine does not contradict itself", False, repr(error))
    if storm.broken:
        storm.forget_tasks()
    return storm


def digest(storm: Storm) -> str:
    """What was written and what happened in the world, as one text: equal for equal plans, in every process."""
    return hashlib.sha256(repr((storm.disk.digest(), storm.world.story)).encode()).hexdigest()


def broken_laws(seed: int) -> list[tuple[str, str]]:
    """Play the storm of the seed; the laws that it broke."""
    return play(draw(seed)).broken
