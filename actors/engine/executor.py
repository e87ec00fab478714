"""Where handlers and steps run: attempts in memory, steps as tasks.

An attempt belongs in memory exactly while :func:`actors.core.react.may_run` says so and no gate holds it. A step's task may
outlive its attempt: while a pause or a gate drains, it ends and is recorded; when its invocation is killed, it is stopped and
nothing that it says counts, and the next invocation of the key waits for its end, but not for ever.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from functools import partial
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

import attrs
import trio

from actors.core import commands as c
from actors.core.decide import beyond_limits
from actors.core.react import may_run
from actors.core.state import WaitKind
from actors.engine.attempt import Attempt, writer_beside
from actors.engine.containment import passes
from actors.engine.requests import Arrival
from actors.engine.rows import ObjectItems
from actors.engine.running_steps import wait_for
from actors.engine.steps import StepTask
from actors.engine.threads import has_abandoned, key_of
from actors.engine.watchdog import Work, blocked_error
from actors.errors import (
    ActorError,
    BlockedLoopError,
    Interruption,
    StepLostError,
    StepOutcomeUnknownError,
    UnknownHandlerError,
    UnknownServiceError,
)
from actors.model.info import CodeWait, LeftBehind, StepDoing, StepPhase
from actors.values.failures import failed, failure_of, text_of, type_of
from actors.values.names import is_system
from journal import events as e
from journal.errors import BrokenInvariant, CorruptRecord, Damaged
from journal.events import Mode, PauseCause, PauseMode, Stamp
from journal.ids import ROOT_STEP
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.core.commands import Command
    from actors.core.state import InvocationState, ObjectState, Wait
    from actors.engine.attempt import Setting
    from actors.engine.containment import Containment
    from actors.engine.loaded_object import Resident
    from actors.engine.machine import Ledger
    from actors.engine.threads import StepThread
    from actors.model.app import App
    from actors.model.verbs import StepBody
    from journal.events import Recorded
    from journal.ids import InvocationId, StepId
    from journal.in_flight import LostTry

log = SafeLogger(__name__)

_WOKEN_TOGETHER = 64
"""Of those that have waited for the same code, so many go on before calls and verbs get their turn."""

_STRIKES = 2
"""Processes in a row that may die while an invocation has the event loop. The next process pauses it."""

UNWIND_SECONDS = 10.0
"""How long the next invocation of a key waits for the steps of a killed one to give way."""


@attrs.define(eq=False)
class ReadyAttempt:
    """A handler is to run: with one more event, or from the beginning of its history."""

    resident: Resident
    invocation_id: InvocationId
    recorded: Recorded | None = None


class Stage:
    """The performer of a ledger's decisions. ``submit`` brings what steps say back to the objects."""

    def __init__(
        self, ledger: Ledger, setting: Setting, submit: Callable[[Arrival], None], containment: Containment
    ) -> None:
        self._ledger = ledger
        self._containment = containment
        self._setting = setting
        self._submit = submit
        self._limits = setting.limits
        self.runs: deque[ReadyAttempt] = deque()
        """Handlers that are to run, the first in line first."""
        self._for_code: dict[str, dict[InvocationId, Resident]] = {}
        self._live: dict[InvocationId, tuple[Resident, Attempt]] = {}
        # Those of them that have been asked to leave, and have done nothing since. They are asked by an arrival, which is taken
        # when no run is left: one that has something to hand over must not be suspended before.
        self._leaving: set[InvocationId] = set()
        # Those that could: no step of theirs runs, and they have not been asked. The longest idle first.
        self._movable: OrderedDict[InvocationId, Resident] = OrderedDict()
        self._waiting_steps: OrderedDict[tuple[InvocationId, StepId], Resident] = OrderedDict()
        self._running_steps = 0
        self._tasks: dict[StepTask, None] = {}
        self._is_closed = False
        self.some_attempt = trio.Event()
        self._nursery: trio.Nursery
        self.wake: Callable[[], None]

    def open(self, nursery: trio.Nursery, wake: Callable[[], None]) -> None:
        """Steps become tasks of this nursery; ``wake`` tells the owner that there are runs."""
        self._nursery = nursery
        self.wake = wake

    def close(self) -> None:
        """Forget every attempt; nothing is recorded."""
        self._is_closed = True
        for _, attempt in self._live.values():
            attempt.close()
        self._live.clear()
        self._movable.clear()

    async def unwind(self) -> None:
        """Stop the steps, so that the next owner of the partition does not begin one beside them; but not for ever."""
        for task in self._tasks:
            task.abandon()
        await wait_for(self._tasks, UNWIND_SECONDS)

    # What the ledger asks for.

    def start_attempt(self, resident: Resident, of: InvocationId) -> None:
        """Run its handler, in its turn."""
        self.runs.append(ReadyAttempt(resident, of))

    def continue_attempt(self, resident: Resident, of: InvocationId, recorded: Recorded) -> None:
        """Give its handler one more event, in its turn."""
        self.runs.append(ReadyAttempt(resident, of, recorded))

    def end_attempt(self, resident: Resident, of: InvocationId, *, abort_steps: bool) -> None:
        """Forget its attempt; with ``abort_steps``, stop its steps and forget them too."""
        attempt = resident.attempts.pop(of, None)
        self._live.pop(of, None)
        self._movable.pop(of, None)
        self._leaving.discard(of)
        if resident.held_back and (resident.state is None or of not in resident.state.invocations):
            resident.held_back.pop(of, None)
        if attempt is not None:
            attempt.close()
        if abort_steps:
            if resident.steps:
                for task in resident.steps.get(of, _NO_STEPS).values():
                    task.abandon()
        elif attempt is None:
            self._settle_pause(resident, of)

    def forget(self, resident: Resident) -> None:
        """Let nothing of the object run any more."""
        for of in {*resident.attempts, *resident.steps}:
            self.end_attempt(resident, of, abort_steps=True)

    def hold(self) -> None:
        """End the attempts that gates hold. Their steps end and are recorded, unless a gate that is shut at once aborts them."""
        for of, (resident, _) in list(self._live.items()):
            if resident.state is None:
                raise BrokenInvariant("an attempt is of an invocation")
            if self._ledger.holding(resident.state, of):
                self.end_attempt(resident, of, abort_steps=False)
        for resident in self._ledger.directory:
            for of, tasks in resident.steps.items():
                for task in tasks.values() if self._is_aborted(resident, of) else ():
                    if task.is_wanted:
                        task.abandon()

    def _is_aborted(self, resident: Resident, of: InvocationId) -> bool:
        state = resident.state
        if state is None or of not in state.invocations:
            return False
        return any(gate.mode is PauseMode.NOW for gate in self._ledger.holding(state, of))

    def check_pause(self, resident: Resident, of: InvocationId) -> None:
        """Let a pause take effect if it waits for steps that died with another process."""
        if of not in resident.steps:
            self._ledger.decide_as_engine(resident, c.SettlePause(invocation_id=of))

    # Handlers.

    async def run_next(self) -> None:
        """Run the handler that is first in line, if it still may."""
        run = self.runs.popleft()
        resident, state = run.resident, run.resident.state
        if self._ledger.directory.find(resident.stream) is not resident:
            # It has left memory while the run waited for its turn. All that the object owes is found again when it is read.
            self._submit(Arrival(resident.stream, c.StartWaiting(), self._stamp("engine", "it left memory")))
            return
        invocation = None if state is None else state.invocations.get(run.invocation_id)
        if invocation is None or resident.damage is not None or not may_run(invocation):
            return
        if state is None:
            raise BrokenInvariant("it is one of the object's")
        if self._ledger.holding(state, run.invocation_id):
            if run.recorded is not None:
                resident.held_back[run.invocation_id] = resident.held_back.get(run.invocation_id, 0) + 1
            return
        attempt = resident.attempts.get(run.invocation_id)
        try:
            if attempt is None:
                if not self._waits_for_unwinding(resident, invocation):
                    await self._start(resident, invocation)
            elif run.recorded is not None:
                commands = attempt.hand_over(run.recorded, self._ledger.now)
                self._after_turn(resident, attempt, commands, run.recorded.number)
        except BaseException as error:
            if passes(error):
                raise
            self._containment.blame(resident, run.invocation_id, error)

    async def _start(self, resident: Resident, invocation: InvocationState) -> None:
        of = invocation.invocation_id
        if resident.state is None:
            raise BrokenInvariant("an invocation is of an object")
        app = self._ledger.applications.find(invocation.deployment, resident.state.service)
        if app is None:
            self._wait_for_code(resident, invocation)
            return
        if self._hold_if_struck_out(resident, of):
            return
        unfinished = _unfinished_steps(invocation) if invocation.waits else set()
        try:
            history = await self._ledger.directory.history(resident, of, invocation.spans)
        except Damaged as error:
            self._hold(of, resident, PauseCause.MISMATCH, error)
            return
        try:
            attempt = self._make_attempt(resident, resident.state, invocation, app, history)
        except (UnknownServiceError, UnknownHandlerError) as error:
            self._ledger.decide_as_engine(resident, _hold_unserved(resident.state, invocation, error))
            return
        except BlockedLoopError as error:
            self._hold(of, resident, PauseCause.BLOCKED, error)
            return
        except (ActorError, CorruptRecord) as error:
            self._hold(of, resident, PauseCause.MISMATCH, error)
            return
        except BaseException as error:  # the argument is decoded by the user's classes
            self._containment.blame(resident, of, error, cause=PauseCause.HANDLER)
            return
        if resident.held_back:
            resident.held_back.pop(of, None)
        resident.attempts[of] = attempt
        self._live[of] = (resident, attempt)
        self.some_attempt.set()
        self._make_room()
        self._after_turn(resident, attempt, attempt.start(self._ledger.now), attempt.seen)
        if unfinished:
            self._take_up_steps(resident, attempt, unfinished)

    def _hold(self, of: InvocationId, resident: Resident, cause: PauseCause, error: BaseException) -> None:
        held = c.HoldAttempt(invocation_id=of, cause=cause, reason=text_of(error), failure=failure_of(error))
        self._ledger.decide_as_engine(resident, held)

    def _make_attempt(
        self,
        resident: Resident,
        state: ObjectState,
        invocation: InvocationState,
        app: App,
        history: list[Recorded],
    ) -> Attempt:
        definition = app.find(state.service)
        beside = None if invocation.mode is Mode.EXCLUSIVE else writer_beside(state)
        items = ObjectItems(self._ledger.rows, self._ledger.partition.number, resident.stream, state, beside=beside)
        setting = self._setting
        if definition.handler(invocation.handler).signature.is_builtin:
            return Attempt(setting, definition, state, invocation, history, items)
        make = partial(Attempt, setting, definition, state, invocation, history, items)
        name, watchdog = f"{state.name}/{invocation.handler}", setting.watchdog
        try:
            return watchdog.run(
                Work(invocation.invocation_id, name, may_be_interrupted=not is_system(state.service)), make
            )
        except Interruption:
            raise blocked_error(name, self._limits, watchdog.take_interrupted()) from None

    def _wait_for_code(self, resident: Resident, invocation: InvocationState) -> None:
        """Its code is not there. It runs when it is."""
        deployment = invocation.deployment
        if deployment not in self._for_code:
            self._for_code[deployment] = {}
            self._nursery.start_soon(self._load, deployment, name=f"load {deployment}")
        self._for_code[deployment][invocation.invocation_id] = resident

    async def _load(self, deployment: str) -> None:
        error: BaseException | None = None
        try:
            await self._ledger.applications.load_patiently(deployment)
        except BaseException as raised:  # its modules run as they are imported
            if passes(raised):
                raise
            error = raised
        waiting = self._for_code.pop(deployment)
        if error is not None:
            log.error("%d invocations are paused: %s, on which they run, cannot be loaded", len(waiting), deployment)
        for number, (of, resident) in enumerate(waiting.items(), 1):
            if error is None:
                self._run_soon(ReadyAttempt(resident, of))
            else:
                self._hold_without_code(resident, of, deployment, error)
            if number % _WOKEN_TOGETHER == 0:
                await trio.lowlevel.checkpoint()  # calls and verbs are taken in between

    def _hold_without_code(self, resident: Resident, of: InvocationId, deployment: str, error: BaseException) -> None:
        invocation = None if resident.state is None else resident.state.invocations.get(of)
        if invocation is None or invocation.deployment != deployment:
            return
        # The log has the traceback: with each of thousands it would be as many times 16 KiB.
        failure = e.Failure(type_of(error), text_of(error))
        reason = f"{failure.message}. Resume it on another deployment, or once this one can be loaded"
        held = c.HoldAttempt(invocation_id=of, cause=PauseCause.CODE, reason=reason, failure=failure)
        self._submit(Arrival(resident.stream, held, self._stamp("engine", f"load {deployment}")))

    def _after_turn(self, resident: Resident, attempt: Attempt, commands: list[Command], number: int) -> None:
        of = attempt.invocation_id
        attempt.last_active = self._ledger.now
        self._leaving.discard(of)
        if of not in resident.steps:
            self._movable[of] = resident
            self._movable.move_to_end(of)
        stamp = Stamp(self._ledger.now, f"#{number}", of)
        for command in commands:
            self._ledger.decide(resident, command, stamp)
        if resident.attempts.get(of) is attempt:
            if attempt.execution.interrupted:
                for step in attempt.take_interrupted():
                    self._interrupt(resident, of, step)
            self._hold_if_too_long(resident, of)

    def _hold_if_too_long(self, resident: Resident, of: InvocationId) -> None:
        if resident.state is None:
            raise BrokenInvariant("an invocation is of an object")
        reason = beyond_limits(resident.state.invocations[of], self._limits)
        if reason is not None:
            held = c.HoldAttempt(invocation_id=of, cause=PauseCause.LIMIT, reason=reason)
            self._ledger.decide_as_engine(resident, held)

    # Steps.

    def run_step(self, resident: Resident, of: InvocationId, step: StepId) -> None:
        """Begin a side effect, now that what it rests on is durable; unless nobody wants it any more. Never raises."""
        if resident.damage is not None:
            return
        try:
            self._run_step(resident, of, step)
        except BaseException as error:
            self._containment.blame(resident, of, error)

    def _run_step(self, resident: Resident, of: InvocationId, step: StepId) -> None:
        resident.due_steps.discard((of, step))
        attempt = resident.attempts.get(of)
        if attempt is None:
            self.runs.append(ReadyAttempt(resident, of))  # if it may run, its attempt takes the step up
            self.wake()
            self._settle_pause(resident, of)
            return
        parked = attempt.execution.parked.get(step)
        wait = _wait_of(resident, of, step)
        if parked is None or parked.interruption is not None or step in resident.steps.get(of, _NO_STEPS):
            return
        if wait is None:
            return  # it has its outcome, which the handler has not been given yet
        if self._setting.steps.is_draining:
            return  # the next start takes it up
        if self._running_steps >= self._limits.running_steps:
            self._waiting_steps[of, step] = resident
            return
        self._running_steps += 1
        task = StepTask(attempt, step, parked.body, self._setting, number=wait.attempts + 1)
        resident.steps.setdefault(of, {})[step] = task
        self._movable.pop(of, None)
        self._leaving.discard(of)
        self._tasks[task] = None
        self._setting.steps.start(task, partial(self._supervise, resident), parked.body.context)

    async def _supervise(self, resident: Resident, task: StepTask) -> None:
        command: Command | None = None
        try:
            command = await task.run(partial(self._emit, resident))
        except BaseException as error:  # the body's own errors are in the command; this is of its result, or its policy
            if isinstance(error, trio.Cancelled):
                raise
            if task.is_wanted:
                self._containment.blame(resident, task.invocation_id, error, cause=PauseCause.HANDLER)
        finally:
            self._forget_step(resident, task)
        # No checkpoint from here on: what waits for the end of the task runs after its outcome was taken.
        while self._waiting_steps and self._running_steps < self._limits.running_steps:
            (of, step), waiting = self._waiting_steps.popitem(last=False)
            self.run_step(waiting, of, step)
        try:
            self._after_step(resident, task, command)
        except BaseException as error:
            self._containment.blame(resident, task.invocation_id, error)

    def _after_step(self, resident: Resident, task: StepTask, command: Command | None) -> None:
        if self._is_closed:
            return
        if not task.is_wanted:
            self._go_on_after_unwinding(resident, task.invocation_id)
            return
        if command is not None:
            self._submit(Arrival(resident.stream, command, self._stamp_of(task)))
        self._settle_pause(resident, task.invocation_id)

    def _forget_step(self, resident: Resident, task: StepTask) -> None:
        self._setting.steps.forget(task)
        of = task.invocation_id
        tasks = resident.steps[of]
        del tasks[task.step]
        del self._tasks[task]
        if not tasks:
            del resident.steps[of]
            if of in self._live:
                self._leaving.discard(of)
                self._movable[of] = resident
        self._running_steps -= 1

    def _settle_pause(self, resident: Resident, of: InvocationId) -> None:
        """A pause that drains has waited long enough when no step runs, also if one was asked for and never began."""
        if of not in resident.attempts and of not in resident.steps:
            self._submit(Arrival(resident.stream, c.SettlePause(invocation_id=of), self._stamp(of, "steps have ended")))

    def _emit(self, resident: Resident, task: StepTask, value: bytes, offset: int) -> None:
        if task.is_wanted:
            command = c.EmitOutput(invocation_id=task.invocation_id, step=task.step, value=value, offset=offset)
            self._submit(Arrival(resident.stream, command, self._stamp_of(task)))

    def _stamp_of(self, task: StepTask) -> Stamp:
        return self._stamp(task.invocation_id, f"step {task.step}")

    def _stamp(self, by: str, cause: str) -> Stamp:
        return Stamp(self._setting.world.clock.now(), cause, by)

    def _take_up_steps(self, resident: Resident, attempt: Attempt, steps: set[StepId]) -> None:
        """Steps that began before this attempt, or whose task was abandoned, and that have no outcome."""
        of = attempt.invocation_id
        if resident.attempts.get(of) is not attempt:
            return
        for step in sorted(steps & attempt.execution.parked.keys()):
            parked = attempt.execution.parked[step]
            if step in resident.steps.get(of, _NO_STEPS) or (of, step) in resident.due_steps:
                continue  # its end looks again, or it is about to begin
            if parked.interruption is not None:
                self._interrupt(resident, of, step)
            elif isinstance(parked.event, e.StepScheduled) and parked.event.at_most_once:
                self._complete_as_unknown(resident, of, step, parked.event.name)
            elif (lost := self._lost_try(resident, of, step)) is not None:
                self._fail_as_lost(resident, lost, parked.body)
                if self._hold_if_struck_out(resident, of, step):
                    return
            elif self._hold_if_struck_out(resident, of, step):
                return
            else:
                self._ledger.when_durable(partial(self.run_step, resident, of, step))

    def _complete_as_unknown(self, resident: Resident, of: InvocationId, step: StepId, name: str) -> None:
        error = StepOutcomeUnknownError(
            f"step {name!r} had begun before its attempt ended, and may begin only once: whether it happened is unknown"
        )
        command = c.CompleteStep(invocation_id=of, step=step, outcome=failed(error))
        self._ledger.decide_as_engine(resident, command)

    def _lost_try(self, resident: Resident, of: InvocationId, step: StepId) -> LostTry | None:
        """The step's next try, as the store counts, if it ran when a process died."""
        in_flight, wait = self._setting.in_flight, _wait_of(resident, of, step)
        return None if in_flight is None or wait is None else in_flight.lost.get((of, step, wait.attempts + 1))

    def _fail_as_lost(self, resident: Resident, lost: LostTry, body: StepBody) -> None:
        of, step, in_flight = lost.invocation_id, lost.step, self._setting.in_flight
        if in_flight is None:
            raise BrokenInvariant("it has named the try")
        error = StepLostError(
            f"step {body.name!r} ran when the process died: it was killed, ran out of memory or crashed"
        )
        log.error("%s: %s", key_of(of, step), error)
        command = c.FailStep(
            invocation_id=of,
            step=step,
            failure=e.Failure(type_of(error), text_of(error)),
            policy=attrs.evolve(body.retry),
            jitter=self._setting.world.random.random(),
        )
        self._ledger.decide_as_engine(resident, command)
        self._ledger.when_durable(partial(in_flight.forget, lost))

    def _hold_if_struck_out(self, resident: Resident, of: InvocationId, step: StepId = ROOT_STEP) -> bool:
        """Pause an invocation whose handler, or whose step, had the event loop when each of the last processes died; whether it was
        paused. Not after the policy of the step has ended or paused it."""
        in_flight = self._setting.in_flight
        if in_flight is None or not in_flight.strikes:
            return False
        count = in_flight.strikes_of(of, step)
        invocation = None if resident.state is None else resident.state.invocations.get(of)
        if count < _STRIKES or resident.state is None or invocation is None or not may_run(invocation):
            return False
        if is_system(resident.state.service) or (step and _wait_of(resident, of, step) is None):
            return False
        whose = f"step {step} of " if step else ""
        error = BlockedLoopError(
            f"{whose}{resident.state.name}/{invocation.handler} had the event loop when the process died, {count} times in a row: its "
            "code crashed the process, or blocked the loop in a call that cannot be interrupted. Correct the code, then resume"
        )
        log.error("%s: %s", of, error)
        self._hold(of, resident, PauseCause.BLOCKED, error)
        self._ledger.when_durable(partial(in_flight.forget_strikes, of))
        return True

    def _interrupt(self, resident: Resident, of: InvocationId, step: StepId) -> None:
        """Stop a step, so that its handler can go on. One that does not run has nothing to unwind."""
        task = resident.steps.get(of, _NO_STEPS).get(step)
        if task is None:
            self._ledger.decide_as_engine(resident, c.AbortStep(invocation_id=of, step=step))
        elif task.is_wanted:
            task.abort()

    def _go_on_after_unwinding(self, resident: Resident, of: InvocationId) -> None:
        """An abandoned step has ended: what waited for that goes on."""
        state = resident.state
        attempt = resident.attempts.get(of)
        if attempt is not None and state is not None and of in state.invocations:
            self._ledger.now = self._setting.world.clock.now()
            self._take_up_steps(resident, attempt, _unfinished_steps(state.invocations[of]))
        if state is not None and state.holder is not None:
            self.runs.append(ReadyAttempt(resident, state.holder))
        self.wake()

    def _waits_for_unwinding(self, resident: Resident, invocation: InvocationState) -> bool:
        """Whether steps of an invocation that was ended still hold the key, in a sense."""
        if not (resident.steps or self._setting.threads.abandoned) or invocation.mode is not Mode.EXCLUSIVE:
            return False
        run = ReadyAttempt(resident, invocation.invocation_id)
        threads, tasks = self._unwinding(resident, invocation.invocation_id)
        seconds = _unwinding_seconds([*threads, *tasks])
        if seconds <= 0:
            return False
        for thread in threads:
            thread.when_ended(partial(self._run_soon, run))
        self._nursery.start_soon(self._run_later, run, seconds)
        return True

    def _unwinding(self, resident: Resident, of: InvocationId) -> tuple[list[StepThread], list[StepTask]]:
        """What was left of the other invocations of its object."""
        left = self._setting.threads.abandoned
        threads = [t for t in left if t.invocation_id != of and t.invocation_id.startswith(resident.prefix)]
        tasks = [t for other, tasks in resident.steps.items() if other != of for t in tasks.values() if not t.is_wanted]
        return threads, tasks

    def _run_soon(self, run: ReadyAttempt) -> None:
        self.runs.append(run)
        self.wake()

    async def _run_later(self, run: ReadyAttempt, seconds: float) -> None:
        await trio.sleep(seconds)
        self._run_soon(run)

    # Memory.

    def suspend_idle(self, seconds: float) -> None:
        """Let go of the attempts that have waited for so long."""
        now = self._setting.world.clock.now()
        for of, resident in list(self._movable.items()):
            if now - resident.attempts[of].last_active < seconds:
                break
            self._suspend(resident, of)
        if not self._live:
            self.some_attempt = trio.Event()

    def _make_room(self) -> None:
        excess = len(self._live) - len(self._leaving) - self._limits.live_attempts
        if excess > 0:
            for of, resident in list(islice(self._movable.items(), excess)):
                self._suspend(resident, of)

    def _suspend(self, resident: Resident, of: InvocationId) -> None:
        del self._movable[of]
        self._leaving.add(of)
        self._submit(Arrival(resident.stream, c.SuspendAttempt(invocation_id=of), self._stamp("engine", "idle")))

    # What there is to say of it.

    def code_wait(self, invocation: InvocationState) -> CodeWait | None:
        """What holds up one that runs on code that is not loaded."""
        deployment = invocation.deployment
        if invocation.invocation_id not in self._for_code.get(deployment, ()):
            return None
        failure = self._ledger.applications.failure_of(deployment)
        if failure is None:
            return CodeWait(deployment=deployment)
        again_at = self._ledger.now + failure.again_at - trio.current_time()
        return CodeWait(deployment=deployment, error=text_of(failure.error), tries=failure.tries, again_at=again_at)

    def doing(self, resident: Resident, invocation: InvocationState) -> dict[StepId, StepDoing]:
        """What the steps that the invocation waits for are at."""
        of = invocation.invocation_id
        tasks = resident.steps.get(of, _NO_STEPS)
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

    def left_behind(self, resident: Resident, of: InvocationId) -> LeftBehind:
        """What was stopped and has not ended: of the invocation itself, and of those that its beginning waits for."""
        steps = tuple(thread.name for thread in self._setting.threads.abandoned if thread.invocation_id == of)
        state = resident.state
        if state is None or state.holder != of or of in resident.attempts:
            return LeftBehind(steps=steps)
        threads, tasks = self._unwinding(resident, of)
        left: list[StepThread | StepTask] = [*threads, *tasks]
        waits = _unwinding_seconds(left) > 0
        return LeftBehind(
            steps=steps, unwinding=tuple(dict.fromkeys(one.invocation_id for one in left)) if waits else ()
        )

    def _doing_of(self, task: StepTask) -> StepDoing:
        note = ""
        if task.is_stopping:
            return StepDoing(phase=StepPhase.STOPPING if task.is_wanted else StepPhase.ABANDONED, note=_STOPPING)
        if task.phase is StepPhase.EARLIER_TRY:
            note = _EARLIER_TRY
        elif task.phase is StepPhase.THREAD:
            threads = self._setting.threads
            note = f"all {threads.limit} are taken (Limits.threads)"
            if threads.abandoned:
                note += f", and {len(threads.abandoned)} abandoned ones have not ended"
        return StepDoing(phase=task.phase, note=note)


_NO_STEPS: dict[StepId, StepTask] = {}
_STOPPING = "it was asked to stop, and has not ended"
_EARLIER_TRY = "the thread of an earlier try was abandoned and has not ended"


_ABANDONED_THREAD = "a thread cannot be stopped, and its own has not ended"


def _unwinding_seconds(left: Sequence[StepThread | StepTask]) -> float:
    """How long it is to be waited for."""
    return max((one.abandoned_at for one in left), default=-inf) + UNWIND_SECONDS - trio.current_time()


def _hold_unserved(
    state: ObjectState, invocation: InvocationState, error: UnknownServiceError | UnknownHandlerError
) -> c.HoldAttempt:
    code = f"deployment {invocation.deployment}" if invocation.deployment else "what is served"
    if isinstance(error, UnknownServiceError):
        lacking, name = f"no class named {state.service} in {code}", state.service
    else:
        lacking, name = f"no handler named {invocation.handler} of {state.service} in {code}", invocation.handler
    reason = f"{lacking}. Serve it, or what it is called now with aliases=({name!r},), then resume; or resume on another deployment"
    return c.HoldAttempt(
        invocation_id=invocation.invocation_id, cause=PauseCause.CODE, reason=reason, failure=failure_of(error)
    )


def _wait_of(resident: Resident, of: InvocationId, step: StepId) -> Wait | None:
    invocation = None if resident.state is None else resident.state.invocations.get(of)
    return None if invocation is None else invocation.waits.get(step)


def _unfinished_steps(invocation: InvocationState) -> set[StepId]:
    return {step for step, wait in invocation.waits.items() if wait.kind is WaitKind.STEP}
