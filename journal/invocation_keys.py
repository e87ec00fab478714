"""The keys of the rows of invocations, of the indexes over these rows, and of the counters, each with the order that it promises.

:mod:`journal.keys` has the kinds of all keys, and the layout of the others.
"""

from __future__ import annotations

import struct
from math import ceil
from typing import TYPE_CHECKING

from journal.ids import object_prefix
from journal.keys import (
    AWAITING,
    COUNTER,
    CREATED,
    DATED,
    FAILED,
    INDEX,
    INVOCATION,
    LAST_SECOND,
    OPEN,
    PARTITION,
    PINNED,
    PURGE,
    TAG,
    microseconds,
)

if TYPE_CHECKING:
    from journal.events import Status
    from journal.ids import InvocationId, StreamId

_STATUS_BYTES = {
    "scheduled": b"\x01",
    "queued": b"\x02",
    "running": b"\x03",
    "suspended": b"\x04",
    "backing_off": b"\x05",
    "paused": b"\x06",
    "completed": b"\x07",
}


_OF_ID = struct.Struct(">cH38s")
_DATED_ID = struct.Struct(">cHQ38s")


def invocation(partition: int, invocation_id: InvocationId) -> bytes:
    """Return the key of an invocation's row, ordered by object, then by age (except for ids that were made from an
    idempotency key)."""
    return PARTITION.pack(INVOCATION, partition) + invocation_id.encode()


def is_invocation(key: bytes) -> bool:
    """Report whether the key is that of an invocation's row."""
    return key.startswith(INVOCATION)


def invocations(partition: int) -> bytes:
    """Return the prefix of the invocation rows of a partition."""
    return PARTITION.pack(INVOCATION, partition)


def invocations_of(partition: int, stream: StreamId) -> bytes:
    """Return the prefix of the invocation rows of an object."""
    return PARTITION.pack(INVOCATION, partition) + object_prefix(stream).encode()


def created(partition: int, at: float, invocation_id: InvocationId) -> bytes:
    """Return the index key of an invocation, ordered by the time of acceptance to the microsecond, then by id."""
    return DATED.pack(CREATED, partition, microseconds(at)) + invocation_id.encode()


def of_ended(
    partition: int, created_at: float, purge_at: float, invocation_id: InvocationId
) -> tuple[bytes, bytes, bytes]:
    """Return the keys of a completed invocation: :func:`invocation`, :func:`created` and :func:`purge`."""
    name, pack = invocation_id.encode(), _DATED_ID.pack
    if 0.0 <= created_at <= purge_at < LAST_SECOND:
        created, due = ceil(created_at * 1e6), ceil(purge_at * 1e6)  # as microseconds() does
        created, due = created + (created / 1e6 < created_at), due + (due / 1e6 < purge_at)
    else:
        created, due = microseconds(created_at), microseconds(purge_at)
    return (
        _OF_ID.pack(INVOCATION, partition, name),
        pack(CREATED, partition, created, name),
        pack(PURGE, partition, due, name),
    )


def created_prefix(partition: int) -> bytes:
    """Return the prefix of the index by time of acceptance."""
    return PARTITION.pack(CREATED, partition)


def created_from(partition: int, at: float) -> bytes:
    """Return the first possible key of invocations accepted at or after this time."""
    return DATED.pack(CREATED, partition, microseconds(at))


def created_behind(partition: int, at: float) -> bytes:
    """Return the first key after those of invocations accepted at or before this time."""
    return DATED.pack(CREATED, partition, microseconds(at) + 1)


def microsecond_of_created(key: bytes) -> int:
    """Return the time of acceptance in a key, in microseconds, rounded up."""
    return int.from_bytes(key[3:11], "big")


def open_by_status(partition: int, status: Status, invocation_id: InvocationId) -> bytes:
    """Return the index key of an open invocation, ordered by status, then as the invocation rows."""
    return PARTITION.pack(OPEN, partition) + _STATUS_BYTES[status.value] + invocation_id.encode()


def open_prefix(partition: int, status: Status) -> bytes:
    """Return the prefix of the open invocations with one status."""
    return PARTITION.pack(OPEN, partition) + _STATUS_BYTES[status.value]


def pinned(partition: int, deployment: str, invocation_id: InvocationId) -> bytes:
    """Return the index key of an open invocation, ordered by the deployment that it runs on. All ids of deployments
    have the same length."""
    return pinned_prefix(partition, deployment) + invocation_id.encode()


def pinned_prefix(partition: int, deployment: str) -> bytes:
    """Return the prefix of the open invocations on one deployment."""
    return PARTITION.pack(PINNED, partition) + deployment.encode()


def awaiting(partition: int, since: float, invocation_id: InvocationId) -> bytes:
    """Return the index key of an invocation that waits for a signal, ordered by the start of the wait to the
    microsecond, then by id."""
    return DATED.pack(AWAITING, partition, microseconds(since)) + invocation_id.encode()


def awaiting_prefix(partition: int) -> bytes:
    """Return the prefix of the invocations that wait for a signal."""
    return PARTITION.pack(AWAITING, partition)


def microseconds_of_awaiting(key: bytes) -> int:
    """Return the start of the wait in a key of :func:`awaiting`, in microseconds, rounded up."""
    return int.from_bytes(key[3:11], "big")


def failed(partition: int, at: float, invocation_id: InvocationId) -> bytes:
    """Return the index key of an invocation that has failed, ordered by the time of its end to the microsecond, then by
    id."""
    return DATED.pack(FAILED, partition, microseconds(at)) + invocation_id.encode()


def failed_prefix(partition: int) -> bytes:
    """Return the prefix of the invocations that have failed."""
    return PARTITION.pack(FAILED, partition)


def failed_from(partition: int, at: float) -> bytes:
    """Return the first possible key of invocations that failed at or after this time."""
    return DATED.pack(FAILED, partition, microseconds(at))


def microseconds_of_failed(key: bytes) -> int:
    """Return the time of the end in a key of :func:`failed`, in microseconds, rounded up."""
    return int.from_bytes(key[3:11], "big")


def tag(partition: int, name: str, value: str, at: float, invocation_id: InvocationId) -> bytes:
    """Return the index key of a tag of an invocation, ordered by name, then by value, then by the time of acceptance to the
    microsecond, then by id. Neither the name nor the value contains a NUL."""
    return tag_prefix(partition, name, value) + INDEX.pack(microseconds(at)) + invocation_id.encode()


def tag_prefix(partition: int, name: str | None = None, value: str | None = None) -> bytes:
    """Return the prefix of the tags of a partition, of those with this name, or of those with this name and value."""
    prefix = PARTITION.pack(TAG, partition)
    if name is None:
        return prefix
    prefix += name.encode() + b"\x00"
    return prefix if value is None else prefix + value.encode() + b"\x00"


def tag_behind(partition: int, name: str, value: str, at: float) -> bytes:
    """Return the first key after those of invocations with this tag that were accepted at or before this time."""
    return tag_prefix(partition, name, value) + INDEX.pack(microseconds(at) + 1)


def parts_of_tag(key: bytes) -> tuple[str, str]:
    """Return the name and the value in a key of :func:`tag`."""
    name, value = key[PARTITION.size : -INDEX.size - 39].split(b"\x00")
    return name.decode(), value.decode()


def microseconds_of_tag(key: bytes) -> int:
    """Return the time of acceptance in a key of :func:`tag`, in microseconds, rounded up."""
    return int.from_bytes(key[-46:-38], "big")


def counter(partition: int, group: bytes, *, by_signal: bool) -> bytes:
    """Return the key of the number of invocations in a group. The groups of invocations that wait for a signal, by the name of the
    signal, follow after all others: they may be many."""
    return counters(partition, by_signal=by_signal) + group


def counters(partition: int, *, by_signal: bool) -> bytes:
    """Return the prefix of the counters of a partition, one of two."""
    return PARTITION.pack(COUNTER, partition) + (b"\x01" if by_signal else b"\x00")


def group_of_counter(key: bytes) -> bytes:
    """Return the group in a counter's key."""
    return key[PARTITION.size + 1 :]


def purge(partition: int, due_at: float, invocation_id: InvocationId) -> bytes:
    """Return the index key of a completed invocation, ordered by the end of its retention."""
    return DATED.pack(PURGE, partition, microseconds(due_at)) + invocation_id.encode()


def purge_prefix(partition: int) -> bytes:
    """Return the prefix of the index by end of retention."""
    return PARTITION.pack(PURGE, partition)


def date_of_purge(key: bytes) -> float:
    """Return the end of a retention in a key, in wall seconds."""
    return int.from_bytes(key[3:11], "big") / 1e6


def id_at_end(key: bytes) -> str:
    """Return the invocation id at the end of an index key."""
    return key[-38:].decode()
