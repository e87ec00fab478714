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

A replay *passes by* an operation that is next in the journal as a request and whose completion is the next one: no other branch
can run between the two, so the branch gets the completion at once. The result is that of a turn for each completion, at a
fraction of its cost; every other operation is begun and awaited. ``PassingBy``, ``Completions``, ``Interruptions`` and ``Requests``
are the parts of this class about that, about the ends of waits, about cancellations and about the comparison with the journal.

Prior art: the state machine of restatedev/sdk-shared-core and the workflow machines of temporalio/sdk-core. Both run the code in
an event loop of its own. Alternative refused: such a loop. Its scheduling would have to be deterministic too, and a handler that
is replayed at each wake-up should cost no more than its coroutines.
"""

from __future__ import annotations

import enum
from contextvars import copy_context
from functools import cached_property
from typing import TYPE_CHECKING, Any

from actors.errors import AttemptEnded, CancelledError
from actors.replay import mismatches
from actors.replay.branches import Branch, EnterNursery, Hosting, JoinChildren, Operation, Pumped
from actors.replay.first_branch import FirstBranch
from actors.replay.generators import Generators, run_with_hook
from actors.replay.interruptions import NOBODY
from actors.replay.misuse import foreign_await
from actors.replay.passing_by import PassingBy
from actors.replay.refusals import refuse
from journal import events as e
from journal.errors import BrokenInvariant
from journal.ids import InvocationId, StepId
from journal.waits import event_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from actors.replay.plan import ReplayPlan
    from actors.replay.requests import StateView
    from journal.events import Stamp
    from journal.fused import Lived

_FOREIGN_AWAITS = 3
"""The number of awaits that are not durable after which a handler is stopped."""


class Progress(enum.Enum):
    """The position of a handler after a turn."""

    WAITING = "waiting"
    RETURNED = "returned"
    RAISED = "raised"
    MISMATCHED = "mismatched"
    STALLED = "stalled"


# A member of an enum takes several times as long to look up as a name of the module.
_WAITING, _RETURNED = Progress.WAITING, Progress.RETURNED


class Execution(PassingBy):
    """One attempt of a handler. It takes the events that it replays from the plan.

    ``replay`` takes the turns of the plan and ``hand_over`` one more. Each runs the handler to a standstill and returns
    its position. ``handler`` makes the coroutine of the handler, or is the branch in which it has taken its first turn.
    ``is_terminal`` reports whether an error makes a retry pointless. ``context`` is for the durable verbs;
    this class does not use it.
    """

    is_aloud = True
    """Whether the handler's log messages are passed on."""

    live_now = 0.0
    result: bytes | None = None
    status_text: str | None = None
    """The status text of the handler in this attempt."""

    _has_stalled = False

    def __init__(
        self,
        invocation_id: InvocationId,
        handler: Callable[[], Coroutine[Any, Any, bytes]] | FirstBranch[Any],
        plan: ReplayPlan,
        *,
        state: StateView,
        name: str,
        is_terminal: Callable[[BaseException], bool],
        context: Any = None,
    ) -> None:
        super().__init__(invocation_id, plan, state=state, name=name)
        self.is_terminal = is_terminal
        self.context = context
        self._recorded_text = plan.status_text
        self._plan = plan
        self.generators = Generators()
        """The async generators of the handler."""
        if isinstance(handler, FirstBranch):
            root: Branch = handler
            self.resuming = root if handler.is_running else None
            self.now, self.live_now = plan.started.at, handler.live_now
        else:
            root = Branch(self, "", handler(), nursery=None, scope=None, context=copy_context(), name=name)
        self._branches[root] = 0

    def begin_generator(self, generator: Any) -> None:
        """Keep an async generator that the handler has begun."""
        self.generators.begin(generator)

    @cached_property
    def _ended_steps(self) -> frozenset[StepId]:
        outcomes = [recorded.event for recorded in self.coming if isinstance(recorded.event, e.StepCompleted)]
        return frozenset(outcome.step for outcome in outcomes)

    def has_outcome(self, step: StepId) -> bool:
        """Report whether the replay has an outcome for a step that the handler requests now."""
        return step in self._ended_steps

    # Turns.

    def replay(self, live_now: float) -> Progress:
        """Take the turns of the plan until the handler or the plan ends."""
        plan = self._plan
        progress = self._start(plan.started, live_now, plan.cancelled)
        while self.coming and progress is Progress.WAITING:
            recorded = self.coming.popleft()
            progress = self.hand_over(recorded, live_now, superseded=recorded.number in plan.superseded)
        return progress

    def hand_over(self, recorded: Lived, live_now: float, *, superseded: bool = False) -> Progress:
        """Give a completion to the handler and take a turn. ``superseded`` says that a cancel has overtaken the
        completion: a branch that waits for it and is to be interrupted is interrupted all the same."""
        self.now, self.live_now = recorded.stamp.at, live_now
        self.handed_over += 1
        self._complete(recorded.event, superseded)
        return self._take_turn()

    def give(self, step: StepId, completed: Any, at: float, live_now: float) -> Progress:
        """Give the end of the wait at a step, which came ``at`` that time, to the branch that waits for it, and take a turn. Nothing
        is to interrupt the wait. Of a step that ended with a value, the value alone is given."""
        self.now, self.live_now = at, live_now
        self.handed_over += 1
        if completed.__class__ is e.SignalReceived:
            self._complete(completed, False)
            return self._take_turn()
        branch = self.parked.pop(step).branch
        run_with_hook(self.begin_generator, self._resume, branch, completed, None)
        self.resuming = None
        if self._ready:
            self.generators.watch(self._resume_all)
        return self._end_turn()

    def _start(self, stamp: Stamp, live_now: float, cancelled: CancelledError | None) -> Progress:
        """Take the first turn. ``cancelled`` ends the handler before its first line."""
        self.now, self.live_now = stamp.at, live_now
        if cancelled is not None:
            self.has_been_given_cancel = True
        self.make_ready(next(iter(self._branches)), error=cancelled)
        return self._take_turn()

    @property
    def is_repeating(self) -> bool:
        """Whether a log message of the handler repeats a message of an earlier attempt, or comes from code whose
        attempt is over."""
        lived_turns = self._plan.lived_turns
        return self.closed or self.handed_over < lived_turns or not self.is_aloud or self.is_replaying

    @property
    def has_branches(self) -> bool:
        """Whether any code of the handler can still run."""
        return bool(self._branches)

    def close(self) -> None:
        """End the attempt: close every branch, innermost first. Requests of their cleanup code have no effect."""
        self.closed = True
        self.parked.clear()
        self.generators.watch(self._close_branches)

    def stall(self, error: BaseException) -> None:
        """End the attempt, because the handler waits for something that is not durable and may never come. The work of its last
        turn is dropped."""
        self.error = error
        self.closed = self._has_stalled = True
        self._ready.clear()

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
            self._turn, self._turn_output = [], []
        elif self.status_text is not None:
            self._record_status_text()
        self._keep_turn()
        return Progress.RAISED

    def _take_turn(self) -> Progress:
        self.generators.watch(self._resume_all)
        return self._end_turn()

    def _end_turn(self) -> Progress:
        if self._has_stalled:
            return Progress.STALLED
        if self.mismatch is None and self.error is not None:
            return Progress.RAISED
        has_ended = self._has_ended
        if self.mismatch is None and self.state.may_have_changes:
            self._record_changes(ended=has_ended)
        if self.error is not None:
            return Progress.RAISED
        if self.mismatch is None and has_ended and self.is_replaying:
            self.mismatch = self._ended_early()
        if self.mismatch is not None:
            return Progress.MISMATCHED
        if self.status_text is not None:
            self._record_status_text()
        self._keep_turn()
        return _RETURNED if has_ended else _WAITING

    def _record_status_text(self) -> None:
        """Record the status text of the handler, unless it is recorded. It is for people, so a replay does not compare it:
        what counts is the text at the end of a turn that no journal has."""
        text = self.status_text
        if text is not None and text != self._recorded_text and not self.coming and not self.is_replaying:
            self._recorded_text = text
            self._turn.append(e.StatusTextChanged(invocation_id=self.invocation_id, text=text))

    # Branches.

    def _close_branches(self) -> None:
        while self._branches:
            branch, _ = self._branches.popitem()
            branch.context.run(branch.close)
            if not self._branches:
                branch.context.run(self.generators.close_all)
            branch.end()

    def _resume_all(self) -> None:
        while self._ready and self.mismatch is None:
            branch, value, error = self._ready.popleft()
            if branch in self._branches:
                self._resume(branch, value, error)
                self.resuming = None
        if not self._ready:
            self._ready = NOBODY

    def _resume(self, branch: Branch, value: Any, error: BaseException | None) -> None:
        """Run the branch until it waits or ends."""
        branch.waits_at = None
        self.resuming = branch
        coroutine: Any = branch.coroutine
        run = branch.context.run
        send = coroutine.send
        foreign = 0
        while True:
            yielded: Any
            try:
                yielded = run(send, value) if error is None else run(coroutine.throw, error)
            except StopIteration as stop:
                self._end_branch(branch, stop.value, None)
                return
            except BaseException as raised:  # any error of the handler is its own; it is judged by its type later
                self._end_branch(branch, None, raised)
                return
            if self.mismatch is not None:
                return
            kind = type(yielded)
            if issubclass(kind, Operation) and yielded.step == branch.following_step:
                error = None
                if yielded.event is None:
                    value = self._pass_by(branch, yielded)
                    if value is yielded:
                        return
                    if value is not None and kind.completion is not None:
                        foreign = 0  # another turn has begun
                    continue
                error = None if branch.scope is None and self._pending_cancel is None else self.due_at(branch)
                if error is None:
                    if not self.begin(branch, yielded):
                        return
                    value = yielded.event
            elif kind is JoinChildren or kind is Hosting:
                branch.waits_at = yielded
                return
            elif kind is Pumped:
                return
            elif kind is EnterNursery:
                value, error = branch.next_step(), None
            else:
                foreign += 1
                if foreign > _FOREIGN_AWAITS:
                    self._end_branch(branch, None, error)
                    return
                refusal = error = foreign_await(branch.name, coroutine)
                refuse(branch, refusal, is_raised=True)

    def begin(self, branch: Branch, operation: Operation) -> bool:
        """Begin the operation. Returns whether the branch continues at once, with the operation's event."""
        if operation.event.__class__ is e.SignalAwaited:
            operation.event = self._signals.with_kept(operation.event, self.handed_over)
        event: Any
        if not self._recorded:
            event = operation.event
            self._made += 1
            self._turn.append(event)
        else:
            try:
                asked = event_of(operation.event, self.invocation_id)
                event = self._match(asked, operation.also_known_as, operation.parameters)
            except AttemptEnded:
                return False
        branch.next_step()
        kind = event.__class__
        if kind is e.SendScheduled or kind is e.QuestionAsked:
            operation.event = event
            return True
        if kind is e.SignalAwaited:
            if not self._signals.has_kept(event):
                self.mismatch = mismatches.asks_otherwise(self._full_name, event, operation.event)
                return False
            received = self._signals.begin_wait(event)
            if received is not None:
                operation.event = received
                return True
        operation.event = event
        branch.waits_at = self.parked[event.step] = operation
        return False

    def _end_branch(self, branch: Branch, value: Any, error: BaseException | None) -> None:
        self._branches.pop(branch, None)
        context = branch.end()
        if branch.nursery is None:
            self._has_ended = True
        if self.mismatch is not None:
            return
        if branch.nursery is not None:
            self._guarded(branch.nursery.child_ended, branch, error)
            return
        self.resuming = None
        if self.generators.have_begun:
            context.run(self.generators.close_all)
        if self.refusal is not None:
            self.error = self.refusal
        elif error is not None:
            self.error = error
        else:
            self.result = value
