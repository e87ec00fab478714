"""The request of a step: what a handler awaits, and the body that the engine runs because of it."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

import msgspec

from actors.core.requests import digest_of_values
from actors.model.contexts import HandlerContext, context_of
from actors.model.step_arguments import check_parameters, encoded, parameter_names, redacted, rewritten
from actors.model.step_copies import StepCall, call_of, with_copies
from actors.model.step_options import StepOptions
from actors.replay.branches import Operation, current_branch
from actors.values import Codec, decode_kept
from actors.values.loops import EventLoop
from actors.values.outcomes import step_error_of
from actors.values.retries import RetryPolicy
from journal import events as e
from journal.errors import CorruptRecord
from journal.events import OutcomeKind
from journal.ids import InvocationId
from journal.waits import RequestedStep


class StepDefinition(msgspec.Struct, eq=False):
    """The properties that all calls of a step share. ``codec`` returns the codec of its results.

    ``is_plain`` says that its coroutine is made without running user code, except for copies of arguments, and that awaiting it is all
    there is to do. ``fits_frame`` says that a request of it can be a part of a frame (``journal.waits``), unless its arguments are not
    values or too large.
    """

    function: Callable[..., Any]
    options: StepOptions
    name: str
    codec: Callable[[], Codec[Any]]
    is_plain: bool
    fits_frame: bool


def definition_of(
    function: Callable[..., Any], options: StepOptions, name: str, codec: Callable[[], Codec[Any]]
) -> StepDefinition:
    """Return the definition of a step."""
    is_plain = (
        type(function) is types.FunctionType
        and function.__code__.co_flags & inspect.CO_COROUTINE != 0
        and options.timeout is None
        and options.loop is EventLoop.TRIO
    )
    fits_frame = name.__class__ is str and options.at_most_once.__class__ is bool
    return StepDefinition(function, options, name, codec, is_plain, fits_frame)


class StepBody(msgspec.Struct, eq=False):
    """A side effect as the engine runs it; ``context`` has the context variables of the handler at the time of the request.
    ``is_plain`` says that the body is run by awaiting its coroutine, which is made without running user code."""

    context: Context
    call: StepCall
    options: StepOptions
    retry: RetryPolicy
    result: Codec[Any]
    name: str
    is_plain: bool


async def run_step(definition: StepDefinition, args: tuple[Any, ...], kwargs: dict[str, Any], source: str) -> Any:
    # Whether this is a step, and of which branch, is known only when it is awaited: it may have been made elsewhere.
    branch = current_branch.get()
    function, options, name = definition.function, definition.options, definition.name
    if branch is None:
        result = function(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result
    call = StepCall(function, args, kwargs) if type(function) is types.FunctionType else call_of(function, args, kwargs)
    if options.redact:
        check_parameters(call.function, options.redact, name)
        argument, opaque = encoded(*redacted(call.function, call.args, call.kwargs, options.redact))
    else:
        argument, opaque = encoded(call.args, call.kwargs)
    if options.redactors:
        argument = rewritten(argument, parameter_names(call.function), options.redactors, name)
    returns = definition.codec()
    operation = StepOperation(
        branch,
        branch.following_step,
        definition=definition,
        call=call,
        source=source,
        argument=argument,
        opaque=opaque,
        returns=returns,
    )
    completed: e.StepCompleted | bytes = await operation
    if isinstance(completed, bytes):  # from a frame, or about to be recorded in one
        return decode_kept(returns, completed, operation)
    outcome = completed.outcome
    if outcome.kind is OutcomeKind.FAILED:
        if outcome.failure is None:
            raise CorruptRecord("an outcome says that it failed, but it has no failure")
        raise step_error_of(outcome.failure, name, deployment=context_of(branch).deployment)
    return decode_kept(returns, outcome.value, operation)


class StepOperation(Operation, kw_only=True):
    """A handler awaits a step. ``argument`` are its arguments as JSON; those named in ``opaque`` are not values and are shown only."""

    definition: StepDefinition
    call: StepCall
    source: str
    argument: bytes
    opaque: tuple[str, ...]
    returns: Codec[Any]

    request = e.StepScheduled
    completion = e.StepCompleted

    def __str__(self) -> str:
        """Return what error messages call the result."""
        return f"the result of step {self.definition.name!r}"

    def is_recorded_as(self, recorded: e.StepScheduled) -> bool:
        return recorded.name == self.definition.name and recorded.argument == self.argument

    def schedule(self) -> None:
        execution, definition = self.branch.execution, self.definition
        name, options = definition.name, definition.options
        context: HandlerContext = execution.context
        if definition.fits_frame and not self.opaque and len(self.argument) <= context.limits.payload_bytes:
            self.event = RequestedStep(self.step, name, self.source, self.argument, options.at_most_once)
        else:
            self.event = self._event(execution.invocation_id, context.limits.payload_bytes)
        call = self.call
        if not execution.coming or not execution.has_outcome(self.step):
            call = with_copies(call, name)
        is_plain = definition.is_plain and not call.has_copies
        self.body = StepBody(
            copy_context(), call, options, options.retry or context.retry, self.returns, name, is_plain
        )

    def _event(self, of: InvocationId, limit: int) -> e.StepScheduled:
        """Return the request as an event, because it cannot be a part of a frame."""
        definition, argument, opaque = self.definition, self.argument, self.opaque
        is_kept = len(argument) <= limit
        return e.StepScheduled(
            invocation_id=of,
            step=self.step,
            name=definition.name,
            source=self.source,
            argument=argument if is_kept else b"",
            at_most_once=definition.options.at_most_once,
            argument_bytes=0 if is_kept else len(argument),
            is_compared=True,
            argument_digest="" if is_kept else digest_of_values(argument, opaque),
            opaque=opaque,
        )

    @property
    def also_known_as(self) -> tuple[str, ...]:
        return self.definition.options.aliases

    def parameters(self) -> tuple[str, ...]:
        return parameter_names(self.call.function)
