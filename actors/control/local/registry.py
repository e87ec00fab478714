"""What a client in this process may ask of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core import commands as c
from actors.core.gates import Scope, ScopeKind
from actors.engine.requests import ControlAction, Principal
from actors.errors import Refused, UnknownHandlerError, UnknownServiceError
from actors.model.info import GateAnswer, GateInfo, gate_answer, gate_info
from actors.model.keys import checked_key
from actors.model.new_ids import new_id
from actors.system.registry import registry_target
from actors.values import decode_kept
from actors.values.names import is_system
from actors.values.outcomes import value_of

if TYPE_CHECKING:
    from actors.core.gates import GateChange
    from actors.engine.engine import Engine
    from actors.environment import Environment
    from actors.values.limits import Limits
    from journal.events import PauseMode, Target
    from journal.ids import InvocationId


class RegistryCaller:
    """Asks the registry in the name of a client, and waits until this process goes by the answer."""

    def __init__(self, engine: Engine, world: Environment, limits: Limits, who: Principal) -> None:
        self._engine = engine
        self._world = world
        self._limits = limits
        self._who = who

    async def ask(self, handler: str, act: ControlAction, **arguments: Any) -> Any:
        """Have a handler of the registry done. ``act`` is what the audit says of it."""
        invocation_id, result = await self.tell(registry_target(handler), act, **arguments)
        seen = await self._engine.look(invocation_id, self._who)
        await self._engine.registry.reached(seen.last_event)
        return result

    async def tell(self, target: Target, act: ControlAction | None, **arguments: Any) -> tuple[InvocationId, Any]:
        """Have a handler of something that is built in done; the invocation that it was, and its result.

        It needs no room on the disk to spare: who closes a gate may well do it because the disk is full.
        """
        _, definition = self._engine.app.handler_of(target)
        invocation_id = new_id(target, None, self._world.unique())
        argument = definition.signature.encode((), arguments)
        command = c.Invoke(
            invocation_id=invocation_id,
            target=target,
            argument=argument,
            parameter=definition.signature.parameter,
        )
        outcome = await self._engine.call(command, self._who, is_fresh=True, act=act)
        value = value_of(outcome, invocation_id)
        return invocation_id, decode_kept(definition.signature.returns, value, f"the result of {target}")

    async def refuse(self, act: ControlAction, refusal: Refused) -> None:
        """Note in the audit that something was asked for that the registry need not hear of."""
        await self._engine.note(act, self._who, refusal=f"{type(refusal).__name__}: {refusal}")

    # Gates.

    async def close_gate(self, scope: Scope, mode: PauseMode, reason: str, *, since: float | None = None) -> GateAnswer:
        """Hold everything in the scope; when this returns, nothing of it goes on here except steps that are ending. ``since``: from
        when on, if not from now."""
        act = ControlAction(verb="close-gate", target=str(scope), detail=mode.value, reason=reason)
        try:
            self._check_scope(scope)
        except Refused as refusal:
            await self.refuse(act, refusal)
            raise
        return await self._ask_of_all(scope, "close_gate", act, mode=mode, reason=reason, since=since)

    async def open_gate(self, scope: Scope, reason: str) -> GateAnswer:
        """Let everything in the scope go on, but for what was closed by itself."""
        act = ControlAction(verb="open-gate", target=str(scope), reason=reason)
        try:
            if (
                self._engine.registry.gates.rule_of(scope) is None
            ):  # one that was closed can be opened, whatever is served
                self._check_scope(scope)
        except Refused as refusal:
            await self.refuse(act, refusal)
            raise
        return await self._ask_of_all(scope, "open_gate", act, reason=reason)

    async def _ask_of_all(self, scope: Scope, handler: str, act: ControlAction, **arguments: Any) -> GateAnswer:
        """Ask it of a scope by each name that what it holds may lie under; the answer for the scope that was given."""
        changes: list[GateChange] = [
            await self.ask(handler, act, scope=each, by=self._who.by, **arguments) for each in self._names_of(scope)
        ]
        answer = gate_answer(changes[0])
        return attrs.evolve(answer, changed=any(change.changed for change in changes))

    def _names_of(self, scope: Scope) -> list[Scope]:
        try:
            definition = self._engine.app.find(scope.service)
            names = definition.handler(scope.name).names if scope.kind is ScopeKind.HANDLER else (scope.name,)
        except (UnknownServiceError, UnknownHandlerError):
            return [scope]
        every = [Scope(scope.kind, service, name) for service in definition.names for name in names]
        return [scope, *(each for each in every if each != scope)]

    def list_gates(self) -> tuple[GateInfo, ...]:
        """The gates that are closed, and the exceptions to them."""
        return tuple(gate_info(gate) for gate in self._engine.registry.gates)

    def _check_scope(self, scope: Scope) -> None:
        if is_system(scope.service):
            raise UnknownServiceError(f"{scope.service} is built in, and no gate holds it")
        match scope.kind:
            case ScopeKind.EVERYTHING | ScopeKind.BACKLOG:
                pass
            case ScopeKind.DEPLOYMENT:
                self._engine.applications.registered.find(scope.name)
            case ScopeKind.SERVICE:
                self._check_service(scope.service)
            case ScopeKind.HANDLER:
                self._engine.app.find(scope.service).handler(scope.name)
            case ScopeKind.KEY:
                if not self._engine.stored.has_object(scope.service, scope.name):
                    checked_key(self._engine.app.find(scope.service), scope.name, self._limits.key_bytes)

    def _check_service(self, service: str) -> None:
        """A class that is served; or one that is not, and has stored objects that a gate may hold until it is."""
        if not self._engine.stored.has_objects(service):
            self._engine.app.find(service)
