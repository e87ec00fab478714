"""Gates: rules that hold invocations back while an operator works on something. ::

    everything                  closed ──┐  a closed gate holds every scope inside it
      service:Chat                       │
        key:Chat/alice          open   ──┘  an exception lets its scope through the wider gates
        key:Chat/bob            closed      and a narrower closed gate holds again
    deployment:dep_1            closed      contains invocations of many services

A scope is a set of invocations, and scopes are nested: ``everything`` contains all of them, a service contains its handlers and
its keys. Closing a scope holds it whole, so the exceptions inside it are dropped. Opening a scope that a wider gate still holds
creates an *exception*, which is dropped together with the last closed gate around it.

Invariant: an invocation is held if a closed gate matches it and no matching exception lies inside that gate. The answer depends
on the set of rules alone, and not on the order in which they were made.

``backlog`` contains the invocations that were accepted before its gate was closed; new work passes. A store that was restored
from a backup starts with this gate closed, because its original may still be doing that work.

Prior art: a routing table, in which the most specific entry that matches decides (longest prefix).

Alternative refused: to pause each invocation in the scope, with an event. A hundred thousand events would be written to close the
gate and as many to open it, and invocations that arrive meanwhile would escape it. Instead the engine checks the rules before each
start, so a closed gate costs nothing.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

from actors.errors import InvalidArgumentError
from actors.values.names import EDIT, is_system
from journal.events import PauseMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from actors.core.state import InvocationState, ObjectState


class ScopeKind(enum.Enum):
    """The kinds of scope."""

    EVERYTHING = "everything"
    BACKLOG = "backlog"
    DEPLOYMENT = "deployment"
    SERVICE = "service"
    HANDLER = "handler"
    KEY = "key"


@attrs.frozen
class GateScope:
    """A set of invocations: all, those accepted before the gate was closed (``backlog``), or those of a service, a handler, a key
    or a deployment.

    ``name`` is the name of the handler, the key, or the id of the deployment. As text: ``everything``, ``backlog``,
    ``service:Agent``, ``handler:Agent/run_task``, ``key:Chat/alice``, ``deployment:dep_1…``. Every parameter that takes a scope
    accepts its text.

    ::

        await client.gates.close(Scope(ScopeKind.KEY, "Chat", "alice"), reason="she asked for it")
    """

    kind: ScopeKind
    service: str = ""
    name: str = ""

    def __str__(self) -> str:
        match self.kind:
            case ScopeKind.EVERYTHING | ScopeKind.BACKLOG:
                return f"{self.kind.value}"
            case ScopeKind.SERVICE:
                return f"{self.kind.value}:{self.service}"
            case ScopeKind.DEPLOYMENT:
                return f"{self.kind.value}:{self.name}"
            case ScopeKind.HANDLER | ScopeKind.KEY:
                return f"{self.kind.value}:{self.service}/{self.name}"

    def contains(self, other: GateScope) -> bool:
        """Report whether this scope contains all of the other's invocations and is not the same scope."""
        if self.kind is ScopeKind.EVERYTHING:
            return other.kind is not ScopeKind.EVERYTHING
        within_service = other.kind in (ScopeKind.HANDLER, ScopeKind.KEY) and other.service == self.service
        return self.kind is ScopeKind.SERVICE and within_service


EVERYTHING = GateScope(ScopeKind.EVERYTHING)
BACKLOG = GateScope(ScopeKind.BACKLOG)
_WHOLE = {str(scope): scope for scope in (EVERYTHING, BACKLOG)}


def parse_scope(text: str | GateScope) -> GateScope:
    """Parse the text of a scope. Raises :class:`actors.InvalidArgumentError`."""
    if isinstance(text, GateScope):
        return text
    if text in _WHOLE:
        return _WHOLE[text]
    kind, _, rest = text.partition(":")
    service, slash, name = rest.partition("/")
    match kind:
        case "deployment" if rest:
            return GateScope(ScopeKind.DEPLOYMENT, name=rest)
        case "service" if service and not slash:
            return GateScope(ScopeKind.SERVICE, service)
        case "handler" | "key" if service and name:
            return GateScope(ScopeKind(kind), service, name)
    raise InvalidArgumentError(
        f"{text!r} is not a scope; expected 'everything', 'backlog', 'service:NAME', 'handler:SERVICE/NAME', "
        "'key:SERVICE/KEY' or 'deployment:ID'",
        path="scope",
    )


_NOW = float("inf")
"""The acceptance time of work that is being accepted now: later than any gate, so such work is in no backlog."""


class GateState(enum.Enum):
    """Whether the invocations of a scope may run."""

    OPEN = "open"
    CLOSED = "closed"


@attrs.frozen(kw_only=True)
class Gate:
    """One rule: its scope is closed or, as an exception to a wider gate, open.

    ``mode`` says how closing treats running steps: they end and are recorded, or they are aborted.
    """

    scope: GateScope
    state: GateState
    since: float
    by: str
    reason: str = ""
    mode: PauseMode = PauseMode.DRAIN

    @property
    def is_closed(self) -> bool:
        """Whether the rule holds its scope."""
        return self.state is GateState.CLOSED


@attrs.frozen(kw_only=True)
class GateChange:
    """The result of closing or opening a scope: whether a rule changed, and the state of the scope before and after.

    ``gate`` is the closed gate that holds the scope now: its own or a wider one; None if no gate does.
    """

    scope: GateScope
    changed: bool
    before: GateState
    after: GateState
    gate: Gate | None = None


class Gates:
    """The rules in force, by scope. ``are_none`` means that nothing is held."""

    def __init__(self, rules: Iterable[Gate] = ()) -> None:
        self._rules = {gate.scope: gate for gate in rules}
        self.are_none = not self._rules
        self._excepted = {gate.scope.service for gate in self._rules.values() if not gate.is_closed}

    def __iter__(self) -> Iterator[Gate]:
        return iter(self._rules.values())

    def __len__(self) -> int:
        return len(self._rules)

    def rule_of(self, scope: GateScope) -> Gate | None:
        """Return the rule with exactly this scope, or None."""
        return self._rules.get(scope)

    def holding(
        self, service: str, key: str | None, handler: str, deployment: str = "", *, accepted_at: float = _NOW
    ) -> list[Gate]:
        """Return the closed gates that hold an invocation with these properties, widest first; an empty list means that
        it may run. Without ``accepted_at``, the invocation is being accepted now. Edits are never held, because a gate
        may be closed to correct fields."""
        if self.are_none or is_system(service) or handler == EDIT:
            return []
        scopes = _scopes_of(service, key, handler, deployment)
        matching = [rule for scope in scopes if (rule := self._rules.get(scope)) is not None]
        return _unpierced([rule for rule in matching if rule.scope != BACKLOG or accepted_at < rule.since])

    def holding_invocation(self, state: ObjectState, invocation: InvocationState) -> list[Gate]:
        """Return the closed gates that hold this invocation, widest first."""
        return self.holding(
            state.service, state.key, invocation.handler, invocation.deployment, accepted_at=invocation.accepted_at
        )

    def holding_scope(self, scope: GateScope) -> Gate | None:
        """Return the widest gate that holds the scope: its own or one around it; None if no gate does. Narrower
        exceptions inside the scope do not count."""
        around = [rule for rule in self._rules.values() if rule.scope == scope or rule.scope.contains(scope)]
        held = _unpierced(sorted(around, key=lambda rule: _WIDTH[rule.scope.kind]))
        return held[0] if held else None

    def holds_all_of(self, service: str) -> bool:
        """Report whether every invocation of the service is held."""
        if is_system(service):
            return False
        wide = [self._rules.get(EVERYTHING), self._rules.get(GateScope(ScopeKind.SERVICE, service))]
        is_closed = any(rule is not None and rule.is_closed for rule in wide)
        return is_closed and not self._excepted & {service, ""}

    def let_through_more_as(self, after: Gates) -> bool:
        """Report whether an invocation that these rules hold may run under the rules ``after``."""
        closed, excepted = _scopes_by_state(self)
        closed_after, excepted_after = _scopes_by_state(after)
        return not closed <= closed_after or not excepted_after <= excepted

    def with_closed(self, gate: Gate) -> Gates:
        """Return the rules after closing a scope, which is then held as a whole. The rules stay the same if the scope
        was closed in the same mode already and the backlog has not grown."""
        kept = {scope: rule for scope, rule in self._rules.items() if rule.is_closed or not gate.scope.contains(scope)}
        own = kept.get(gate.scope)
        has_grown = own is not None and gate.scope == BACKLOG and gate.since > own.since
        if own is None or not own.is_closed or own.mode is not gate.mode or has_grown:
            kept[gate.scope] = gate
        return Gates(kept.values())

    def with_opened(self, exception: Gate) -> Gates:
        """Return the rules after opening a scope, which is then not held as a whole. Narrower closed gates stay closed."""
        rest = Gates(rule for rule in self._rules.values() if rule.scope != exception.scope or not rule.is_closed)
        if rest.holding_scope(exception.scope) is not None:
            rest = Gates([*rest, exception])
        return Gates(rule for rule in rest if rule.is_closed or rest._pierces(rule))

    def _pierces(self, exception: Gate) -> bool:
        return any(rule.is_closed and rule.scope.contains(exception.scope) for rule in self._rules.values())


NO_GATES = Gates()


def _scopes_by_state(gates: Gates) -> tuple[set[GateScope], set[GateScope]]:
    return {gate.scope for gate in gates if gate.is_closed}, {gate.scope for gate in gates if not gate.is_closed}


_WIDTH = {kind: position for position, kind in enumerate(ScopeKind)}


def _scopes_of(service: str, key: str | None, handler: str, deployment: str) -> Iterator[GateScope]:
    """Yield all scopes of an invocation, widest first."""
    yield EVERYTHING
    yield BACKLOG
    yield GateScope(ScopeKind.DEPLOYMENT, name=deployment)
    yield GateScope(ScopeKind.SERVICE, service)
    yield GateScope(ScopeKind.HANDLER, service, handler)
    if key is not None:
        yield GateScope(ScopeKind.KEY, service, key)


def _unpierced(matching: list[Gate]) -> list[Gate]:
    exceptions = [rule.scope for rule in matching if not rule.is_closed]
    return [gate for gate in matching if gate.is_closed and not any(map(gate.scope.contains, exceptions))]


def close_gate(gates: Gates, gate: Gate) -> tuple[Gates, GateChange]:
    """Close the gate's scope. Returns the new rules and the result."""
    return _changed(gates, gates.with_closed(gate), gate.scope)


def open_gate(gates: Gates, exception: Gate) -> tuple[Gates, GateChange]:
    """Open a scope; ``exception`` becomes its rule if a wider gate stays closed. Returns the new rules and the result."""
    return _changed(gates, gates.with_opened(exception), exception.scope)


def _changed(before: Gates, after: Gates, scope: GateScope) -> tuple[Gates, GateChange]:
    held_before, held_after = before.holding_scope(scope), after.holding_scope(scope)
    change = GateChange(
        scope=scope,
        changed=[*before] != [*after],
        before=GateState.OPEN if held_before is None else GateState.CLOSED,
        after=GateState.OPEN if held_after is None else GateState.CLOSED,
        gate=held_after,
    )
    return after, change
