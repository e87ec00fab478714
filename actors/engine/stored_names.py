"""Looks up which names are in use on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal import invocation_keys, keys
from journal.ids import stream_of, stream_of_invocation

if TYPE_CHECKING:
    from journal.ids import InvocationId
    from journal.log.protocol import Journal


class StoredNames:
    """Looks for stored objects and invocations (:class:`actors.model.definitions.NameLookup`)."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def has_objects(self, service: str) -> bool:
        prefixes = (keys.object_names(partition, service) for partition in range(self._journal.partitions))
        return any(self._journal.scan(prefix, keys.after_prefix(prefix), limit=1) for prefix in prefixes)

    def has_object(self, service: str, key: str) -> bool:
        partition = stream_of(service, key) % self._journal.partitions
        return self._journal.get(keys.object_name(partition, service, key)) is not None

    def has_invocation(self, of: InvocationId) -> bool:
        partition = stream_of_invocation(of) % self._journal.partitions
        return self._journal.get(invocation_keys.invocation(partition, of)) is not None
