"""Applies the events that change an object's fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.state import Changes, InvocationState, ObjectState
from journal import events as e
from journal.events import OutcomeKind

if TYPE_CHECKING:
    from journal.events import Stamp


def on_fields(_: ObjectState, invocation: InvocationState, event: e.FieldsChanged, __: Stamp) -> None:
    size = sum(map(len, event.fields.values()))
    invocation.value_bytes += size
    invocation.changes.write(event.fields, size)


def on_initialized(state: ObjectState, invocation: InvocationState, event: e.FieldsInitialized, __: Stamp) -> None:
    # The version of the fields stays the same: no client has read the fields without these values.
    invocation.value_bytes += sum(map(len, event.fields.values()))
    state.fields = {**event.fields, **state.fields}


def on_log_converted(state: ObjectState, _: InvocationState, event: e.LogConverted, __: Stamp) -> None:
    state.fields = {name: value for name, value in state.fields.items() if name != event.field}
    state.lengths[event.field] = len(event.items)


def on_map_converted(state: ObjectState, _: InvocationState, event: e.MapConverted, __: Stamp) -> None:
    state.fields = {name: value for name, value in state.fields.items() if name != event.field}
    state.maps |= {event.field}


def on_log(_: ObjectState, invocation: InvocationState, event: e.LogExtended, __: Stamp) -> None:
    invocation.value_bytes += sum(map(len, event.items))
    invocation.changes.extend(event.field, event.items)


def on_map(_: ObjectState, invocation: InvocationState, event: e.MapChanged, __: Stamp) -> None:
    invocation.value_bytes += sum(len(value) for value in event.items.values() if value is not None)
    invocation.changes.change(event.field, event.items)


def on_rewound(state: ObjectState, invocation: InvocationState, event: e.FieldsRewound, __: Stamp) -> None:
    invocation.has_copied_history = True
    invocation.deferred_signals = 0  # they are received again
    state.fields_version = state.version
    state.fields = dict(event.fields)
    state.lengths = dict(event.lengths)


def keeps_changes(invocation: InvocationState, kind: OutcomeKind) -> bool:
    """Report whether the handler's writes are kept: always, except for an atomic handler that did not succeed."""
    return bool(invocation.changes) and (kind is OutcomeKind.SUCCEEDED or not invocation.atomic)


def keep_changes(state: ObjectState, changes: Changes) -> None:
    """Apply the handler's writes to the fields of the object."""
    # A new dictionary: shared handlers that run beside the writer hold the old one.
    state.fields_version = state.version
    state.fields = {**state.fields, **changes.fields}
    for field, items in changes.logs.items():
        state.lengths[field] = state.lengths.get(field, 0) + len(items)
    if changes.maps:
        state.maps |= changes.maps.keys()
