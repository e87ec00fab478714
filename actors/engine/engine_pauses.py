"""Pauses invocations that must not continue: their code is missing or incompatible, they exceed a limit, or they end the process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core.decide.budgets import why_paused
from actors.core.decide.pauses import beyond_limits
from actors.core.owed import may_run
from actors.errors import BlockedLoopError, NotFoundError, ResourceKind
from actors.values.failures import failure_of, text_of
from actors.values.names import is_system
from journal.events import PauseCause
from journal.ids import ROOT_STEP
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.commands import Command
    from actors.core.state import InvocationState, ObjectState
    from actors.engine.engine_context import EngineContext
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from journal.ids import InvocationId, StepId

log = SafeLogger(__name__)

_STRIKES = 2
"""The number of processes that died in a row while an invocation had the event loop, from which on the next process pauses it."""


class EnginePauses:
    """The pauses of one processor that no user has requested. ``carry_out`` carries out the effects of a decision."""

    def __init__(self, machine: Machine, context: EngineContext, carry_out: Callable[[], None]) -> None:
        self._machine = machine
        self._context = context
        self._limits = context.limits
        self._carry_out = carry_out

    def decide(self, loaded: LoadedObject, command: Command) -> None:
        """Decide on a command of the engine itself, and carry out its effects."""
        self._machine.decide_as_engine(loaded, command)
        self._carry_out()

    def pause(self, of: InvocationId, loaded: LoadedObject, cause: PauseCause, error: BaseException) -> None:
        """Pause an invocation because of an error."""
        held = c.PauseAttempt(invocation_id=of, cause=cause, reason=text_of(error), failure=failure_of(error))
        self.decide(loaded, held)

    def if_too_long(self, loaded: LoadedObject, of: InvocationId) -> None:
        """Pause an invocation whose history or output exceeds a limit."""
        invocation = loaded.open_state(of)
        if invocation is None:
            return  # it has ended, and its attempt is still here because the effect that drops it failed
        reason = beyond_limits(invocation, self._limits) or self._machine.outputs.beyond_limits(loaded, of)
        if reason is not None:
            held = c.PauseAttempt(invocation_id=of, cause=PauseCause.LIMIT, reason=reason)
            self.decide(loaded, held)

    def emits_too_much(self, loaded: LoadedObject, end: c.FinishAttempt) -> bool:
        """Pause an invocation if the output of its last turn exceeds a limit. Returns whether it was paused; then its last turn is void."""
        reason = self._machine.outputs.beyond_limits(loaded, end.invocation_id, end.output)
        if reason is None or loaded.open_state(end.invocation_id) is None:
            return False
        self.decide(loaded, c.PauseAttempt(invocation_id=end.invocation_id, cause=PauseCause.LIMIT, reason=reason))
        return True

    def if_over_budget(self, loaded: LoadedObject, of: InvocationId) -> bool:
        """Pause an invocation that is counted by a used-up budget. Returns whether it was paused. Its running steps end and are recorded. A
        cancelled invocation is not paused, so that its compensations can run."""
        machine, state, invocation = self._machine, loaded.state, loaded.open_state(of)
        if state is None or invocation is None or invocation.cancel is not None or not may_run(invocation):
            return False
        over = machine.budgets.over(invocation) if invocation.budgets else None
        if over is not None:
            reason = why_paused(over, of)
            self.decide(loaded, c.PauseAttempt(invocation_id=of, cause=PauseCause.BUDGET, reason=reason, over=over))
            return True
        if not machine.places.has_budgets:
            return False
        used_up = machine.budgets.used_up_by(machine.places, state, invocation)
        if used_up is None:
            return False
        scope = used_up.scope
        reason = (
            f"the budget of {scope} is used up: {used_up} are spent. It continues when there is more: "
            f"playhead limits set {scope} --budget {used_up.quantity}=..."
        )
        self.decide(loaded, c.PauseAttempt(invocation_id=of, cause=PauseCause.BUDGET, reason=reason))
        return True

    def if_struck_out(self, loaded: LoadedObject, of: InvocationId, step: StepId = ROOT_STEP) -> bool:
        """Pause an invocation whose handler or step had the event loop when each of the last processes died. Returns whether it was paused.
        The retry policy of a step is applied before this."""
        in_flight = self._context.in_flight
        if in_flight is None or not in_flight.strikes:
            return False
        count = in_flight.strikes_of(of, step)
        invocation = loaded.open_state(of)
        if count < _STRIKES or loaded.state is None or invocation is None or not may_run(invocation):
            return False
        if is_system(loaded.state.service) or (step and loaded.wait_of(of, step) is None):
            return False
        whose = f"step {step} of " if step else ""
        error = BlockedLoopError(
            f"{whose}{loaded.state.name}/{invocation.handler} had the event loop when the process died, {count} times in a row: its "
            "code crashed the process, or blocked the loop in a call that cannot be interrupted. Correct the code, then resume"
        )
        log.error("%s: %s", of, error)
        self.pause(of, loaded, PauseCause.BLOCKED, error)
        self._machine.when_durable(partial(in_flight.forget_strikes, of))
        return True

    def unserved(
        self, loaded: LoadedObject, state: ObjectState, invocation: InvocationState, error: NotFoundError
    ) -> None:
        """Pause an invocation whose class or handler is not in the code that it runs on."""
        code = f"deployment {invocation.deployment}" if invocation.deployment else "the served code"
        if error.kind is ResourceKind.SERVICE:
            lacking, name = f"no class named {state.service} in {code}", state.service
        else:
            lacking, name = f"no handler named {invocation.handler} of {state.service} in {code}", invocation.handler
        reason = f"{lacking}. Serve it, or the renamed class with aliases=({name!r},), then resume; or resume on another deployment"
        of, failure = invocation.invocation_id, failure_of(error)
        self.decide(loaded, c.PauseAttempt(invocation_id=of, cause=PauseCause.CODE, reason=reason, failure=failure))
