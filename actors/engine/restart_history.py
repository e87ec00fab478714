"""What the invocation that repeats another one begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from actors.core import commands as c
from actors.core.restart_plan import FROM_THE_START, RestartPlan, plan_restart
from actors.core.state import WaitKind
from actors.errors import NotPossibleError
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

_GOING_LIVE = (e.InvocationStarted, e.HistoryCopied, e.FieldsInitialized, e.LogConverted, e.MapConverted)
"""After the last of these the handler has its object as it was when it first saw it, but for what it wrote itself."""


@attrs.frozen
class RestartHistory:
    """``rewound`` happens; ``kept`` has happened, and is appended as it is; what ``again`` asks for is asked for again."""

    rewound: list[Event]
    kept: list[tuple[Stamp, Event]]
    again: list[Event]


@attrs.frozen
class _Base:
    """The fields of the object when the part that is kept began; ``maps`` are the items that have changed since."""

    fields: Mapping[str, bytes]
    lengths: Mapping[str, int]
    maps: Maps


async def history_of_restart(
    invocation: InvocationState,
    state: ObjectState,
    history: Sequence[Recorded],
    past: ObjectHistory,
    *,
    now: float,
    map_item: Callable[[str, str], bytes | None],
) -> RestartHistory:
    """What ``invocation`` takes over from the one that it repeats, whose history this is. Its object is ``state``.

    Raises :class:`actors.errors.HistoryGoneError`, ``UnknownStepError``.
    """
    lineage = invocation.restarts
    if lineage is None:
        raise BrokenInvariant("only what repeats another one takes over anything")
    of, stamp = invocation.invocation_id, Stamp(now, f"restart of {lineage.invocation_id}", invocation.accepted_by)
    kept = NOTHING_KEPT
    if lineage.step != FROM_THE_START:
        kept = plan_restart(history, lineage.step, successor=of, now=now, again_by=stamp.cause)
    base = _Base({}, {}, {})
    if has_fields(state.kind, invocation.mode):
        base = await _base(history, kept, state, past)
    # What an atomic one wrote is carried to its end. Its object goes back to where it began, or half of a change would show.
    written = NOTHING_KEPT if invocation.atomic else kept
    rewound: list[Event] = [_rewound(of, written, base, map_item)] if lineage.rewinds else []
    if lineage.step == FROM_THE_START:
        return RestartHistory(rewound, [], [])
    if not kept.events and not lineage.rewinds:
        base = _Base(state.fields, state.lengths, {})  # nothing that it saw is kept: it sees its object as it is
    mark = e.HistoryCopied(
        invocation_id=of,
        fields=dict(base.fields),
        lengths=dict(base.lengths),
        maps=base.maps,
        before_last=kept.before_last,
        carries=invocation.atomic and (lineage.rewinds or _is_unwritten(history, kept)),
    )
    return RestartHistory(rewound, [*kept.events, (stamp, mark), *kept.late], kept.again)


def _is_unwritten(history: Sequence[Recorded], kept: RestartPlan) -> bool:
    """Whether what the kept part of an atomic one wrote is not in its object."""
    if kept.pinned is not None and not kept.pinned.carries:
        return False
    ends = (r.event.outcome.kind for r in history if isinstance(r.event, e.InvocationCompleted))
    return OutcomeKind.SUCCEEDED not in ends


def has_fields(kind: Kind, mode: Mode) -> bool:
    """Whether such an invocation may write fields of its object."""
    return kind is not Kind.SERVICE and mode is Mode.EXCLUSIVE


def acceptance_of(history: Sequence[Recorded]) -> e.InvocationAccepted:
    """What an invocation's history begins with. Raises :class:`journal.errors.CorruptRecord` if it does not."""
    first = history[0].event if history else None
    if not isinstance(first, e.InvocationAccepted):
        raise CorruptRecord(f"a history begins with {type(first).__name__}, expected InvocationAccepted")
    return first


async def check_past(history: Sequence[Recorded], kept: RestartPlan, state: ObjectState, past: ObjectHistory) -> None:
    """Raise :class:`actors.errors.HistoryGoneError` if the fields of then can no longer be had."""
    await _base(history, kept, state, past)


def check_rewindable(history: Sequence[Recorded], name: str) -> None:
    """Raise :class:`actors.errors.NotPossibleError` if the handler, ``name``, never ran: it saw no fields to go back to."""
    if _went_live(history) is None:
        raise NotPossibleError(
            f"rewind_state: {name} ended, or still waits, before its handler ran. It has read and written no field, so there is "
            "no state to rewind to. Restart it without rewind_state: it begins with the fields as they are"
        )


def _went_live(history: Sequence[Recorded]) -> int | None:
    return next((r.number for r in reversed(history) if isinstance(r.event, _GOING_LIVE)), None)


async def _base(history: Sequence[Recorded], kept: RestartPlan, state: ObjectState, past: ObjectHistory) -> _Base:
    if kept.pinned is not None:
        return _Base(kept.pinned.fields, kept.pinned.lengths, kept.pinned.maps)
    went_live = _went_live(history)
    if went_live is None:
        return _Base(
            state.fields, state.lengths, {}
        )  # only signals are kept, and the handler sees its object for the first time
    then = await past.object_at(went_live)
    return _Base(then.fields, then.lengths, await past.items_changed_since(went_live))


def _rewound(of: Any, kept: RestartPlan, base: _Base, map_item: Callable[[str, str], bytes | None]) -> e.FieldsRewound:
    """The object as it was when the one that is repeated reached the step: the base, and what it had written by then."""
    fields, lengths = dict(base.fields), dict(base.lengths)
    logs: dict[str, list[bytes]] = {}
    maps: Maps = {field: dict(items) for field, items in base.maps.items()}
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


# The calls of the one that is repeated.


@attrs.frozen
class Calls:
    """What becomes of the calls of an invocation that is repeated: see :class:`journal.events.Successor`."""

    stopped: tuple[CallRef, ...]
    spared: tuple[CallRef, ...]
    repeated: tuple[CallRef, ...]


_MOST_LIVES = 1_000
"""How often something can have been repeated for its first calls to be known as its own."""


RowOf: TypeAlias = "Callable[[InvocationId], InvocationRow | None]"


def calls_of(history: Sequence[Recorded], kept: RestartPlan, opened: InvocationState | None, row_of: RowOf) -> Calls:
    """Of the one whose history this is; ``opened`` is its state if it has not ended."""
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
    """Whether an invocation was stopped, and had been called by one of those that are repeated: ``repeats``, which may itself
    have repeated another one."""
    if ended.caller is None or not was_stopped(ended):
        return False
    for _ in range(_MOST_LIVES):
        if repeats is None or repeats == ended.caller.invocation_id:
            break
        row = row_of(repeats)
        repeats = None if row is None or row.restarts is None else row.restarts.invocation_id
    return repeats == ended.caller.invocation_id


def was_stopped(ended: InvocationRow) -> bool:
    """Whether it came to no end of its own."""
    return ended.outcome is not None and ended.outcome.kind in (OutcomeKind.CANCELLED, OutcomeKind.KILLED)


def repetition_of(stopped: InvocationRow, call: c.Invoke) -> c.RestartInvocation:
    """What repeats an invocation that was stopped, for a call that is made again. The same call gives the same id."""
    if call.caller is None:
        raise BrokenInvariant("only calls are repeated")
    unique = derived_unique("repeated", call.caller.invocation_id, call.caller.step, stopped.invocation_id)
    return c.RestartInvocation(
        invocation_id=stopped.invocation_id,
        successor=invocation_id(stream_of_invocation(stopped.invocation_id), unique),
        reason=f"{call.caller.invocation_id} calls it again",
        deployment="latest",
        caller=call.caller,
        chain=call.chain,
    )
