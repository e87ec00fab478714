"""Builds the history that a restart begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from actors.core import commands as c
from actors.core.output import NO_OUTPUT, KeptOutput
from actors.core.past import GOING_LIVE, FormerItems
from actors.core.restart_plan import RestartPlan, plan_restart
from actors.core.restart_points import FROM_THE_START
from actors.core.state import WaitKind
from actors.errors import ConflictError, ErrorCode
from journal import events as e
from journal.errors import BrokenInvariant, CorruptRecord
from journal.events import CallRef, Kind, Mode, OutcomeKind, Stamp
from journal.ids import InvocationId, derived_unique, invocation_id, stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actors.core.past import Maps, ObjectHistory
    from actors.core.state import InvocationState, ObjectState
    from journal.events import Event, Recorded
    from journal.rows import InvocationRow

NOTHING_KEPT = RestartPlan([], [], [], None)


@attrs.frozen
class RestartHistory:
    """The beginning of a restart: ``rewound`` are new events, ``kept`` are copied events with their stamps, the operations in
    ``again`` are requested again, and ``output`` is the part of the output that is copied."""

    rewound: list[Event]
    kept: list[tuple[Stamp, Event]]
    again: list[Event]
    output: KeptOutput = NO_OUTPUT


@attrs.frozen
class _Base:
    """The fields of the object at the start of the kept part, and those items of its collections that have changed since."""

    fields: Mapping[str, bytes]
    lengths: Mapping[str, int]
    items: FormerItems = attrs.field(factory=FormerItems)


async def history_of_restart(
    invocation: InvocationState,
    state: ObjectState,
    history: Sequence[Recorded],
    past: ObjectHistory,
    *,
    now: float,
    map_item: Callable[[str, str], bytes | None],
) -> RestartHistory:
    """The history that ``invocation`` copies from the original, whose events are ``history``. ``state`` is the state of its
    object.

    Raises :class:`actors.errors.NotFoundError` if the history of that time is gone, or has no such step.
    """
    lineage = invocation.restarts
    if lineage is None:
        raise BrokenInvariant("the invocation is not a restart, so it takes over nothing")
    of, stamp = invocation.invocation_id, Stamp(now, f"restart of {lineage.invocation_id}", invocation.accepted_by)
    kept = NOTHING_KEPT
    if lineage.step != FROM_THE_START:
        kept = plan_restart(history, lineage.step, successor=of, now=now, again_by=stamp.cause)
    base = _Base({}, {})
    if has_fields(state.kind, invocation.mode):
        base = await _base(history, kept, state, past)
    # An atomic handler's writes are applied at its end. Its object is rewound to the start; otherwise half of a change would be visible.
    written = NOTHING_KEPT if invocation.atomic else kept
    rewound: list[Event] = [_rewound(of, written, base, map_item)] if lineage.rewinds else []
    if lineage.step == FROM_THE_START:
        return RestartHistory(rewound, [], [])
    if kept.events and not lineage.rewinds:
        _check_logs(base)
    elif not kept.events and not lineage.rewinds:
        base = _Base(
            state.fields, state.lengths
        )  # none of its history is kept, so it reads the current state of its object
    mark = e.HistoryCopied(
        invocation_id=of,
        fields=dict(base.fields),
        lengths=dict(base.lengths),
        maps=base.items.maps,
        before_last=kept.before_last,
        carries=invocation.atomic and (lineage.rewinds or _is_unwritten(history, kept)),
    )
    return RestartHistory(rewound, [*kept.events, (stamp, mark), *kept.late], kept.again, kept.output)


def _is_unwritten(history: Sequence[Recorded], kept: RestartPlan) -> bool:
    """Whether the writes of an atomic handler's kept part are missing from its object."""
    if kept.pinned is not None and not kept.pinned.carries:
        return False
    ends = (r.event.outcome.kind for r in history if isinstance(r.event, e.InvocationCompleted))
    return OutcomeKind.SUCCEEDED not in ends


def has_fields(kind: Kind, mode: Mode) -> bool:
    """Whether such an invocation may write fields of its object."""
    return kind is not Kind.SERVICE and mode is Mode.EXCLUSIVE


def acceptance_of(history: Sequence[Recorded]) -> e.InvocationAccepted:
    """The first event of an invocation's history. Raises :class:`actors.errors.CorruptRecord` if it is of another kind."""
    first = history[0].event if history else None
    if not isinstance(first, e.InvocationAccepted):
        raise CorruptRecord(f"a history begins with {type(first).__name__}, expected InvocationAccepted")
    return first


async def check_past(
    history: Sequence[Recorded], kept: RestartPlan, state: ObjectState, past: ObjectHistory, *, rewinds: bool
) -> None:
    """Raise :class:`actors.errors.NotFoundError` if the fields of that time can no longer be rebuilt, and
    :class:`actors.errors.ConflictError` if the kept part cannot read them, as the restart does not rewind them."""
    base = await _base(history, kept, state, past)
    if kept.events and not rewinds:
        _check_logs(base)


def check_rewindable(history: Sequence[Recorded], name: str) -> None:
    """Raise :class:`actors.errors.ConflictError` if the handler ``name`` never ran: there is no state to rewind to."""
    if _went_live(history) is None:
        raise ConflictError(
            f"rewind_state: {name} ended, or still waits, before its handler ran. It has read and written no field, so there is "
            "no state to rewind to. Restart it without rewind_state: it begins with the fields as they are",
            code=ErrorCode.NOT_POSSIBLE,
        )


def _went_live(history: Sequence[Recorded]) -> int | None:
    return next((r.number for r in reversed(history) if isinstance(r.event, GOING_LIVE)), None)


async def _base(history: Sequence[Recorded], kept: RestartPlan, state: ObjectState, past: ObjectHistory) -> _Base:
    went_live = _went_live(history)
    if went_live is None:
        # Only signals are kept, and the handler sees its object for the first time.
        return _Base(state.fields, state.lengths)
    if kept.pinned is None:
        then = await past.object_at(went_live)
        return _Base(then.fields, then.lengths, await past.former_items(went_live, then.lengths))
    copied = next(r.number for r in history if r.event is kept.pinned)
    former = await past.former_items(copied, kept.pinned.lengths)
    for field, items in kept.pinned.maps.items():  # as the first original had them
        former.maps[field] = {**former.maps.get(field, {}), **items}
    return _Base(kept.pinned.fields, kept.pinned.lengths, former)


def _check_logs(base: _Base) -> None:
    """Raise :class:`actors.errors.ConflictError` if the kept part cannot read the logs of its object as they were."""
    if base.items.logs:
        raise ConflictError(
            f"{', '.join(sorted(base.items.logs))}: a rewind has removed items that the kept part may read. Restart it with "
            "rewind_state, which puts them back, or from the beginning",
            code=ErrorCode.NOT_POSSIBLE,
        )


def _rewound(of: Any, kept: RestartPlan, base: _Base, map_item: Callable[[str, str], bytes | None]) -> e.FieldsRewound:
    """The event that resets the object to the point where the original reached the step: the base, plus its writes up to there."""
    fields, lengths = dict(base.fields), dict(base.lengths)
    logs = {field: list(items) for field, (_, items) in base.items.logs.items()}
    maps: Maps = {field: dict(items) for field, items in base.items.maps.items()}
    for _, event in kept.events:
        match event:
            case e.FieldsChanged():
                fields.update(event.fields)
            case e.LogExtended():
                logs.setdefault(event.field, []).extend(event.items)
                lengths[event.field] = lengths.get(event.field, 0) + len(event.items)
            case e.MapChanged():
                maps.setdefault(event.field, {}).update(event.items)
    before: Maps = {field: {key: map_item(field, key) for key in items} for field, items in maps.items()}
    differing: Maps = {
        field: {key: value for key, value in items.items() if value != before[field][key]}
        for field, items in maps.items()
    }
    return e.FieldsRewound(
        invocation_id=of,
        fields=fields,
        lengths=lengths,
        logs=logs,
        maps=differing,
        before={field: {key: before[field][key] for key in items} for field, items in differing.items()},
    )


# Calls of the original.


@attrs.frozen
class Calls:
    """How the restart treats the calls of the original: see :class:`journal.events.Successor`."""

    stopped: tuple[CallRef, ...]
    spared: tuple[CallRef, ...]
    repeated: tuple[CallRef, ...]


_MOST_LIVES = 1_000
"""How many restarts in a row may repeat a call for it still to be recognised as the original's own."""


RowOf: TypeAlias = "Callable[[InvocationId], InvocationRow | None]"


def calls_of(history: Sequence[Recorded], kept: RestartPlan, opened: InvocationState | None, row_of: RowOf) -> Calls:
    """The calls of the original with this history; ``opened`` is its state if it has not completed."""
    accepted = acceptance_of(history)
    waits = {} if opened is None else {s: w for s, w in opened.waits.items() if w.kind is WaitKind.CALL}
    kept_steps = {event.step for _, event in kept.events if isinstance(event, e.CallScheduled)}
    kept_steps -= {event.step for event in kept.again if isinstance(event, e.CallScheduled)}
    stopped, spared, repeated = list[CallRef](), list[CallRef](), list[CallRef]()
    for recorded in history:
        call = recorded.event
        if not isinstance(call, e.CallScheduled):
            continue
        ref = CallRef(call.step, str(call.target), call.callee)
        if call.step in waits:
            (stopped if call.request is None else spared).append(ref)
        elif call.request is not None and call.step not in kept_steps:
            row = row_of(call.callee)
            if row is not None and is_to_be_repeated(row, accepted.invocation_id, row_of):
                repeated.append(ref)
    return Calls(tuple(stopped), tuple(spared), tuple(repeated))


def is_to_be_repeated(ended: InvocationRow, repeats: InvocationId | None, row_of: RowOf) -> bool:
    """Whether an invocation was stopped after one of the restarted invocations called it: ``repeats``, or one that ``repeats``
    itself repeats."""
    if ended.caller is None or not was_stopped(ended):
        return False
    for _ in range(_MOST_LIVES):
        if repeats is None or repeats == ended.caller.invocation_id:
            break
        row = row_of(repeats)
        repeats = None if row is None or row.restarts is None else row.restarts.invocation_id
    return repeats == ended.caller.invocation_id


def was_stopped(ended: InvocationRow) -> bool:
    """Whether it was cancelled or killed before its own end."""
    return ended.outcome is not None and ended.outcome.kind in (OutcomeKind.CANCELLED, OutcomeKind.KILLED)


def repetition_of(stopped: InvocationRow, call: c.Invoke) -> c.RestartInvocation:
    """The restart of a stopped callee, for a call that is made again. The same call always gives the same id."""
    if call.caller is None:
        raise BrokenInvariant("an invocation without a caller is to be repeated")
    unique = derived_unique("repeated", call.caller.invocation_id, call.caller.step, stopped.invocation_id)
    return c.RestartInvocation(
        invocation_id=stopped.invocation_id,
        successor=invocation_id(stream_of_invocation(stopped.invocation_id), unique),
        reason=f"{call.caller.invocation_id} calls it again",
        deployment="latest",
        caller=call.caller,
        chain=call.chain,
        budgets=call.budgets,
    )
