"""Drives a handler through its recorded history and on from there. ::

        plan (recorded)                         handler
        requests     1 2 3 4 ── compare ◄────── requests      a turn: run until all branches wait
        completions  a b c   ── give one ─────► resumes          │
                                                                 ▼
                             after the last recorded request: new events ──► progress

Replaying and running differ only in the source of the answers. The handler runs until every branch waits. Then one *completion*
(the outcome of a step, a timer, a signal, …) is given to it, it runs until every branch waits again, and so on. Its *requests*
are compared with the journal, in order, as long as the journal has more; after that they are new and become events.

Invariant: a *turn*, the run from a completion to the next standstill, is kept whole or not at all. If the handler raises an error
that is worth a retry, the requests of that turn are dropped, as if it had never happened. So every recorded prefix is one that
the code can produce.

Prior art: the state machine of restatedev/sdk-shared-core and the workflow machines of temporalio/sdk-core. Both run the code in
an event loop of its own. Alternative refused: such a loop. Its scheduling would have to be deterministic too, and a handler that
is replayed at each wake-up should cost no more than its coroutines.
"""

from __future__ import annotations

import contextlib
import enum
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol

from actors.core.requests import REQUESTS, Completion, contrast, describe, is_same_request, is_same_step
from actors.core.signals import Signals
from actors.errors import AttemptEnded, Cancelled, CancelledError, ErrorCode, MisuseError, NonDeterminismError
from actors.replay.branches import Branch, CancelStatus, EnterNursery, JoinChildren, Operation, not_driven
from actors.replay.collection import is_collecting
from actors.replay.generators import Generators
from actors.replay.plan import CopiedPart, ReplayPlan
from actors.values.limits import NEVER
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import OutcomeKind
from journal.ids import InvocationId, StepId

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from journal.events import Event, Stamp

_ADVICE = (
    "Keep the order of durable operations, guard new ones with actors.patched(), or finish old invocations on the old code. "
    "If the code is the same, a step has changed a variable of the handler (a closure), which it does not do in a replay: "
    "return the value from the step"
)

_ADVICE_ON_ARGUMENTS = (
    "The arguments of a step are compared in a replay. If the code computes them otherwise now, guard the change with "
    "actors.patched(), or finish old invocations on the old code. If the code is the same, they depend on something that a replay "
    "does not repeat (a clock, chance, a global or a variable that a step changes): take the value from a step's result, "
    "actors.current_time() or actors.random(). To run the step with other arguments, restart from it"
)

_FOREIGN_AWAITS = 3
"""The number of awaits that are not durable after which a handler is stopped."""


class Progress(enum.Enum):
    """The position of a handler after a turn."""

    WAITING = "waiting"
    RETURNED = "returned"
    RAISED = "raised"
    MISMATCHED = "mismatched"


class StateView(Protocol):
    """The parts of the handler's object that a replay needs."""

    def take_changes(self, *, ended: bool) -> Sequence[Event]:
        """Return the changes since the last call. Unless the handler has ended (``ended``), these include the fields
        that it has read and a replay must see again."""
        ...

    def go_on_from(self, changes: Sequence[Event]) -> None:
        """Leave the part of the history that a restart copied: from here on the handler sees its object as it is now.
        Of the changes so far, only ``changes`` are the handler's own."""
        ...


class Execution:
    """One attempt of a handler.

    ``start`` takes the first turn and ``hand_over`` one more. Each runs the handler to a standstill and returns its
    position. ``progress`` collects the new events of the turns that are kept. ``parked`` are the operations that the
    handler waits for, by step; ``interrupted`` are the steps that should stop. ``resuming`` is the branch whose code
    runs now. ``is_terminal`` reports whether an error makes a retry pointless. ``context`` is for the durable verbs;
    this class does not use it.
    """

    is_aloud = True
    """Whether the handler's log messages are passed on."""

    def __init__(
        self,
        invocation_id: InvocationId,
        handler: Callable[[], Coroutine[Any, Any, bytes]],
        *,
        requests: Iterable[Event],
        kept_parts: Sequence[CopiedPart] = (),
        lived_turns: int = 0,
        state: StateView,
        name: str,
        is_terminal: Callable[[BaseException], bool],
        context: Any = None,
    ) -> None:
        self.invocation_id = invocation_id
        self.name = name
        self.is_terminal = is_terminal
        self.context = context
        self.closed = False
        self.now = 0.0
        self.live_now = 0.0
        self.handed_over = 0
        self.progress: list[Event] = []
        self.interrupted: list[StepId] = []
        self.parked: dict[StepId, Operation] = {}
        self.resuming: Branch | None = None
        self.result: bytes | None = None
        self.error: BaseException | None = None
        self.mismatch: NonDeterminismError | None = None
        self.state = state
        self._recorded: deque[Event] = deque(requests)
        self._kept_parts = list(kept_parts)
        self._lived_turns = lived_turns
        self._made = 0
        self._own_changes: list[Event] = []
        self._turn: list[Event] = []
        self._ready: deque[tuple[Branch, Any, BaseException | None]] = deque()
        self._branches: dict[Branch, None] = {}
        self._generators = Generators()
        self.cleanup_failures: Sequence[tuple[str, BaseException]] = self._generators.failures
        self._deadlines: dict[StepId, CancelStatus] = {}
        self._dropped: set[StepId] = set()
        self._signals = Signals()
        self._patched: dict[str, bool] = {}
        self.has_been_given_cancel = False
        self._pending_cancel: CancelledError | None = None
        self._cannot_be_recorded = False
        root = Branch(self, "", handler(), nursery=None, scope=None, context=copy_context(), name=name)
        self._branches[root] = None
        self._has_ended = False

    # Turns.

    def start(self, stamp: Stamp, live_now: float, *, cancelled: CancelledError | None = None) -> Progress:
        """Take the first turn. ``cancelled`` ends the handler before its first line."""
        self.now, self.live_now = stamp.at, live_now
        self.has_been_given_cancel = cancelled is not None
        root = next(iter(self._branches))
        self._ready.append((root, None, cancelled))
        return self._take_turn()

    def hand_over(self, completion: Completion, stamp: Stamp, live_now: float, *, superseded: bool = False) -> Progress:
        """Give a completion to the handler and take a turn. ``superseded`` says that a cancel has overtaken the
        completion: a branch that waits for it and is to be interrupted is interrupted all the same."""
        self.now, self.live_now = stamp.at, live_now
        self.handed_over += 1
        self._complete(completion, superseded)
        return self._take_turn()

    @property
    def is_replaying(self) -> bool:
        """Whether the journal has requests that the handler has not made yet. Marks of patches do not count."""
        recorded = self._recorded
        if not recorded:
            return False
        return recorded[0].__class__ is not e.PatchMarked or any(not isinstance(r, e.PatchMarked) for r in recorded)

    @property
    def is_repeating(self) -> bool:
        """Whether a log message of the handler repeats a message of an earlier attempt, or comes from code whose
        attempt is over."""
        return self.closed or self.handed_over < self._lived_turns or not self.is_aloud or self.is_replaying

    @property
    def has_met_cancel(self) -> bool:
        """Whether the invocation's cancel has been raised in the handler; valid once the handler has ended."""
        return self.has_been_given_cancel and self._pending_cancel is None

    @property
    def has_branches(self) -> bool:
        """Whether any code of the handler can still run."""
        return bool(self._branches)

    def close(self) -> None:
        """End the attempt: close every branch, innermost first. Requests of their cleanup code have no effect."""
        self.closed = True
        self.parked.clear()
        self._generators.watch(self._close_branches)

    def finish_raised(self) -> Progress:
        """Make the error that the handler raised its outcome. The work of its last turn stays if it agrees with the
        journal."""
        if self.error is None:
            raise BrokenInvariant("the handler did not raise an error")
        if self.is_replaying:
            self.mismatch = self._ended_early()
        elif not self._cannot_be_recorded:
            self._record_changes(ended=True)
        if self.mismatch is not None:
            return Progress.MISMATCHED
        if self._cannot_be_recorded:
            self._turn = []
        self._keep_turn()
        return Progress.RAISED

    def _take_turn(self) -> Progress:
        self._generators.watch(self._resume_all)
        if self.mismatch is None and self.error is not None:
            return Progress.RAISED
        has_ended = self._has_ended
        if self.mismatch is None:
            self._record_changes(ended=has_ended)
        if self.error is not None:
            return Progress.RAISED
        if self.mismatch is None and has_ended and self.is_replaying:
            self.mismatch = self._ended_early()
        if self.mismatch is not None:
            return Progress.MISMATCHED
        self._keep_turn()
        return Progress.RETURNED if has_ended else Progress.WAITING

    def _keep_turn(self) -> None:
        self.progress += self._turn
        self._turn = []

    def _record_changes(self, *, ended: bool) -> None:
        try:
            changes = self.state.take_changes(ended=ended)
        except BaseException as error:  # encoding a change, or asking a user's class about it, may fail
            self.error = error
            self._cannot_be_recorded = True
            return
        for change in changes:
            if self.mismatch is not None:
                return
            if change.__class__ in REQUESTS:
                if self._kept_parts and self._kept_parts[0].leaves_at(self._made):
                    self._own_changes.append(change)
                self._guarded(self._match, change)
            else:
                self._turn.append(change)

    def _close_branches(self) -> None:
        while self._branches:
            branch, _ = self._branches.popitem()
            branch.context.run(_close, branch)
            if not self._branches:
                branch.context.run(self._generators.close_all)
            branch.end()

    def _resume_all(self) -> None:
        while self._ready and self.mismatch is None:
            branch, value, error = self._ready.popleft()
            if branch in self._branches:
                self._resume(branch, value, error)
                self.resuming = None

    def _resume(self, branch: Branch, value: Any, error: BaseException | None) -> None:
        """Run the branch until it waits or ends."""
        branch.waits_at = None
        self.resuming = branch
        run, coroutine = branch.context.run, branch.coroutine
        foreign = 0
        while True:
            yielded: Any
            try:
                yielded = run(coroutine.send, value) if error is None else run(coroutine.throw, error)
            except StopIteration as stop:
                self._end_branch(branch, stop.value, None)
                return
            except BaseException as raised:  # any error of the handler is its own; it is judged by its type later
                self._end_branch(branch, None, raised)
                return
            if self.mismatch is not None:
                return
            kind = yielded.__class__
            if kind is Operation and yielded.event.step == branch.following_step:
                error = self._due_at(branch)
                if error is None:
                    if not self._begin(branch, yielded):
                        return
                    value = yielded.event
            elif kind is JoinChildren:
                branch.waits_at = yielded
                return
            elif kind is EnterNursery:
                value, error = branch.next_step(), None
            else:
                foreign += 1
                if foreign > _FOREIGN_AWAITS:
                    self._end_branch(branch, None, error)
                    return
                error = _foreign_await(branch)

    def _end_branch(self, branch: Branch, value: Any, error: BaseException | None) -> None:
        self._branches.pop(branch, None)
        context = branch.end()
        if branch.nursery is None:
            self._has_ended = True
        if self.mismatch is not None:
            return
        if branch.nursery is not None:
            branch.nursery.child_ended(branch, error)
            return
        self.resuming = None
        if self._generators.begun:
            context.run(self._generators.close_all)
        if error is not None:
            self.error = error
        else:
            self.result = value

    def _due_at(self, branch: Branch) -> BaseException | None:
        """Return the error to raise at a durable await of the branch before the operation begins, or None."""
        if branch.scope is not None and branch.scope.is_effectively_cancelled:
            return Cancelled()
        return None if self._pending_cancel is None else self.take_pending_cancel(branch)

    def _begin(self, branch: Branch, operation: Operation) -> bool:
        """Begin the operation. Returns whether the branch continues at once, with the operation's event."""
        if operation.event.__class__ is e.SignalAwaited:
            operation.event = self._signals.with_kept(operation.event, self.handed_over)
        try:
            event: Any = self._match(operation.event, operation.also_known_as, operation.parameters)
        except AttemptEnded:
            return False
        branch.next_step()
        kind = event.__class__
        if kind is e.SendScheduled:
            operation.event = event
            return True
        if kind is e.SignalAwaited:
            if not self._signals.has_kept(event):
                self.mismatch = self._differs(event, operation.event)
                return False
            received = self._signals.begin_wait(event)
            if received is not None:
                operation.event = received
                return True
        operation.event = event
        branch.waits_at = self.parked[event.step] = operation
        return False

    # Requests of branches.

    def add(self, branch: Branch) -> None:
        """Add a child. It takes its first steps when the running branch waits."""
        self._branches[branch] = None
        self._ready.append((branch, None, None))

    def make_ready(self, branch: Branch, value: Any = None, error: BaseException | None = None) -> None:
        """Let a waiting branch resume in its turn."""
        branch.waits_at = None
        self._ready.append((branch, value, error))

    def request(self, branch: Branch, event: Event, what: str) -> Any:
        """Record an operation that no branch waits for. Returns its event: the recorded one in a replay, else the new
        one."""
        if self.closed:
            raise AttemptEnded
        branch.must_run(what)
        return self._match(event)

    def must_run_some_branch(self, what: str) -> None:
        """Raise :class:`MisuseError` unless code of this handler is being resumed."""
        if self.resuming is None or is_collecting():
            raise not_driven(self.name, self.invocation_id, what)

    def _match(
        self,
        event: Event,
        also_known_as: tuple[str, ...] = (),
        parameters: Callable[[], tuple[str, ...]] = tuple,
    ) -> Event:
        self._made += 1
        if not self.is_replaying:
            self._turn.append(event)
            return event
        while isinstance(self._recorded[0], e.PatchMarked):
            self._recorded.popleft()  # the code no longer asks for the patch: every old run has gone through
        recorded = self._recorded[0]
        if not is_same_request(recorded, event, also_known_as, parameters):
            self.mismatch = self._differs(recorded, event)
            self.closed = True  # whatever the handler does with this error, the attempt is over
            raise AttemptEnded
        return self._recorded.popleft()

    def is_patched(self, name: str) -> bool:
        """Report whether the code under ``patched(name)`` runs: always in new work, and in a replay if the journal has
        the mark."""
        known = self._patched.get(name)
        if known is None:
            mark = next((r for r in self._recorded if isinstance(r, e.PatchMarked) and r.name == name), None)
            if mark is not None:
                self._recorded.remove(mark)
            elif not self.is_replaying:
                self._turn.append(e.PatchMarked(invocation_id=self.invocation_id, name=name))
            known = self._patched[name] = mark is not None or not self.is_replaying
        return known

    def schedule_deadline(self, scope: CancelStatus, asking: Branch, step: StepId, block: StepId) -> float:
        """Set the timer of a scope. Returns the recorded time at which the scope is cancelled, in wall seconds."""
        event = e.DeadlineScheduled(
            invocation_id=self.invocation_id, step=step, expires_at=min(scope.deadline, NEVER), block=block
        )
        recorded = self.request(asking, event, "a CancelScope")
        self._deadlines[step] = scope
        expires_at: float = recorded.expires_at
        return expires_at

    def drop_deadline(self, asking: Branch, step: StepId) -> None:
        """Drop the timer of a scope whose block was left or has another deadline."""
        del self._deadlines[step]
        self._dropped.add(step)
        self.request(asking, e.WaitDropped(invocation_id=self.invocation_id, step=step), "the end of a CancelScope")

    # Cancellation.

    def take_pending_cancel(self, branch: Branch) -> CancelledError | None:
        """Return the invocation's cancel if it is pending and can be raised at this await of the branch, else None. A
        returned cancel is no longer pending."""
        if self._pending_cancel is None or branch.nursery is not None or branch.is_shielded:
            return None
        error, self._pending_cancel = self._pending_cancel, None
        return error

    def interrupt_below(self, scope: CancelStatus) -> None:
        """Interrupt every waiting branch in the scope that the cancellation reaches, oldest first."""
        for branch in self._branches:
            if _is_below(branch, scope) and branch.scope is not None and branch.scope.is_effectively_cancelled:
                self._interrupt(branch, Cancelled())

    def interrupt_behind_shield(self, scope: CancelStatus) -> None:
        """Deliver the cancellations that a lowered shield kept away, including the invocation's own cancel."""
        self.interrupt_below(scope)
        self._interrupt_root()

    def _interrupt_root(self) -> None:
        root = None if self._has_ended else next(iter(self._branches), None)
        if self._pending_cancel is None or root is None or root.is_shielded:
            return
        if self._interrupt(root, self._pending_cancel):
            self._pending_cancel = None

    def _interrupt(self, branch: Branch, error: BaseException) -> bool:
        """Stop the branch's wait. Returns whether ``error`` will be raised in the branch."""
        waits_at = branch.waits_at
        if isinstance(waits_at, JoinChildren):
            if isinstance(error, CancelledError):
                waits_at.nursery.add_error(error)
                return True
            return False  # its children are inside the scope too, and it waits for them
        if waits_at is None:
            return False
        if waits_at.interruption is not None:
            if isinstance(error, CancelledError):
                waits_at.interruption = error  # the await is ending, and ends with the invocation's cancel
                return True
            return False
        if isinstance(waits_at.event, e.StepScheduled):
            waits_at.interruption = error
            self.interrupted.append(waits_at.step)
        elif isinstance(waits_at.event, e.CallScheduled):
            waits_at.interruption = error
            self._match(e.CallCancelRequested(invocation_id=self.invocation_id, step=waits_at.step))
        else:
            self._drop(waits_at)
            self.make_ready(branch, error=error)
        return True

    def _drop(self, parked: Operation) -> None:
        del self.parked[parked.step]
        self._dropped.add(parked.step)
        if isinstance(parked.event, e.SignalAwaited):
            self._signals.drop_wait(parked.event)
        self._match(e.WaitDropped(invocation_id=self.invocation_id, step=parked.step))

    def _cancel_root(self, reason: str) -> None:
        self.has_been_given_cancel = True
        self._pending_cancel = CancelledError(reason)
        self._interrupt_root()

    # Completions.

    def _complete(self, completion: Any, superseded: bool) -> None:
        kind = completion.__class__
        if kind is e.SignalReceived:
            self._guarded(self._give_signal, completion)
        elif kind is e.CancelRequested:
            self._guarded(self._cancel_root, completion.reason)
        elif kind is e.HistoryCopied:
            self._go_on_living()
        elif kind is e.TimerFired and completion.step in self._deadlines:
            self._guarded(self._deadlines.pop(completion.step).expire)
        else:
            self._end_wait(completion, superseded)

    def _go_on_living(self) -> None:
        del self._kept_parts[0]
        changes, self._own_changes = self._own_changes, []
        self.state.go_on_from(changes)
        if self._kept_parts and self._kept_parts[0].carries:
            self._own_changes = changes

    def _guarded(self, function: Callable[..., object], *args: Any) -> None:
        try:
            function(*args)
        except AttemptEnded:
            if self.mismatch is None:
                raise BrokenInvariant("the attempt was ended from within without a mismatch") from None

    def _give_signal(self, signal: e.SignalReceived) -> None:
        step, is_reassigned = self._signals.receive(signal)
        if is_reassigned:
            self._match(
                e.SignalReassigned(invocation_id=self.invocation_id, signal=signal.signal, name=signal.name, step=step)
            )
        if step is not None:
            self.make_ready(self.parked.pop(step).branch, signal)

    def _end_wait(self, completion: Any, superseded: bool) -> None:
        step = completion.step
        parked = self.parked.get(step)
        if parked is None:
            if step not in self._dropped and not isinstance(completion, e.StepAborted):
                self.mismatch = self._not_asked_for(completion)
            return
        interruption = parked.interruption
        if isinstance(completion, e.StepAborted) and interruption is None:
            return  # this code does not stop the step any more: it has no outcome, so it runs again
        del self.parked[step]
        if interruption is None or not (superseded or _gave_way(completion)):
            self._hand_back(parked, interruption, completion)
        else:
            self.make_ready(parked.branch, error=interruption)

    def _hand_back(self, parked: Operation, interruption: BaseException | None, completion: Any) -> None:
        """Resume the branch with the completion that it waits for. If the invocation's cancel was about to end the
        wait, the cancel becomes pending for the next await."""
        if isinstance(interruption, CancelledError):
            self._pending_cancel = interruption
        self.make_ready(parked.branch, completion)

    # Mismatches.

    def _differs(self, recorded: Any, attempted: Any) -> NonDeterminismError:
        was, is_now = contrast(recorded, attempted)
        return NonDeterminismError(
            f"{self.invocation_id} ({self.name}) replays differently.\n"
            f"  recorded:  {was}\n"
            f"  attempted: {is_now}\n"
            f"{_ADVICE_ON_ARGUMENTS if is_same_step(recorded, attempted) else _ADVICE}"
        )

    def _ended_early(self) -> NonDeterminismError:
        return NonDeterminismError(
            f"{self.invocation_id} ({self.name}) replays differently.\n"
            f"  recorded:  {describe(self._recorded[0])}\n"
            "  attempted: the end of the handler\n"
            f"{_ADVICE}"
        )

    def _not_asked_for(self, completion: Any) -> NonDeterminismError:
        waiting = ", ".join(describe(parked.event) for parked in self.parked.values()) or "nothing"
        recorded = describe(self._recorded[0]) if self._recorded else f"the end of step {completion.step}"
        return NonDeterminismError(
            f"{self.invocation_id} ({self.name}) replays differently.\n"
            f"  recorded:  {recorded}\n"
            f"  attempted: waits for {waiting}\n"
            f"{_ADVICE}"
        )


def replay(execution: Execution, script: ReplayPlan, live_now: float) -> Progress:
    """Take the turns of a history until the handler ends or the history does. Returns the handler's position."""
    progress = execution.start(script.started, live_now, cancelled=script.cancelled)
    for delivery in script.deliveries:
        if progress is not Progress.WAITING:
            break
        progress = execution.hand_over(delivery.completion, delivery.stamp, live_now, superseded=delivery.superseded)
    return progress


def _gave_way(completion: Completion) -> bool:
    """Report whether the operation was interrupted, as requested."""
    if isinstance(completion, e.StepAborted):
        return True
    return isinstance(completion, e.CallCompleted) and completion.outcome.kind is OutcomeKind.CANCELLED


def _is_below(branch: Branch, scope: CancelStatus) -> bool:
    at = branch.scope
    while at is not None:
        if at is scope:
            return True
        at = at.parent
    return False


def _close(branch: Branch) -> None:
    # Errors in the cleanup of an attempt that is over are ignored, and so is a cleanup that waits instead of ending. A coroutine
    # that waits is finalised once more when its last reference is dropped, which must happen here: elsewhere the verbs would not
    # know that its attempt is closed.
    with contextlib.suppress(BaseException):
        branch.coroutine.close()
    branch.coroutine = _nothing()
    branch.coroutine.close()


async def _nothing() -> None:
    """Replace the coroutine of a closed branch."""


def _foreign_await(branch: Branch) -> MisuseError:
    where, what = _await_chain(branch.coroutine)
    return MisuseError(
        f"{where}: {branch.name} awaits {what}, which is not durable: it would be lost in a crash and would run again in a "
        "replay. Put it into a step: decorate the function with @actors.step, or 'await actors.run(function, …)'",
        code=ErrorCode.NON_DURABLE_AWAIT,
    )


def _await_chain(awaitable: Any) -> tuple[str, str]:
    """Return the innermost line of the handler's own file that awaits, as ``file:line``, and the name of the object
    that it awaits."""
    home, where, what = None, "?", "something"
    at = awaitable
    while at is not None:
        frame = getattr(at, "cr_frame", None) or getattr(at, "gi_frame", None) or getattr(at, "ag_frame", None)
        following = getattr(at, "cr_await", None) or getattr(at, "gi_yieldfrom", None) or getattr(at, "ag_await", None)
        if frame is not None and home is None and not str(frame.f_globals.get("__name__")).startswith("actors."):
            home = frame.f_code.co_filename  # the frames outside are the engine's own
        if frame is not None and frame.f_code.co_filename == home:
            where = f"{home}:{frame.f_lineno}"
            what = getattr(following, "__qualname__", None) or type(following).__name__
        at = following
    return where, what
