"""All partitions that this process owns, each with its owner, and a new owner when one has failed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from actors.core.state import REQUEST
from actors.engine.audit import NOBODY
from actors.engine.processor import Owner
from actors.engine.registry import RegistryView
from actors.engine.requests import Act, Arrival, Look, Note, Watch
from actors.engine.running_steps import LeftStep
from actors.engine.totals import Tally
from actors.engine.waiter import Waiter
from actors.engine.watchdog import Work, blocked_error
from actors.errors import Interruption, UnavailableError, UnknownOutcomeError
from journal.errors import BrokenInvariant, Conflict, Damaged, Fenced, InDoubt, StoreFailed, Unavailable
from journal.events import Stamp
from journal.ids import InvocationId, StreamId, stream_of_invocation
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.code.registry import Applications
    from actors.core import commands as c
    from actors.core.commands import Command
    from actors.core.gates import Gate, Gates
    from actors.engine.attempt import Setting
    from actors.engine.object_cache import Directory
    from actors.engine.requests import Accepted, Identity
    from actors.engine.steps import StepTask
    from actors.engine.threads import Threads
    from actors.model.app import App
    from actors.model.info import InvocationInfo
    from journal.events import Answer, Outcome
    from journal.log.protocol import Journal

T = TypeVar("T")

log = SafeLogger(__name__)

_CLAIM_AGAIN_SECONDS = 1.0
_REST_SECONDS = 1.0
"""How long handlers may go on with what the last steps have brought them, before the end."""
_GIVES_WAY = (InDoubt, Conflict, Fenced, Unavailable, Damaged)
"""After these a new owner reads everything again. An object that is damaged is then found to be, before anything is decided on it."""


class Engine:
    """Runs an app on a journal, for as long as :meth:`run` does. What it is asked is taken in order, per object.

    A gate that is ``closed`` is so before anything runs; it is the caller's to have it kept (``RegistryView.trust``).
    """

    def __init__(
        self,
        journal: Journal,
        applications: Applications,
        setting: Setting,
        *,
        retention_seconds: float,
        closed: Gate | None = None,
    ) -> None:
        self.journal = journal
        self.applications = applications
        self._setting = setting
        self._retention_seconds = retention_seconds
        self._closed = closed
        self.stored = setting.stored
        self.tally = Tally()
        self._owners: dict[int, Owner] = {}
        self._opened = trio.Event()
        self._is_running = False
        self.left: tuple[LeftStep, ...] = ()
        # From before they take up what was under way, so that none misses a gate.
        self._gated: dict[int, Owner] = {}
        self.registry = RegistryView(journal, self._turn_gates, applications)
        self.one_job_at_a_time = trio.Lock()
        """Held from looking whether a job is there until it is, so that one asked for twice at once is one."""
        applications.read_from(journal)

    @property
    def app(self) -> App:
        """What new invocations run on."""
        return self.applications.newest

    @property
    def threads(self) -> Threads:
        """The threads of steps that are plain functions."""
        return self._setting.threads

    @property
    def objects_in_memory(self) -> int:
        """How many objects are folded and kept."""
        return sum(owner.objects_in_memory for owner in self._owners.values())

    @property
    def set_aside(self) -> list[str]:
        """The names of the objects that it failed on, of which nothing goes on until the next start."""
        return [name for owner in self._owners.values() for name in owner.set_aside]

    @property
    def arrivals(self) -> int:
        """How much waits to be taken in."""
        return sum(owner.arrivals for owner in self._owners.values())

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own every partition. Raises :class:`journal.errors.StoreFailed` when the disk can no longer be trusted, or the
        directory is not the one that was opened."""
        if self._setting.world.has_watchdog:
            self._setting.watchdog.start()
        self._is_running = True
        try:
            await self.registry.load(closed=self._closed)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.registry.follow)
                nursery.start_soon(self.applications.retry_latest)
                nursery.start_soon(self.journal.failed)  # an idle engine would not hear of it by a commit
                for number in range(self.journal.partitions):
                    await nursery.start(self._own, number)
                task_status.started()
        finally:
            self._is_running = False
            self._setting.watchdog.stop()

    @property
    def has_all_partitions(self) -> bool:
        """Whether every partition has an owner, which takes what is asked of its objects."""
        return len(self._owners) == self.journal.partitions

    def open(self) -> None:
        """What the registry says holds: users' objects may go on with what they were doing."""
        self._opened.set()

    async def drain(self, seconds: float) -> None:
        """Have nothing run any more that cannot be repeated, to end the engine.

        No step begins; those that are tasks are cancelled, and begin again at the next start; those in threads have so long to
        end, and their outcome is kept. ``left`` are those that have not ended by then. Done once, and not cancelled on the way.
        """
        if self._setting.steps.is_draining:
            return
        tasks: list[StepTask] = []
        with trio.CancelScope(shield=True):
            tasks = await self._setting.steps.drain(seconds if self._is_running else 0.0)
            with trio.move_on_after(_REST_SECONDS), contextlib.suppress(UnknownOutcomeError):  # one may end meanwhile
                for owner in list(self._owners.values()):
                    await owner.rest()
        threads = self._setting.threads.abandoned
        keys = {thread.key for thread in threads}
        self.left = (
            *(LeftStep(thread.invocation_id, thread.name, is_thread=True) for thread in threads),
            *(LeftStep(task.invocation_id, task.name, is_thread=False) for task in tasks if task.key not in keys),
        )
        for step in self.left:
            log.error("the runtime ends without waiting for %s", step)

    def run_watched(self, name: str, function: Callable[..., T], *args: Any) -> T:
        """Call users' code that is of no invocation. Raises :class:`BlockedLoopError` if it had to be interrupted."""
        watchdog = self._setting.watchdog
        try:
            return watchdog.run(Work(InvocationId("-"), name, may_be_interrupted=True), function, *args)
        except Interruption:
            raise blocked_error(name, self._setting.limits, watchdog.take_interrupted()) from None

    async def _own(self, number: int, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        has_started = False
        while True:
            try:
                async with self.journal.claim(number, "engine") as partition:
                    owner = self._gated[number] = Owner(
                        self.journal,
                        partition,
                        self.applications,
                        self._setting,
                        gates=self.registry.gates,
                        tally=self.tally,
                        retention_seconds=self._retention_seconds,
                        opened=self._opened,
                        directory_of=self._directory_of,
                    )
                    async with trio.open_nursery() as nursery:
                        await nursery.start(owner.run)
                        self._owners[number] = owner
                        if not has_started:
                            has_started = True
                            task_status.started()
            except BaseExceptionGroup as group:
                _give_way_or_raise(number, group)
            except _GIVES_WAY as error:
                if isinstance(error, StoreFailed) or not has_started:
                    raise
                log.warning("partition %d cannot be claimed yet: %s", number, error)
            finally:
                self._owners.pop(number, None)
                self._gated.pop(number, None)
            await trio.sleep(_CLAIM_AGAIN_SECONDS)

    def _directory_of(self, partition: int) -> Directory | None:
        owner = self._gated.get(partition)
        return None if owner is None else owner.directory

    async def _turn_gates(self, gates: Gates) -> None:
        for owner in list(self._gated.values()):
            with contextlib.suppress(
                UnknownOutcomeError
            ):  # it has ended, and the next one begins with the gates as they are
                await owner.turn(gates)

    # Asking.

    async def invoke(self, command: c.Invoke, who: Identity, *, is_fresh: bool, act: Act | None = None) -> Accepted:
        """Have some work accepted, durably. ``act``: what the audit says of it."""
        reply: Waiter[Accepted] = Waiter()
        owner, arrival = self._arrival(command, who)
        arrival.reply, arrival.is_fresh, arrival.act = reply, is_fresh, act
        owner.submit(arrival)
        return await owner.answer(reply, command.invocation_id)

    async def call(
        self,
        command: c.Invoke,
        who: Identity,
        *,
        is_fresh: bool,
        act: Act | None = None,
        leaves_at_pause: bool = False,
    ) -> Outcome:
        """Have some work done; its outcome, once that is durable. ``act``: what the audit says of it.

        ``leaves_at_pause``: raise :class:`actors.InvocationPausedError` when it is paused, instead of waiting on.
        """
        outcome: Waiter[Outcome] = Waiter(leaves_at_pause=leaves_at_pause)
        owner, arrival = self._arrival(command, who)
        arrival.outcome, arrival.is_fresh, arrival.act = outcome, is_fresh, act
        owner.submit(arrival)
        return await owner.answer(outcome, command.invocation_id)

    async def obey(self, command: Command, of: InvocationId, who: Identity, *, request: str | None = None) -> Answer:
        """A verb. Asked again under the same ``request`` it is answered as the first time."""
        reply: Waiter[Answer] = Waiter()
        stream = stream_of_invocation(of)
        owner = self._owner_of(stream)
        stamp = self._stamp(of if request is None else REQUEST + request, who)
        owner.submit(Arrival(stream, command, stamp, reply=reply, origin=who.origin))
        return await owner.answer(reply, of)

    async def watch(self, of: InvocationId, who: Identity, *, leaves_at_pause: bool = False) -> Outcome:
        """The outcome of an invocation, when it has one. ``leaves_at_pause`` as for :meth:`call`."""
        outcome: Waiter[Outcome] = Waiter(leaves_at_pause=leaves_at_pause)
        return await self._ask(of, Watch(of, outcome), who, outcome)

    async def look(self, of: InvocationId, who: Identity) -> InvocationInfo:
        """How an invocation stands."""
        reply: Waiter[InvocationInfo] = Waiter()
        return await self._ask(of, Look(of, reply), who, reply)

    async def note(self, act: Act, who: Identity, *, refusal: str = "", dropped: int = 0) -> None:
        """Have the audit say, durably, that a client has done something at a rim, or was turned away there."""
        reply: Waiter[None] = Waiter()
        owner = self._owner_of(NOBODY)
        note = Note(act=act, reply=reply, refusal=refusal, dropped=dropped)
        owner.submit(Arrival(NOBODY, note, self._stamp(act.target, who), origin=who.origin))
        await owner.answer(reply)

    async def _ask(self, of: InvocationId, question: Watch | Look, who: Identity, waiter: Waiter[T]) -> T:
        owner = self._owner_of(stream_of_invocation(of))
        owner.submit(Arrival(stream_of_invocation(of), question, self._stamp(of, who), origin=who.origin))
        return await owner.answer(waiter, of)

    def _arrival(self, command: c.Invoke, who: Identity) -> tuple[Owner, Arrival]:
        stream = stream_of_invocation(command.invocation_id)
        stamp = self._stamp(command.invocation_id, who)
        return self._owner_of(stream), Arrival(stream, command, stamp, origin=who.origin)

    def _stamp(self, cause: str, who: Identity) -> Stamp:
        return Stamp(self._setting.world.clock.now(), cause, who.by)

    def _owner_of(self, stream: StreamId) -> Owner:
        owner = self._owners.get(stream % self.journal.partitions)
        if owner is None:
            raise UnavailableError(
                "the store takes no writes for now (its disk is full, or it is being opened again); try again later"
            )
        return owner


def _give_way_or_raise(number: int, group: BaseExceptionGroup[BaseException]) -> None:
    """After what a new owner can mend, let there be one; anything else, and a disk that failed, ends the engine."""
    mendable, rest = group.split(_GIVES_WAY)
    if rest is not None:
        raise rest
    if mendable is None:
        raise BrokenInvariant("an owner ends for a reason")
    failed, _ = mendable.split(StoreFailed)
    if failed is not None:
        raise failed
    log.warning("partition %d is claimed again after: %s", number, mendable.exceptions[0])
