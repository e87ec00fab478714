"""The registry as it is kept, from rows as of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core.deployments import Deployments
from actors.core.fold import fold
from actors.core.gates import NO_GATES, Gates
from actors.model.classes import definition_of
from actors.system.registry import Registry, registry_stream
from journal.log.streams import load_stream, read_head

if TYPE_CHECKING:
    from actors.core.state import ObjectState
    from journal.kv.store import Readable


def read_deployments(rows: Readable, partitions: int) -> Deployments:
    """What is registered, from rows as of one moment. Raises ``Damaged``."""
    return deployments_of(_read_registry(rows, partitions))


def read_gates(rows: Readable, partitions: int) -> Gates:
    """The gates, likewise."""
    return gates_of(_read_registry(rows, partitions))


def _read_registry(rows: Readable, partitions: int) -> ObjectState | None:
    stream = registry_stream()
    partition = stream % partitions
    stored = load_stream(rows, partition, stream, read_head(rows, partition, stream))
    return None if stored is None else fold(stream, stored)


def deployments_of(registry: ObjectState | None) -> Deployments:
    """What is registered, by the registry's state; None is one that was never changed."""
    if registry is None:
        return Deployments()
    return Deployments(tuple(_field(registry, "deployments")), _field(registry, "latest"))


def gates_of(registry: ObjectState | None) -> Gates:
    """The gates, likewise."""
    return NO_GATES if registry is None else Gates(_field(registry, "gates"))


def _field(state: ObjectState, name: str) -> Any:
    field = definition_of(Registry).fields[name]
    data = state.fields.get(name)
    return field.make() if data is None else field.decode(data)
