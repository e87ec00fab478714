"""The registry, for a client in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.control.local.metrics import limits_of
from actors.control.local.services import LocalServices
from actors.core import commands as c
from actors.core.gates import GateScope, ScopeKind, parse_scope
from actors.errors import InvalidArgumentError, NotFoundError, RefusedError, ResourceKind
from actors.model.gate_info import GateAnswer, GateInfo, gate_answer, gate_info
from actors.model.keys import checked_key
from actors.model.limit_info import LimitAnswer, LimitInfo, LimitOptions, limit_answer
from actors.model.tags import checked_tag_name, checked_tags
from actors.rows.audit import ControlAction
from actors.system.registry import registry_target
from actors.values import decode_kept
from actors.values.amounts import grouped
from actors.values.names import is_system
from actors.values.outcomes import value_of
from journal.events import Kind

if TYPE_CHECKING:
    from actors.core.gates import GateChange
    from actors.core.limits import LimitChange
    from actors.model.control_options import GateOptions
    from journal.events import Target
    from journal.ids import InvocationId


class LocalRegistry(LocalServices):
    """Calls the registry on behalf of a client, and waits until this process, and in a cluster every node, applies the change."""

    async def ask_registry(self, handler: str, act: ControlAction, **arguments: Any) -> Any:
        """Call a handler of the registry. ``act`` is its audit entry."""
        invocation_id, result = await self.call_built_in(registry_target(handler), act, **arguments)
        seen = await self.engine.look(invocation_id, self.who)
        await self.engine.registry.reached(seen.last_event)
        if self.engine.router is not None:
            await self.engine.router.obeyed(seen.last_event)
        return result

    async def call_built_in(
        self, target: Target, act: ControlAction | None, *, request: str | None = None, **arguments: Any
    ) -> tuple[InvocationId, Any]:
        """Call a handler of a built-in object, and return the invocation's id and its result. A call under the key of an earlier
        ``request`` has the result of that one.

        It does not need spare room on the disk: a gate may be closed because the disk is full.
        """
        of, definition = self.engine.app.handler_of(target)
        now = self.environment.clock.now()
        if request is None:
            invocation_id = self.environment.new_id(target.service, target.key, now)
        else:
            invocation_id = of.request_id(target, request, self.engine.journal.secret, self.engine.stored)
        argument = definition.signature.encode((), arguments)
        command = c.Invoke(
            invocation_id=invocation_id,
            target=target,
            argument=argument,
            parameter=definition.signature.parameter,
            request=request,
        )
        is_fresh = request is None
        outcome = await self.engine.submit_call(command, self.who, at=now, is_fresh=is_fresh, act=act).wait()
        value = value_of(outcome, invocation_id)
        return invocation_id, decode_kept(definition.signature.returns, value, f"the result of {target}")

    async def note_refusal(self, act: ControlAction, refusal: RefusedError) -> None:
        """Write an audit entry for a request that does not reach the registry."""
        await self.engine.note(act, self.who, refusal=f"{refusal.code}: {refusal}")

    # Gates.

    async def close_gate(self, scope: GateScope, options: GateOptions, *, since: float | None = None) -> GateAnswer:
        """Hold everything in the scope. On return, nothing in the scope runs here except steps that are ending.

        ``since`` is the time from which the gate is closed; by default now.
        """
        mode, reason = options.mode, options.reason
        act = ControlAction(verb="close-gate", target=str(scope), detail=mode.value, reason=reason)
        try:
            self._check_scope(scope)
        except RefusedError as refusal:
            await self.note_refusal(act, refusal)
            raise
        return await self._ask_of_all(scope, "close_gate", act, mode=mode, reason=reason, since=since)

    async def open_gate(self, scope: GateScope, reason: str) -> GateAnswer:
        """Resume everything in the scope, except narrower scopes that were closed individually."""
        act = ControlAction(verb="open-gate", target=str(scope), reason=reason)
        try:
            if (
                self.engine.registry.gates.rule_of(scope) is None
            ):  # a closed gate can be opened even if its service is not served
                self._check_scope(scope)
        except RefusedError as refusal:
            await self.note_refusal(act, refusal)
            raise
        return await self._ask_of_all(scope, "open_gate", act, reason=reason)

    async def _ask_of_all(self, scope: GateScope, handler: str, act: ControlAction, **arguments: Any) -> GateAnswer:
        """Apply the handler to the scope under each name under which its objects may be stored. Returns the answer for
        the given scope.
        """
        changes: list[GateChange] = [
            await self.ask_registry(handler, act, scope=each, by=self.who.by, **arguments)
            for each in self._scopes_of(scope)
        ]
        answer = gate_answer(changes[0])
        return attrs.evolve(answer, changed=any(change.changed for change in changes))

    def _scopes_of(self, scope: GateScope) -> list[GateScope]:
        try:
            definition = self.engine.app.find(scope.service)
            names = definition.handler(scope.name).names if scope.kind is ScopeKind.HANDLER else (scope.name,)
        except NotFoundError:
            return [scope]
        every = [GateScope(scope.kind, service, name) for service in definition.names for name in names]
        return [scope, *(each for each in every if each != scope)]

    async def list_gates(self) -> tuple[GateInfo, ...]:
        """Return the closed gates and the exceptions to them."""
        await self.checkpoint()
        return tuple(gate_info(gate) for gate in self.engine.registry.gates)

    # Limits.

    async def set_limit(self, scope: str, options: LimitOptions) -> LimitAnswer:
        """Set the limit. On return it is in force in this process, and in a cluster on every node, each of which counts on its own."""
        parts = [] if options.concurrency is None else [f"{options.concurrency} at once"]
        parts += [] if options.rate is None else [f"{options.rate} in {options.period:g} s"]
        parts += [] if options.budget is None else [f"{grouped(str(a))} {name}" for name, a in options.budget.items()]
        act = ControlAction(
            verb="set-limit", target=scope, detail=", ".join(parts) or "no bound", reason=options.reason
        )
        try:
            self._check_limited(scope)
        except RefusedError as refusal:
            await self.note_refusal(act, refusal)
            raise
        before = self._figures_of(scope)
        change: LimitChange = await self.ask_registry(
            "set_limit",
            act,
            scope=scope,
            concurrency=options.concurrency,
            rate=options.rate,
            period=options.period,
            reason=options.reason,
            by=self.who.by,
            budget=options.budget,
        )
        return limit_answer(scope, change, before, self._figures_of(scope))

    async def delete_limit(self, scope: str, reason: str) -> LimitAnswer:
        """Delete the limit. On return it is no longer in force in this process."""
        act = ControlAction(verb="delete-limit", target=scope, reason=reason)
        before = self._figures_of(scope)
        change: LimitChange = await self.ask_registry("delete_limit", act, scope=scope, reason=reason, by=self.who.by)
        return limit_answer(scope, change, before, self._figures_of(scope))

    async def list_limits(self) -> tuple[LimitInfo, ...]:
        """Return the limits, with the numbers of running and waiting invocations in this process, and the amounts spent."""
        await self.checkpoint()
        return limits_of(self.engine)

    def _figures_of(self, scope: str) -> LimitInfo | None:
        """The limit of a scope, with its figures."""
        return next((info for info in limits_of(self.engine) if info.scope == scope), None)

    def _check_limited(self, scope: str) -> None:
        """Refuse the scope of a limit that could never count anything."""
        kind, _, name = scope.partition(":")
        if kind == "tag":
            tag, equals, value = name.partition("=")
            if equals:
                checked_tags({tag: value})
            else:
                checked_tag_name(tag)
        elif kind == "key" and "/" not in name:
            self._check_scope(GateScope(ScopeKind.SERVICE, name))
            if name in self.engine.app and self.engine.app.find(name).kind is Kind.SERVICE:
                raise InvalidArgumentError(f"{name} is a service and has no keys, found {scope}", path="scope")
        else:
            self._check_scope(parse_scope(scope))

    def _check_scope(self, scope: GateScope) -> None:
        if is_system(scope.service):
            raise NotFoundError(
                f"{scope.service} is built in: no gate holds it and no limit counts it", kind=ResourceKind.SERVICE
            )
        match scope.kind:
            case ScopeKind.EVERYTHING | ScopeKind.BACKLOG:
                pass
            case ScopeKind.DEPLOYMENT:
                self.engine.applications.registered.find(scope.name)
            case ScopeKind.SERVICE:
                self._check_service(scope.service)
            case ScopeKind.HANDLER:
                self.engine.app.find(scope.service).handler(scope.name)
            case ScopeKind.KEY:
                if not self.engine.stored.has_object(scope.service, scope.name):
                    checked_key(self.engine.app.find(scope.service), scope.name, self.limits.key_bytes)

    def _check_service(self, service: str) -> None:
        """Check that the scope's class exists. A class that is not served may have stored objects, which the gate holds
        until the class is served.
        """
        if not self.engine.stored.has_objects(service):
            self.engine.app.find(service)
