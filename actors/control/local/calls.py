"""Calls and messages of a client in this process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import trio

from actors.control.backend import Sent
from actors.control.local.services import LocalServices
from actors.core import commands as c
from actors.errors import (
    BrokenDeploymentError,
    ConflictError,
    ErrorCode,
    InvalidArgumentError,
    NotFoundError,
    ResourceKind,
    TooSlowError,
    UnavailableError,
)
from actors.model.caller_trace import OPENTELEMETRY, current_trace
from actors.model.definitions import RUN
from actors.model.keys import checked_key
from actors.model.request_ids import debounced_id
from actors.model.requests import CallOptions, no_debounce
from actors.values import ValueProblem, decode_kept
from actors.values.limits import within_limit
from actors.values.names import is_system
from actors.values.outcomes import value_of
from journal.events import Kind, Mode, OutcomeKind, Target
from journal.ids import InvocationId

if TYPE_CHECKING:
    from actors.engine.waiter import Reply
    from actors.model.definitions import Definition
    from actors.model.requests import Request
    from actors.model.webhooks import WebhookRequest
    from journal.events import Outcome, TraceContext
    from journal.rows import InvocationRow

_SUCCEEDED = OutcomeKind.SUCCEEDED  # a member of an enum takes several times as long to look up as a name of the module


class LocalCalls(LocalServices):
    """Calls and messages, by reference and by name."""

    async def call(self, request: Request) -> Any:
        now, returns, timeout = self.environment.clock.now(), request.handler.signature.returns, request.options.timeout
        command = self._invoke(request, now)
        reply = self.engine.submit_call(command, self.who, at=now, is_fresh=command.request is None)
        outcome = await reply.wait() if timeout is None else await _outcome_within(timeout, reply, command)
        data = outcome.value if outcome.kind is _SUCCEEDED else value_of(outcome, command.invocation_id)
        try:
            return returns.read(data)
        except (ValueError, ValueProblem):
            return decode_kept(returns, data, request)  # raises, with what would help

    async def call_by_name(self, target: Target, argument: bytes, options: CallOptions) -> tuple[InvocationId, Outcome]:
        command = await self.invoke_by_name(target, argument, options)
        reply = self.submit_call(command)
        if options.timeout is None:
            return command.invocation_id, await reply.wait()
        return command.invocation_id, await _outcome_within(options.timeout, reply, command)

    def submit_call(self, command: c.Invoke, *, leaves_at_pause: bool = False) -> Reply[Outcome]:
        """Submit the call and return the reply, which has the outcome; see :meth:`Engine.submit_call`."""
        now, is_fresh = self.environment.clock.now(), command.request is None
        return self.engine.submit_call(command, self.who, at=now, is_fresh=is_fresh, leaves_at_pause=leaves_at_pause)

    async def send_by_name(self, target: Target, argument: bytes, options: CallOptions) -> Sent:
        return await self.send_command(await self.invoke_by_name(target, argument, options))

    async def send_webhook(self, target: Target, request: WebhookRequest, idempotency_key: str | None) -> Sent:
        """Send a webhook; durable on return."""
        signature = self.definition_of(target.service).handler(target.handler).signature
        try:
            argument = signature.encode((request,), {})
        except (ValueProblem, TypeError) as error:
            raise InvalidArgumentError(f"{target} cannot take a webhook: {error}") from error
        options = CallOptions(idempotency_key=idempotency_key)
        command = await self.invoke_by_name(target, argument, options, signature.parameter)
        try:
            return await self.send_command(command)
        except ConflictError as error:
            if error.code is not ErrorCode.IDEMPOTENCY_CONFLICT:
                raise
            return Sent(invocation_id=command.invocation_id, is_new=False)

    async def send_command(self, command: c.Invoke) -> Sent:
        """Send a message; durable on return."""
        now = self.environment.clock.now()
        accepted = await self.engine.submit_send(command, self.who, at=now, is_fresh=command.request is None).wait()
        return Sent(invocation_id=accepted.invocation_id, is_new=accepted.is_new)

    def definition_of(self, service: str) -> Definition:
        """Return the definition of a class that can be called by name. Raises :class:`actors.NotFoundError`."""
        if is_system(service):
            raise NotFoundError(
                f"{service} is built in, and cannot be called by name; use the methods of the client",
                kind=ResourceKind.SERVICE,
            )
        return self.engine.app.find(service)

    def id_of_request(self, target: Target, idempotency_key: str | None) -> InvocationId:
        """Return the id that the invocation for this idempotency key has or would have."""
        definition = self.definition_of(target.service)
        target = self._named(definition, target)
        request_key = self._request_key(definition, target, idempotency_key)
        if request_key is None:
            raise InvalidArgumentError(
                f"{target}: pass idempotency_key; without it every call is a new invocation", path="idempotency_key"
            )
        return definition.request_id(target, request_key, self._secret_of(definition, target), self.engine.stored)

    async def judge_of(self, target: Target) -> Definition:
        """Return the definition that a call by name is judged by: that of the newest code or, for an update, that of the code of the
        run that carries it out. Raises :class:`actors.NotFoundError`, and :class:`actors.UnavailableError` if the code of the run
        cannot be loaded."""
        definition = self.definition_of(target.service)
        if definition.kind is not Kind.WORKFLOW or len(self.engine.applications.registered.known) <= 1:
            return definition
        named = definition.called.get(target.handler)
        is_update = named is None or named.mode is Mode.UPDATE
        deployment = await self._deployment_of_run(target) if is_update and target.key is not None else None
        if deployment is None or deployment == self.engine.applications.latest:
            return definition
        try:
            older = (await self.engine.applications.load(deployment)).find(target.service)
        except BrokenDeploymentError as error:
            raise UnavailableError(
                f"{target}: the run is on code that cannot be loaded: {error}. Move the run to the code that is served, or try again once "
                "its code can be loaded"
            ) from error
        found = older.called.get(target.handler)
        return definition if found is None or found.mode is not Mode.UPDATE else older

    async def _deployment_of_run(self, target: Target) -> str | None:
        """Return the deployment of the latest run of the workflow; None if there is none."""
        of: InvocationId | None = self.id_of_request(Target(target.service, target.key, RUN), None)
        row: InvocationRow | None = None
        async with self.snapshot() as snapshot:
            while of is not None and (found := snapshot.find_invocation(of)) is not None:
                row, of = found, found.successors[-1] if found.successors else None
        return None if row is None else row.deployment

    async def invoke_by_name(
        self,
        target: Target,
        argument: bytes,
        options: CallOptions,
        parameter: str | None = None,
        trace: TraceContext | None = None,
    ) -> c.Invoke:
        """Return the command for a call or a message by name, with the invocation's id. Raises a
        :class:`actors.RefusedError`.
        """
        definition = await self.judge_of(target)
        target = self._named(definition, target)
        handler = definition.handler(target.handler)
        within_limit(argument, self.limits.payload_bytes, f"the argument of {target}")
        request_key = self._request_key(definition, target, options.idempotency_key)
        if options.debounce is not None and _is_once(definition, target):
            raise no_debounce(target)
        try:
            read = handler.signature.read
            arguments, parameter = self.engine.run_watched(f"the argument of {target}", read, argument, parameter)
            if request_key is not None:
                # A repeated request may be written differently: with spaces, in another order, 1e3 for 1000.
                argument, parameter = handler.signature.encode((), arguments), handler.signature.parameter
        except ValueProblem as error:
            raise InvalidArgumentError(f"{target}: {error.path}: {error.problem}", path=error.path) from error
        secret = self._secret_of(definition, target)
        now = self.environment.clock.now()
        return self.command(definition, target, request_key, argument, parameter, options, secret, now, trace)

    def command(
        self,
        definition: Definition,
        target: Target,
        request_key: str | None,
        argument: bytes,
        parameter: str,
        options: CallOptions,
        secret: str,
        now: float,
        trace: TraceContext | None = None,
    ) -> c.Invoke:
        if not self.has_room():
            raise self.no_room()
        debounce = self.in_namespace(options.debounce)
        if debounce is not None:
            of = debounced_id(target, debounce, self.environment.unique(now), self.engine.journal.secret)
        elif request_key is None:
            of = self.environment.new_id(target.service, target.key, now)
        else:
            of = definition.request_id(target, request_key, secret, self.engine.stored)
        return c.Invoke(
            invocation_id=of,
            target=target,
            argument=argument,
            parameter=parameter,
            scheduled_for=now + options.delay if options.delay else None,
            request=request_key,
            tags=options.tags,
            max_duration=options.max_duration,
            budget=options.budget,
            debounce=debounce,
            max_delay=options.max_delay,
            trace=current_trace() if trace is None and OPENTELEMETRY in sys.modules else trace,
        )

    def _invoke(self, request: Request, now: float) -> c.Invoke:
        # Refuse here what the object would refuse, so that a typo is reported at once.
        target = request.target
        _, _, definition, handler = self.engine.applications.new_work[target.service, target.handler]
        if definition.aliases or handler.name != target.handler:
            target = definition.resolved(target, self.engine.stored)
        argument = request.encode_arguments(self.limits)
        key, parameter, options = request.request_key, request.handler.signature.parameter, request.options
        if key is not None or options.debounce is not None:
            secret = "" if request.is_once else self.engine.journal.secret
            return self.command(definition, target, key, argument, parameter, options, secret, now)
        if not self.has_room():
            raise self.no_room()
        return c.Invoke(
            invocation_id=self.environment.new_id(target.service, target.key, now),
            target=target,
            argument=argument,
            parameter=parameter,
            scheduled_for=now + options.delay if options.delay else None,
            tags=options.tags,
            max_duration=options.max_duration,
            budget=options.budget,
            trace=current_trace() if OPENTELEMETRY in sys.modules else None,
        )

    def _named(self, definition: Definition, target: Target) -> Target:
        """Return the target by its stored names. Raises :class:`actors.NotFoundError`."""
        definition.handler(target.handler)
        checked_key(definition, target.key, self.limits.key_bytes)
        return definition.resolved(target, self.engine.stored)

    def _request_key(self, definition: Definition, target: Target, idempotency_key: str | None) -> str | None:
        if _is_once(definition, target):
            return f"workflow {target.key}"
        return self.in_namespace(idempotency_key)

    def _secret_of(self, definition: Definition, target: Target) -> str:
        return "" if _is_once(definition, target) else self.engine.journal.secret


async def _outcome_within(seconds: float, reply: Reply[Outcome], command: c.Invoke) -> Outcome:
    with trio.move_on_after(seconds):
        return await reply.wait()
    of = command.invocation_id
    error = TooSlowError(f"{command.target} did not answer within {seconds} seconds; it continues as {of}")
    error.invocation_id = of
    raise error


def _is_once(definition: Definition, target: Target) -> bool:
    return definition.kind is Kind.WORKFLOW and target.handler == RUN
