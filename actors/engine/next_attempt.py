"""Makes the next attempt of an invocation, with the watchdog informed while the user's classes decode its argument."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.engine.attempt import Attempt
from actors.engine.watchdog import Work, blocked_error
from actors.errors import Interruption
from actors.rows.items import ObjectItems, writer_beside
from actors.values.names import is_system
from journal.events import Mode

if TYPE_CHECKING:
    from actors.core.state import InvocationState, ObjectState
    from actors.engine.engine_context import EngineContext
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.model.app import App
    from journal.fused import Lived


def next_attempt(
    machine: Machine,
    context: EngineContext,
    loaded: LoadedObject,
    state: ObjectState,
    invocation: InvocationState,
    app: App,
    history: list[Lived],
    rested: int,
    emitted: int,
) -> Attempt:
    """Return the next attempt of an invocation, from its history. Raises what user classes raise as they decode the argument, and
    ``BlockedLoopError`` if they do not end."""
    definition = app.find(state.service)
    if loaded.looked_at_for is not definition:
        loaded.looked_at_for = definition
        if state.fields or state.lengths or state.maps:
            context.undeclared.look(state, definition)
    beside = None if invocation.mode is Mode.EXCLUSIVE else writer_beside(state)
    items = ObjectItems(machine.rows, machine.partition.number, loaded.stream, state, beside=beside)
    make = partial(
        Attempt.of_history,
        context,
        definition,
        state,
        invocation,
        history,
        items,
        app.find,
        rested=rested,
        emitted=emitted,
    )
    if definition.handler(invocation.handler).signature.is_builtin:
        return make()
    name, watchdog = f"{state.name}/{invocation.handler}", context.watchdog
    try:
        return watchdog.run(Work(invocation.invocation_id, name, may_be_interrupted=not is_system(state.service)), make)
    except Interruption:
        raise blocked_error(name, context.limits, watchdog.take_interrupted()) from None
