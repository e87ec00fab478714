"""Runs handlers and steps: attempts in memory, steps as tasks. ::

    machine (decides) ── StartAttempt, Continue, EndAttempt, RunStep ──► executor
           ▲                                                                ├─ attempts: a queue of ready ones, run in turn
           └────── RecordProgress, FinishAttempt, CompleteStep, … ──────────└─ steps: each in a trio task

Invariant: an attempt is in memory while :func:`actors.core.owed.owes_an_attempt` requires it and no gate holds it. While it
only waits for others it may be in memory or not, and the difference cannot be seen from outside the engine. A step may outlive its attempt:
while a pause or a gate drains, it ends and is recorded. When its invocation is killed, it is stopped and none of its results
count, and the next invocation of the key waits for its end, up to a limit.

Prior art: the invoker of restatedev/restate, which runs invocations beside the partition processor. Alternative refused: a task
for each handler. A handler only computes between two events, and a task switch would cost more than its turn; here the ready
handlers run one after the other in the processor's task, which also keeps the order of decisions.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import trio

from actors.core import commands as c
from actors.core import effects as f
from actors.core.decide.pauses import beyond_limits, has_running_steps
from actors.core.owed import may_run, owes_an_attempt
from actors.core.react import react
from actors.core.state import WaitKind
from actors.engine.attempt import Attempt
from actors.engine.code_waits import CodeWaits
from actors.engine.exceptions import effect_lost, passes
from actors.engine.live_attempts import LiveAttempts
from actors.engine.requests import ObjectRequest
from actors.engine.running_steps import wait_for
from actors.engine.step_turns import StepTurns
from actors.engine.steps import StepTask
from actors.engine.threads import UNWIND_SECONDS, has_abandoned, key_of
from actors.engine.unwinding import left_behind, unwinding, unwinding_seconds
from actors.engine.watchdog import Work, blocked_error
from actors.errors import (
    ActorError,
    BlockedLoopError,
    Interruption,
    NotFoundError,
    ResourceKind,
    StepLostError,
    StepOutcomeUnknownError,
)
from actors.model.info import LeftBehind, StepDoing, StepPhase
from actors.rows.items import ObjectItems, writer_beside
from actors.values.failures import failed, failure_of, text_of, type_of
from actors.values.names import is_system
from journal import events as e
from journal.errors import BrokenInvariant, CorruptRecord, Damaged
from journal.events import Mode, PauseCause, PauseMode, Stamp
from journal.fused import RequestedStep
from journal.ids import ROOT_STEP
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.commands import Command
    from actors.core.state import InvocationState, ObjectState, Wait
    from actors.engine.engine_context import EngineContext
    from actors.engine.faults import Faults
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.engine.running_steps import RunningSteps
    from actors.engine.step_scope import StepScope
    from actors.model.app import App
    from actors.model.inside import InsideClient
    from actors.model.verbs.steps import StepBody
    from journal.events import Event, Recorded
    from journal.fused import Requested
    from journal.ids import InvocationId, StepId
    from journal.in_flight import LostTry

log = SafeLogger(__name__)

_STRIKES = 2
"""How many processes in a row may die while an invocation has the event loop. The next process pauses it."""


@attrs.define(eq=False)
class ReadyAttempt:
    """A handler that is ready to run: with one more event, or from the beginning of its history."""

    loaded: LoadedObject
    invocation_id: InvocationId
    recorded: Recorded | None = None


class Executor:
    """Carries out the effects of a machine's decisions. ``submit`` sends results of steps to their objects, ``wake`` tells
    the processor that attempts are ready, and ``is_busy`` reports whether a request comes before whatever is done now."""

    def __init__(
        self,
        machine: Machine,
        context: EngineContext,
        submit: Callable[[ObjectRequest], None],
        wake: Callable[[], None],
        faults: Faults,
        *,
        steps: RunningSteps,
        client: InsideClient,
        is_busy: Callable[[], bool],
    ) -> None:
        self._machine = machine
        self._faults = faults
        self._context = context
        self._steps = steps
        self._client = client
        self._submit = submit
        self._wake = wake
        self._is_busy = is_busy
        self._limits = context.limits
        self.runs: deque[ReadyAttempt] = deque()
        """The handlers that are ready to run, first in line first."""
        self.code_waits = CodeWaits(machine, submit, self._run_soon)
        """The invocations that wait for code."""
        self.live = LiveAttempts(context, wake)
        """The attempts in memory."""
        self._waiting_steps: OrderedDict[tuple[InvocationId, StepId], LoadedObject] = OrderedDict()
        self._running_steps = 0
        self._tasks: dict[StepTask, None] = {}
        self._token = trio.lowlevel.current_trio_token()
        self._is_closed = False
        self.step_turns = StepTurns(
            machine,
            context.limits,
            faults,
            self.runs,
            after_turn=self._after_turn,
            follow=self.follow,
            hold_if_too_long=self._hold_if_too_long,
        )

    def close(self) -> None:
        """Drop every attempt; nothing is recorded."""
        self._is_closed = True
        self.live.close()

    async def unwind(self) -> None:
        """Stop the steps, up to a limit of time, so that the partition's next processor does not run one beside them."""
        for task in self._tasks:
            task.abandon()
        await wait_for(self._tasks, UNWIND_SECONDS)

    # Effects of the machine.

    def carry_out(self) -> None:
        """Carry out the effects of the machine's decisions on running code. An object that loses one is blamed."""
        effects = self._machine.effects
        while effects:
            loaded, effect, recorded = effects.popleft()
            if loaded.damage is not None:
                continue  # it was set aside, and nothing of it runs
            try:
                _DEEDS[effect.__class__](self, loaded, effect, recorded)
            except BaseException as error:
                if passes(error):
                    raise
                self._faults.blame(loaded, None, effect_lost(effect, loaded.stream, error))

    def _start_attempt(self, loaded: LoadedObject, effect: f.StartAttempt, _: Recorded) -> None:
        self.runs.append(ReadyAttempt(loaded, effect.invocation_id))

    def _continue_attempt(self, loaded: LoadedObject, effect: f.Continue, recorded: Recorded) -> None:
        self.runs.append(ReadyAttempt(loaded, effect.invocation_id, recorded))

    def _end_attempt(self, loaded: LoadedObject, effect: f.EndAttempt, _: Recorded) -> None:
        self.end_attempt(loaded, effect.invocation_id, abort_steps=effect.abort_steps)

    def _run_when_durable(self, loaded: LoadedObject, effect: f.RunStep, _: Recorded) -> None:
        loaded.due_steps.add((effect.invocation_id, effect.step))
        self._machine.when_durable(partial(self.run_step, loaded, effect.invocation_id, effect.step))

    def _check_drained(self, loaded: LoadedObject, effect: f.CheckDrained, _: Recorded) -> None:
        """Let a pause take effect if it waits for steps that died with another process."""
        if effect.invocation_id not in loaded.steps:
            self._machine.decide_as_engine(loaded, c.FinishDrain(invocation_id=effect.invocation_id))

    def _decide(self, loaded: LoadedObject, command: Command) -> None:
        """Decide on a command of the engine itself, and carry out its effects."""
        self._machine.decide_as_engine(loaded, command)
        self.carry_out()

    def end_attempt(self, loaded: LoadedObject, of: InvocationId, *, abort_steps: bool) -> None:
        """Drop the attempt; with ``abort_steps``, also drop its steps, and stop them once the decision is durable."""
        attempt = loaded.attempts.pop(of, None)
        self.live.remove(of)
        if loaded.held_back and (loaded.state is None or of not in loaded.state.invocations):
            loaded.held_back.pop(of, None)
        if attempt is not None:
            if loaded.open_state(of) is not None:
                loaded.rested[of] = attempt.rested
            attempt.close()
        if abort_steps:
            if loaded.steps:
                for task in loaded.steps.get(of, _NO_STEPS).values():
                    task.disown()
                    self._machine.when_durable(task.abort)
        elif attempt is None:
            self._settle_pause(loaded, of)

    def unload(self) -> None:
        """Drop the attempts that are to leave memory, unless one has something to do now. Nothing is recorded."""
        leaving = self.live.leaving
        if not leaving:
            return
        ready = {run.invocation_id for run in self.runs}
        while leaving:
            of, loaded = leaving.popitem()
            invocation = loaded.open_state(of)
            if of in ready or invocation is None or has_running_steps(invocation):
                continue  # its next turn, or the end of its steps, makes it movable again
            try:
                self.end_attempt(loaded, of, abort_steps=False)
            except BaseException as error:
                if passes(error):
                    raise
                self._faults.blame(loaded, of, error)

    def forget(self, loaded: LoadedObject) -> None:
        """Drop everything of the object that runs."""
        for of in {*loaded.attempts, *loaded.steps}:
            self.end_attempt(loaded, of, abort_steps=True)
            for task in loaded.steps.get(of, _NO_STEPS).values():
                task.abort()

    def hold(self) -> None:
        """End the attempts that gates hold. Their steps end and are recorded, unless the mode of a gate is "now", which aborts
        them."""
        for loaded, attempt in self.live:
            if loaded.state is None:
                raise BrokenInvariant("an attempt has no invocation")
            if self._machine.holding(loaded.state, attempt.invocation_id):
                self.end_attempt(loaded, attempt.invocation_id, abort_steps=False)
        for loaded in self._machine.cache:
            for of, tasks in loaded.steps.items():
                for task in tasks.values() if self._is_aborted(loaded, of) else ():
                    if task.is_wanted:
                        task.abandon()

    def _is_aborted(self, loaded: LoadedObject, of: InvocationId) -> bool:
        state = loaded.state
        if state is None or of not in state.invocations:
            return False
        return any(gate.mode is PauseMode.NOW for gate in self._machine.holding(state, of))

    # Handlers.

    async def run_next(self, nursery: trio.Nursery) -> None:
        """Run the first handler in line, if it still may run. What it must wait for, code or the end of steps, is waited for in
        tasks of the ``nursery``."""
        run = self.runs.popleft()
        loaded, state = run.loaded, run.loaded.state
        if self._machine.cache.find(loaded.stream) is not loaded:
            # The object left memory while the attempt was queued. Its effects are derived again when it is loaded.
            self._submit(ObjectRequest(loaded.stream, c.StartWaiting(), self._stamp("engine", "it left memory")))
            return
        invocation = None if state is None else state.invocations.get(run.invocation_id)
        if invocation is None or loaded.damage is not None or not may_run(invocation):
            return
        if state is None:
            raise BrokenInvariant("an open invocation has no object")
        if self._machine.holding(state, run.invocation_id):
            if run.recorded is not None:
                loaded.held_back[run.invocation_id] = loaded.held_back.get(run.invocation_id, 0) + 1
            return
        attempt = loaded.attempts.get(run.invocation_id)
        try:
            if attempt is None:
                if run.recorded is not None and not owes_an_attempt(invocation):
                    return  # a signal that the handler has not awaited
                if not self._waits_for_unwinding(loaded, invocation, nursery):
                    await self._start(loaded, invocation, nursery, run.recorded)
            elif run.recorded is not None:
                commands = attempt.hand_over(run.recorded, self._machine.now)
                self._after_turn(loaded, attempt, commands, run.recorded.number)
        except BaseException as error:
            if passes(error):
                raise
            self._faults.blame(loaded, run.invocation_id, error)

    async def _start(
        self, loaded: LoadedObject, invocation: InvocationState, nursery: trio.Nursery, woken_by: Recorded | None
    ) -> None:
        of = invocation.invocation_id
        if loaded.state is None:
            raise BrokenInvariant("an invocation has no object")
        app = self._machine.applications.find(invocation.deployment, loaded.state.service)
        if app is None:
            self.code_waits.add(loaded, invocation, nursery)
            return
        if self._hold_if_struck_out(loaded, of):
            return
        unfinished = _unfinished_steps(invocation) if invocation.waits else set()
        try:
            history = await self._machine.cache.history(loaded, of, invocation.spans)
            emitted = self._machine.outputs.own_pieces(loaded, of)
        except Damaged as error:
            self._hold(of, loaded, PauseCause.MISMATCH, error)
            return
        try:
            rested = loaded.rested.get(of, 0 if woken_by is None else woken_by.number - 1)
            attempt = self._make_attempt(loaded, loaded.state, invocation, app, history, rested, emitted)
        except NotFoundError as error:
            self._decide(loaded, _hold_unserved(loaded.state, invocation, error))
            return
        except BlockedLoopError as error:
            self._hold(of, loaded, PauseCause.BLOCKED, error)
            return
        except (ActorError, CorruptRecord) as error:
            self._hold(of, loaded, PauseCause.MISMATCH, error)
            return
        except BaseException as error:  # user classes decode the argument
            self._faults.blame(loaded, of, error, cause=PauseCause.HANDLER)
            return
        if loaded.held_back:
            loaded.held_back.pop(of, None)
        if loaded.rested:
            loaded.rested.pop(of, None)
        self._keep(loaded, attempt)
        self._after_turn(loaded, attempt, attempt.start(self._machine.now), attempt.seen)
        if unfinished:
            self._take_up_steps(loaded, attempt, unfinished)

    def adopt(self, loaded: LoadedObject, attempt: Attempt, commands: list[Command]) -> None:
        """Keep an attempt that has taken its first turn, now that its start is recorded, and apply its requests."""
        attempt.seen = loaded.version
        self._keep(loaded, attempt)
        self._after_turn(loaded, attempt, commands, attempt.seen)

    def adopt_opened(self, loaded: LoadedObject, attempt: Attempt, request: Requested) -> None:
        """Keep an attempt whose start and first turn, with this request, are recorded as one."""
        attempt.seen = loaded.version
        self._keep(loaded, attempt)
        self.live.after_turn(loaded, attempt, self._machine.now)
        self.follow(loaded, attempt.invocation_id, request)
        self._hold_if_too_long(loaded, attempt.invocation_id)

    def follow(self, loaded: LoadedObject, of: InvocationId, request: Requested) -> None:
        """Carry out the effects of a request that is recorded as a part of a frame."""
        if isinstance(request, RequestedStep):
            loaded.due_steps.add((of, request.step))
            self._machine.when_durable(partial(self.run_step, loaded, of, request.step))
        else:
            self._machine.owe(loaded, react(loaded.state, request.event(of)))

    def _keep(self, loaded: LoadedObject, attempt: Attempt) -> None:
        loaded.attempts[attempt.invocation_id] = attempt
        self.live.add(loaded, attempt)

    def _hold(self, of: InvocationId, loaded: LoadedObject, cause: PauseCause, error: BaseException) -> None:
        held = c.PauseAttempt(invocation_id=of, cause=cause, reason=text_of(error), failure=failure_of(error))
        self._decide(loaded, held)

    def _make_attempt(
        self,
        loaded: LoadedObject,
        state: ObjectState,
        invocation: InvocationState,
        app: App,
        history: list[Recorded],
        rested: int,
        emitted: int,
    ) -> Attempt:
        definition = app.find(state.service)
        beside = None if invocation.mode is Mode.EXCLUSIVE else writer_beside(state)
        items = ObjectItems(self._machine.rows, self._machine.partition.number, loaded.stream, state, beside=beside)
        make = partial(
            Attempt.of_history,
            self._context,
            definition,
            state,
            invocation,
            history,
            items,
            app.find,
            rested=rested,
            emitted=emitted,
        )
        if definition.handler(invocation.handler).signature.is_builtin:
            return make()
        name, watchdog = f"{state.name}/{invocation.handler}", self._context.watchdog
        try:
            return watchdog.run(
                Work(invocation.invocation_id, name, may_be_interrupted=not is_system(state.service)), make
            )
        except Interruption:
            raise blocked_error(name, self._limits, watchdog.take_interrupted()) from None

    def _after_turn(self, loaded: LoadedObject, attempt: Attempt, commands: list[Command], number: int) -> None:
        of = attempt.invocation_id
        self.live.after_turn(loaded, attempt, self._machine.now)
        stamp = Stamp(self._machine.now, f"#{number}", of)
        for command in commands:
            events = self._machine.decide(loaded, command, stamp)
            if isinstance(command, (c.RecordProgress, c.FinishAttempt)) and command.output:
                self._record_output(loaded, command, events)
            if self._machine.effects:
                self.carry_out()
        if loaded.attempts.get(of) is attempt:
            if attempt.execution.interrupted:
                for step in attempt.take_interrupted():
                    self._interrupt(loaded, of, step)
            self._hold_if_too_long(loaded, of)

    def _record_output(
        self, loaded: LoadedObject, command: c.RecordProgress | c.FinishAttempt, events: list[Event]
    ) -> None:
        """Record what a handler emitted in a turn, unless the turn is void: the handler takes it again, and meets its cancel."""
        of, machine = command.invocation_id, self._machine
        if any(isinstance(event, e.CancelDeliveredEarlier) for event in events):
            return
        if events or loaded.open_state(of) is not None:
            machine.outputs.add_own(machine.batch.pending_append(loaded), of, command.output, machine.now)

    def _hold_if_too_long(self, loaded: LoadedObject, of: InvocationId) -> None:
        invocation = loaded.open_state(of)
        if invocation is None:
            return  # it has ended, and its attempt is left because that effect was lost
        reason = beyond_limits(invocation, self._limits) or self._machine.outputs.beyond_limits(loaded, of)
        if reason is not None:
            held = c.PauseAttempt(invocation_id=of, cause=PauseCause.LIMIT, reason=reason)
            self._decide(loaded, held)

    # Steps.

    def run_step(self, loaded: LoadedObject, of: InvocationId, step: StepId) -> None:
        """Begin a side effect, now that its events are durable, unless it was stopped meanwhile. Never raises."""
        if loaded.damage is not None:
            return
        try:
            self._run_step(loaded, of, step)
        except BaseException as error:
            self._faults.blame(loaded, of, error)

    def _run_step(self, loaded: LoadedObject, of: InvocationId, step: StepId) -> None:
        loaded.due_steps.discard((of, step))
        attempt = loaded.attempts.get(of)
        if attempt is None:
            self._run_soon(loaded, of)  # if the invocation may run, its attempt begins the step
            self._settle_pause(loaded, of)
            return
        parked, invocation = attempt.execution.parked.get(step), loaded.open_state(of)
        if parked is None or parked.interruption is not None or step in loaded.steps.get(of, _NO_STEPS):
            return
        if invocation is None or step not in invocation.waits:
            return  # it has its outcome, which the handler has not received yet
        if self._steps.is_draining:
            return  # the next start begins it
        if self._running_steps >= self._limits.running_steps:
            self._waiting_steps[of, step] = loaded
            return
        self._running_steps += 1
        number = invocation.waits[step].attempts + 1
        if loaded.outputs or loaded.outputs is None:
            self._begin_output(loaded, of, step, number)
        task = StepTask(
            attempt,
            step,
            parked.body,
            self._context,
            client=self._client,
            number=number,
            emit=partial(self._emit, loaded),
            loaded=loaded,
            room=self._machine.outputs.room,
            token=self._token,
            follows_cancel=invocation.cancel is not None,
        )
        loaded.steps.setdefault(of, {})[step] = task
        self.live.after_step_began(of)
        self._tasks[task] = None
        self._steps.start(task, partial(self._supervise, loaded), parked.body.context)

    async def _supervise(self, loaded: LoadedObject, task: StepTask, scope: StepScope) -> None:
        command: Command | None = None
        try:
            command = await task.run(scope)
        except (
            BaseException
        ) as error:  # the errors of the body are in the command; this one comes from its result or its policy
            if isinstance(error, trio.Cancelled):
                raise
            if task.is_wanted:
                self._faults.blame(loaded, task.invocation_id, error, cause=PauseCause.HANDLER)
        finally:
            self._forget_step(loaded, task)
        # No checkpoint from here on: tasks that wait for this one to end run after its outcome was taken.
        while self._waiting_steps and self._running_steps < self._limits.running_steps:
            (of, step), waiting = self._waiting_steps.popitem(last=False)
            self.run_step(waiting, of, step)
        try:
            self._after_step(loaded, task, command)
        except BaseException as error:
            self._faults.blame(loaded, task.invocation_id, error)

    def _after_step(self, loaded: LoadedObject, task: StepTask, command: Command | None) -> None:
        if self._is_closed:
            return
        if not task.is_wanted:
            self._go_on_after_unwinding(loaded, task.invocation_id)
            return
        if command is not None:
            stamp = self._stamp_of(task)
            if isinstance(command, c.CompleteStep) and not self._is_busy():
                self._machine.now = stamp.at
                if self.step_turns.take(loaded, command, stamp):
                    self._wake()
                    return
            self._submit(ObjectRequest(loaded.stream, command, stamp))
        self._settle_pause(loaded, task.invocation_id)

    def _forget_step(self, loaded: LoadedObject, task: StepTask) -> None:
        self._steps.forget(task)
        of = task.invocation_id
        tasks = loaded.steps[of]
        del tasks[task.step]
        del self._tasks[task]
        if not tasks:
            del loaded.steps[of]
            self.live.after_last_step(loaded, of)
        self._running_steps -= 1

    def _settle_pause(self, loaded: LoadedObject, of: InvocationId) -> None:
        """Let a draining pause take effect once no step runs, also if a step was requested and never began."""
        if of not in loaded.attempts and of not in loaded.steps:
            self._submit(
                ObjectRequest(loaded.stream, c.FinishDrain(invocation_id=of), self._stamp(of, "steps have ended"))
            )

    def _begin_output(self, loaded: LoadedObject, of: InvocationId, step: StepId, attempt: int) -> None:
        tail = self._machine.outputs.of(loaded).get(of)
        if tail is not None and step in tail.undecided:
            now = self._context.environment.clock.now()
            self._machine.outputs.begin_try(self._machine.batch.pending_append(loaded), of, step, attempt, now)
            self._wake()

    def _emit(self, loaded: LoadedObject, task: StepTask, value: bytes, offset: int) -> None:
        """Put a piece into the batch that is forming. The end of the step follows in the same batch, or in a later one."""
        of, step = task.invocation_id, task.step
        wait = _wait_of(loaded, of, step)
        if not task.is_wanted or self._is_closed or loaded.damage is not None or wait is None:
            return
        now, pending = self._context.environment.clock.now(), self._machine.batch.pending_append(loaded)
        self._machine.outputs.add_of_step(pending, of, step, task.number, offset, value, now)
        self._wake()

    def _stamp_of(self, task: StepTask) -> Stamp:
        return Stamp(self._context.environment.clock.now(), f"step {task.step}", task.invocation_id)

    def _stamp(self, by: str, cause: str) -> Stamp:
        return Stamp(self._context.environment.clock.now(), cause, by)

    def _take_up_steps(self, loaded: LoadedObject, attempt: Attempt, steps: set[StepId]) -> None:
        """Begin the steps that have no outcome: they began before this attempt, or their task was abandoned."""
        of = attempt.invocation_id
        if loaded.attempts.get(of) is not attempt:
            return
        for step in sorted(steps & attempt.execution.parked.keys()):
            parked = attempt.execution.parked[step]
            if step in loaded.steps.get(of, _NO_STEPS) or (of, step) in loaded.due_steps:
                continue  # its end checks again, or it is about to begin
            if parked.interruption is not None:
                self._interrupt(loaded, of, step)
            elif isinstance(parked.event, e.StepScheduled) and parked.event.at_most_once:
                self._complete_as_unknown(loaded, of, step, parked.event.name)
            elif (lost := self._lost_try(loaded, of, step)) is not None:
                self._fail_as_lost(loaded, lost, parked.body)
                if self._hold_if_struck_out(loaded, of, step):
                    return
            elif self._hold_if_struck_out(loaded, of, step):
                return
            else:
                self._machine.when_durable(partial(self.run_step, loaded, of, step))

    def _complete_as_unknown(self, loaded: LoadedObject, of: InvocationId, step: StepId, name: str) -> None:
        error = StepOutcomeUnknownError(
            f"step {name!r} had begun before its attempt ended, and is at_most_once: whether it happened is unknown"
        )
        command = c.CompleteStep(invocation_id=of, step=step, outcome=failed(error))
        self._decide(loaded, command)

    def _lost_try(self, loaded: LoadedObject, of: InvocationId, step: StepId) -> LostTry | None:
        """The next try of a step, as the store counts them, if it was running when a process died."""
        in_flight, wait = self._context.in_flight, _wait_of(loaded, of, step)
        return None if in_flight is None or wait is None else in_flight.lost.get((of, step, wait.attempts + 1))

    def _fail_as_lost(self, loaded: LoadedObject, lost: LostTry, body: StepBody) -> None:
        of, step, in_flight = lost.invocation_id, lost.step, self._context.in_flight
        if in_flight is None:
            raise BrokenInvariant("a try was lost, but no record of running code is open")
        error = StepLostError(
            f"step {body.name!r} ran when the process died: it was killed, ran out of memory or crashed"
        )
        log.error("%s: %s", key_of(of, step), error)
        command = c.FailStep(
            invocation_id=of,
            step=step,
            failure=e.Failure(type_of(error), text_of(error)),
            policy=attrs.evolve(body.retry),
            jitter=self._context.environment.random.random(),
        )
        self._decide(loaded, command)
        self._machine.when_durable(partial(in_flight.forget, lost))

    def _hold_if_struck_out(self, loaded: LoadedObject, of: InvocationId, step: StepId = ROOT_STEP) -> bool:
        """Pause an invocation whose handler or step had the event loop when each of the last processes died. Returns whether it
        was paused. The step's own policy comes first."""
        in_flight = self._context.in_flight
        if in_flight is None or not in_flight.strikes:
            return False
        count = in_flight.strikes_of(of, step)
        invocation = loaded.open_state(of)
        if count < _STRIKES or loaded.state is None or invocation is None or not may_run(invocation):
            return False
        if is_system(loaded.state.service) or (step and _wait_of(loaded, of, step) is None):
            return False
        whose = f"step {step} of " if step else ""
        error = BlockedLoopError(
            f"{whose}{loaded.state.name}/{invocation.handler} had the event loop when the process died, {count} times in a row: its "
            "code crashed the process, or blocked the loop in a call that cannot be interrupted. Correct the code, then resume"
        )
        log.error("%s: %s", of, error)
        self._hold(of, loaded, PauseCause.BLOCKED, error)
        self._machine.when_durable(partial(in_flight.forget_strikes, of))
        return True

    def _interrupt(self, loaded: LoadedObject, of: InvocationId, step: StepId) -> None:
        """Stop a step so that its handler can continue. A step that does not run has nothing to unwind."""
        task = loaded.steps.get(of, _NO_STEPS).get(step)
        if task is None:
            self._decide(loaded, c.AbortStep(invocation_id=of, step=step))
        elif task.is_wanted:
            task.is_interrupted = True
            # The body may act on being stopped, and a cancel that is not on disk yet can still be forgotten.
            self._machine.when_durable(task.abort)

    def _go_on_after_unwinding(self, loaded: LoadedObject, of: InvocationId) -> None:
        """Continue the invocations that waited for an abandoned step, which has ended."""
        state = loaded.state
        attempt = loaded.attempts.get(of)
        if attempt is not None and state is not None and of in state.invocations:
            self._machine.now = self._context.environment.clock.now()
            self._take_up_steps(loaded, attempt, _unfinished_steps(state.invocations[of]))
        if state is not None and state.holder is not None and owes_an_attempt(state.invocations[state.holder]):
            self.runs.append(ReadyAttempt(loaded, state.holder))
        self._wake()

    def _waits_for_unwinding(self, loaded: LoadedObject, invocation: InvocationState, nursery: trio.Nursery) -> bool:
        """Whether steps of an invocation that was ended still occupy the key."""
        if not (loaded.steps or self._context.threads.abandoned) or invocation.mode is not Mode.EXCLUSIVE:
            return False
        of = invocation.invocation_id
        threads, tasks = unwinding(loaded, of, self._context.threads)
        seconds = unwinding_seconds([*threads, *tasks])
        if seconds <= 0:
            return False
        for thread in threads:
            thread.when_ended(partial(self._run_soon, loaded, of))
        nursery.start_soon(self._run_later, loaded, of, seconds)
        return True

    def _run_soon(self, loaded: LoadedObject, of: InvocationId) -> None:
        self.runs.append(ReadyAttempt(loaded, of))
        self._wake()

    async def _run_later(self, loaded: LoadedObject, of: InvocationId, seconds: float) -> None:
        await trio.sleep(seconds)
        self._run_soon(loaded, of)

    # Introspection.

    def doing(self, loaded: LoadedObject, invocation: InvocationState) -> dict[StepId, StepDoing]:
        """The progress of the steps that the invocation waits for."""
        of = invocation.invocation_id
        tasks = loaded.steps.get(of, _NO_STEPS)
        found: dict[StepId, StepDoing] = {}
        for step, wait in invocation.waits.items():
            if step in tasks:
                found[step] = self._doing_of(tasks[step])
            elif wait.kind is WaitKind.STEP_RETRY and has_abandoned(key_of(of, step)):
                found[step] = StepDoing(phase=StepPhase.EARLIER_TRY, note=_EARLIER_TRY)
            elif wait.kind is WaitKind.STEP and has_abandoned(key_of(of, step)):
                found[step] = StepDoing(phase=StepPhase.ABANDONED, note=_ABANDONED_THREAD)
            elif (of, step) in self._waiting_steps:
                limit = self._limits.running_steps
                found[step] = StepDoing(phase=StepPhase.TURN, note=f"{limit} steps run already (Limits.running_steps)")
        return found

    def left_behind(self, loaded: LoadedObject, of: InvocationId) -> LeftBehind:
        """The stopped steps that have not ended: of the invocation itself, and of those whose end its start waits for."""
        return left_behind(loaded, of, self._context.threads)

    def _doing_of(self, task: StepTask) -> StepDoing:
        note = ""
        if task.is_stopping:
            return StepDoing(phase=StepPhase.STOPPING if task.is_wanted else StepPhase.ABANDONED, note=_STOPPING)
        if task.phase is StepPhase.EARLIER_TRY:
            note = _EARLIER_TRY
        elif task.phase is StepPhase.STOPPED_THREAD:
            note = _STOPPED_THREAD
        elif task.phase is StepPhase.THREAD:
            threads = self._context.threads
            note = f"all {threads.limit} are taken (Limits.threads)"
            if threads.abandoned:
                note += f", and {len(threads.abandoned)} abandoned ones have not ended"
        return StepDoing(phase=task.phase, note=note)


_NO_STEPS: dict[StepId, StepTask] = {}
_STOPPING = "it was asked to stop and has not ended"
_EARLIER_TRY = "the thread of an earlier try was abandoned and has not ended"
_STOPPED_THREAD = "the thread of a step that the cancel stopped has not ended"


_ABANDONED_THREAD = "its thread, which cannot be stopped, has not ended"


def _hold_unserved(state: ObjectState, invocation: InvocationState, error: NotFoundError) -> c.PauseAttempt:
    code = f"deployment {invocation.deployment}" if invocation.deployment else "what is served"
    if error.kind is ResourceKind.SERVICE:
        lacking, name = f"no class named {state.service} in {code}", state.service
    else:
        lacking, name = f"no handler named {invocation.handler} of {state.service} in {code}", invocation.handler
    reason = f"{lacking}. Serve it, or the renamed class with aliases=({name!r},), then resume; or resume on another deployment"
    return c.PauseAttempt(
        invocation_id=invocation.invocation_id, cause=PauseCause.CODE, reason=reason, failure=failure_of(error)
    )


def _wait_of(loaded: LoadedObject, of: InvocationId, step: StepId) -> Wait | None:
    invocation = loaded.open_state(of)
    return None if invocation is None else invocation.waits.get(step)


def _unfinished_steps(invocation: InvocationState) -> set[StepId]:
    return {step for step, wait in invocation.waits.items() if wait.kind is WaitKind.STEP}


_Deed: TypeAlias = "Callable[[Executor, LoadedObject, Any, Recorded], None]"

_DEEDS: dict[type[f.Effect], _Deed] = {
    f.StartAttempt: Executor._start_attempt,
    f.Continue: Executor._continue_attempt,
    f.EndAttempt: Executor._end_attempt,
    f.RunStep: Executor._run_when_durable,
    f.CheckDrained: Executor._check_drained,
}
"""The function for each effect on running code."""
