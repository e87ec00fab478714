"""Runs the objects of one partition: take requests, decide, commit together, act. ::

    requests ─► inbox ─► dispatcher ─► machine ─► batch ─► seal ─► commit ─► release
                  ▲                       │  ▲                       │          │
                  │ deliveries            ▼  │ results            (fails)    answers to clients,
                  └────────────────── executor: handlers, steps      │       side effects begin
                                                                     ▼
                                                         the processor ends; a new one reads the disk

One task decides, in rounds, while the commit before is on its way to the disk. The state in memory is ahead of the disk: an
object continues with its decisions at once, and only effects that leave the process (an answer, a side effect) wait for the
commit. If a commit fails, the processor ends with everything that it has in memory, and a new one starts from the disk.

Invariants: nothing outside learns of an event before it is on disk. At most one commit is on its way, and commits are in the
order of the decisions. All *deliveries* from object to object are taken before a batch is sealed, so a cause and its effects
inside the partition are on disk together. *Ready handlers* may wait for a later batch: the object's state names them.

Prior art: group commit in databases (PostgreSQL, RocksDB), and the partition processor of restatedev/restate, which also applies
one ordered log per partition. Alternative refused: to wait for the disk before the next decision. A chain of ten calls would then
cost ten syncs instead of one, and a thousand clients as many commits.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from trio._core._run import GLOBAL_RUN_CONTEXT  # trio has no public way to see whether a task runs that costs no call

from actors.core import commands as c
from actors.engine.budget_watcher import BudgetWatcher
from actors.engine.callers import require_client
from actors.engine.commits import Commits
from actors.engine.containment import Containment
from actors.engine.deadlocks import DeadlockBreaker, DeadlockDetector
from actors.engine.dispatcher import Dispatcher
from actors.engine.executor import Executor
from actors.engine.faults import Faults
from actors.engine.first_turns import FirstTurns
from actors.engine.gate_watcher import GateWatcher
from actors.engine.history_effects import HistoryEffects
from actors.engine.machine import Machine
from actors.engine.message_reader import MessageReader
from actors.engine.object_cache import ObjectCache
from actors.engine.places import running
from actors.engine.requests import ObjectRequest
from actors.engine.retention import Retention
from actors.engine.waiter import OwnReply, Reply
from actors.errors import UnavailableError, UnknownOutcomeError
from actors.event_loop import own_run, this_thread
from actors.model.classes import service_name
from actors.system.code import Code
from actors.system.registry import Registry
from journal import keys
from journal.events import Stamp
from journal.ids import StreamId
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from actors.code.registry import CodeRegistry
    from actors.core.gates import Gates
    from actors.core.limits import Candidate
    from actors.engine.deadlocks import DirectoryOf
    from actors.engine.engine_context import EngineContext
    from actors.engine.observer import Observer
    from actors.engine.run_limits import RunLimits
    from actors.engine.running_steps import RunningSteps
    from actors.engine.totals import EngineCounters
    from actors.model.inside import InsideClient
    from journal.log.protocol import Journal, Partition

log = SafeLogger(__name__)

_NEEDED_TO_OPEN = frozenset({service_name(Registry), service_name(Code)})
"""The services whose objects have the rules for all others. Their unfinished work must complete before user objects continue."""

_TAKEN_UP_TOGETHER = 64
"""How many objects continue after a start before calls and verbs get their turn."""

_ROUND = 256
"""How many requests and handlers one round takes, how many calls, and how many ends of waits, before other tasks get their turn."""

_RUNS_IN_A_ROW = 16
"""How many ready handlers run before a request gets its turn. Handlers go first, because they hold keys. But handlers that make each other
ready endlessly must not delay the request that would stop them."""

_ENOUGH_TO_COMMIT = 128
"""How many justify a commit while none is on its way. A smaller one costs more than an earlier start of the disk gains."""


class PartitionProcessor:
    """Runs the objects of one claimed partition for as long as :meth:`run` does; then ``is_closed``."""

    def __init__(
        self,
        journal: Journal,
        partition: Partition,
        applications: CodeRegistry,
        context: EngineContext,
        *,
        steps: RunningSteps,
        client: InsideClient,
        gates: Gates,
        run_limits: RunLimits,
        counters: EngineCounters,
        retention_seconds: float,
        opened: trio.Event,
        directory_of: DirectoryOf,
    ) -> None:
        self._own_run = own_run()
        self._opened = opened
        self._journal = journal
        self._partition = partition
        self._clock = context.environment.clock
        self._steps = steps
        self._limits = limits = context.limits
        self._cache = cache = ObjectCache(partition, limit=limits.idle_objects, limit_bytes=limits.resident_bytes)
        self._faults = Faults(self._wake)
        self._machine = Machine(
            journal,
            partition,
            cache,
            applications,
            context,
            gates=gates,
            run_limits=run_limits,
            retention_seconds=retention_seconds,
            faults=self._faults,
        )
        self._executor = self._new_executor(context, steps, client)
        self._commits = self._new_commits(counters, context.observer)
        self._history_effects = HistoryEffects(self._machine, self._faults)
        self._containment = Containment(self._faults, self._machine, self._executor)
        detector = DeadlockDetector(journal, directory_of)
        first_turns = FirstTurns(self._machine, self._executor, context, self._faults)
        self._dispatcher = Dispatcher(self._machine, self._executor, context, self._faults, detector, first_turns)
        detect = DeadlockDetector(journal, directory_of)
        self._breaker = DeadlockBreaker(journal, partition.number, detect, self._take_in, self.settled)
        self._gate_watcher = GateWatcher(journal, self._machine, self._executor, self._take_in, self.settled)
        self._retention = Retention(journal, self._machine, self._take_in)
        self._messages = MessageReader(journal, partition, self._clock, self._take_in)
        self._turns: deque[tuple[Gates, Reply[None]]] = deque()
        self._resting: list[Reply[None]] = []
        self._inbox: deque[ObjectRequest] = deque()
        self._arrived = trio.Event()
        self.replies: set[Reply[Any]] = set()
        """The replies that wait for an answer; the reply to a client names an invocation."""
        self._is_deciding = False
        self.is_closed = False

    def _new_executor(self, context: EngineContext, steps: RunningSteps, client: InsideClient) -> Executor:
        return Executor(
            self._machine,
            context,
            self._take_in,
            self._wake,
            self._faults,
            steps=steps,
            client=client,
            is_busy=self._is_busy,
        )

    def _new_commits(self, counters: EngineCounters, observer: Observer | None) -> Commits:
        return Commits(
            self._partition,
            self._machine,
            self._faults,
            counters,
            observer,
            refuse=self._refuse_from_now_on,
            wake=self._wake,
        )

    @property
    def cache(self) -> ObjectCache:
        """The objects of the partition that are in memory."""
        return self._cache

    @property
    def objects_in_memory(self) -> int:
        """The number of objects in memory."""
        return len(self._cache)

    @property
    def set_aside(self) -> Iterable[str]:
        """The names of the objects that are set aside until the next start, after an internal error."""
        return self._cache.set_aside.values()

    @property
    def arrivals(self) -> int:
        """The number of queued requests."""
        return len(self._inbox)

    def submit(self, request: ObjectRequest, reply: Reply[Any]) -> None:
        """Queue a request from a client, which ``reply`` answers: with :class:`UnknownOutcomeError` if the processor ends first.

        Raises :class:`UnavailableError`, and :class:`MisuseError` in a handler and in another event loop, or another thread, than the processor's.
        """
        if this_thread.run is not self._own_run or "task" not in GLOBAL_RUN_CONTEXT.__dict__:
            require_client(self._own_run)
        inbox = self._inbox
        if self.is_closed:
            raise UnavailableError("the store is being reopened; try again")
        if len(inbox) >= (limit := self._limits.requests):
            raise UnavailableError(f"overloaded: {len(inbox)} requests queued (limit `requests`={limit}); retry later")
        reply.among = self.replies
        self.replies.add(reply)
        if not inbox:  # otherwise a round is coming: each leaves a wake-up behind if it leaves a request
            self._wake()
        inbox.append(request)

    def running(self) -> Iterator[Candidate]:
        """Yield the invocations of the partition that run."""
        return running(self._executor.live)

    def start_waiting(self, stream: StreamId) -> None:
        """Start the waiting invocations of an object: a limit has room for them."""
        stamp = Stamp(self._clock.now(), "a limit has room", "engine")
        self._take_in(ObjectRequest(stream, c.StartWaiting(), stamp))

    async def turn(self, gates: Gates) -> None:
        """Apply these gates. When this returns, nothing that they hold is running; steps may still be ending."""
        if self.is_closed:
            return
        turned = self._own_reply()
        self._turns.append((gates, turned))
        self._wake()
        await turned.wait()

    async def settled(self) -> None:
        """Wait until every decision so far is durable. Raises ``Unavailable`` if the processor ends before."""
        reply = self._own_reply()
        self._machine.when_durable(partial(reply.set, None))
        self._wake()
        await reply.wait()

    async def rest(self) -> None:
        """Wait until no request is queued, no handler is ready, and every decision is durable. Raises as :meth:`settled`."""
        while (self._inbox or self._executor.runs) and not self.is_closed:
            rested = self._own_reply()
            self._resting.append(rested)
            await rested.wait()
        if not self.is_closed:
            await self.settled()

    def _own_reply(self) -> Reply[None]:
        reply = OwnReply(among=self.replies)
        self.replies.add(reply)
        return reply

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the partition. Ends only with an error or by cancellation. User objects continue once the runtime is ``opened``, so that
        opening it waits for no handler."""
        try:
            async with trio.open_nursery() as nursery:
                self._executor.code_waits.nursery = nursery
                nursery.start_soon(self._decide_in_rounds, nursery)
                nursery.start_soon(self._commits.commit_what_is_sealed)
                nursery.start_soon(self._commits.release)
                await self._take_up(_NEEDED_TO_OPEN)
                nursery.start_soon(self._go_on_when_opened)
                nursery.start_soon(self._unload_what_idles)
                nursery.start_soon(self._retention.purge_what_is_over)
                nursery.start_soon(self._gate_watcher.wake_what_was_held)
                nursery.start_soon(self._executor.steps.heartbeats.record_what_is_due)
                task_status.started()
        finally:
            self._close()
            if not self._steps.is_draining:
                with trio.CancelScope(shield=True):
                    await self._executor.steps.unwind()

    # Rounds.

    def _is_busy(self) -> bool:
        """Whether a request waits, or has begun and may already have read data for its decision."""
        return self._is_deciding or bool(self._inbox)

    def _take_in(self, request: ObjectRequest) -> None:
        self._inbox.append(request)
        self._wake()

    def _wake(self) -> None:
        self._arrived.set()

    @trio.lowlevel.enable_ki_protection
    async def _decide_in_rounds(self, nursery: trio.Nursery) -> None:
        machine, commits, runs = self._machine, self._commits, self._executor.runs
        while True:
            await self._arrived.wait()
            self._arrived = trio.Event()
            self._is_deciding = True
            await self._round(nursery)
            self._is_deciding = False
            if self._inbox or runs:
                self._wake()
            else:
                while self._resting:
                    self._resting.pop().set(None)
            if not commits.is_busy and machine.batch:
                if self._dispatcher.deletions.wanted:
                    self._dispatcher.deletions.carry_out()
                commits.begin(machine.seal())
            await trio.lowlevel.checkpoint()

    async def _round(self, nursery: trio.Nursery) -> None:
        machine = self._machine
        machine.now, machine.calls_left, machine.waits_left = self._clock.now(), _ROUND, _ROUND
        while self._turns:
            gates, turned = self._turns.popleft()
            self._gate_watcher.turn(gates)
            turned.set(None)
        in_a_row = 0
        for done in range(_ROUND):
            if done >= _ENOUGH_TO_COMMIT and not self._commits.is_busy:
                break  # the disk is idle: it can write this while the rest is decided
            if self._faults.waiting:
                await self._containment.settle()
            if self._machine.deliveries.queue:
                await self._take_deliveries()
            if self._executor.runs and (in_a_row < _RUNS_IN_A_ROW or not self._inbox):
                in_a_row += 1
                await self._executor.run_next(nursery)
            elif self._inbox:
                in_a_row = 0
                request = self._inbox[0]
                if request.command.__class__ is c.PauseInvocation and self._dispatcher.row_pauses.take(self._inbox):
                    break  # they may be many
                await self._dispatcher.take(self._inbox.popleft())
            else:
                break
        if self._machine.deliveries.queue:
            await self._take_deliveries()
        if self._executor.live.leaving:
            self._executor.unload()
        self._cache.shrink()
        # Last, and without a wait before the batch is sealed: the batch must not contain an object that is half changed.
        while self._faults.waiting:
            await self._containment.settle()
            await self._take_deliveries()

    async def _take_deliveries(self) -> None:
        while self._machine.deliveries.queue:
            source, delivery = self._machine.deliveries.take()
            if isinstance(delivery, ObjectRequest):
                await self._dispatcher.take(delivery)
            else:
                await self._history_effects.carry_out(source, delivery)
                self._executor.carry_out()

    async def _go_on_when_opened(self) -> None:
        await self._opened.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._messages.read)
            nursery.start_soon(self._breaker.run)
            nursery.start_soon(BudgetWatcher(self._journal, self._machine, self._take_in, self.settled).run)
            await self._take_up()
            self._machine.places.end_search(self._partition.number)

    async def _take_up(self, only: Container[str] | None = None) -> None:
        """Continue the unfinished work of the last process. Only objects that require effects are loaded, and of those only the
        ones that gates let run.

        It works page by page, so that calls and verbs are taken between pages.
        """
        prefix = keys.owing_prefix(self._partition.number)
        start, stop = prefix, keys.after_prefix(prefix)
        while page := self._journal.scan(start, stop, limit=_TAKEN_UP_TOGETHER):
            start = page[-1][0] + b"\x00"
            named = [(StreamId(keys.stream_of_owing(key)), service.decode(errors="replace")) for key, service in page]
            gates = self._machine.gates
            wanted = [
                s for s, service in named if (only is None or service in only) and not gates.holds_all_of(service)
            ]
            await self._gate_watcher.start_waiting(wanted, "the runtime has started")

    async def _unload_what_idles(self) -> None:
        seconds = self._limits.unload_after_seconds
        while True:
            await self._executor.live.some.wait()
            await trio.sleep(seconds / 4)
            self._executor.live.release_idle(seconds)

    def _close(self) -> None:
        self._executor.close()
        self._refuse_from_now_on()

    def _refuse_from_now_on(self) -> None:
        self.is_closed = True
        for reply in list(self.replies):
            error = UnknownOutcomeError(
                "the runtime stops, or its disk failed, before the answer was durable. The work continues when it is "
                "started again; the same invocation id, or idempotency key, finds it"
            )
            error.invocation_id = reply.of
            reply.fail(error)
