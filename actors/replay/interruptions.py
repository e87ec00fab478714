"""The waits of a handler, and how they end early: by a cancelled scope, by the timer of a scope, or by the invocation's
cancel."""

from __future__ import annotations

from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from actors.core.signals import Signals
from actors.errors import AttemptEnded, Cancelled, CancelledError
from actors.replay.branches import Branch, Hosting, JoinChildren, Operation, Scope
from actors.replay.collection import is_collecting
from actors.replay.misuse import not_driven
from actors.replay.requests import Requests
from actors.replay.updates import Update, UpdateCode, in_update
from actors.values.limits import NEVER
from journal import events as e
from journal.events import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from actors.core.requests import Completion
    from actors.errors import MisuseError
    from actors.replay.plan import ReplayPlan
    from actors.replay.requests import StateView
    from journal.events import Event
    from journal.ids import InvocationId, StepId
    from journal.pieces import Piece

Ready: TypeAlias = "tuple[Branch, Any, BaseException | None]"
"""A branch that is to run, and the value that it gets or the exception that is raised in it."""

NOBODY: deque[Ready] = deque()
"""The empty queue of an execution that only waits: one of its own would take 760 bytes."""


class Interruptions(Requests):
    """The base of ``Execution`` that knows the branches and their waits.

    ``parked`` are the operations that the handler waits for, by step; ``interrupted`` are the steps that should stop.
    ``resuming`` is the branch whose code runs now.
    """

    resuming: Branch | None = None
    interrupted: Sequence[StepId] = ()
    has_been_given_cancel = False
    refusal: MisuseError | None = None
    """The error that ends the handler whatever its code does, because the code has used what no replay repeats."""
    _pending_cancel: BaseException | None = None
    _refuses_awaits = False
    _has_ended = False
    _ready: deque[Ready] = NOBODY

    def __init__(self, invocation_id: InvocationId, plan: ReplayPlan, *, state: StateView, name: str) -> None:
        super().__init__(invocation_id, plan, state=state, name=name)
        self.parked: dict[StepId, Operation] = {}
        self._branches: dict[Branch, int] = {}
        """The branches that have not ended, each with its number."""
        self._begun = 0

    @cached_property
    def _signals(self) -> Signals:
        return Signals()

    @cached_property
    def _deadlines(self) -> dict[StepId, Scope]:
        return {}

    @cached_property
    def _dropped(self) -> set[StepId]:
        return set()

    @cached_property
    def _updates(self) -> dict[InvocationId, Update]:
        return {}

    # Requests of branches.

    def add(self, branch: Branch) -> None:
        """Add a child. It takes its first steps when the running branch waits."""
        self._begun += 1
        self._branches[branch] = self._begun
        if in_update in branch.context:
            branch.coroutine = cast("Any", UpdateCode(self.state, branch.coroutine))  # the part that a driver uses
        if self._ready is NOBODY:
            self._ready = deque()
        self._ready.append((branch, None, None))

    def enlist(self, branch: Branch) -> None:
        """Add a branch of a hosted event loop. It is resumed only with the completions of its operations."""
        self._begun += 1
        self._branches[branch] = self._begun

    def discard(self, branch: Branch) -> None:
        """Drop a branch of a hosted event loop, which has ended."""
        self._branches.pop(branch, None)

    def end_wait(self, branch: Branch, error: BaseException) -> None:
        """Stop the operation that the branch waits for. The branch receives ``error`` once it has stopped."""
        self._guarded(self._interrupt, branch, error)

    def drop_wait(self, operation: Operation) -> None:
        """Drop an operation that no branch waits for any more."""
        self._guarded(self._drop, operation)

    def has_ready(self, besides: type[Branch]) -> bool:
        """Report whether a branch that is not of the class ``besides`` is to be resumed in this turn."""
        return any(not isinstance(branch, besides) for branch, _, _ in self._ready)

    @property
    def waits_for_nothing(self) -> bool:
        """Whether no completion, recorded or new, can resume the handler, except the invocation's cancel."""
        return not (self.parked or self._deadlines)

    def make_ready(self, branch: Branch, value: Any = None, error: BaseException | None = None) -> None:
        """Let a waiting branch resume in its turn."""
        branch.waits_at = None
        if self._ready is NOBODY:
            self._ready = deque()
        self._ready.append((branch, value, error))

    def request(self, branch: Branch, event: Event, what: str) -> Any:
        """Record an operation that no branch waits for. Returns its event: the recorded one in a replay, else the new
        one."""
        if self.closed:
            raise AttemptEnded
        branch.must_run(what)
        return self._match(event)

    def emit(self, branch: Branch, piece: Piece) -> None:
        """Add a piece to the output of this turn, unless a replay repeats a recorded piece."""
        branch.must_run("actors.emit()")
        self._emit(piece)

    def spend(self, branch: Branch, spent: dict[str, str]) -> None:
        """Record the amounts that the handler has used up, unless a replay repeats recorded ones."""
        branch.must_run("actors.spend()")
        self._spend(spent)

    def must_run_some_branch(self, what: str) -> None:
        """Raise :class:`MisuseError` unless code of this handler is being resumed."""
        if self.resuming is None or is_collecting():
            raise not_driven(self.name, self.invocation_id, what)

    def schedule_deadline(self, scope: Scope, asking: Branch, step: StepId, block: StepId) -> float:
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

    # Cancellations.

    @property
    def has_met_cancel(self) -> bool:
        """Whether the invocation's cancel has been raised in the handler; valid once the handler has ended."""
        return self.has_been_given_cancel and self._pending_cancel is None

    def take_pending_cancel(self, branch: Branch) -> BaseException | None:
        """Return the cancel of the invocation, or of the update, if it is pending and can be raised at this await of the branch, else
        None. A returned cancel is no longer pending. A refusal, which is raised in every branch, comes before a cancel."""
        if isinstance(branch.nursery, Update):
            return self._take_cancel_of_update(branch, branch.nursery)
        error = self._pending_cancel
        if error is None:
            return None
        if error is self.refusal:
            if not self._refuses_awaits:
                self._pending_cancel = None
            return error
        if branch.nursery is not None or branch.is_shielded:
            return None
        self._pending_cancel = None
        return error

    def _take_cancel_of_update(self, branch: Branch, update: Update) -> BaseException | None:
        if update.cancel is None or (branch.is_shielded and update.cancel is not update.refusal):
            return None
        error, update.cancel = update.cancel, None
        return error

    def interrupt_below(self, scope: Scope) -> None:
        """Interrupt every waiting branch in the scope that the cancellation reaches, oldest first."""
        reached = {branch for branch in _reached_below(scope) if branch in self._branches}
        for branch in sorted(reached, key=self._branches.__getitem__):
            self._interrupt(branch, Cancelled())

    def interrupt_behind_shield(self, scope: Scope) -> None:
        """Deliver the cancellations that a lowered shield had delayed, including the cancels of the invocation and of its updates."""
        self.interrupt_below(scope)
        self._interrupt_root()
        for update in self._updates.values():
            self._interrupt_update(update)

    def due_at(self, branch: Branch) -> BaseException | None:
        """Return the error to raise at a durable await of the branch before the operation begins, or None."""
        if branch.scope is not None and branch.scope.is_effectively_cancelled:
            return Cancelled()
        if self._pending_cancel is None and branch.nursery.__class__ is not Update:
            return None
        return self.take_pending_cancel(branch)

    def refuse(self, error: MisuseError, *, is_raised: bool) -> None:
        """Make the error that of the handler. Unless it ``is_raised`` where it was made, raise it at the next await of any branch. Code
        that has caught an earlier refusal gets it at every await."""
        if self.closed:
            return
        if self.refusal is None:
            self.refusal = error
        else:
            self._refuses_awaits = True
        if self._refuses_awaits or not is_raised:
            self._pending_cancel = self.refusal

    def _cancel_root(self, reason: str, expired: bool) -> None:
        self.has_been_given_cancel = True
        if self._pending_cancel is None or self._pending_cancel is not self.refusal:
            self._pending_cancel = CancelledError(reason, expired=expired)
            self._interrupt_root()

    def _interrupt_root(self) -> None:
        root = None if self._has_ended else next(iter(self._branches), None)
        if self._pending_cancel is None or root is None or root.is_shielded:
            return
        if self._interrupt(root, self._pending_cancel):
            self._pending_cancel = None

    def _interrupt_update(self, update: Update) -> None:
        if update.cancel is None or update.branch.is_shielded:
            return
        if self._interrupt(update.branch, update.cancel):
            update.cancel = None

    def _interrupt(self, branch: Branch, error: BaseException) -> bool:
        """Stop the branch's wait. Returns whether ``error`` will be raised in the branch."""
        waits_at = branch.waits_at
        if isinstance(waits_at, JoinChildren):
            if isinstance(error, CancelledError):
                waits_at.nursery.add_error(error)
                return True
            return False  # its children are inside the scope too, and it waits for them
        if isinstance(waits_at, Hosting):
            return waits_at.interrupt(error)
        if waits_at is None:
            branch.interrupt_elsewhere()
            return False
        if waits_at.interruption is not None:
            if isinstance(error, CancelledError):
                waits_at.interruption = error  # the await is ending, and ends with the invocation's cancel
                return True
            return False
        if waits_at.request is e.StepScheduled:
            waits_at.interruption = error
            self.interrupted = [*self.interrupted, waits_at.step]
        elif waits_at.request is e.CallScheduled:
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


def _reached_below(scope: Scope) -> Iterator[Branch]:
    """Yield the branches in the scope, and in the scopes in it, that are effectively cancelled. Some may have ended."""
    below = [(scope, scope.is_effectively_cancelled)]
    while below:
        at, is_cancelled = below.pop()
        if is_cancelled:
            yield from (branch for branch in (at.branch, *at.started) if branch is not None and branch.scope is at)
        below += [(inner, inner.cancel_called or (is_cancelled and not inner.shield)) for inner in at.inner]


def gave_way(completion: Completion) -> bool:
    """Report whether the operation was interrupted, as requested."""
    if isinstance(completion, e.StepAborted):
        return True
    return isinstance(completion, e.CallCompleted) and completion.outcome.kind is OutcomeKind.CANCELLED
