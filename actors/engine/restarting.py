"""What the invocation that repeats another one begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core.restart import FROM_THE_START, Kept, keep
from journal import events as e
from journal.events import Kind, Mode, Stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actors.core.state import InvocationState, ObjectState
    from actors.engine.past import Maps, Past
    from journal.events import Event, Recorded

NOTHING_KEPT = Kept([], [], [], None)


@attrs.frozen
class Beginning:
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


async def beginning_of(
    invocation: InvocationState,
    state: ObjectState,
    history: Sequence[Recorded],
    past: Past,
    *,
    now: float,
    map_item: Callable[[str, str], bytes | None],
) -> Beginning:
    """What ``invocation`` takes over from the one that it repeats, whose history this is. Its object is ``state``.

    Raises :class:`actors.core.errors.HistoryGoneError`, ``UnknownStepError``.
    """
    lineage = invocation.restarts
    assert lineage is not None, "only what repeats another one takes over anything"
    of, stamp = invocation.invocation_id, Stamp(now, f"restart of {lineage.invocation_id}", invocation.accepted_by)
    kept = NOTHING_KEPT
    if lineage.step != FROM_THE_START:
        kept = keep(history, lineage.step, successor=of, now=now, again_by=stamp.cause)
    base = _Base({}, {}, {})
    if has_fields(state.kind, invocation.mode):
        base = await _base(history, kept, past)
    rewound: list[Event] = [_rewound(of, kept, base, map_item)] if lineage.rewinds else []
    if lineage.step == FROM_THE_START:
        return Beginning(rewound, [], [])
    mark = e.HistoryKept(invocation_id=of, fields=dict(base.fields), lengths=dict(base.lengths), maps=base.maps)
    return Beginning(rewound, [*kept.events, (stamp, mark), *kept.late], kept.again)


def has_fields(kind: Kind, mode: Mode) -> bool:
    """Whether such an invocation may write fields of its object."""
    return kind is not Kind.SERVICE and mode is Mode.EXCLUSIVE


async def check_past(history: Sequence[Recorded], kept: Kept, past: Past) -> None:
    """Raise :class:`actors.core.errors.HistoryGoneError` if the fields of then can no longer be had."""
    await _base(history, kept, past)


async def _base(history: Sequence[Recorded], kept: Kept, past: Past) -> _Base:
    if kept.pinned is not None:
        return _Base(kept.pinned.fields, kept.pinned.lengths, kept.pinned.maps)
    went_live = next(r.number for r in reversed(history) if isinstance(r.event, (e.InvocationStarted, e.HistoryKept)))
    then = await past.object_at(went_live)
    return _Base(then.fields, then.lengths, await past.items_changed_since(went_live))


def _rewound(of: Any, kept: Kept, base: _Base, map_item: Callable[[str, str], bytes | None]) -> e.FieldsRewound:
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
