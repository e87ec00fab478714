"""Runs handlers and steps: attempts in memory, steps as tasks. ::

    machine (decides) ── StartAttempt, Continue, EndAttempt, RunStep ──► executor
           ▲                                                                ├─ attempts: a queue of ready ones, run in turn
           └────── RecordProgress, FinishAttempt, CompleteStep, … ──────────└─ steps: each in a trio task

Invariant: an attempt is in memory while :func:`actors.core.owed.needs_attempt` requires it and no gate holds it. While it
only waits for others it may be in memory or not, which makes no difference outside the engine. A step may outlive its attempt:
during a pause or under a gate, it ends and is recorded. When its invocation is killed, it is stopped and none of its results
count, and the next invocation of the key waits for its end, up to a limit.

Prior art: the invoker of restatedev/restate, which runs invocations beside the partition processor. Alternative refused: a task
for each handler. A handler only computes between two events, and a task switch would cost more than its turn; here the ready
handlers run one after the other in the processor's task, which also keeps the order of decisions.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import trio

from actors.core import commands as c
from actors.core import effects as f
from actors.core.decide.pauses import has_running_steps
from actors.core.owed import may_run, needs_attempt
from actors.engine.code_waits import CodeWaits
from actors.engine.engine_pauses import EnginePauses
from actors.engine.exceptions import effect_lost, passes
from actors.engine.frame_effects import follow
from actors.engine.live_attempts import LiveAttempts
from actors.engine.next_attempt import next_attempt
from actors.engine.places import has_place, leave_place, leave_place_if_suspended, leave_places
from actors.engine.ready_attempt import ReadyAttempt
from actors.engine.requests import ObjectRequest
from actors.engine.resumed_turns import TurnHooks
from actors.engine.step_runner import NO_STEPS, StepRunner, unfinished_steps
from actors.engine.step_turns import StepTurns
from actors.engine.unwinding import unwinding, unwinding_seconds
from actors.engine.wait_turns import WaitTurns
from actors.errors import ActorError, BlockedLoopError, NotFoundError
from journal import events as e
from journal.errors import BrokenInvariant, CorruptRecord, Damaged
from journal.events import Mode, PauseCause, PauseMode, Stamp
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.commands import Command
    from actors.core.state import InvocationState
    from actors.engine.attempt import Attempt
    from actors.engine.engine_context import EngineContext
    from actors.engine.faults import Faults
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.engine.running_steps import RunningSteps
    from actors.model.inside import InsideClient
    from journal.events import Event, Recorded
    from journal.ids import InvocationId
    from journal.waits import Requested

log = SafeLogger(__name__)


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
        self._submit = submit
        self._wake = wake
        self._limits = context.limits
        self.runs: deque[ReadyAttempt] = deque()
        """The handlers that are ready to run, first in line first."""
        self.code_waits = CodeWaits(machine, submit, self._run_soon)
        """The invocations that wait for code."""
        self.live = LiveAttempts(context, wake)
        """The attempts in memory."""
        self._pauses = EnginePauses(machine, context, self.carry_out)
        hooks = TurnHooks(
            after_turn=self._after_turn,
            went_on=self.live.after_turn,
            follow=self.follow,
            end=partial(self.end_attempt, abort_steps=True),
            pause_if_too_long=self._pauses.if_too_long,
        )
        self.step_turns = StepTurns(machine, context.limits, faults, self.runs, hooks)
        self.wait_turns = WaitTurns(machine, context.limits, faults, self.runs, hooks)
        self.steps = StepRunner(
            machine,
            context,
            self._pauses,
            faults,
            self.live,
            self.step_turns,
            running=steps,
            client=client,
            submit=submit,
            run_soon=self._run_soon,
            wake=wake,
            is_busy=is_busy,
        )

    def close(self) -> None:
        """Drop every attempt; nothing is recorded."""
        self.steps.close()
        self.live.close()

    # Effects of the machine.

    def carry_out(self) -> None:
        """Carry out the effects of the machine's decisions on running code. An object whose effect fails is blamed."""
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
        self.steps.run_when_durable(loaded, effect.invocation_id, effect.step)

    def _check_drained(self, loaded: LoadedObject, effect: f.CheckDrained, _: Recorded) -> None:
        """Let a pause take effect if it waits for steps that died with another process."""
        if effect.invocation_id not in loaded.steps:
            self._machine.decide_as_engine(loaded, c.FinishDrain(invocation_id=effect.invocation_id))

    def end_attempt(self, loaded: LoadedObject, of: InvocationId, *, abort_steps: bool) -> None:
        """Drop the attempt; with ``abort_steps``, also drop its steps, and stop them once the decision is durable."""
        attempt = loaded.attempts.pop(of, None)
        self.live.remove(of)
        if self._machine.places.is_active:
            leave_place(self._machine.places, loaded, of)
        if loaded.held_back and (loaded.state is None or of not in loaded.state.invocations):
            loaded.held_back.pop(of, None)
        if attempt is not None:
            if loaded.open_state(of) is not None:
                loaded.rested[of] = attempt.rested
            attempt.close()
        if abort_steps:
            if loaded.steps:
                for task in loaded.steps.get(of, NO_STEPS).values():
                    task.disown()
                    self._machine.when_durable(task.abort)
        elif attempt is None:
            self.steps.settle_pause(loaded, of)

    def unload(self) -> None:
        """Drop the attempts that are to leave memory, except those with an event to handle. Nothing is recorded."""
        leaving = self.live.leaving
        ready = {run.invocation_id for run in self.runs}
        while leaving:
            of, loaded = leaving.popitem()
            invocation = loaded.open_state(of)
            if of in ready or invocation is None or has_running_steps(invocation):
                continue  # after its next turn, or the end of its steps, it may leave again
            try:
                self.end_attempt(loaded, of, abort_steps=False)
            except BaseException as error:
                if passes(error):
                    raise
                self._faults.blame(loaded, of, error)

    def forget(self, loaded: LoadedObject) -> None:
        """Drop all running code of the object."""
        for of in {*loaded.attempts, *loaded.steps}:
            self.end_attempt(loaded, of, abort_steps=True)
            for task in loaded.steps.get(of, NO_STEPS).values():
                task.abort()
        leave_places(self._machine.places, loaded)

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
        """Run the first handler in line, if it still may run. If it must wait for the end of steps, a task of the ``nursery`` waits."""
        run = self.runs.popleft()
        loaded, state, places = run.loaded, run.loaded.state, self._machine.places
        if self._machine.cache.find(loaded.stream) is not loaded:
            # The object left memory while the attempt was queued. Its effects are derived again when it is loaded.
            left = Stamp(self._context.environment.clock.now(), "it left memory", "engine")
            self._submit(ObjectRequest(loaded.stream, c.StartWaiting(), left))
            return
        invocation = None if state is None else state.invocations.get(run.invocation_id)
        if state is None or invocation is None or loaded.damage is not None or not may_run(invocation):
            leave_place(places, loaded, run.invocation_id)
            return
        if self._machine.holding(state, run.invocation_id):
            run.hold_back()
            leave_place(places, loaded, run.invocation_id)
            return
        if (places.is_active or invocation.budgets) and (
            self._pauses.if_over_budget(loaded, run.invocation_id)
            or (places.is_active and not has_place(places, loaded, state, invocation, is_first=run.recorded is None))
        ):
            run.hold_back()
            self.end_attempt(loaded, run.invocation_id, abort_steps=False)
            return
        attempt = loaded.attempts.get(run.invocation_id)
        try:
            if attempt is None:
                if run.recorded is not None and not needs_attempt(invocation):
                    return  # a signal that the handler has not awaited
                if not self._waits_for_unwinding(loaded, invocation, nursery):
                    await self._start(loaded, invocation, run.recorded)
            elif run.recorded is not None:
                commands = attempt.hand_over(run.recorded, self._machine.now)
                self._after_turn(loaded, attempt, commands, run.recorded.number)
        except BaseException as error:
            if passes(error):
                raise
            self._faults.blame(loaded, run.invocation_id, error)

    async def _start(self, loaded: LoadedObject, invocation: InvocationState, woken_by: Recorded | None) -> None:
        of = invocation.invocation_id
        if loaded.state is None:
            raise BrokenInvariant("an invocation has no object")
        app = self._machine.applications.find(invocation.deployment, loaded.state.service)
        if app is None:
            self.code_waits.add(loaded, invocation)
            return
        self._machine.applications.look_at_globals(invocation.deployment)
        if self._pauses.if_struck_out(loaded, of):
            return
        unfinished = unfinished_steps(invocation) if invocation.waits else set()
        try:
            history = await self._machine.cache.lived(loaded, of, invocation.spans)
            emitted = self._machine.outputs.own_pieces(loaded, of)
        except Damaged as error:
            self._pauses.pause(of, loaded, PauseCause.MISMATCH, error)
            return
        try:
            rested = loaded.rested.get(of, 0 if woken_by is None else woken_by.number - 1)
            attempt = next_attempt(
                self._machine, self._context, loaded, loaded.state, invocation, app, history, rested, emitted
            )
        except NotFoundError as error:
            self._pauses.unserved(loaded, loaded.state, invocation, error)
            return
        except BlockedLoopError as error:
            self._pauses.pause(of, loaded, PauseCause.BLOCKED, error)
            return
        except (ActorError, CorruptRecord) as error:
            self._pauses.pause(of, loaded, PauseCause.MISMATCH, error)
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
            self.steps.take_up(loaded, attempt, unfinished)

    def adopt(self, loaded: LoadedObject, attempt: Attempt, commands: list[Command]) -> None:
        """Keep an attempt that has taken its first turn, now that its start is recorded, and apply its requests."""
        attempt.seen = loaded.version
        self._keep(loaded, attempt)
        self._after_turn(loaded, attempt, commands, attempt.seen)

    def adopt_opened(self, loaded: LoadedObject, attempt: Attempt, request: Requested, number: int) -> None:
        """Keep an attempt whose start and first turn, with this request, the event with this number, are one record."""
        attempt.seen = loaded.version
        self._keep(loaded, attempt)
        self.live.after_turn(loaded, attempt, self._machine.now)
        self.follow(loaded, attempt.invocation_id, request, number)
        self._pauses.if_too_long(loaded, attempt.invocation_id)

    def follow(self, loaded: LoadedObject, of: InvocationId, request: Requested, number: int) -> None:
        """Carry out the effects of a request of the invocation in a frame, which is the event with this number."""
        follow(self._machine, self.steps, loaded, of, request, number)

    def _keep(self, loaded: LoadedObject, attempt: Attempt) -> None:
        loaded.attempts[attempt.invocation_id] = attempt
        self.live.add(loaded, attempt)

    def _after_turn(self, loaded: LoadedObject, attempt: Attempt, commands: list[Command], number: int) -> None:
        of = attempt.invocation_id
        self.live.after_turn(loaded, attempt, self._machine.now)
        stamp = Stamp(self._machine.now, f"#{number}", of)
        for command in commands:
            if isinstance(command, c.FinishAttempt) and command.output and self._pauses.emits_too_much(loaded, command):
                break
            events = self._machine.decide(loaded, command, stamp)
            if isinstance(command, (c.RecordProgress, c.FinishAttempt)) and command.output:
                self._record_output(loaded, command, events)
            if self._machine.effects:
                self.carry_out()
        if loaded.attempts.get(of) is attempt:
            if attempt.execution.interrupted:
                for step in attempt.take_interrupted():
                    self.steps.interrupt(loaded, of, step)
            self._pauses.if_too_long(loaded, of)
        is_limited = self._machine.places.is_active
        if is_limited or attempt.has_budgets:
            self._pauses.if_over_budget(loaded, of)
        if is_limited:
            leave_place_if_suspended(self._machine.places, loaded, of)

    def _record_output(
        self, loaded: LoadedObject, command: c.RecordProgress | c.FinishAttempt, events: list[Event]
    ) -> None:
        """Record the pieces that a handler emitted in a turn, unless the turn is void because the handler repeats it to receive its cancel."""
        of, machine = command.invocation_id, self._machine
        if any(isinstance(event, e.CancelDeliveredEarlier) for event in events):
            return
        if events or loaded.open_state(of) is not None:
            machine.outputs.add_own(machine.batch.pending_append(loaded), of, command.output, machine.now)

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


_Deed: TypeAlias = "Callable[[Executor, LoadedObject, Any, Recorded], None]"

_DEEDS: dict[type[f.Effect], _Deed] = {
    f.StartAttempt: Executor._start_attempt,
    f.Continue: Executor._continue_attempt,
    f.EndAttempt: Executor._end_attempt,
    f.RunStep: Executor._run_when_durable,
    f.CheckDrained: Executor._check_drained,
}
"""The function for each effect on running code."""
