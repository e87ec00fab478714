"""A storm: clients ask for work and steer it, commits fail, the process dies, all of it drawn from one seed.

``Storm.blow`` lives through it and then lets everything come to its end. ``broken_laws`` reads what is on disk, what the
world saw and what the clients were told, and names every promise that does not hold.
"""

from __future__ import annotations

import math
from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import trio

import actors
from actors import Actor, CancelledError, Limits, RetryPolicy, handler, shared, step
from actors.core.errors import ActorError
from actors.doctor import examine
from actors.inspection import belongs_to
from journal import events as e
from journal.errors import InDoubt, Unavailable
from journal.events import Mode, OutcomeKind, Status
from journal.ids import stream_of, stream_of_invocation
from journal.memory import MemoryStore
from tests.lab import WORLD, Lab

if TYPE_CHECKING:
    from actors.runtime import Runtime
    from journal.events import Recorded
    from journal.ids import InvocationId
    from journal.store import Batch

KEYS = "abcd"
"""Each lies in a partition of its own, where there are five."""

OPEN = [status for status in Status if status is not Status.COMPLETED]

Node = list[Any]


class Flop(Exception):
    """A step fails, and may be tried again."""


async def _act(seconds: float, unwind: float) -> None:
    key = actors.step_key()
    WORLD.note(("begin", key, trio.current_time()))
    try:
        await trio.sleep(seconds)
    except trio.Cancelled:
        with trio.CancelScope(shield=True):
            await trio.sleep(unwind)
        raise
    finally:
        WORLD.note(("end", key, trio.current_time()))


@step(retry=RetryPolicy(max_attempts=2, initial_delay=0.2, max_delay=1.0))
async def act(seconds: float, unwind: float, flops: int) -> None:
    await _act(seconds, unwind)
    key = actors.step_key()
    if sum(1 for entry in WORLD.entries if entry[:2] == ("flop", key)) < flops:
        WORLD.note(("flop", key, trio.current_time()))
        raise Flop


@step
async def undo() -> None:
    await _act(0.1, 0.0)


class Account(Actor):
    """``seen`` are the numbers of the works that went through; ``left`` and ``right`` are changed together, or not."""

    seen: list[int] = actors.field(factory=list)
    left: int = 0
    right: int = 0

    @handler
    async def work(self, number: int, program: list[Node]) -> int:
        try:
            for node in program:
                await getattr(self, f"_{node[0]}")(*node[1:])
            await actors.sleep(1.0)
        except CancelledError:
            await undo()
            raise
        self.seen.append(number)
        return number

    @handler(atomic=True)
    async def move(self, number: int, seconds: float) -> None:
        self.left = number
        await act(seconds, 0.0, 0)
        self.right = number

    @shared
    async def read(self) -> list[int]:
        return [self.left, self.right]

    @handler
    async def all_seen(self) -> list[int]:
        return self.seen

    async def _step(self, seconds: float, unwind: float, flops: int) -> None:
        await act(seconds, unwind, flops)

    async def _sleep(self, seconds: float) -> None:
        await actors.sleep(seconds)

    async def _wait(self, name: str) -> None:
        await actors.signal(name)

    async def _deadline(self, seconds: float, node: Node) -> None:
        with actors.move_on_after(seconds):
            await getattr(self, f"_{node[0]}")(*node[1:])

    async def _shield(self, node: Node) -> None:
        with actors.CancelScope(shield=True):
            await getattr(self, f"_{node[0]}")(*node[1:])

    async def _nursery(self, nodes: list[Node]) -> None:
        async with actors.open_nursery() as nursery:
            for node in nodes:
                nursery.start_soon(getattr(self, f"_{node[0]}"), *node[1:])

    async def _call(self, key: str, number: int) -> None:
        if key > self.key:  # in one direction only, so that no two wait for each other
            await actors.actor(Account, key).work(number, [["step", 0.2, 0.1, 0]])

    async def _send(self, key: str, number: int) -> None:
        await actors.actor(Account, key).work.send(number, [])

    async def _cancel(self, of: InvocationId) -> None:
        try:
            await actors.invocation(of).cancel()
        except actors.Refused:
            return

    async def _emit(self, value: int) -> None:
        actors.emit(value)


class Weather(MemoryStore):
    """Commits take their time, and some fail: then they are kept, or lost, or refused."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.is_fair = True
        self._random = random

    async def commit(self, batch: Batch) -> None:
        await trio.sleep(self._random.choice([0.0, 0.0, 0.001, 0.02]))
        fate = "kept" if self.is_fair else self._random.choice(["kept"] * 40 + ["lost", "in doubt", "refused"])
        if fate == "refused":
            raise Unavailable("no room just now")
        if fate != "lost":
            await super().commit(batch)
        if fate != "kept":
            raise InDoubt("whether it is on disk is unknown")


class Storm:
    """One run, from one seed. ``told`` is what clients were told: ids that were accepted, by number of the work."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.store = Weather(random)
        self.lab = Lab(
            Account,
            limits=Limits(
                suspend_after_seconds=random.choice([0.5, 4.0, 60.0]),
                running_steps=random.choice([1, 2, 100]),
                live_attempts=random.choice([1, 100]),
                idle_objects=random.choice([1, 100]),
                mailbox=random.choice([3, 1000]),
            ),
            partitions=random.choice([1, 5]),
            seed=seed,
            store=self.store,
        )
        self.numbers = iter(range(1, 1_000_000))
        self.told: dict[InvocationId, int] = {}
        self.refused: set[int] = set()
        self.purged: set[InvocationId] = set()
        self.torn: list[list[int]] = []
        self.broken: list[str] = []
        self._by_key: set[InvocationId] = set()
        self._keyed: dict[str, tuple[str, int, list[Node]]] = {}

    async def blow(self) -> None:
        """Live through it: some lives that end anywhere, and one in which all comes to its end."""
        for _ in range(self.random.choice([1, 2, 3])):
            async with self.lab.running() as runtime:
                self.store.is_fair = False
                with trio.move_on_after(self.random.uniform(0.2, 6.0)):
                    async with trio.open_nursery() as nursery:
                        for _ in range(3):
                            nursery.start_soon(self._be_a_client, runtime, Random(self.random.random()))
            WORLD.note(("crash", "", trio.current_time()))
            self._examine()
            self.store.is_fair = True
        async with self.lab.running() as runtime:
            await trio.sleep(1_000)
            await self._check_that_each_waits_for_something(runtime)
            await self._let_all_end(runtime)
            await self._read_what_is_left(runtime)
        self._examine()

    # Clients.

    async def _be_a_client(self, runtime: Runtime, random: Random) -> None:
        deeds = [self._ask] * 5 + [self._steer] * 6 + [self._move, self._look]
        while True:
            await trio.sleep(random.choice([0.0, 0.0, 0.05, 0.3, 1.0]))
            try:
                await random.choice(deeds)(runtime, random)
            except actors.UnknownOutcomeError:
                continue
            except ActorError:
                continue

    async def _ask(self, runtime: Runtime, random: Random) -> None:
        request = random.choice([None, "x", "y", "z"])
        key, number, program = random.choice(KEYS), next(self.numbers), self._program(random)
        if request is not None:
            key, number, program = self._keyed.setdefault(request, (key, number, program))
        work = runtime.client.actor(Account, key).work.options(
            idempotency_key=request, delay=random.choice([None, None, 0.7])
        )
        try:
            handle = await work.send(number, program)
        except actors.MailboxFullError:
            if request is None:
                self.refused.add(number)
            raise
        self.told[handle.id] = number
        if request is not None:
            self._by_key.add(handle.id)

    async def _steer(self, runtime: Runtime, random: Random) -> None:
        if not self.told:
            return
        handle = runtime.client.invocation(random.choice([*self.told][-8:]))
        match random.choice(["cancel", "cancel", "kill", "pause", "pause now", "resume", "signal", "signal", "purge"]):
            case "cancel":
                await handle.cancel(kill_after=random.choice([None, None, 0.5, 20.0]))
            case "kill":
                await handle.kill()
            case "pause":
                await handle.pause()
            case "pause now":
                await handle.pause(mode="now")
            case "resume":
                await handle.resume()
            case "signal":
                await handle.signal(random.choice("st"))
            case _ if handle.id not in self._by_key:  # whose key is free again once it is purged
                self.purged.add(handle.id)  # also if the answer is lost
                await handle.purge()
            case _:
                return

    async def _move(self, runtime: Runtime, random: Random) -> None:
        with trio.move_on_after(random.choice([0.1, 3.0])):
            await runtime.client.actor(Account, random.choice(KEYS)).move(next(self.numbers), random.choice([0.0, 0.5]))

    async def _look(self, runtime: Runtime, random: Random) -> None:
        left, right = await runtime.client.actor(Account, random.choice(KEYS)).read()
        if left != right:
            self.torn.append([left, right])

    def _program(self, random: Random) -> list[Node]:
        return [self._node(random) for _ in range(random.choice([1, 2, 3]))]

    def _node(self, random: Random, depth: int = 0) -> Node:
        seconds = random.choice([0.0, 0.1, 0.5, 1.5])
        leaves: list[Node] = [
            ["step", seconds, random.choice([0.0, 0.3]), random.choice([0, 0, 0, 1, 2])],
            ["step", seconds, 0.3, 0],
            ["sleep", seconds],
            ["wait", random.choice("st")],
            ["call", random.choice(KEYS), next(self.numbers)],
            ["send", random.choice(KEYS), next(self.numbers)],
            ["emit", 1],
        ]
        if self.told:
            leaves.append(["cancel", random.choice([*self.told])])
        if depth == 2 or random.random() < 0.6:
            return random.choice(leaves)
        inner = [self._node(random, depth + 1) for _ in range(2)]
        blocks: list[Node] = [["deadline", seconds, inner[0]], ["shield", inner[0]], ["nursery", inner]]
        return random.choice(blocks)

    # The end.

    async def _check_that_each_waits_for_something(self, runtime: Runtime) -> None:
        for found in await runtime.client.invocations(status=OPEN, limit=10_000):
            info = await runtime.client.invocation(found.id).info()
            named = [wait for wait in info.waits if wait.kind in ("signal", "call", "attach")]
            held = info.status in (Status.PAUSED, Status.QUEUED)
            if not held and not named:
                self.broken.append(f"{info.id} waits for nothing: {info.status.value}, {info.waits}")

    async def _let_all_end(self, runtime: Runtime) -> None:
        for _ in range(60):
            still_open = await runtime.client.invocations(status=OPEN, limit=10_000)
            if not still_open:
                return
            for info in still_open:
                handle = runtime.client.invocation(info.id)
                try:
                    await handle.resume()
                    await handle.signal("s")
                    await handle.signal("t")
                except actors.Refused:
                    continue
            await trio.sleep(100)
        self.broken += [f"{info.id} never ends: {info.status.value}" for info in still_open]

    async def _read_what_is_left(self, runtime: Runtime) -> None:
        if self.broken:
            return
        journal = runtime.engine.journal
        histories: dict[InvocationId, list[Recorded]] = defaultdict(list)
        for partition in range(journal.partitions):
            async for stream, _ in journal.heads(partition):
                events = [recorded async for recorded in journal.read(stream)]
                self._check_order(events)
                for recorded in events:
                    of = getattr(recorded.event, "invocation_id", None)
                    if of is not None and belongs_to(recorded.event, of):
                        histories[of].append(recorded)
        for of, history in histories.items():
            self._check_history(of, history)
        self._check_what_was_told(histories)
        self._check_world(histories)
        for key in KEYS:
            seen = await runtime.client.actor(Account, key).all_seen()
            self._check_fold(key, seen, histories)

    def _examine(self) -> None:
        """All that is kept beside the events says what they say, whenever the process dies."""
        found = examine(self.store, self.lab.partitions).findings
        self.broken += [f"{finding.where}: {finding.what}" for finding in found]

    # Laws.

    def _law(self, holds: bool, text: str) -> None:
        if not holds:
            self.broken.append(text)

    def _check_order(self, events: list[Recorded]) -> None:
        """First come, first served, among exclusive ones that start at all."""
        line: list[InvocationId] = []
        exclusive = {r.event.invocation_id for r in events if _is_exclusive(r.event)}
        for recorded in events:
            match recorded.event:
                case e.InvocationAccepted(scheduled_for=None) | e.InvocationDue():
                    line.append(recorded.event.invocation_id)
                case e.InvocationStarted() if recorded.event.invocation_id in exclusive:
                    first = next(of for of in line if of in exclusive)
                    self._law(first == recorded.event.invocation_id, f"{first} came before {recorded.event}")
                    line.remove(recorded.event.invocation_id)
                case e.InvocationCompleted() if recorded.event.invocation_id in line:
                    line.remove(recorded.event.invocation_id)

    def _check_history(self, of: InvocationId, history: list[Recorded]) -> None:
        ends = [r for r in history if isinstance(r.event, e.InvocationCompleted)]
        self._law(len(ends) == 1, f"{of} ended {len(ends)} times")
        self._law(not ends or ends[-1] is history[-1], f"{of} went on after its end")
        self._law(sum(isinstance(r.event, e.InvocationAccepted) for r in history) == 1, f"{of} was accepted twice")
        due: dict[str, float] = {}
        for recorded in history:
            match recorded.event:
                case e.SleepScheduled() as sleep:
                    due[sleep.step] = sleep.wake_at
                case e.DeadlineScheduled() as deadline:
                    due[deadline.step] = deadline.expires_at
                case e.TimerFired() as fired:
                    self._law(recorded.stamp.at >= due[fired.step] - 1e-5, f"{of}: {fired} came early")
        self._check_cancel(of, history)

    def _check_cancel(self, of: InvocationId, history: list[Recorded]) -> None:
        """What was cancelled did not succeed; and a work has compensated, since it ends with a sleep that is not shielded."""
        was_cancelled = any(isinstance(r.event, e.CancelRequested) for r in history)
        last = history[-1].event
        if not was_cancelled or not isinstance(last, e.InvocationCompleted):
            return
        kind = last.outcome.kind
        self._law(kind is not OutcomeKind.SUCCEEDED, f"{of} was cancelled, and succeeded all the same")
        has_undone = any(isinstance(r.event, e.StepScheduled) and r.event.name == "undo" for r in history)
        must_undo = kind is OutcomeKind.CANCELLED and _number_of(history) is not None
        self._law(has_undone or not must_undo, f"{of} was cancelled, and has undone nothing")

    def _check_what_was_told(self, histories: dict[InvocationId, list[Recorded]]) -> None:
        lost = [of for of in self.told if of not in histories and of not in self.purged]
        self._law(not lost, f"acknowledged, and lost: {lost}")
        numbers = [_number_of(history) for history in histories.values()]
        done = [number for number in numbers if number is not None]
        twice = {number for number in done if done.count(number) > 1}
        self._law(not twice, f"asked for once, and done twice: {twice}")
        self._law(not self.refused & {*done}, f"refused, and done: {self.refused & {*done}}")
        self._law(not self.torn, f"a reader saw half of an atomic change: {self.torn}")

    def _check_world(self, histories: dict[InvocationId, list[Recorded]]) -> None:
        """No step begins again once it is recorded; no compensation begins before its action has given way."""
        recorded: dict[str, float] = {}
        names: dict[str, str] = {}
        for of, history in histories.items():
            for entry in history:
                if isinstance(entry.event, e.StepCompleted):
                    recorded[f"{of}/{entry.event.step}"] = entry.stamp.at - self._wall(0.0)
                elif isinstance(entry.event, e.StepScheduled):
                    names[f"{of}/{entry.event.step}"] = entry.event.name
        running: set[str] = set()
        for what, key, at in WORLD.entries:
            if what == "crash":
                running.clear()
            elif what == "end":
                running.discard(key)
            elif what == "begin":
                self._law(at <= recorded.get(key, math.inf) + 1e-5, f"{key} began again at {at}, after it was recorded")
                of = key.partition("/")[0]
                beside = {other for other in running if other.startswith(of)}
                self._law(names.get(key) != "undo" or not beside, f"{key} undoes what still runs: {beside}")
                running.add(key)

    def _wall(self, at: float) -> float:
        return self.lab.clock.now() - trio.current_time() + at

    def _check_fold(self, key: str, seen: list[int], histories: dict[InvocationId, list[Recorded]]) -> None:
        """The object is what its works made of it, in their order."""
        self._law(len(seen) == len({*seen}), f"{key}: some works left twice what they should once: {seen}")
        ends = {
            _number_of(history): history[-1]
            for history in histories.values()
            if isinstance(history[-1].event, e.InvocationCompleted)
            and history[-1].event.outcome.kind is OutcomeKind.SUCCEEDED
            and _target_key(history, key)
        }
        kept = [number for number in seen if number in ends]
        expected = [number for number in sorted(ends, key=lambda n: ends[n].number) if number is not None]
        self._law(kept == expected, f"{key} has seen {kept}, its works are {expected}")


def _is_exclusive(event: Any) -> bool:
    return isinstance(event, e.InvocationAccepted) and event.mode is Mode.EXCLUSIVE


def _number_of(history: list[Recorded]) -> int | None:
    """The number of a work."""
    accepted = history[0].event
    if not isinstance(accepted, e.InvocationAccepted) or accepted.handler != "work":
        return None
    number: int = msgspec.json.decode(accepted.argument)["number"]
    return number


def _target_key(history: list[Recorded], key: str) -> bool:
    accepted: Any = history[0].event
    return stream_of_invocation(accepted.invocation_id) == stream_of("Account", key)


async def broken_laws(seed: int) -> list[str]:
    """Blow a storm from the seed; the promises that it broke."""
    WORLD.clear()
    storm = Storm(seed)
    await storm.blow()
    return storm.broken
