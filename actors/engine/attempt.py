"""Runs one attempt of one invocation: drives its handler from event to event and turns each result into commands."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from trio._core._run import GLOBAL_RUN_CONTEXT  # trio has no public way to run code outside of every task

from actors.core import commands as c
from actors.core.traces import trace_of
from actors.engine.exceptions import held_for
from actors.engine.handler_object import (
    body_of_update,
    decode_argument,
    instance_of,
    payload_limit,
    root_of,
    view_of_history,
)
from actors.engine.watchdog import blocked_error, held_for_blocking
from actors.errors import Interruption, NoLongerFitsError
from actors.model.contexts import HandlerContext
from actors.model.field_view import FieldView
from actors.model.mistakes import fails_fast
from actors.replay.execution import Execution, Progress
from actors.replay.misuse import foreign_use
from actors.replay.plan import NOTHING, ReplayPlan, replay_plan
from actors.values.failures import cancelled_by, failed, failure_of, is_cancel, is_terminal, text_of
from actors.values.names import is_system
from journal import events as e
from journal.errors import BrokenInvariant, CorruptRecord
from journal.events import Kind, Outcome, OutcomeKind, PauseCause
from journal.fused import last_number
from journal.in_flight import turn_mark
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Self

    from actors.core.commands import Command
    from actors.core.state import InvocationState, ObjectState
    from actors.engine.engine_context import EngineContext
    from actors.model.definitions import Definition, HandlerDefinition
    from actors.model.items import Items
    from actors.replay.first_branch import FirstBranch
    from journal.events import Recorded, Stamp
    from journal.fused import Lived
    from journal.ids import StepId

T = TypeVar("T")

_WAITING = Progress.WAITING  # a member of an enum takes several times as long to look up as a name of the module

log = SafeLogger(__name__)


class Attempt:
    """A handler in memory. ``seen`` is the number of the last event that it has received or read."""

    execution: Execution
    execution_type: type[Execution] = Execution

    def __init__(
        self,
        context: EngineContext,
        definition: Definition,
        handler: HandlerDefinition,
        state: ObjectState,
        view: FieldView,
        root: Callable[[], Coroutine[Any, Any, bytes]] | FirstBranch[Any],
        plan: ReplayPlan,
        find: Callable[[str], Definition],
        *,
        name: str,
        accepted_at: float,
        seed: str = "",
        attempt: int = 1,
        asked: c.Invoke | e.InvocationAccepted,
        seen: int = 0,
        has_budgets: bool = False,
    ) -> None:
        of = self.invocation_id = view.invocation_id
        self.handler, self._view, self._context = handler, view, context
        self.seen, self.has_budgets = seen, has_budgets  # of invocations, which count what it spends
        self._waits, self.last_active = False, 0.0
        self.name = f"{state.name}/{name}"
        self.may_be_interrupted = not is_system(state.service)
        self.mark = b"" if context.in_flight is None else turn_mark(of)
        self.context = HandlerContext(
            invocation_id=of,
            service=state.service,
            key=state.key,
            name=name,
            accepted_at=accepted_at,
            seed=seed,
            limits=context.limits,
            retry=handler.retry,
            unique=context.environment.unique,
            new_id=context.environment.new_id,
            stored=context.stored,
            secret=context.secret,
            links=context.links,
            deployment=definition.deployment,
            attempt=attempt,
            caller=asked.caller,
            chain=asked.chain,
            tags=asked.tags,
            trace=None if asked.trace is None and context.observer is None else trace_of(of, asked.trace),
            find=find,
        )
        self.execution = self.execution_type(
            of,
            root,
            plan,
            state=view,
            name=self.name,
            is_terminal=handler.is_terminal,
            context=self.context,
        )
        if definition.kind is Kind.WORKFLOW:
            self.execution.body_of_update = partial(body_of_update, context, definition, state, view)

    @classmethod
    def of_history(
        cls,
        context: EngineContext,
        definition: Definition,
        state: ObjectState,
        invocation: InvocationState,
        history: Sequence[Lived],
        items: Items,
        find: Callable[[str], Definition],
        *,
        rested: int = 0,
        emitted: int = 0,
    ) -> Self:
        """The next attempt of an invocation, from its history. ``rested`` is the value of the previous attempt, if it is known;
        ``emitted`` is the number of recorded pieces of output that its handler has emitted."""
        handler = definition.handler(invocation.handler)
        accepted = history[0].event
        if not isinstance(accepted, e.InvocationAccepted):
            raise CorruptRecord(
                f"the history of {invocation.invocation_id} begins with {type(accepted).__name__}, expected InvocationAccepted"
            )
        arguments = decode_argument(handler, accepted)
        view = view_of_history(definition, state, invocation, history, items, payload_limit(context, state))
        root = partial(root_of, handler, instance_of(definition, state, view), view, arguments, context.limits)
        lineage = invocation.restarts
        plan, seen = replay_plan(history, rested, emitted), last_number(history[-1])
        return cls(
            context,
            definition,
            handler,
            state,
            view,
            root,
            plan,
            find,
            name=invocation.handler,
            accepted_at=invocation.accepted_at,
            seed="" if lineage is None else lineage.seed,
            attempt=invocation.failed_attempts + 1,
            asked=accepted,
            seen=seen,
            has_budgets=bool(invocation.budgets),
        )

    @classmethod
    def of_call(
        cls,
        context: EngineContext,
        definition: Definition,
        handler: HandlerDefinition,
        state: ObjectState,
        asked: c.Invoke,
        stamp: Stamp,
        view: FieldView,
        find: Callable[[str], Definition],
        root: FirstBranch[Any],
    ) -> Self:
        """The first attempt of a call that has begun before its start, with this stamp, is recorded."""
        plan = ReplayPlan(stamp, None, NOTHING, (), NOTHING, frozenset(), 0)
        return cls(
            context,
            definition,
            handler,
            state,
            view,
            root,
            plan,
            find,
            name=asked.target.handler,
            accepted_at=stamp.at,
            asked=asked,
        )

    def start(self, now: float) -> list[Command]:
        """Replay the history and continue from there. Returns the commands that follow."""
        return self._with_prepared(self._decided(self._turn(self.execution.replay, now)))

    def take_over(self, now: float) -> list[Command]:
        """Continue the first turn of the root branch, which runs already: the caller has begun the turn. Returns the commands that
        follow."""
        return self._with_prepared(self._decided(self._take_turn(self.execution.replay, now)))

    def _with_prepared(self, commands: list[Command]) -> list[Command]:
        prepared = self._view.take_prepared()
        if not prepared or any(isinstance(command, c.PauseAttempt) for command in commands):
            return commands  # incompatible code must not change the object
        return [c.RecordProgress(invocation_id=self.invocation_id, events=[*prepared]), *commands]

    def hand_over(self, recorded: Recorded, now: float) -> list[Command]:
        """Give the handler one more event. Returns the commands that follow."""
        if recorded.number <= self.seen:
            return []
        self.seen = recorded.number
        return self._decided(self._turn(self.execution.hand_over, recorded, now))

    def give(self, step: StepId, completed: Any, number: int, at: float, now: float) -> list[Command] | None:
        """Give the handler the end of its wait at a step, which came ``at`` that time and is to become the event with this number.

        Returns None if the handler then waits or has returned: its execution has its progress, and :meth:`commands` returns the
        commands that follow. After any other turn, returns these."""
        self.seen = number
        return self._turn(self.execution.give, step, completed, at, now)

    def close(self) -> None:
        """Drop the attempt. Python runs the handler's cleanup blocks, whose requests are ignored."""
        if self.execution.has_branches:
            with suppress(Interruption):
                self._context.watchdog.run(self, outside_trio, self.execution.close)

    @property
    def rested(self) -> int:
        """The number of the last event that the handler has received, if it waits; otherwise 0."""
        return self.seen if self._waits else 0

    @property
    def progress(self) -> int:
        """The number of completions given so far. A replay of a long history takes time; while this number grows it is not stuck."""
        return self.execution.handed_over

    def take_interrupted(self) -> Sequence[StepId]:
        """The steps that should stop, since the last call."""
        interrupted, self.execution.interrupted = self.execution.interrupted, ()
        return interrupted

    def _decided(self, commands: list[Command] | None) -> list[Command]:
        return self.commands() if commands is None else commands

    def commands(self) -> list[Command]:
        """The commands of a turn after which the handler waits or has returned."""
        execution = self.execution
        events = execution.take_progress()
        if execution.result is not None:
            return [self._finish(events, Outcome(OutcomeKind.SUCCEEDED, execution.result))]
        if execution.output:
            output = execution.take_output()
            return [c.RecordProgress(invocation_id=self.invocation_id, events=events, output=output)]
        return [c.RecordProgress(invocation_id=self.invocation_id, events=events)] if events else []

    def _turn(self, take: Callable[..., Progress], *args: Any) -> list[Command] | None:
        self._waits = False
        commands: list[Command] | None
        try:
            commands = self._context.watchdog.run(self, self._take_turn, take, *args)
        except Interruption:
            commands = []
        except BaseException as error:
            # The handler's own errors are in its execution. This one comes from its values or from its classes of errors.
            commands = [self.hold(PauseCause.HANDLER, error)]
        watchdog, in_flight = self._context.watchdog, self._context.in_flight
        if in_flight is not None and in_flight.strikes:
            in_flight.forgive(self.mark)
        if watchdog.interrupted is None:
            return commands
        # Also if the handler has swallowed the interruption: a replay would not repeat what it did then.
        return [self.hold_for_blocking()]

    def hold_for_blocking(self) -> Command:
        """The command for a handler whose turn was interrupted, which drops the turn."""
        self.execution.progress, self.execution.output = [], []
        self._waits = False
        place = self._context.watchdog.take_interrupted()
        return held_for_blocking(self.invocation_id, blocked_error(self.name, self._context.limits, place), place)

    def _take_turn(self, take: Callable[..., Progress], *args: Any) -> list[Command] | None:
        context = vars(GLOBAL_RUN_CONTEXT)
        task = context.pop("task", None)  # as outside_trio() does
        try:
            progress = take(*args)
            if self.execution.generators.failures:
                self._warn_of_cleanups()
            if progress is _WAITING:
                self._waits = True
                return None
            return self._judge(progress)
        finally:
            if task is not None:
                context["task"] = task

    def _warn_of_cleanups(self) -> None:
        for generator, error in self.execution.generators.failures if self.execution.is_aloud else ():
            log.warning(
                "%s (%s): the cleanup of async generator %s failed: %s. The generator was left before its end; leave it through "
                "'async with contextlib.aclosing(...)'",
                self.name,
                self.invocation_id,
                generator,
                text_of(error),
            )

    def _judge(self, progress: Progress) -> list[Command] | None:
        execution = self.execution
        if progress is Progress.RAISED:
            return self._judge_error()
        if progress is Progress.MISMATCHED:
            return [self.hold(PauseCause.MISMATCH, execution.mismatch)]
        if progress is Progress.STALLED:
            return [self.hold(PauseCause.STALLED, execution.error)]
        if execution.result is None:
            raise BrokenInvariant("a handler returned without a result")
        return None

    def _judge_error(self) -> list[Command]:
        error = self.execution.error
        if error is None:
            raise BrokenInvariant("a handler failed without an error")
        foreign = foreign_use(error, self.name)
        if foreign is not None:
            return self._finish_raised(failed(foreign))
        if issubclass(type(error), NoLongerFitsError):
            return [self.hold(PauseCause.MISMATCH, error)]
        if is_cancel(error, self.handler.retry.terminal):
            return self._finish_raised(cancelled_by(error))
        policy = self.handler.retry
        if is_terminal(error, policy.terminal) or fails_fast(error, policy, by_default=self._context.fail_fast):
            return self._finish_raised(self._context.failed(error))
        events = self.execution.take_progress()
        output = self.execution.take_output()
        recorded: list[Command] = []
        if events or output:
            recorded.append(c.RecordProgress(invocation_id=self.invocation_id, events=events, output=output))
        return [*recorded, self._fail(error)]

    def _finish_raised(self, outcome: Outcome) -> list[Command]:
        if self.execution.finish_raised() is Progress.MISMATCHED:
            return [self.hold(PauseCause.MISMATCH, self.execution.mismatch)]
        return [self._finish(self.execution.take_progress(), outcome)]

    def _finish(self, events: list[Any], outcome: Outcome) -> Command:
        return c.FinishAttempt(
            invocation_id=self.invocation_id,
            events=events,
            outcome=outcome,
            output=self.execution.take_output() if self.execution.output else (),
            handed_over=self.execution.handed_over,
            has_met_cancel=self.execution.has_met_cancel,
        )

    def _fail(self, error: BaseException) -> Command:
        return c.FailAttempt(
            invocation_id=self.invocation_id,
            failure=self._context.failure_of(error),
            handed_over=self.execution.handed_over,
            has_been_given_cancel=self.execution.has_been_given_cancel,
            policy=attrs.evolve(self.handler.retry),  # checked again, because the engine computes with it
            jitter=self._context.environment.random.random(),
        )

    def hold(self, cause: PauseCause, error: BaseException | None) -> Command:
        """The command that pauses the invocation because of an error."""
        if error is None:
            raise BrokenInvariant("an attempt is paused without an error")
        if cause is PauseCause.HANDLER:
            return held_for(self.invocation_id, cause, failure_of(error))
        return c.PauseAttempt(
            invocation_id=self.invocation_id, cause=cause, reason=text_of(error), failure=failure_of(error)
        )


def outside_trio(function: Callable[..., T], *args: Any) -> T:
    """Call the function as if no trio task were running, so that trio's own functions refuse a handler. Otherwise a scope that it
    opens would bind to the engine's task without a yield."""
    context = vars(GLOBAL_RUN_CONTEXT)
    task = context.pop("task", None)
    if task is None:
        return function(*args)
    try:
        return function(*args)
    finally:
        context["task"] = task
