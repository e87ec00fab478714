"""The requests between objects that belong in the batch that is forming, in order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from actors.core import effects as f
from actors.engine.requests import ObjectRequest

if TYPE_CHECKING:
    from actors.engine.loaded_object import LoadedObject
    from journal.ids import StreamId

Delivery: TypeAlias = ObjectRequest | f.StopSentInvocations | f.CopyHistory | f.EraseHistory


class Deliveries:
    """A queue of requests, with an index by object."""

    __slots__ = ("_others", "_to", "queue")

    def __init__(self) -> None:
        self.queue: deque[tuple[LoadedObject, Delivery]] = deque()
        """The requests with the objects that they are from, to be looked at."""
        self._to: dict[StreamId, int] = {}
        self._others = 0

    def add(self, source: LoadedObject, delivery: Delivery) -> None:
        """Add a request by this object, or an effect on its history."""
        self.queue.append((source, delivery))
        if isinstance(delivery, ObjectRequest):
            to = self._to
            to[delivery.to] = to.get(delivery.to, 0) + 1
        else:
            self._others += 1

    def take(self) -> tuple[LoadedObject, Delivery]:
        """Remove the first."""
        found = self.queue.popleft()
        delivery = found[1]
        if isinstance(delivery, ObjectRequest):
            left = self._to.pop(delivery.to) - 1
            if left:
                self._to[delivery.to] = left
        else:
            self._others -= 1
        return found

    def has_one_for(self, stream: StreamId) -> bool:
        """Report whether a request is, or may be, for this object. The requests that an effect on a history causes are not known in advance."""
        return self._others > 0 or stream in self._to
