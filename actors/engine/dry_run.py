"""Replays a history on other code: in memory, on rows as of one moment, without effects and without writing.

The handler runs as in an attempt, but its requests are recorded beside those of the history. The body of a step is never called,
because only the engine calls it.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.core import commands as c
from actors.core.decide.attempts import outcome_when_cancelled
from actors.core.requests import contrast, describe, is_request
from actors.engine.attempt import Attempt
from actors.engine.engine_context import EngineContext
from actors.engine.handler_object import decode_argument
from actors.engine.restart_history import acceptance_of
from actors.engine.watchdog import Watchdog, Work, blocked_error
from actors.errors import ActorError, AttemptEnded, Interruption
from actors.model.checks import CheckReport, Divergence, FieldDifference, OperationCheck, OperationStatus, Verdict
from actors.model.info import failure_info, outcome_info
from actors.replay.branches import Branch, Operation
from actors.replay.execution import Execution
from actors.values.failures import failure_of
from actors.values.limits import DEFAULT_LIMITS
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import Mode, OutcomeKind
from journal.ids import ROOT_STEP
from journal.rows import InvocationRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.core.commands import Command
    from actors.environment import Environment
    from actors.model.app import App
    from actors.rows.invocations import RecordedInvocation
    from journal.events import Event, Outcome


class _Noting(Execution):
    """Records, for each request of the handler, the recorded request in its place."""

    is_aloud = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.pairs: list[tuple[Any, Any]] = []
        self.differs: tuple[Any, Any] | None = None
        super().__init__(*args, **kwargs)

    def _match(
        self,
        event: Event,
        also_known_as: tuple[str, ...] = (),
        parameters: Callable[[], tuple[str, ...]] = tuple,
    ) -> Event:
        was_replaying = self.is_replaying
        try:
            recorded = super()._match(event, also_known_as, parameters)
        except AttemptEnded:
            self.differs = (self._recorded[0], event)
            raise
        if was_replaying:
            self.pairs.append((recorded, event))
        return recorded

    def _pass_by(self, branch: Branch, operation: Operation) -> None:
        """Skip no operation, so that every request is made."""

    @property
    def left_over(self) -> Any:
        """The recorded requests that the handler did not make."""
        return next((event for event in self._recorded if not isinstance(event, e.PatchMarked)), None)


class _Rehearsal(Attempt):
    """An attempt whose commands are not applied."""

    execution_type = _Noting


def rehearse(kept: RecordedInvocation, app: App, deployment: str, environment: Environment) -> CheckReport:
    """Replay the invocation and report the result. Can be called in any thread; runs the handler's own code."""
    row = kept.row
    base = CheckReport(
        invocation_id=row.invocation_id,
        target=row.target,
        deployment=deployment,
        verdict=Verdict.SAME,
        recorded_outcome=None if row.outcome is None else outcome_info(row.outcome),
    )
    context = EngineContext(
        environment=environment, limits=DEFAULT_LIMITS, watchdog=Watchdog(DEFAULT_LIMITS.blocking_seconds)
    )
    context.watchdog.start()
    try:
        return _rehearse(base, kept, app, context)
    finally:
        context.watchdog.stop()


def _rehearse(base: CheckReport, kept: RecordedInvocation, app: App, context: EngineContext) -> CheckReport:
    row = kept.row
    try:
        definition = app.find(row.target.service)
        handler = definition.handler(row.target.handler)
        if kept.state is None or kept.items is None or row.mode is Mode.UPDATE:  # which the replay of its run contains
            decode_argument(handler, acceptance_of(kept.history))
            return base
        invocation = kept.state.invocations[row.invocation_id]
        make = partial(
            _Rehearsal.of_history, context, definition, kept.state, invocation, kept.history, kept.items, app.find
        )
        attempt = context.watchdog.run(Work(row.invocation_id, str(row.target), may_be_interrupted=True), make)
    except Interruption:
        error = blocked_error(str(row.target), context.limits, context.watchdog.take_interrupted())
        return attrs.evolve(base, verdict=Verdict.RAISES, failure=failure_info(failure_of(error)))
    except ActorError as error:
        return attrs.evolve(base, verdict=Verdict.RAISES, failure=failure_info(failure_of(error)))
    try:
        commands = attempt.start(context.environment.clock.now())
        execution = attempt.execution
        if not isinstance(execution, _Noting):
            raise BrokenInvariant("a dry run does not record its requests")
        return _judge(base, row, execution, commands)
    finally:
        attempt.close()


def _judge(base: CheckReport, row: InvocationRow, execution: _Noting, commands: list[Command]) -> CheckReport:
    report = _with_operations(base, execution, commands)
    last = commands[-1] if commands else None
    has_raised = isinstance(last, (c.FailAttempt, c.PauseAttempt))
    if execution.mismatch is not None or (execution.left_over is not None and not has_raised):
        return attrs.evolve(report, verdict=Verdict.DIVERGES, divergence=_divergence(execution))
    match last:
        case c.FailAttempt():
            return attrs.evolve(report, verdict=Verdict.RAISES, failure=failure_info(last.failure))
        case c.PauseAttempt():
            return attrs.evolve(report, verdict=Verdict.RAISES, failure=failure_info(last.failure))
        case c.FinishAttempt():
            outcome = last.outcome
            if row.cancel_reason is not None:
                outcome = outcome_when_cancelled(last, row.cancel_reason)
            report = attrs.evolve(report, outcome=outcome_info(outcome))
            is_other = row.outcome is not None and not _is_same_end(row.outcome, outcome)
            return attrs.evolve(report, verdict=Verdict.ENDS_OTHERWISE) if is_other else report
        case _:
            was_left = row.outcome is not None and row.outcome.kind in (OutcomeKind.SUCCEEDED, OutcomeKind.FAILED)
            return attrs.evolve(report, verdict=Verdict.ENDS_OTHERWISE) if was_left else report


def _is_same_end(recorded: Outcome, attempted: Outcome) -> bool:
    if recorded.kind is OutcomeKind.KILLED:
        return True  # it did not return by itself
    if recorded.kind is not attempted.kind:
        return False
    if recorded.failure is not None and attempted.failure is not None:
        return recorded.failure.type == attempted.failure.type
    return recorded.value == attempted.value


def _with_operations(base: CheckReport, execution: _Noting, commands: list[Command]) -> CheckReport:
    operations = [_compared(recorded, attempted) for recorded, attempted in execution.pairs]
    for command in commands:
        if isinstance(command, (c.RecordProgress, c.FinishAttempt)):
            operations += [
                OperationCheck(fate=OperationStatus.NEW, step=_step_of(event), recorded="", attempted=describe(event))
                for event in command.events
                if is_request(event)
            ]
    count = {fate: sum(1 for one in operations if one.fate is fate) for fate in OperationStatus}
    return attrs.evolve(
        base,
        kept=count[OperationStatus.KEPT],
        changed=count[OperationStatus.CHANGED],
        new=count[OperationStatus.NEW],
        operations=tuple(operations),
    )


def _compared(recorded: Any, attempted: Any) -> OperationCheck:
    differences: list[str] = []
    for name in ("name", "argument", "at_most_once", "schema"):
        before, after = getattr(recorded, name, None), getattr(attempted, name, None)
        if name == "argument" and (not (before and after) or _without_addresses(before) == _without_addresses(after)):
            continue
        if before != after:
            differences.append(f"{name}: {_shown(before)} → {_shown(after)}")
    return OperationCheck(
        fate=OperationStatus.CHANGED if differences else OperationStatus.KEPT,
        step=_step_of(attempted),
        recorded=describe(recorded),
        attempted=describe(attempted),
        differences=tuple(differences),
    )


def _without_addresses(argument: bytes) -> bytes:
    """The arguments without memory addresses, which differ between processes."""
    return _ADDRESS.sub(b"", argument)


_ADDRESS = re.compile(rb" at 0x[0-9a-fA-F]+")


def _divergence(execution: _Noting) -> Divergence:
    recorded, attempted = execution.differs or (execution.left_over, None)
    was = "the end of an operation that was not requested" if recorded is None else describe(recorded)
    if attempted is not None:
        was, asks = contrast(recorded, attempted)
    elif execution.parked:
        asks = "waits for " + ", ".join(describe(parked.event) for parked in execution.parked.values())
    else:
        asks = "the end of the handler"
    return Divergence(
        position=len(execution.pairs),
        recorded=was,
        attempted=asks,
        recorded_source=str(getattr(recorded, "source", "")),
        attempted_source=str(getattr(attempted, "source", "")),
        step=str(getattr(recorded, "step", "") or ""),
        fields=_field_differences(recorded, attempted),
    )


def _field_differences(recorded: Any, attempted: Any) -> tuple[FieldDifference, ...]:
    before, after = _written(recorded), _written(attempted)
    return tuple(
        FieldDifference(field=name, recorded=before.get(name), attempted=after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def _written(event: Any) -> dict[str, Any]:
    match event:
        case e.FieldsChanged():
            return {name: msgspec.json.decode(value) for name, value in event.fields.items()}
        case e.LogExtended():
            return {event.field: [msgspec.json.decode(item) for item in event.items]}
        case e.MapChanged():
            return {
                f"{event.field}[{key}]": None if value is None else msgspec.json.decode(value)
                for key, value in event.items.items()
            }
        case _:
            return {}


def _step_of(event: Any) -> Any:
    return getattr(event, "step", ROOT_STEP)


def _shown(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
