"""The interface between a replicated journal and the system that replicates it. ::

    partition 0   [1][2][3][4]          append(0, after=4, …) ──► 5
                             └── the last entry; append(0, after=3, …) is refused with Superseded

A log accepts an entry only directly after the entry that its writer names as the last one. No other fencing is needed: a claim of a
partition is an entry too, so the next entry of an earlier owner is refused, whatever that owner believes about time. NATS (expected
last sequence), PostgreSQL (a primary key), object stores (put if absent) and etcd (a transaction) all offer it.

Prior art: the shared log of Corfu and Delos, and the conditional append of Restate's Bifrost. Alternative refused: a lease. Its safety
depends on clocks and on pauses of processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from journal.errors import JournalError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal.kv.store import Durability


class Superseded(JournalError):
    """The entry that was named as the last one is not the last one. Nothing was written."""

    def __init__(self, partition: int, after: int) -> None:
        super().__init__(
            f"partition {partition}: entry {after} is not the last entry of the log; another node has written"
        )
        self.partition = partition
        self.after = after


class LogUnusable(Unavailable):
    """The log cannot be used as it is set up: it would lose what it has acknowledged, it does not give the access that is needed, or
    another version wrote it. Retrying does not help until an operator changes that."""


@attrs.frozen
class PostedMessage:
    """A message in the post box of a partition. ``token`` is the log's own name for it."""

    token: int
    data: bytes


class ReplicatedLog(Protocol):
    """The logs of all partitions, and a post box for each. Entries of a partition are numbered 1, 2, 3 …

    A method raises :class:`journal.errors.Unavailable` if nothing was read or written, and :class:`journal.errors.InDoubt` if it is
    unknown whether something was written.
    """

    durability: Durability
    largest: int
    """The most bytes that an entry may have."""

    async def identify(self, identity: bytes) -> bytes:
        """Store the identity if the log has none yet, and return the log's identity."""
        ...

    async def append(self, partition: int, after: int, data: bytes) -> None:
        """Write entry ``after + 1``, and return when it is durable. Cannot be cancelled once it has begun.

        Raises :class:`Superseded` unless ``after`` is the number of the last entry.
        """
        ...

    async def read(self, partition: int, after: int) -> Sequence[bytes]:
        """Return some entries from number ``after + 1`` on, in order and without a gap; none if there are none. Raises
        :class:`LogTrimmed` if that entry was trimmed."""
        ...

    async def wait(self, partition: int, after: int) -> None:
        """Return when there may be an entry after ``after``. May return without a reason, and returns from time to time in any case."""
        ...

    async def trim(self, partition: int, before: int) -> None:
        """Remove the entries whose numbers are below ``before``, the earliest first. The last entry of the log stays in any case."""
        ...

    async def bytes_after(self, partition: int, after: int) -> int:
        """Return the bytes of the entries behind number ``after``."""
        ...

    async def post(self, partition: int, message_id: str, data: bytes) -> None:
        """Put a message into the post box of a partition, and return when it is durable. A message whose id waits in the box is not
        put a second time."""
        ...

    async def posted(self, partition: int) -> Sequence[PostedMessage]:
        """Return the first messages of a post box, in their order; none if there are none."""
        ...

    async def wait_for_post(self, partition: int) -> None:
        """Return when there may be a message in the post box. May return without a reason, and returns at times in any case."""
        ...

    async def remove_posted(self, partition: int, tokens: Sequence[int]) -> None:
        """Remove messages from a post box. Missing ones are ignored."""
        ...
