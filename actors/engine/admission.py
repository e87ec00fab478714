"""Lets updates in: there must be a run that knows them, and their validators look at the object before anything is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from actors.core.decide.updates import open_run, run_for_update
from actors.engine.exceptions import passes
from actors.engine.handler_object import instance_of, view_type
from actors.engine.watchdog import Work, blocked_error
from actors.errors import (
    ConflictError,
    DefinitionError,
    DefinitionReason,
    ErrorCode,
    Interruption,
    InvalidArgumentError,
    RefusedError,
    TerminalError,
    UnavailableError,
)
from actors.model.definitions import HandlerDefinition, HandlerOptions
from actors.replay.updates import run_validator
from actors.rows.items import ObjectItems
from actors.values import ValueProblem
from actors.values.failures import text_of
from actors.values.problem import reason_of
from journal.errors import BrokenInvariant
from journal.events import Kind, Mode

if TYPE_CHECKING:
    from actors.core import commands as c
    from actors.core.state import InvocationState, ObjectState
    from actors.engine.code_waits import CodeWaits
    from actors.engine.engine_context import EngineContext
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.engine.refusals import Refusals
    from actors.engine.requests import ObjectRequest
    from actors.errors import NotFoundError
    from actors.model.app import App
    from actors.model.definitions import Definition


async def _of_older_code(*_: Any) -> None:
    """Stand for an update that the newest code does not have. It is never called: the code of the run has the update."""
    raise BrokenInvariant("an update of older code was called in the newest")


class Admission:
    """Lets the updates of one processor in: their validators look at the object as it is."""

    def __init__(self, machine: Machine, context: EngineContext, code_waits: CodeWaits, refusals: Refusals) -> None:
        self._machine = machine
        self._context = context
        self._code_waits = code_waits
        self._refusals = refusals

    def work_of_older_code(
        self, loaded: LoadedObject, command: c.Invoke, error: NotFoundError
    ) -> tuple[str, App, Definition, HandlerDefinition]:
        """Return the work of a handler that the newest code does not have, if it may be an update of a run on other code, or is one
        that has ended. Raises ``error`` if it is neither."""
        machine, target, state = self._machine, command.target, loaded.state
        deployment, app = machine.applications.for_new_work(target.service)
        definition = app.find(target.service)
        if definition.kind is not Kind.WORKFLOW or target.handler in definition.called:
            raise error
        run = None if state is None else open_run(state)
        if run is not None and run.deployment != deployment:
            older = machine.applications.find(run.deployment, target.service)
            known = None if older is None else older.find(target.service).called.get(target.handler)
            is_known = older is None or (known is not None and known.mode is Mode.UPDATE)
        else:
            is_known = machine.completed.row(loaded, command.invocation_id) is not None
        if not is_known:
            raise error
        unknown = HandlerDefinition(
            name=target.handler, mode=Mode.UPDATE, options=HandlerOptions(), function=_of_older_code
        )
        return deployment, app, definition, unknown

    def admitted(
        self, loaded: LoadedObject, request: ObjectRequest, command: c.ResolvedInvoke
    ) -> c.ResolvedInvoke | None:
        """Return the command for the code of the run; None if that is not loaded yet, and the request is taken again then. Raises
        ``RefusedError`` if there is no run, or its code has no such update or cannot be loaded, and what the validator raises. An update
        that was accepted before is let in again."""
        asked, state = command.asked, loaded.state
        if state is not None and asked.invocation_id in state.invocations:
            return command
        run = run_for_update(state, asked)
        if state is None:
            raise BrokenInvariant("a run was found in an object without a state")
        app = self._machine.applications.find(run.deployment, state.service)
        if app is None:
            self._wait_for_code(request, asked, run)
            return None
        definition = app.find(state.service)
        handler = definition.called.get(asked.target.handler)
        if handler is None or handler.mode is not Mode.UPDATE:
            raise ConflictError(
                f"{asked.target}: the run {run.invocation_id} is on other code ({run.deployment}), which has no such update; move the "
                "run to the code that is served",
                code=ErrorCode.NOT_POSSIBLE,
            )
        self._validate(loaded, state, run, definition, handler, asked)
        longest, wanted = handler.options.max_duration, asked.max_duration
        max_duration = longest if wanted is None or (longest is not None and longest < wanted) else wanted
        return msgspec.structs.replace(command, deployment=run.deployment, max_duration=max_duration)

    def _wait_for_code(self, request: ObjectRequest, asked: c.Invoke, run: InvocationState) -> None:
        """Load the code of the run and take the request again then. Raises :class:`UnavailableError` if the code cannot be loaded now, or
        too many requests wait for code."""
        if request.code_error is not None:
            raise UnavailableError(
                f"{asked.target}: the run {run.invocation_id} is on code that cannot be loaded: {text_of(request.code_error)}. Move the run to the code "
                "that is served, or try again once its code can be loaded"
            )
        is_asked = request.reply is not None or request.outcome is not None
        limit = self._context.limits.requests
        if is_asked and self._code_waits.parked >= limit:
            raise UnavailableError(
                f"{asked.target}: overloaded: {limit} requests wait for code (limit `requests`={limit}); retry later"
            )
        if is_asked or request.position is not None:
            self._code_waits.park(msgspec.structs.replace(request), run.deployment)
            request.position = None  # the message is consumed when the request is taken again
        else:
            self._refusals.keep(request)

    def _validate(
        self,
        loaded: LoadedObject,
        state: ObjectState,
        run: InvocationState,
        definition: Definition,
        handler: HandlerDefinition,
        asked: c.Invoke,
    ) -> None:
        validator = handler.options.validate
        machine, watchdog, name = self._machine, self._context.watchdog, str(asked.target)
        fields = {**state.fields, **run.changes.fields}
        items = ObjectItems(machine.rows, machine.partition.number, loaded.stream, state, beside=run.invocation_id)
        view = view_type(definition, state, run.changes.field_names)(
            asked.invocation_id, fields, items, is_writer=False, prepares=definition.prepared
        )

        def check() -> None:
            arguments: dict[str, Any] = handler.signature.arguments(asked.argument, asked.parameter)
            if validator is None:
                return
            if view.prepares:
                view.prepare()
            answer: object = validator(instance_of(definition, state, view), **arguments)
            if answer is not None:
                raise DefinitionError(
                    f"{name}: its validator returned a value of type {type(answer).__qualname__}, expected None; raise an error to refuse "
                    "the update",
                    reason=DefinitionReason.FUNCTION,
                    name=name,
                )

        try:
            watchdog.run(Work(asked.invocation_id, name, may_be_interrupted=True), run_validator, check, view, name)
        except Interruption:
            raise InvalidArgumentError(
                str(blocked_error(f"the validator of {name}", self._context.limits, watchdog.take_interrupted()))
            ) from None
        except (RefusedError, TerminalError):
            raise
        except ValueProblem as error:
            raise InvalidArgumentError(f"{name}: {error.path}: {error.problem}", path=error.path) from error
        except BaseException as error:  # a validator may also raise SystemExit or CancelledError
            if passes(error):
                raise
            raise InvalidArgumentError(f"{name}: {reason_of(error)}") from error
