"""Prepares a restart before it is accepted: collects the part of the history that it keeps, and refuses an invocation that cannot be repeated. Changes nothing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from actors.core import commands as c
from actors.core.decide.restart import with_input
from actors.core.inputs import is_same_input
from actors.core.restart_plan import RestartPlan, nothing_of, plan_restart
from actors.core.restart_points import FROM_THE_START, asked_anew, find_point
from actors.engine.handler_object import decode_argument
from actors.engine.restart_check import RestartTarget, check_kept_part
from actors.engine.restart_history import acceptance_of, check_past, check_rewindable, has_fields
from actors.errors import ConflictError, ErrorCode, IncompatibleError, InvalidArgumentError, NoLongerFitsError
from actors.values import ValueProblem
from journal.events import Target
from journal.ids import ROOT_STEP

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
) -> tuple[c.ResolvedRestart, RestartPlan]:
    """The command resolved by the object, its history and the code, and the plan. ``is_made`` says that the restart was
    accepted before.

    Raises ``RefusedError`` with the reason.
    """
    accepted = acceptance_of(history)
    pinned = machine.known(loaded, command.invocation_id).deployment
    deployment = (
        machine.applications.kept_for_restart(pinned)
        if command.deployment is None
        else resolve(machine, state, accepted.handler, command.deployment)
    )
    if deployment == pinned and deployment:  # without deployments, the code at hand may be another
        command = attrs.evolve(command, require_compatible=False)
    app = await _code(machine, state, command, deployment)
    target = Target(state.service, state.key, accepted.handler)
    parameter = None
    if app is not None:
        parameter = _read_argument(app, target, command, accepted, deployment)
    elif command.json_loses:
        raise ConflictError(
            f"{target}: its code is not loaded, so the types of the input are unknown; pass only values that JSON has",
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
    resolved = c.ResolvedRestart(
        asked=command,
        original=accepted,
        original_at=history[0].stamp.at,
        deployment=deployment,
        step=find_point(history, command.from_step) if command.from_step else ROOT_STEP,
        parameter=parameter,
        held_back=loaded.held_back.get(command.invocation_id, 0),
    )
    if deployment != pinned or not is_same_input(with_input(resolved), accepted):
        step = asked_anew(history, resolved.step, rewinds=command.rewind_state)
        resolved = attrs.evolve(resolved, step=step)
    kept = nothing_of(history)
    if resolved.step != FROM_THE_START:
        kept = plan_restart(history, resolved.step, successor=command.successor, now=machine.now, again_by="")
    if writes and (resolved.step != FROM_THE_START or command.rewind_state):
        past = machine.cache.past(loaded)
        await check_past(history, kept, state, past, rewinds=command.rewind_state)
    if app is not None and kept.events and c.is_rehearsed(command) and not is_made:
        await check_kept_part(resolved, history, kept, _surroundings(machine, loaded, state, app))
    return resolved, kept


def resolve(machine: Machine, state: ObjectState, handler: str, wanted: str) -> str:
    """The deployment that the name means. Raises ``RefusedError`` if it is known to lack the handler."""
    deployment = machine.applications.resolve(wanted, state.service)
    app = machine.applications.find(deployment, state.service)
    if app is not None:
        app.find(state.service).handler(handler)
    return deployment


async def _code(machine: Machine, state: ObjectState, command: c.RestartInvocation, deployment: str) -> App | None:
    """The code of the successor; None if it is loaded when the successor runs, and the argument is decoded then."""
    app = machine.applications.find(deployment, state.service)
    return await machine.applications.load(deployment) if app is None and c.needs_code(command) else app


def _read_argument(
    app: App, target: Target, command: c.RestartInvocation, accepted: InvocationAccepted, deployment: str
) -> str | None:
    """Check the argument of the successor. Returns the parameter that a new one is the value of, if there is one."""
    _, handler = app.handler_of(target)
    if command.argument is not None:
        try:
            given, parameter = handler.signature.read(command.argument)
            handler.signature.check_restored(given, command.json_loses)
        except ValueProblem as error:
            raise InvalidArgumentError(f"{target}: {error.path}: {error.problem}", path=error.path) from error
        return parameter
    if command.require_compatible:
        try:
            decode_argument(handler, accepted)
        except NoLongerFitsError as error:
            raise IncompatibleError(f"{command.invocation_id} cannot be repeated on {deployment}: {error}") from error
    return None


def _surroundings(machine: Machine, loaded: LoadedObject, state: ObjectState, app: App) -> RestartTarget:
    return RestartTarget(
        environment=machine.environment,
        app=app,
        stream=loaded.stream,
        partition=machine.partition.number,
        state=state,
        rows=machine.rows,
        past=machine.cache.past(loaded),
        map_item=partial(machine.map_item, loaded.stream),
        now=machine.now,
    )
