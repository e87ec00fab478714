"""Replays a history on other code: in memory, on rows as of one moment, with no effect and nothing written.

The handler runs as it would in an attempt, but that what it asks for is noted beside what is recorded. A step's body is never
called, since it is the engine that would call it.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.core import commands as c
from actors.core.decide import outcome_when_cancelled
from actors.core.fold import fold
from actors.core.past import Maps, ObjectHistory
from actors.core.requests import contrast, describe, is_request
from actors.engine.attempt import Attempt, EngineContext, decode_argument, writer_beside
from actors.engine.restart_history import acceptance_of
from actors.engine.rows import ObjectItems
from actors.engine.watchdog import Watchdog, Work, blocked_error
from actors.errors import ActorError, AttemptEnded, HistoryGoneError, Interruption, UnknownInvocationError
from actors.model.checks import CheckReport, Divergence, FieldDifference, OperationCheck, OperationStatus, Verdict
from actors.model.info import belongs_to, failure_info, outcome_info
from actors.replay.execution import Execution
from actors.values.failures import failure_of
from actors.values.limits import DEFAULT_LIMITS
from journal import events as e
from journal import keys
from journal.errors import BrokenInvariant, Damaged
from journal.events import Mode, OutcomeKind, Recorded
from journal.ids import ROOT_STEP, stream_of_invocation
from journal.kv.store import scan_all
from journal.log.streams import load_stream, read_events, read_head, read_snapshot
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from actors.core.commands import Command
    from actors.core.state import InvocationState, ObjectState
    from actors.environment import Environment
    from actors.model.app import App
    from journal.events import Event, Outcome
    from journal.ids import InvocationId, StreamId
    from journal.kv.store import Readable


@attrs.frozen(kw_only=True)
class KeptInvocation:
    """An invocation as it is kept: its history, and its object as it was when it began (None: it has not begun)."""

    row: InvocationRow
    history: list[Recorded]
    state: ObjectState | None
    items: ObjectItems | None


async def read_invocation(rows: Readable, partitions: int, of: InvocationId) -> KeptInvocation:
    """Raises :class:`UnknownInvocationError`, :class:`HistoryGoneError`, ``Damaged``."""
    stream = stream_of_invocation(of)
    partition = stream % partitions
    data = rows.get(keys.invocation(partition, of))
    if data is None:
        raise UnknownInvocationError(f"there is no invocation {of}: it never existed, or it has been purged")
    row = decode_row(InvocationRow, data)
    kept = _KeptStream(rows, partition, stream)
    # The row of an open one is written when its status changes; where its events lie, its object tells.
    spans = row.spans if row.outcome is not None else kept.opened(of).spans
    history = [r for r in await kept.history(stream, spans) if belongs_to(r.event, of)]
    began = max((r.number for r in history if isinstance(r.event, _BEGINNINGS)), default=None)
    if began is None:
        return KeptInvocation(row=row, history=history, state=None, items=None)
    state, were = await _object_as_it_began(kept, row, began)
    beside = None if row.mode is Mode.EXCLUSIVE else writer_beside(state)
    items = ObjectItems(_RowsAsTheyWere(rows, partition, stream, were), partition, stream, state, beside=beside)
    return KeptInvocation(row=row, history=history, state=state, items=items)


_BEGINNINGS = (
    e.InvocationStarted,
    e.FieldsRewound,
    e.HistoryCopied,
    e.FieldsInitialized,
    e.LogConverted,
    e.MapConverted,
)


async def _object_as_it_began(kept: _KeptStream, row: InvocationRow, began: int) -> tuple[ObjectState, Maps]:
    past = kept.past()
    try:
        return await past.object_at(began), await past.items_changed_since(began)
    except HistoryGoneError:
        if row.outcome is not None or row.mode is not Mode.EXCLUSIVE:
            raise
        return kept.state(), {}  # it has the object for itself, which is therefore as it was


class _KeptStream:
    """One object's rows; as much of a partition as :class:`ObjectHistory` needs."""

    def __init__(self, rows: Readable, partition: int, stream: StreamId) -> None:
        self._rows = rows
        self._partition = partition
        self._stream = stream
        self._head = read_head(rows, partition, stream)

    def past(self) -> ObjectHistory:
        return ObjectHistory(self, self._stream, self._head.trimmed, self._head.last, ())

    def state(self) -> ObjectState:
        stored = load_stream(self._rows, self._partition, self._stream, self._head)
        if stored is None:
            raise Damaged(self._stream, 0, "it has an invocation, and there is no object")
        return fold(self._stream, stored)

    def opened(self, of: InvocationId) -> InvocationState:
        """One that has not ended, as its row says. Raises ``Damaged``."""
        found = self.state().invocations.get(of)
        if found is None:
            raise Damaged(self._stream, 0, f"{of} has not ended, and its object does not know it")
        return found

    async def snapshot(self, stream: StreamId, at: int) -> tuple[int, bytes] | None:
        return read_snapshot(self._rows, self._partition, stream, at)

    async def history(self, stream: StreamId, spans: Sequence[tuple[int, int]]) -> list[Recorded]:
        return [r for first, last in spans for r in read_events(self._rows, self._partition, stream, first, last)]


class _RowsAsTheyWere:
    """Rows, but for the items of maps that were others then."""

    def __init__(self, rows: Readable, partition: int, stream: StreamId, were: Maps) -> None:
        self._rows = rows
        self._were = {
            keys.map_item(partition, stream, field, key.encode()): value
            for field, items in were.items()
            for key, value in items.items()
        }

    def get(self, key: bytes) -> bytes | None:
        return self._were[key] if key in self._were else self._rows.get(key)

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        found: dict[bytes, bytes | None] = dict(scan_all(self._rows, start, stop))
        found.update((key, value) for key, value in self._were.items() if start <= key < stop)
        return ((key, value) for key, value in sorted(found.items()) if value is not None)


class _Noting(Execution):
    """Notes, for everything that the handler asks for, what is recorded in its place."""

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

    @property
    def left_over(self) -> Any:
        """What is recorded and was not asked for."""
        return next((event for event in self._recorded if not isinstance(event, e.PatchMarked)), None)


class _Rehearsal(Attempt):
    """An attempt that nobody obeys."""

    execution_type = _Noting


def rehearse(kept: KeptInvocation, app: App, deployment: str, world: Environment) -> CheckReport:
    """Replay it, and say what became of that. May be called in any thread; runs the handler's own code."""
    row = kept.row
    base = CheckReport(
        invocation_id=row.invocation_id,
        target=row.target,
        deployment=deployment,
        verdict=Verdict.SAME,
        recorded_outcome=None if row.outcome is None else outcome_info(row.outcome),
    )
    context = EngineContext(world=world, limits=DEFAULT_LIMITS, watchdog=Watchdog(DEFAULT_LIMITS.blocking_seconds))
    context.watchdog.start()
    try:
        return _rehearse(base, kept, app, context)
    finally:
        context.watchdog.stop()


def _rehearse(base: CheckReport, kept: KeptInvocation, app: App, context: EngineContext) -> CheckReport:
    row = kept.row
    try:
        definition = app.find(row.target.service)
        handler = definition.handler(row.target.handler)
        if kept.state is None or kept.items is None:
            decode_argument(handler, acceptance_of(kept.history))
            return base
        invocation = kept.state.invocations[row.invocation_id]
        make = partial(_Rehearsal, context, definition, kept.state, invocation, kept.history, kept.items)
        attempt = context.watchdog.run(Work(row.invocation_id, str(row.target), may_be_interrupted=True), make)
    except Interruption:
        error = blocked_error(str(row.target), context.limits, context.watchdog.take_interrupted())
        return attrs.evolve(base, verdict=Verdict.RAISES, failure=failure_info(failure_of(error)))
    except ActorError as error:
        return attrs.evolve(base, verdict=Verdict.RAISES, failure=failure_info(failure_of(error)))
    try:
        commands = attempt.start(context.world.clock.now())
        execution = attempt.execution
        if not isinstance(execution, _Noting):
            raise BrokenInvariant("the type that a rehearsal asks for")
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
        return True  # it never came to an end of its own
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
    """The arguments without where their objects lie in memory, which is elsewhere in each process."""
    return _ADDRESS.sub(b"", argument)


_ADDRESS = re.compile(rb" at 0x[0-9a-fA-F]+")


def _divergence(execution: _Noting) -> Divergence:
    recorded, attempted = execution.differs or (execution.left_over, None)
    was = "the end of something that was not asked for" if recorded is None else describe(recorded)
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
