"""Prepares a restart before it is accepted: collects what it keeps, and refuses what cannot be repeated. Nothing is changed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.core.decide import unknown_invocation, with_input
from actors.core.inputs import is_same_input
from actors.core.restart_plan import FROM_THE_START, RestartPlan, asked_anew, find_point, nothing_of, plan_restart
from actors.engine.attempt import decode_argument
from actors.engine.restart_check import RestartTarget, check_kept_part
from actors.engine.restart_history import acceptance_of, check_past, check_rewindable, has_fields
from actors.errors import ConflictError, ErrorCode, IncompatibleError, InvalidArgumentError, NoLongerFitsError
from actors.values import ValueProblem
from journal.events import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.core.state import ObjectState
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.model.app import App
    from journal.events import InvocationAccepted, Recorded


async def prepare_restart(
    machine: Machine,
    loaded: LoadedObject,
    state: ObjectState,
    command: c.RestartInvocation,
    history: Sequence[Recorded],
    *,
    is_made: bool,
) -> RestartPlan:
    """Fill in the rest of the command. Returns the plan. ``is_made`` says that the restart was accepted before.

    Raises ``RefusedError`` with the reason.
    """
    accepted = acceptance_of(history)
    pinned = _deployment_of(machine, loaded, command)
    command.original = accepted
    command.held_back = loaded.held_back.get(command.invocation_id, 0)
    if command.deployment is None:
        command.deployment = machine.applications.kept_for_restart(pinned)
    else:
        command.deployment = resolve(machine, state, accepted.handler, command.deployment)
    app = await _code(machine, state, command)
    target = Target(state.service, state.key, accepted.handler)
    if app is not None:
        _read_argument(app, target, command, accepted)
    elif command.json_loses:
        raise ConflictError(
            f"{target}: its code is not here, so nothing knows the types of the input; give it as JSON has it",
            code=ErrorCode.NOT_POSSIBLE,
        )
    writes = has_fields(state.kind, accepted.mode)
    if command.rewind_state and not writes:
        raise ConflictError(
            f"{state.name}/{accepted.handler} writes no fields, so there is nothing to rewind",
            code=ErrorCode.NOT_POSSIBLE,
        )
    if command.rewind_state:
        check_rewindable(history, f"{state.name}/{accepted.handler} ({command.invocation_id})")
    if command.from_step:
        command.step = find_point(history, command.from_step)
    if command.deployment != pinned or not is_same_input(with_input(command, accepted), accepted):
        command.step = asked_anew(history, command.step, rewinds=command.rewind_state)
    kept = nothing_of(history)
    if command.step != FROM_THE_START:
        kept = plan_restart(history, command.step, successor=command.successor, now=machine.now, again_by="")
    if writes and (command.step != FROM_THE_START or command.rewind_state):
        await check_past(history, kept, state, machine.cache.past(loaded))
    if app is not None and kept.events and c.is_rehearsed(command) and not is_made:
        await check_kept_part(command, accepted, history, kept, _surroundings(machine, loaded, state, app))
    return kept


def resolve(machine: Machine, state: ObjectState, handler: str, wanted: str) -> str:
    """The deployment that the name means. Raises ``RefusedError`` if it is known to lack the handler."""
    deployment = machine.applications.resolve(wanted, state.service)
    app = machine.applications.find(deployment, state.service)
    if app is not None:
        app.find(state.service).handler(handler)
    return deployment


def _deployment_of(machine: Machine, loaded: LoadedObject, command: c.RestartInvocation) -> str:
    of = command.invocation_id
    opened = None if loaded.state is None else loaded.state.invocations.get(of)
    known = machine.ended(loaded, of) if opened is None else opened
    if known is None:
        raise unknown_invocation(of)
    return known.deployment


async def _code(machine: Machine, state: ObjectState, command: c.RestartInvocation) -> App | None:
    """The code of the successor; None if it is loaded when the successor runs, and the argument is decoded then."""
    deployment = command.deployment or ""
    app = machine.applications.find(deployment, state.service)
    return await machine.applications.load(deployment) if app is None and c.needs_code(command) else app


def _read_argument(app: App, target: Target, command: c.RestartInvocation, accepted: InvocationAccepted) -> None:
    _, handler = app.handler_of(target)
    if command.argument is not None:
        try:
            given, command.parameter = handler.signature.read(command.argument)
            handler.signature.check_restored(given, command.json_loses)
        except ValueProblem as error:
            raise InvalidArgumentError(f"{target}: {error.path}: {error.problem}", path=error.path) from error
    elif command.require_compatible:
        try:
            decode_argument(handler, accepted)
        except NoLongerFitsError as error:
            raise IncompatibleError(
                f"{command.invocation_id} cannot be repeated on {command.deployment}: {error}"
            ) from error


def _surroundings(machine: Machine, loaded: LoadedObject, state: ObjectState, app: App) -> RestartTarget:
    return RestartTarget(
        world=machine.world,
        app=app,
        stream=loaded.stream,
        partition=machine.partition.number,
        state=state,
        rows=machine.rows,
        past=machine.cache.past(loaded),
        map_item=partial(machine.map_item, loaded.stream),
        now=machine.now,
    )
