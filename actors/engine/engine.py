"""Runs a processor for each partition that this process owns, and replaces one that fails."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from actors.core.state import REQUEST
from actors.engine.processor import PartitionProcessor
from actors.engine.processors import GIVES_WAY, Processors, give_way_or_raise, report_end
from actors.engine.registry import RegistryView
from actors.engine.requests import AuditOnly, AwaitOutcome, Describe, ObjectRequest
from actors.engine.router import RequestRouter
from actors.engine.run_limits import RunLimits
from actors.engine.running_steps import RunningSteps, UnstoppedStep
from actors.engine.totals import EngineCounters
from actors.engine.waiter import Answers, Reply
from actors.engine.watchdog import Work, blocked_error
from actors.errors import ActorError, Interruption, UnavailableError
from actors.rows.audit import NOBODY, ControlAction
from journal.errors import BrokenInvariant, JournalError, StoreFailed, Unavailable
from journal.events import Stamp
from journal.ids import OBJECT_PREFIX_LENGTH, InvocationId, StreamId, stream_of_invocation, stream_of_prefix
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from actors.code.registry import CodeRegistry
    from actors.core import commands as c
    from actors.core.commands import Command
    from actors.core.gates import Gate, Gates
    from actors.core.limits import Candidate
    from actors.engine.engine_context import EngineContext
    from actors.engine.notices import Notices
    from actors.engine.object_cache import ObjectCache
    from actors.engine.processors import Receivers
    from actors.engine.requests import Accepted
    from actors.engine.steps import StepTask
    from actors.engine.threads import Threads
    from actors.model.app import App
    from actors.model.info import InvocationInfo
    from actors.model.inside import InsideClient
    from actors.model.link_signer import LinkSigner
    from actors.rows.audit import Principal
    from journal.events import ControlResult, Outcome
    from journal.log.protocol import Journal

T = TypeVar("T")

log = SafeLogger(__name__)

_CLAIM_AGAIN_SECONDS = 1.0
_REST_SECONDS = 1.0
"""How long handlers may continue with the results of the last steps before the engine ends."""


class Engine:
    """Runs an app on a journal, for as long as :meth:`run` does. Requests to one object are taken in order.

    A gate in ``closed`` is closed before anything runs; the caller then records it in the registry (``RegistryView.trust``)."""

    def __init__(
        self,
        journal: Journal,
        applications: CodeRegistry,
        context: EngineContext,
        *,
        retention_seconds: float,
        closed: Gate | None = None,
    ) -> None:
        self.journal = journal
        self.applications = applications
        self._context = context
        self._steps = RunningSteps()
        self._retention_seconds = retention_seconds
        self._closed = closed
        self.stored = context.stored
        self.counters = EngineCounters()
        self._processors = Processors()
        peers, now = context.environment.peers, context.environment.clock.now
        self.router = None if peers is None else RequestRouter(peers, self._processors, journal.partitions, now)
        self._receivers: Receivers = self._processors if self.router is None else self.router
        self._opened = trio.Event()
        self._is_running = False
        self.left: tuple[UnstoppedStep, ...] = ()
        # Listed before a processor takes up unfinished work, so that none misses a gate.
        self._gated: dict[int, PartitionProcessor] = {}
        self._run_limits = RunLimits(
            journal, context.environment.clock, self._what_runs, self._start_waiting, applications.names_of
        )
        self.registry = RegistryView(journal, self._turn_gates, self._run_limits.apply, applications, context.notices)
        self.one_schedule_at_a_time = trio.Lock()
        """Held while a schedule is looked up and created, so that two requests at once do not exceed their number."""
        applications.read_from(journal)

    @property
    def app(self) -> App:
        """The code that new invocations run on."""
        return self.applications.newest

    @property
    def threads(self) -> Threads:
        """The threads of steps that are plain functions."""
        return self._context.threads

    @property
    def links(self) -> LinkSigner:
        """Makes and checks the links of questions."""
        if self._context.links is None:
            raise BrokenInvariant("an engine for replays was asked for links")
        return self._context.links

    @property
    def notices(self) -> Notices:
        """The notifications in force."""
        return self._context.notices

    @property
    def dropped_spans(self) -> int:
        """The number of spans that the receiver of traces has not accepted."""
        observer = self._context.observer
        return 0 if observer is None else observer.dropped

    @property
    def run_limits(self) -> RunLimits:
        """The limits: their places and budgets."""
        return self._run_limits

    @property
    def objects_in_memory(self) -> int:
        """The number of objects in memory."""
        return sum(processor.objects_in_memory for processor in self._processors.values())

    def outcome_waits(self) -> Iterator[tuple[InvocationId, Reply[Outcome]]]:
        """The replies to those who wait for the outcomes of invocations."""
        return self._processors.outcome_waits()

    @property
    def set_aside(self) -> list[str]:
        """The names of the objects that are set aside until the next start, after an internal error."""
        return [name for processor in self._processors.values() for name in processor.set_aside]

    @property
    def arrivals(self) -> int:
        """The number of queued requests."""
        return sum(processor.arrivals for processor in self._processors.values())

    async def run(self, client: InsideClient, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run every partition; ``client`` is for the steps of built-in objects. Raises :class:`actors.errors.StoreFailed`
        if the disk can no longer be trusted, or the directory has been replaced."""
        if self._context.environment.has_watchdog:
            self._context.watchdog.start()
        self._is_running = True
        try:
            await self.registry.load(closed=self._closed)
            self._run_limits.read_starts()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.registry.follow)
                nursery.start_soon(self.applications.retry_latest)
                nursery.start_soon(self._run_limits.let_start_in_time)
                nursery.start_soon(self.journal.failed)  # an idle engine makes no commit that would show it
                await self._own_all(nursery, client)
                task_status.started()
            raise BrokenInvariant("an engine ended without an error")
        finally:
            self._is_running, self._processors.has_ended = False, True
            self._context.watchdog.stop()

    async def _own_all(self, nursery: trio.Nursery, client: InsideClient) -> None:
        """Start the processors. In a cluster, return once each partition has an owner on some node."""
        if self.router is None:
            for number in range(self.journal.partitions):
                await nursery.start(self._own, number, client)
            return
        await nursery.start(self.router.run)
        nursery.start_soon(self.router.tell_what_is_obeyed, self.registry)
        for number in range(self.journal.partitions):
            nursery.start_soon(self._own, number, client)
        await self.router.all_owned()

    @property
    def has_all_partitions(self) -> bool:
        """Whether every partition has a processor that accepts requests, on this node or another one."""
        if self.router is not None:
            return self.router.has_all_partitions
        return len(self._processors) == self.journal.partitions

    def check_open(self) -> None:
        """Raise as :meth:`Processors.check_open` does."""
        self._processors.check_open()

    def open(self) -> None:
        """Let user objects continue: the registry has been read and its rules are in force."""
        self._opened.set()

    async def drain(self, seconds: float) -> None:
        """Stop the steps before the engine ends.

        No step begins. Steps that are tasks are cancelled and begin again at the next start; those in threads get ``seconds`` to
        end, and their outcomes are kept. ``left`` names those that have not ended by then. Happens once, and is not cancelled on
        the way.
        """
        if self._steps.is_draining:
            return
        tasks: list[StepTask] = []
        with trio.CancelScope(shield=True):
            if self.router is not None and self._is_running:
                await self.router.leave(seconds)
            tasks = await self._steps.drain(seconds if self._is_running else 0.0)
            await self._context.close()
            with trio.move_on_after(_REST_SECONDS), contextlib.suppress(Unavailable):  # one may end meanwhile
                for processor in list(self._processors.values()):
                    await processor.rest()
        threads = tuple(self._context.threads.abandoned)
        keys = {thread.key for thread in threads}
        self.left = (
            *(UnstoppedStep(thread.invocation_id, thread.name, is_thread=True) for thread in threads),
            *(UnstoppedStep(task.invocation_id, task.name, is_thread=False) for task in tasks if task.key not in keys),
        )
        for step in self.left:
            log.error("the runtime ends without waiting for %s", step)

    def run_watched(self, name: str, function: Callable[..., T], *args: Any) -> T:
        """Call user code that belongs to no invocation. Raises :class:`BlockedLoopError` if it had to be interrupted."""
        watchdog = self._context.watchdog
        try:
            return watchdog.run(Work(InvocationId("-"), name, may_be_interrupted=True), function, *args)
        except Interruption:
            raise blocked_error(name, self._context.limits, watchdog.take_interrupted()) from None

    async def _own(
        self, number: int, client: InsideClient, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        has_started = False
        while True:
            try:
                async with self.journal.claim(number, "engine") as partition:
                    self._run_limits.places.begin_search(number)
                    processor = self._gated[number] = PartitionProcessor(
                        self.journal,
                        partition,
                        self.applications,
                        self._context,
                        steps=self._steps,
                        client=client,
                        gates=self.registry.gates,
                        run_limits=self._run_limits,
                        counters=self.counters,
                        retention_seconds=self._retention_seconds,
                        opened=self._opened,
                        directory_of=self._cache_of,
                    )
                    async with trio.open_nursery() as nursery:
                        await nursery.start(processor.run)
                        self._processors[number] = processor
                        if not has_started:
                            has_started = True
                            task_status.started()
                        if self.router is not None:
                            await self.router.move_when_asked(number, processor)
                            nursery.cancel_scope.cancel()
            except BaseExceptionGroup as group:
                give_way_or_raise(number, group)
            except GIVES_WAY as error:
                if isinstance(error, StoreFailed) or not (has_started or self.router is not None):
                    raise
                report_end(number, error)
            finally:
                self._processors.pop(number, None)
                self._gated.pop(number, None)
                self._run_limits.leave(number)
            await trio.sleep(_CLAIM_AGAIN_SECONDS)

    def _cache_of(self, partition: int) -> ObjectCache | None:
        processor = self._gated.get(partition)
        return None if processor is None else processor.cache

    async def _turn_gates(self, gates: Gates) -> None:
        for processor in list(self._gated.values()):
            with contextlib.suppress(Unavailable):  # it has ended: the next one starts with the current gates
                await processor.turn(gates)

    def _what_runs(self) -> list[Candidate]:
        return [one for processor in self._gated.values() for one in processor.running()]

    def _start_waiting(self, stream: StreamId) -> None:
        processor = self._gated.get(stream % self.journal.partitions)
        if processor is not None:
            processor.start_waiting(stream)

    # Requests.

    def submit_call(
        self,
        command: c.Invoke,
        who: Principal,
        *,
        at: float,
        is_fresh: bool,
        act: ControlAction | None = None,
        leaves_at_pause: bool = False,
    ) -> Reply[Outcome]:
        """Ask for an invocation, at the time ``at``. Returns the reply, which is its outcome once that is durable.

        ``act`` is its audit entry. With ``leaves_at_pause``, the reply is :class:`actors.errors.InvocationPausedError` if it is
        paused before.
        """
        of = command.invocation_id
        stream, stamp = stream_of_prefix(of[:OBJECT_PREFIX_LENGTH]), Stamp(at, of, who.by)
        reply: Reply[Outcome] = Reply(of, leaves_at_pause)
        request = ObjectRequest(stream, command, stamp, None, reply, None, is_fresh, who.source, act)
        self._receivers[stream % self.journal.partitions].submit(request, reply)
        return reply

    def submit_send(
        self, command: c.Invoke, who: Principal, *, at: float, is_fresh: bool, act: ControlAction | None = None
    ) -> Reply[Accepted]:
        """Ask for an invocation, at the time ``at``. Returns the reply, which comes when it is accepted durably.

        ``act`` is its audit entry.
        """
        of = command.invocation_id
        stream, stamp = stream_of_prefix(of[:OBJECT_PREFIX_LENGTH]), Stamp(at, of, who.by)
        reply: Reply[Accepted] = Reply(of)
        request = ObjectRequest(stream, command, stamp, reply, None, None, is_fresh, who.source, act)
        self._receivers[stream % self.journal.partitions].submit(request, reply)
        return reply

    async def obey(
        self, command: Command, of: InvocationId, who: Principal, *, request: str | None = None
    ) -> ControlResult:
        """Apply a verb. Repeated under the same ``request`` key, it gets the same answer."""
        reply: Reply[ControlResult] = Reply(of)
        self._submit_verb(command, of, who, self._stamp(of if request is None else REQUEST + request, who), reply)
        return await reply.wait()

    async def obey_each(
        self,
        commands: Mapping[int, tuple[InvocationId, Command]],
        who: Principal,
        told: Callable[[int, ControlResult | Exception], None],
        *,
        request: str | None = None,
    ) -> None:
        """Apply verbs to several invocations, as :meth:`obey` does to one. Each answer, or the exception in its place, is reported by
        the command's number.

        All are queued at once, and one task waits for all answers. If it is cancelled, it reports those that there are, and
        verbs without an answer may be applied nevertheless."""
        answers: Answers[ControlResult] = Answers()
        stamp = None if request is None else self._stamp(REQUEST + request, who)
        for number, (of, command) in commands.items():
            try:
                self._submit_verb(command, of, who, stamp or self._stamp(of, who), answers.ask(number, of))
            except UnavailableError as refusal:
                answers.give(number, refusal)
        try:
            await answers.wait()
        finally:
            for number, answer in answers.given.items():
                if isinstance(answer, BaseException) and not isinstance(answer, (ActorError, JournalError)):
                    raise answer
                told(number, answer)

    def _submit_verb(
        self, command: Command, of: InvocationId, who: Principal, stamp: Stamp, reply: Reply[ControlResult]
    ) -> None:
        stream = stream_of_invocation(of)
        asked = ObjectRequest(stream, command, stamp, reply=reply, source=who.source)
        self._receivers[stream % self.journal.partitions].submit(asked, reply)

    async def watch(self, of: InvocationId, who: Principal, *, leaves_at_pause: bool = False) -> Outcome:
        """The outcome of an invocation, once it has one. ``leaves_at_pause`` is as for :meth:`call`."""
        outcome: Reply[Outcome] = Reply(of, leaves_at_pause)
        return await self._ask_of(of, AwaitOutcome(of, outcome), who, outcome)

    async def look(self, of: InvocationId, who: Principal) -> InvocationInfo:
        """The current state of an invocation."""
        reply: Reply[InvocationInfo] = Reply(of)
        return await self._ask_of(of, Describe(of, reply), who, reply)

    async def note(self, act: ControlAction, who: Principal, *, refusal: str = "", dropped: int = 0) -> None:
        """Write an audit-only entry, durably: an action of a client at the API boundary, or a denied one."""
        note = AuditOnly(act=act, reply=Reply(), refusal=refusal, dropped=dropped)
        await self.ask(ObjectRequest(NOBODY, note, self._stamp(act.target, who), source=who.source), note.reply)

    async def _ask_of(self, of: InvocationId, question: AwaitOutcome | Describe, who: Principal, reply: Reply[T]) -> T:
        stream, stamp = stream_of_invocation(of), self._stamp(of, who)
        return await self.ask(ObjectRequest(stream, question, stamp, source=who.source), reply)

    async def ask(self, request: ObjectRequest, reply: Reply[T]) -> T:
        """Send a request to its object, and return what ``reply`` gets."""
        self._receivers[request.to % self.journal.partitions].submit(request, reply)
        return await reply.wait()

    def _stamp(self, cause: str, who: Principal) -> Stamp:
        return Stamp(self._context.environment.clock.now(), cause, who.by)
