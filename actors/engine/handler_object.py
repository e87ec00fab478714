"""The object that a handler is called with, the fields that it sees, and its arguments."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from actors.errors import NoLongerFitsError, UnserializableError
from actors.model.field_names import FieldNames, names_in
from actors.model.field_view import FieldView
from actors.model.pins import Pins
from actors.model.renamed_fields import RenamedFieldView
from actors.model.verbs.backend import HandlerBackend
from actors.rows.items import writer_beside
from actors.values import MissingParameters, UnknownParameter, ValueProblem
from actors.values.limits import within_limit
from actors.values.loops import EventLoop
from actors.values.names import is_system
from journal import events as e
from journal.events import Kind, Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from actors.core.state import InvocationState, ObjectState
    from actors.engine.engine_context import EngineContext
    from actors.model.definitions import Definition, HandlerDefinition
    from actors.model.items import Items
    from actors.values.limits import Limits
    from journal.fused import Lived

_BACKEND = HandlerBackend()
_TRIO = EventLoop.TRIO  # a member of an enum takes several times as long to look up as a name of the module


async def root_of(
    handler: HandlerDefinition, instance: object, view: FieldView, arguments: dict[str, Any], limits: Limits
) -> bytes:
    """Run the handler. Returns its result as JSON."""
    if view.prepares:
        view.prepare()
    if handler.options.loop is _TRIO:
        result = await handler.function(instance, **arguments)
    else:
        from actors.aio.handler.host import host  # asyncio is imported by those who use it

        result = await host(partial(handler.function, instance, **arguments))
    try:
        data = handler.signature.returns.encode(result)
    except ValueProblem as error:
        raise UnserializableError(
            f"the result of {handler.signature.name}: {error.path}: {error.problem}", path=error.path
        ) from error
    if len(data) > limits.payload_bytes:
        within_limit(data, limits.payload_bytes, f"the result of {handler.signature.name}")
    return data


def payload_limit(context: EngineContext, state: ObjectState) -> int:
    """The limit for each value of an object, in bytes."""
    return sys.maxsize if is_system(state.service) else context.limits.payload_bytes


def decode_argument(handler: HandlerDefinition, accepted: e.InvocationAccepted | e.UpdateAccepted) -> dict[str, Any]:
    """The arguments for the handler. Raises :class:`NoLongerFitsError` with a remedy."""
    try:
        return handler.signature.arguments(accepted.argument, accepted.parameter)
    except ValueProblem as error:
        raise NoLongerFitsError(
            f"the argument of {handler.signature.name} was accepted by other code and no longer fits: "
            f"{error.path}: {error.problem}. {_remedy(error)}",
            path=error.path,
        ) from error


def _remedy(problem: ValueProblem) -> str:
    match problem:
        case MissingParameters():
            return "Give the new parameters defaults, then resume"
        case UnknownParameter():
            return (
                "Keep the parameter, with a default if new calls leave it out, then resume; or restart with other input"
            )
        case _:
            return (
                "Make the type of the parameter accept the stored value, with __upgrade_stored__ for an attribute of a class, then "
                "resume; or restart with other input"
            )


def view_of_history(
    definition: Definition,
    state: ObjectState,
    invocation: InvocationState,
    history: Sequence[Lived],
    items: Items,
    payload_bytes: int,
) -> FieldView:
    """The fields as an attempt sees them that replays this history."""
    recorded = names_in(history) if definition.field_aliases else set[str]()
    if invocation.mode is Mode.EXCLUSIVE or definition.kind is Kind.SERVICE:
        kept = () if invocation.restarts is None else _kept(history)
        return view_type(definition, state, recorded)(
            invocation.invocation_id,
            state.fields,
            items,
            is_writer=True,
            payload_bytes=payload_bytes,
            prepares=definition.prepared,
            kept=kept,
        )
    fields = state.fields
    beside = writer_beside(state)
    if beside is not None:
        fields = {**fields, **state.invocations[beside].changes.fields}
        recorded |= state.invocations[beside].changes.field_names
    return view_type(definition, state, recorded)(
        invocation.invocation_id,
        fields,
        items,
        is_writer=False,
        prepares=definition.prepared,
        pinned=_pins(history),
    )


def view_type(definition: Definition, state: ObjectState, recorded: Container[str] = ()) -> Callable[..., FieldView]:
    """The class of the view of an object. ``recorded`` are the names of the fields that its open handler has recorded."""
    if not definition.field_aliases:
        return FieldView
    names = FieldNames.of(definition.field_aliases, state.field_names, recorded)
    return partial(RenamedFieldView, names) if names.stored_as else FieldView


def _kept(history: Sequence[Lived]) -> list[Pins]:
    """The object as it was in the parts of the history that restarts have copied."""
    marks = [recorded.event for recorded in history if isinstance(recorded.event, e.HistoryCopied)]
    return [Pins(mark.fields, mark.lengths, mark.maps) for mark in marks]


def _pins(history: Sequence[Lived]) -> Pins | None:
    pins: Pins | None = None
    for recorded in history:
        event = recorded.event
        if isinstance(event, e.ReadsPinned):
            pins = Pins(event.fields, event.lengths, {})
        elif isinstance(event, e.ItemsPinned) and pins is not None:
            pins.items.setdefault(event.field, {}).update(event.items)
    return pins


def instance_of(definition: Definition, state: ObjectState, view: FieldView) -> object:
    """The object as its handler sees it."""
    own: dict[str, Any] = {
        "_view": view,
        "_backend": _BACKEND,
        "_definition": definition,
        "_fields_version": state.fields_version,
    }
    if state.key is not None:
        own["_key"] = state.key
    instance: object = object.__new__(definition.cls)
    object.__setattr__(instance, "__dict__", own)
    return instance


async def body_of_update(
    context: EngineContext, definition: Definition, state: ObjectState, view: FieldView, accepted: e.UpdateAccepted
) -> bytes:
    """Carry out an update in an attempt of its run, which has this view of the object. Returns the result as JSON. Raises
    :class:`NoLongerFitsError` if the code of the run does not know it, or not with this argument."""
    handler = definition.called.get(accepted.name)
    if handler is None or handler.mode is not Mode.UPDATE:
        raise NoLongerFitsError(
            f"update {accepted.name!r} was accepted by other code, and {definition.name} has no update of this name any more. "
            "Give it back, or another one that name as an alias, then resume"
        )
    arguments = decode_argument(handler, accepted)
    view.has_updates = True
    return await root_of(handler, instance_of(definition, state, view), view, arguments, context.limits)
