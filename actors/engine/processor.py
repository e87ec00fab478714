"""The owner of a partition: take what has arrived for its objects, decide, commit together, act.

One task decides, in rounds; while one commit is on its way to the disk the next one forms. State runs ahead of the disk: an
object goes on with what it has decided, and only what leaves the process (an answer, the beginning of a side effect) waits.
If a commit fails the owner ends, with all that it knows, and another one begins from what is on disk.

Two things are queued within a round. *Deliveries*, from object to object, are all taken before a commit is sealed, so that a
cause and what it causes are on disk together. *Runs* of handlers may wait for a later commit: that a handler is to run follows
from its object's state.
"""

from __future__ import annotations

import contextlib
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from actors.core import commands as c
from actors.engine.containment import Containment
from actors.engine.deadlocks import CircleBreaker, Circles
from actors.engine.dispatcher import Reception
from actors.engine.executor import Stage
from actors.engine.gate_watcher import Gatekeeper
from actors.engine.machine import Ledger
from actors.engine.object_cache import Directory
from actors.engine.requests import Arrival
from actors.engine.waiter import Waiter
from actors.errors import TerminalError, UnavailableError, UnknownOutcomeError
from actors.model.classes import service_name
from actors.system.code import Code
from actors.system.registry import Registry
from journal import keys
from journal.errors import BrokenInvariant, CorruptRecord, Damaged, JournalError
from journal.events import Stamp
from journal.ids import InvocationId, StreamId, stream_of_invocation
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from actors.code.registry import Applications
    from actors.core.gates import Gates
    from actors.engine.attempt import Setting
    from actors.engine.batch import Forming
    from actors.engine.deadlocks import DirectoryOf
    from actors.engine.totals import Tally
    from journal.log.protocol import Due, Journal, Partition
    from journal.rows import Backlog

T = TypeVar("T")

log = SafeLogger(__name__)

_NEEDED_TO_OPEN = frozenset({service_name(Registry), service_name(Code)})
"""Whose objects say what holds from the start: what they were doing must go on before that."""

_TAKEN_UP_TOGETHER = 64
"""Objects that go on after a start before calls and verbs get their turn."""

_ROUND = 256
"""Arrivals and runs that one round takes before the other tasks of the process get their turn."""

_ENOUGH_TO_COMMIT = 128
"""Of these, so many are worth a commit of their own as long as none is on its way. Fewer than half a round cost more in commits
than is won by the disk's beginning earlier."""

_WAKE_TOGETHER = 128
"""Outside waiters that are woken in one tick; ten thousand at once would make the loop deaf for a tenth of a second."""

_PURGED_TOGETHER = 500
_LONGEST_NAP_SECONDS = 3600.0
_MICROSECOND = 1e-6


class Owner:
    """Runs the objects of one claimed partition for as long as :meth:`run` does."""

    def __init__(
        self,
        journal: Journal,
        partition: Partition,
        applications: Applications,
        setting: Setting,
        *,
        gates: Gates,
        tally: Tally,
        retention_seconds: float,
        opened: trio.Event,
        directory_of: DirectoryOf,
    ) -> None:
        self._tally = tally
        self._opened = opened
        self._journal = journal
        self._partition = partition
        self._inherited = journal.backlog
        self._clock = setting.world.clock
        self._steps = setting.steps
        self._limits = setting.limits
        directory = Directory(partition, limit=setting.limits.idle_objects, limit_bytes=setting.limits.resident_bytes)
        self._directory = directory
        self._containment = Containment(directory, self._wake)
        self._ledger = Ledger(
            journal,
            partition,
            directory,
            applications,
            setting,
            gates=gates,
            retention_seconds=retention_seconds,
            containment=self._containment,
        )
        self._stage = self._ledger.performer = Stage(self._ledger, setting, self._take_in, self._containment)
        self._reception = Reception(self._ledger, self._containment, Circles(journal, directory_of))
        self._breaker = CircleBreaker(
            journal, partition.number, Circles(journal, directory_of), self._take_in, self.settled
        )
        self._gatekeeper = Gatekeeper(journal, self._ledger, self._stage, self._take_in, self.settled)
        self._turns: deque[tuple[Gates, Waiter[None]]] = deque()
        self._resting: list[Waiter[None]] = []
        self._inbox: deque[Arrival] = deque()
        self._sealed: Forming | None = None
        self._released: deque[Callable[[], None]] = deque()
        self._arrived = trio.Event()
        self._seal_wanted = trio.Event()
        self._release_wanted = trio.Event()
        self._waiters: set[Waiter[Any]] = set()
        self._is_closed = False

    @property
    def directory(self) -> Directory:
        """The objects of its partition that are in memory."""
        return self._directory

    @property
    def objects_in_memory(self) -> int:
        """How many objects are folded and kept."""
        return len(self._directory)

    @property
    def set_aside(self) -> Iterable[str]:
        """The names of the objects that it failed on, of which nothing goes on until the next start."""
        return self._directory.set_aside.values()

    @property
    def arrivals(self) -> int:
        """How much waits to be taken in."""
        return len(self._inbox)

    def submit(self, arrival: Arrival) -> None:
        """Take something in from outside; the client is answered through it. Raises :class:`UnavailableError`."""
        if self._is_closed:
            raise UnavailableError("the store is being opened again; try again")
        if len(self._inbox) >= self._limits.requests:
            limit = self._limits.requests
            raise UnavailableError(
                f"overloaded: {len(self._inbox)} requests queued (limit `requests`={limit}); retry later"
            )
        self._take_in(arrival)

    async def answer(self, waiter: Waiter[T], of: InvocationId | None = None) -> T:
        """Wait for an answer that this owner owes, on the invocation ``of``. Raises :class:`UnknownOutcomeError` if the owner
        ends before."""
        self._waiters.add(waiter)
        try:
            return await waiter.wait()
        except UnknownOutcomeError as error:
            error.invocation_id = of
            raise
        finally:
            self._waiters.discard(waiter)

    async def turn(self, gates: Gates) -> None:
        """Install these gates; returns when nothing that they hold is running. Steps may still be ending."""
        if self._is_closed:
            return
        turned: Waiter[None] = Waiter()
        self._turns.append((gates, turned))
        self._wake()
        await self.answer(turned)

    async def settled(self) -> None:
        """Return when everything decided so far is durable."""
        waiter: Waiter[None] = Waiter()
        self._ledger.when_durable(partial(waiter.set, None))
        self._wake()
        await self.answer(waiter)

    async def rest(self) -> None:
        """Return when nothing waits to be taken in, no handler is to run, and all that was decided is durable."""
        while self._has_work and not self._is_closed:
            rested: Waiter[None] = Waiter()
            self._resting.append(rested)
            await self.answer(rested)
        if not self._is_closed:
            await self.settled()

    @property
    def _has_work(self) -> bool:
        return bool(self._inbox or self._stage.runs)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the partition. Ends only by an error, or by being cancelled.

        Users' objects go on once the runtime is ``opened``: opening it waits for no handler, however long one takes.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._stage.open(nursery, self._wake)
                nursery.start_soon(self._decide_in_rounds)
                nursery.start_soon(self._commit_what_is_sealed)
                nursery.start_soon(self._release)
                await self._take_up(_NEEDED_TO_OPEN)
                nursery.start_soon(self._go_on_when_opened)
                nursery.start_soon(self._suspend_what_idles)
                nursery.start_soon(self._purge_what_is_over)
                nursery.start_soon(self._gatekeeper.wake_what_was_held)
                task_status.started()
        finally:
            self._close()
            if not self._steps.is_draining:
                with trio.CancelScope(shield=True):
                    await self._stage.unwind()

    # Rounds.

    def _take_in(self, arrival: Arrival) -> None:
        self._inbox.append(arrival)
        self._wake()

    def _wake(self) -> None:
        self._arrived.set()

    @trio.lowlevel.enable_ki_protection
    async def _decide_in_rounds(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived = trio.Event()
            await self._round()
            if self._has_work:
                self._wake()
            else:
                while self._resting:
                    self._resting.pop().set(None)
            if self._sealed is None and self._ledger.has_news:
                self._sealed = self._ledger.seal()
                self._seal_wanted.set()
            await trio.lowlevel.checkpoint()

    async def _round(self) -> None:
        self._ledger.now = self._clock.now()
        while self._turns:
            gates, turned = self._turns.popleft()
            self._gatekeeper.turn(gates)
            turned.set(None)
        for done in range(_ROUND):
            if done >= _ENOUGH_TO_COMMIT and self._sealed is None:
                break  # the disk has nothing to do: it can have this while the rest is decided
            if self._containment.faults:
                await self._containment.settle(self._ledger)
            if self._ledger.deliveries:
                await self._take_deliveries()
            if self._stage.runs:
                await self._stage.run_next()
            elif self._inbox:
                await self._reception.take(self._inbox.popleft())
            else:
                break
        await self._take_deliveries()
        self._directory.shrink()
        # Last, and with no wait behind it before the commit is sealed: none may hold an object that is half changed.
        while self._containment.faults:
            await self._containment.settle(self._ledger)
            await self._take_deliveries()

    async def _take_deliveries(self) -> None:
        while self._ledger.deliveries:
            arrival = await self._ledger.next_delivery()
            if arrival is not None:
                await self._reception.take(arrival)

    async def _commit_what_is_sealed(self) -> None:
        while True:
            await self._seal_wanted.wait()
            self._seal_wanted = trio.Event()
            sealed = self._sealed
            if sealed is None:
                raise BrokenInvariant("the seal was wanted because there is one")
            if sealed.is_written:
                began = trio.current_time()
                try:
                    await self._commit(sealed)
                except JournalError:
                    self._refuse_from_now_on()  # steps may take long to give way, and nobody should wait for that
                    raise
                self._tally.count(sealed, trio.current_time() - began)
            self._ledger.settle(sealed)
            self._sealed = None
            self._released.extend(sealed.released)
            self._release_wanted.set()
            self._wake()

    async def _commit(self, sealed: Forming) -> None:
        while True:
            try:
                await self._partition.commit(sealed.appends(), sealed.letters, sealed.retracted)
            except Damaged as damage:
                # What was to be overwritten cannot be read. The others' events must not wait for that, nor this object's own.
                extension = sealed.extensions.get(StreamId(damage.stream))
                if extension is None or not sealed.forgo_rewriting(extension):
                    raise
                self._containment.blame(extension.resident, None, damage, is_whole=True)
            else:
                return

    async def _release(self) -> None:
        while True:
            await self._release_wanted.wait()
            self._release_wanted = trio.Event()
            while self._released:
                for _ in range(min(_WAKE_TOGETHER, len(self._released))):
                    self._released.popleft()()
                await trio.lowlevel.checkpoint()

    # What comes by itself.

    async def _go_on_when_opened(self) -> None:
        await self._opened.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_letters)
            nursery.start_soon(self._take_up)
            nursery.start_soon(self._breaker.run)

    async def _take_up(self, only: Container[str] | None = None) -> None:
        """Take up what was under way. Only objects that owe something are read, and of those only what gates may let go on.

        One page after the other, so that calls and verbs are taken in between, however much there is.
        """
        prefix = keys.owing_prefix(self._partition.number)
        start, stop = prefix, keys.after_prefix(prefix)
        while page := self._journal.rows(start, stop, limit=_TAKEN_UP_TOGETHER):
            start = page[-1][0] + b"\x00"
            named = [(StreamId(keys.stream_of_owing(key)), service.decode(errors="replace")) for key, service in page]
            streams = [stream for stream, service in named if only is None or service in only]
            wanted = [stream for stream in streams if not self._ledger.gates.holds_all_of(dict(named)[stream])]
            await self._gatekeeper.start_waiting(wanted, "the runtime has started")

    async def _read_letters(self) -> None:
        async for due in self._partition.letters():
            for letter in due:
                self._take_letter(letter)

    def _take_letter(self, due: Due) -> None:
        letter = due.letter
        try:
            command, envelope = c.decode_command(letter.data)
        except CorruptRecord:
            log.exception("message %r to stream %016x cannot be read, and stays where it is", letter.id, letter.to)
            return
        at, inherited = self._clock.now(), self._inherited
        if inherited is not None and _is_of(inherited, self._partition.number, due, envelope):
            at = min(at, inherited.before - _MICROSECOND)  # a gate before the backlog holds it too
        stamp = Stamp(at, envelope.cause, envelope.by)
        self._take_in(Arrival(letter.to, command, stamp, position=due.position))

    async def _suspend_what_idles(self) -> None:
        seconds = self._limits.suspend_after_seconds
        while True:
            await self._stage.some_attempt.wait()
            await trio.sleep(seconds / 4)
            self._stage.suspend_idle(seconds)

    async def _purge_what_is_over(self) -> None:
        while True:
            start = keys.purge_prefix(self._partition.number)
            now = keys.purge(self._partition.number, self._clock.now() + _MICROSECOND, InvocationId(""))
            while page := self._journal.rows(start, now, limit=_PURGED_TOGETHER):
                await self._purge([InvocationId(keys.id_at_end(key)) for key, _ in page])
                start = page[-1][0] + b"\x00"
            await self._wait_for_purge(now)

    async def _purge(self, over: list[InvocationId]) -> None:
        by_stream: dict[StreamId, list[InvocationId]] = {}
        for invocation_id in over:
            by_stream.setdefault(stream_of_invocation(invocation_id), []).append(invocation_id)
        stamp = Stamp(self._clock.now(), "retention", "engine")
        last: Waiter[None] | None = None
        for stream, invocation_ids in by_stream.items():
            last = Waiter()
            self._take_in(Arrival(stream, c.PurgeInvocations(invocation_ids=invocation_ids), stamp, reply=last))
        if last is not None:
            # What could not be purged (another was faster, its object is damaged) is looked at again the next time.
            with contextlib.suppress(TerminalError):
                await last.wait()

    async def _wait_for_purge(self, now: bytes) -> None:
        later = keys.after_prefix(keys.purge_prefix(self._partition.number))
        following = self._journal.rows(now, later, limit=1)
        due_at = keys.date_of_purge(following[0][0]) if following else None
        seconds = _LONGEST_NAP_SECONDS if due_at is None else max(0.0, due_at - self._clock.now())
        with trio.move_on_after(min(seconds, _LONGEST_NAP_SECONDS)):
            await self._ledger.purge_sooner(due_at).wait()

    def _close(self) -> None:
        self._stage.close()
        self._refuse_from_now_on()

    def _refuse_from_now_on(self) -> None:
        self._is_closed = True
        for waiter in list(self._waiters):
            waiter.fail(
                UnknownOutcomeError(
                    "the runtime stops, or its disk failed, before the answer was durable. The work continues when it is "
                    "started again; the same invocation id, or idempotency key, finds it"
                )
            )


def _is_of(backlog: Backlog, partition: int, due: Due, envelope: c.Envelope) -> bool:
    return backlog.has_letter(partition, due.position) or backlog.has_epoch(partition, envelope.postponed)
