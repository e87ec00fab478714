"""Runs the steps of one processor's handlers, each in a trio task. ::

    event durable ──► run_step ──► StepTask in a task of the pool ──► its command ──┬─ StepTurns: the handler goes on at once
                         │                                                          └─ inbox: decided like any other
                         └─ too many run: it waits for its turn

Invariant: a step begins once its request is on disk, and at most ``Limits.running_steps`` run at once. A step may outlive its
attempt: while a pause or a gate drains, it ends and is recorded. When its invocation is killed, it is stopped and none of its
results count, and the next invocation of the key waits for its end, up to a limit.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from actors.core import commands as c
from actors.core.owed import needs_attempt
from actors.core.state import WaitKind
from actors.engine.heartbeats import Heartbeats
from actors.engine.places import leave_place
from actors.engine.requests import ObjectRequest
from actors.engine.running_steps import wait_for
from actors.engine.steps import StepHost, StepTask
from actors.engine.threads import UNWIND_SECONDS, has_abandoned, key_of
from actors.engine.unwinding import left_behind
from actors.errors import StepLostError, StepOutcomeUnknownError
from actors.model.wait_info import LeftBehind, StepDoing, StepPhase
from actors.values.failures import failed, text_of, type_of
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import PauseCause, Stamp
from journal.ids import stream_of_invocation
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.commands import Command
    from actors.core.state import InvocationState
    from actors.engine.attempt import Attempt
    from actors.engine.engine_context import EngineContext
    from actors.engine.engine_pauses import EnginePauses
    from actors.engine.faults import Faults
    from actors.engine.live_attempts import LiveAttempts
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.engine.running_steps import RunningSteps
    from actors.engine.step_scope import StepScope
    from actors.engine.step_turns import StepTurns
    from actors.model.inside import InsideClient
    from actors.model.verbs.step_requests import StepBody
    from journal.ids import InvocationId, StepId
    from journal.in_flight import LostTry
    from journal.pieces import Piece

log = SafeLogger(__name__)


class StepRunner:
    """The steps of one processor. ``submit`` sends their results to their objects, unless ``turns`` hands them over at once; for
    that no request may come before, which ``is_busy`` reports. ``run_soon`` queues a handler, and ``wake`` starts a round."""

    def __init__(
        self,
        machine: Machine,
        context: EngineContext,
        pauses: EnginePauses,
        faults: Faults,
        live: LiveAttempts,
        turns: StepTurns,
        *,
        running: RunningSteps,
        client: InsideClient,
        submit: Callable[[ObjectRequest], None],
        run_soon: Callable[[LoadedObject, InvocationId], None],
        wake: Callable[[], None],
        is_busy: Callable[[], bool],
    ) -> None:
        self._machine = machine
        self._context = context
        self._limits = context.limits
        self._pauses = pauses
        self._faults = faults
        self._live = live
        self._turns = turns
        self._running = running
        self._submit = submit
        self._run_soon = run_soon
        self._wake = wake
        self._is_busy = is_busy
        self._waiting: OrderedDict[tuple[InvocationId, StepId], LoadedObject] = OrderedDict()
        self._tasks: dict[StepTask, LoadedObject] = {}
        token = trio.lowlevel.current_trio_token()
        self.heartbeats = Heartbeats(self._record_heartbeat)
        self._host = StepHost(context, client, self._emit, machine.outputs.room, self.heartbeats, token)
        self._is_closed = False

    def close(self) -> None:
        """Drop the results from now on."""
        self._is_closed = True

    async def unwind(self) -> None:
        """Stop the steps, up to a limit of time, so that the partition's next processor does not run one beside them."""
        for task in self._tasks:
            task.abandon()
        await wait_for(self._tasks, UNWIND_SECONDS)

    def run_when_durable(self, loaded: LoadedObject, of: InvocationId, step: StepId) -> None:
        """Begin a step that was requested now, once that is durable."""
        loaded.due_steps[of, step] = None
        self._machine.batch.released.append(partial(self.run_step, loaded, of, step))

    def run_step(self, loaded: LoadedObject, of: InvocationId, step: StepId) -> None:
        """Begin a side effect, now that its events are durable, unless it was stopped meanwhile. Never raises."""
        if loaded.damage is not None:
            return
        try:
            loaded.due_steps.pop((of, step), None)
            attempt = loaded.attempts.get(of)
            if attempt is None:
                self._run_soon(loaded, of)  # if the invocation may run, its attempt begins the step
                self.settle_pause(loaded, of)
            else:
                self._begin(loaded, attempt, step)
        except BaseException as error:
            self._faults.blame(loaded, of, error)

    def _begin(self, loaded: LoadedObject, attempt: Attempt, step: StepId) -> None:
        of, state = attempt.invocation_id, loaded.state
        parked, invocation = attempt.execution.parked.get(step), None if state is None else state.invocations.get(of)
        tasks = loaded.steps.get(of)
        if parked is None or parked.interruption is not None or (tasks is not None and step in tasks):
            return
        wait = None if invocation is None else invocation.waits.get(step)
        if invocation is None or wait is None:
            return  # it has its outcome, which the handler has not received yet
        if self._running.is_draining:
            return  # the next start begins it
        if len(self._tasks) >= self._limits.running_steps:
            self._waiting[of, step] = loaded
            return
        number = wait.attempts + 1
        if loaded.outputs or loaded.outputs is None:
            self._begin_output(loaded, of, step, number)
        follows_cancel = invocation.cancel is not None
        task = StepTask(
            self._host,
            loaded,
            attempt,
            step,
            parked.body,
            number=number,
            follows_cancel=follows_cancel,
            last_heartbeat=wait.heartbeat,
        )
        if tasks is None:
            loaded.steps[of] = {step: task}
        else:
            tasks[step] = task
        self._live.after_step_began(of)
        self._tasks[task] = loaded
        self._running.start(task, self._supervise, parked.body.context)

    async def _supervise(self, task: StepTask, scope: StepScope) -> None:
        loaded, ended = self._tasks[task], None
        try:
            ended = await task.run(scope)
        except (
            BaseException
        ) as error:  # the errors of the body are in the command; this one comes from its result or its policy
            if isinstance(error, trio.Cancelled):
                raise
            if task.is_wanted:
                self._faults.blame(loaded, task.invocation_id, error, cause=PauseCause.HANDLER)
        finally:
            self._forget(loaded, task)
        # No checkpoint from here on: tasks that wait for this one to end run after its outcome was taken.
        while self._waiting and len(self._tasks) < self._limits.running_steps:
            (of, step), waiting = self._waiting.popitem(last=False)
            self.run_step(waiting, of, step)
        try:
            self._after_step(loaded, task, ended)
        except BaseException as error:
            self._faults.blame(loaded, task.invocation_id, error)

    def _after_step(self, loaded: LoadedObject, task: StepTask, ended: bytes | Command | None) -> None:
        """Give the value to the handler, or submit the end of the step. ``ended`` is None if an error was blamed on the invocation."""
        if self._is_closed:
            return
        of, step = task.invocation_id, task.step
        self.heartbeats.end(task, is_kept=isinstance(ended, c.FailStep))
        if not task.is_wanted:
            self._go_on_after_unwinding(loaded, of)
            return
        if ended is not None:
            now = self._context.environment.clock.now()
            if isinstance(ended, bytes):
                if not self._is_busy():
                    self._machine.now = now
                    if self._turns.take(loaded, of, step, ended, now):
                        self._wake()
                        return
                outcome = e.Outcome(e.OutcomeKind.SUCCEEDED, ended)
                ended = c.CompleteStep(invocation_id=of, step=step, outcome=outcome)
            self._submit(ObjectRequest(loaded.stream, ended, Stamp(now, f"step {step}", of)))
        self.settle_pause(loaded, of)

    def _forget(self, loaded: LoadedObject, task: StepTask) -> None:
        self._running.forget(task)
        of = task.invocation_id
        tasks = loaded.steps[of]
        del tasks[task.step]
        del self._tasks[task]
        if not tasks:
            del loaded.steps[of]
            self._live.after_last_step(loaded, of)
            if self._machine.places.is_active and of not in loaded.attempts:
                leave_place(self._machine.places, loaded, of)

    def settle_pause(self, loaded: LoadedObject, of: InvocationId) -> None:
        """Let a draining pause take effect once no step runs, also if a step was requested and never began."""
        if of not in loaded.attempts and of not in loaded.steps:
            self._submit(
                ObjectRequest(
                    loaded.stream,
                    c.FinishDrain(invocation_id=of),
                    Stamp(self._context.environment.clock.now(), "steps have ended", of),
                )
            )

    def _begin_output(self, loaded: LoadedObject, of: InvocationId, step: StepId, attempt: int) -> None:
        tail = self._machine.outputs.of(loaded).get(of)
        if tail is not None and step in tail.undecided:
            now = self._context.environment.clock.now()
            self._machine.outputs.begin_try(self._machine.batch.pending_append(loaded), of, step, attempt, now)
            self._wake()

    def _emit(self, task: StepTask, piece: Piece, offset: int) -> None:
        """Put a piece into the batch that is forming. The end of the step follows in the same batch, or in a later one."""
        loaded, of, step = self._tasks[task], task.invocation_id, task.step
        wait = loaded.wait_of(of, step)
        if not task.is_wanted or self._is_closed or loaded.damage is not None or wait is None:
            return
        now, pending = self._context.environment.clock.now(), self._machine.batch.pending_append(loaded)
        self._machine.outputs.add_of_step(pending, of, step, task.number, offset, piece, now)
        self._wake()

    def _record_heartbeat(self, task: StepTask, details: bytes) -> None:
        if not self._is_closed:
            stamp = Stamp(self._context.environment.clock.now(), f"step {task.step}", task.invocation_id)
            command = c.NoteHeartbeat(invocation_id=task.invocation_id, step=task.step, details=details)
            self._submit(ObjectRequest(stream_of_invocation(task.invocation_id), command, stamp))

    def take_up(self, loaded: LoadedObject, attempt: Attempt, steps: set[StepId]) -> None:
        """Begin the steps that have no outcome: they began before this attempt, or their task was abandoned."""
        of = attempt.invocation_id
        if loaded.attempts.get(of) is not attempt:
            return
        for step in sorted(steps & attempt.execution.parked.keys()):
            parked = attempt.execution.parked[step]
            if step in loaded.steps.get(of, NO_STEPS) or (of, step) in loaded.due_steps:
                continue  # its end checks again, or it is about to begin
            if parked.interruption is not None:
                self.interrupt(loaded, of, step)
            elif parked.request is e.StepScheduled and parked.event.at_most_once:
                self._complete_as_unknown(loaded, of, step, parked.event.name)
            elif (lost := self._lost_try(loaded, of, step)) is not None:
                self._fail_as_lost(loaded, lost, parked.body)
                if self._pauses.if_struck_out(loaded, of, step):
                    return
            elif self._pauses.if_struck_out(loaded, of, step):
                return
            else:
                self._machine.when_durable(partial(self.run_step, loaded, of, step))

    def _complete_as_unknown(self, loaded: LoadedObject, of: InvocationId, step: StepId, name: str) -> None:
        error = StepOutcomeUnknownError(
            f"step {name!r} had begun before its attempt ended, and is at_most_once: whether it happened is unknown"
        )
        command = c.CompleteStep(invocation_id=of, step=step, outcome=failed(error))
        self._pauses.decide(loaded, command)

    def _lost_try(self, loaded: LoadedObject, of: InvocationId, step: StepId) -> LostTry | None:
        """The next try of a step, as the store counts them, if it was running when a process died."""
        in_flight, wait = self._context.in_flight, loaded.wait_of(of, step)
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
        self._pauses.decide(loaded, command)
        self._machine.when_durable(partial(in_flight.forget, lost))

    def interrupt(self, loaded: LoadedObject, of: InvocationId, step: StepId) -> None:
        """Stop a step so that its handler can continue. A step that does not run has nothing to unwind."""
        task = loaded.steps.get(of, NO_STEPS).get(step)
        if task is None:
            self._pauses.decide(loaded, c.AbortStep(invocation_id=of, step=step))
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
            self.take_up(loaded, attempt, unfinished_steps(state.invocations[of]))
        if state is not None and state.holder is not None and needs_attempt(state.invocations[state.holder]):
            self._run_soon(loaded, state.holder)
        self._wake()

    def doing(self, loaded: LoadedObject, invocation: InvocationState) -> dict[StepId, StepDoing]:
        """The progress of the steps that the invocation waits for."""
        of = invocation.invocation_id
        tasks = loaded.steps.get(of, NO_STEPS)
        found: dict[StepId, StepDoing] = {}
        for step, wait in invocation.waits.items():
            if step in tasks:
                found[step] = self._doing_of(tasks[step])
            elif wait.kind is WaitKind.STEP_RETRY and has_abandoned(key_of(of, step)):
                found[step] = StepDoing(phase=StepPhase.EARLIER_TRY, note=_EARLIER_TRY)
            elif wait.kind is WaitKind.STEP and has_abandoned(key_of(of, step)):
                found[step] = StepDoing(phase=StepPhase.ABANDONED, note=_ABANDONED_THREAD)
            elif (of, step) in self._waiting:
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


NO_STEPS: dict[StepId, StepTask] = {}
_STOPPING = "it was asked to stop and has not ended"
_EARLIER_TRY = "the thread of an earlier try was abandoned and has not ended"
_STOPPED_THREAD = "the thread of a step that the cancel stopped has not ended"
_ABANDONED_THREAD = "its thread, which cannot be stopped, has not ended"


def unfinished_steps(invocation: InvocationState) -> set[StepId]:
    """The steps that the invocation waits for."""
    return {step for step, wait in invocation.waits.items() if wait.kind is WaitKind.STEP}
