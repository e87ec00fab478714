"""Reads the gates, the limits, the deployments, the notifications and the tokens from the registry's state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core.deployments import Deployments
from actors.core.gates import NO_GATES, Gates
from actors.model.classes import definition_of
from actors.system.registry import Registry

if TYPE_CHECKING:
    from actors.core.limits import Limit
    from actors.core.notifications import NotificationRule
    from actors.core.state import ObjectState
    from actors.core.tokens import TokenRecord


def deployments_of(registry: ObjectState | None) -> Deployments:
    """Return the deployments in the registry's state, which is None if the registry was never changed."""
    if registry is None:
        return Deployments()
    return Deployments(tuple(_field(registry, "deployments")), _field(registry, "latest"))


def gates_of(registry: ObjectState | None) -> Gates:
    """Return the gates in the registry's state, which is None if the registry was never changed."""
    return NO_GATES if registry is None else Gates(_field(registry, "gates"))


def limits_of(registry: ObjectState | None) -> tuple[Limit, ...]:
    """Return the limits in the registry's state, which is None if the registry was never changed."""
    return () if registry is None else tuple(_field(registry, "limits"))


def notifications_of(registry: ObjectState | None) -> tuple[NotificationRule, ...]:
    """Return the notifications in the registry's state, by name."""
    return () if registry is None else tuple(_field(registry, "notifications"))


def tokens_of(registry: ObjectState | None) -> tuple[TokenRecord, ...]:
    """Return the named tokens in the registry's state, oldest first."""
    return () if registry is None else tuple(_field(registry, "tokens"))


def draining_of(registry: ObjectState | None) -> frozenset[str]:
    """Return the names of the nodes that are to own nothing."""
    return frozenset() if registry is None else frozenset(_field(registry, "draining"))


def moves_of(registry: ObjectState | None) -> dict[int, str]:
    """Return the nodes that partitions were moved to."""
    return {} if registry is None else {move.partition: move.node for move in _field(registry, "moves")}


def _field(state: ObjectState, name: str) -> Any:
    field = definition_of(Registry).fields[name]
    data = state.fields.get(name)
    return field.make() if data is None else field.decode(data)
