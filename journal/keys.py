"""Every key layout of the store, in one place, each with the order that it promises.

The first byte is the kind of the key and never gets another meaning. The partition is next, so that the owner of a partition
reads one contiguous range. Numbers are big endian, so that bytes sort as numbers do.
"""

from __future__ import annotations

import struct
from math import ceil
from typing import TYPE_CHECKING

from journal.ids import InvocationId, object_prefix

if TYPE_CHECKING:
    from journal.events import Status
    from journal.ids import StreamId

STORE = b"\x00store"
"""The only key outside the partitions: its value is the identity of the store (``rows.StoreIdentity``)."""

_PARTITION = struct.Struct(">cH")
_OF_STREAM = struct.Struct(">cHQ")
_IN_STREAM = struct.Struct(">cHQQ")
_DATED = struct.Struct(">cHQ")
_INDEX = struct.Struct(">Q")

_RECORD = b"e"
_HEAD = b"h"
_SNAPSHOT = b"s"
_INVOCATION = b"i"
_CREATED = b"c"
_OPEN = b"a"
_PURGE = b"p"
_OWING = b"o"
_ITEM = b"v"
_MESSAGE = b"l"
_DATED_MESSAGE = b"t"
_SEEN = b"d"
_SEEN_BY_TIME = b"D"
_PARTITION_STATE = b"m"
_PINNED = b"b"
_AUDIT = b"u"
_NAME = b"n"
_AWAITING = b"w"
_FAILED = b"f"
_COUNTER = b"k"
_TAG = b"g"
_OUTPUT = b"r"
_OUTPUT_HEAD = b"q"

_STATUS_BYTES = {
    "scheduled": b"\x01",
    "queued": b"\x02",
    "running": b"\x03",
    "suspended": b"\x04",
    "backing_off": b"\x05",
    "paused": b"\x06",
    "completed": b"\x07",
}


def object_name(partition: int, service: str, key: str) -> bytes:
    """Return the key that marks a keyed object as existing, ordered by service, then by the bytes of the object's key.
    The name of a service contains no NUL."""
    return object_names(partition, service) + key.encode()


def object_names(partition: int, service: str | None) -> bytes:
    """Return the prefix of the keys of all objects of a partition, or of one service."""
    prefix = _PARTITION.pack(_NAME, partition)
    return prefix if service is None else prefix + service.encode() + b"\x00"


def parts_of_object_name(key: bytes) -> tuple[str, str]:
    """Return the service and the key in an object's name."""
    service, _, name = key[_PARTITION.size :].partition(b"\x00")
    return service.decode(), name.decode()


def partition_state(partition: int) -> bytes:
    """Return the key of the partition's epoch and counters."""
    return _PARTITION.pack(_PARTITION_STATE, partition)


def record(partition: int, stream: StreamId, first_number: int) -> bytes:
    """Return the key of the events of one append, ordered by stream, then by number, so that scanning on from a key
    reads the stream in order."""
    return _IN_STREAM.pack(_RECORD, partition, stream, first_number)


def first_number_of(record_key: bytes) -> int:
    """Return the number of the first event under a record's key."""
    return int.from_bytes(record_key[-8:], "big")


def head(partition: int, stream: StreamId) -> bytes:
    """Return the key of a stream's head, ordered by stream."""
    return _OF_STREAM.pack(_HEAD, partition, stream)


def of_append(partition: int, stream: StreamId, first_number: int) -> tuple[bytes, bytes]:
    """Return the keys of an append: :func:`record` and :func:`head`."""
    return _IN_STREAM.pack(_RECORD, partition, stream, first_number), _OF_STREAM.pack(_HEAD, partition, stream)


def heads(partition: int) -> bytes:
    """Return the prefix of the heads of a partition."""
    return _PARTITION.pack(_HEAD, partition)


def stream_of_head(head_key: bytes) -> int:
    """Return the stream in a head's key."""
    return int.from_bytes(head_key[-8:], "big")


def snapshot(partition: int, stream: StreamId, number: int) -> bytes:
    """Return the key of an object's snapshot, ordered by stream, then by the number of the event."""
    return _IN_STREAM.pack(_SNAPSHOT, partition, stream, number)


def number_of_snapshot(key: bytes) -> int:
    """Return the number of the event in a snapshot's key."""
    return int.from_bytes(key[-8:], "big")


def invocation(partition: int, invocation_id: InvocationId) -> bytes:
    """Return the key of an invocation's row, ordered by object, then by age (except for ids that were made from an
    idempotency key)."""
    return _PARTITION.pack(_INVOCATION, partition) + invocation_id.encode()


def is_invocation(key: bytes) -> bool:
    """Report whether the key is that of an invocation's row."""
    return key.startswith(_INVOCATION)


def invocations(partition: int) -> bytes:
    """Return the prefix of the invocation rows of a partition."""
    return _PARTITION.pack(_INVOCATION, partition)


def invocations_of(partition: int, stream: StreamId) -> bytes:
    """Return the prefix of the invocation rows of an object."""
    return _PARTITION.pack(_INVOCATION, partition) + object_prefix(stream).encode()


def created(partition: int, at: float, invocation_id: InvocationId) -> bytes:
    """Return the index key of an invocation, ordered by the time of acceptance to the microsecond, then by id."""
    return _DATED.pack(_CREATED, partition, microseconds(at)) + invocation_id.encode()


def of_ended(
    partition: int, created_at: float, purge_at: float, invocation_id: InvocationId
) -> tuple[bytes, bytes, bytes]:
    """Return the keys of a completed invocation: :func:`invocation`, :func:`created` and :func:`purge`."""
    name = invocation_id.encode()
    if 0.0 <= created_at <= purge_at < _LAST_SECOND:
        created, due = ceil(created_at * 1e6), ceil(purge_at * 1e6)  # as microseconds() does
    else:
        created, due = microseconds(created_at), microseconds(purge_at)
    return (
        _PARTITION.pack(_INVOCATION, partition) + name,
        _DATED.pack(_CREATED, partition, created) + name,
        _DATED.pack(_PURGE, partition, due) + name,
    )


def created_prefix(partition: int) -> bytes:
    """Return the prefix of the index by time of acceptance."""
    return _PARTITION.pack(_CREATED, partition)


def created_from(partition: int, at: float) -> bytes:
    """Return the first possible key of invocations accepted at or after this time."""
    return _DATED.pack(_CREATED, partition, microseconds(at))


def created_behind(partition: int, at: float) -> bytes:
    """Return the first key after those of invocations accepted at or before this time."""
    return _DATED.pack(_CREATED, partition, microseconds(at) + 1)


def microsecond_of_created(key: bytes) -> int:
    """Return the time of acceptance in a key, in microseconds, rounded up."""
    return int.from_bytes(key[3:11], "big")


def open_by_status(partition: int, status: Status, invocation_id: InvocationId) -> bytes:
    """Return the index key of an open invocation, ordered by status, then as the invocation rows."""
    return _PARTITION.pack(_OPEN, partition) + _STATUS_BYTES[status.value] + invocation_id.encode()


def open_prefix(partition: int, status: Status) -> bytes:
    """Return the prefix of the open invocations with one status."""
    return _PARTITION.pack(_OPEN, partition) + _STATUS_BYTES[status.value]


def pinned(partition: int, deployment: str, invocation_id: InvocationId) -> bytes:
    """Return the index key of an open invocation, ordered by the deployment that it runs on. All ids of deployments
    have the same length."""
    return pinned_prefix(partition, deployment) + invocation_id.encode()


def pinned_prefix(partition: int, deployment: str) -> bytes:
    """Return the prefix of the open invocations on one deployment."""
    return _PARTITION.pack(_PINNED, partition) + deployment.encode()


def awaiting(partition: int, since: float, invocation_id: InvocationId) -> bytes:
    """Return the index key of an invocation that waits for a signal, ordered by the start of the wait to the
    microsecond, then by id."""
    return _DATED.pack(_AWAITING, partition, microseconds(since)) + invocation_id.encode()


def awaiting_prefix(partition: int) -> bytes:
    """Return the prefix of the invocations that wait for a signal."""
    return _PARTITION.pack(_AWAITING, partition)


def failed(partition: int, at: float, invocation_id: InvocationId) -> bytes:
    """Return the index key of an invocation that has failed, ordered by the time of its end to the microsecond, then by
    id."""
    return _DATED.pack(_FAILED, partition, microseconds(at)) + invocation_id.encode()


def failed_prefix(partition: int) -> bytes:
    """Return the prefix of the invocations that have failed."""
    return _PARTITION.pack(_FAILED, partition)


def failed_from(partition: int, at: float) -> bytes:
    """Return the first possible key of invocations that failed at or after this time."""
    return _DATED.pack(_FAILED, partition, microseconds(at))


def microseconds_of_failed(key: bytes) -> int:
    """Return the time of the end in a key of :func:`failed`, in microseconds, rounded up."""
    return int.from_bytes(key[3:11], "big")


def tag(partition: int, name: str, value: str, at: float, invocation_id: InvocationId) -> bytes:
    """Return the index key of a tag of an invocation, ordered by name, then by value, then by the time of acceptance to the
    microsecond, then by id. Neither the name nor the value contains a NUL."""
    return tag_prefix(partition, name, value) + _INDEX.pack(microseconds(at)) + invocation_id.encode()


def tag_prefix(partition: int, name: str | None = None, value: str | None = None) -> bytes:
    """Return the prefix of the tags of a partition, of those with this name, or of those with this name and value."""
    prefix = _PARTITION.pack(_TAG, partition)
    if name is None:
        return prefix
    prefix += name.encode() + b"\x00"
    return prefix if value is None else prefix + value.encode() + b"\x00"


def parts_of_tag(key: bytes) -> tuple[str, str]:
    """Return the name and the value in a key of :func:`tag`."""
    name, value = key[_PARTITION.size : -_INDEX.size - 39].split(b"\x00")
    return name.decode(), value.decode()


def microseconds_of_tag(key: bytes) -> int:
    """Return the time of acceptance in a key of :func:`tag`, in microseconds, rounded up."""
    return int.from_bytes(key[-46:-38], "big")


def counter(partition: int, group: bytes, *, by_signal: bool) -> bytes:
    """Return the key of the number of invocations in a group. The groups of those that wait for a signal, by the name of the
    signal, follow after all others: they may be many."""
    return counters(partition, by_signal=by_signal) + group


def counters(partition: int, *, by_signal: bool) -> bytes:
    """Return the prefix of the counters of a partition, one of two."""
    return _PARTITION.pack(_COUNTER, partition) + (b"\x01" if by_signal else b"\x00")


def group_of_counter(key: bytes) -> bytes:
    """Return the group in a counter's key."""
    return key[_PARTITION.size + 1 :]


def microseconds_of_awaiting(key: bytes) -> int:
    """Return the start of the wait in a key of :func:`awaiting`, in microseconds, rounded up."""
    return int.from_bytes(key[3:11], "big")


def purge(partition: int, due_at: float, invocation_id: InvocationId) -> bytes:
    """Return the index key of a completed invocation, ordered by the end of its retention."""
    return _DATED.pack(_PURGE, partition, microseconds(due_at)) + invocation_id.encode()


def purge_prefix(partition: int) -> bytes:
    """Return the prefix of the index by end of retention."""
    return _PARTITION.pack(_PURGE, partition)


def date_of_purge(key: bytes) -> float:
    """Return the end of a retention in a key, in wall seconds."""
    return int.from_bytes(key[3:11], "big") / 1e6


def id_at_end(key: bytes) -> str:
    """Return the invocation id at the end of an index key."""
    return key[-38:].decode()


def output(partition: int, of: InvocationId, first_position: int) -> bytes:
    """Return the key of a row of an invocation's output, ordered by object, invocation, then position."""
    return output_of(partition, of) + _INDEX.pack(first_position)


def output_of(partition: int, of: InvocationId) -> bytes:
    """Return the prefix of the rows of an invocation's output."""
    return _PARTITION.pack(_OUTPUT, partition) + of.encode()


def outputs(partition: int) -> bytes:
    """Return the prefix of the rows of the outputs of a partition."""
    return _PARTITION.pack(_OUTPUT, partition)


def position_of_output(key: bytes) -> int:
    """Return the position of the first entry of a row of an output."""
    return int.from_bytes(key[-8:], "big")


def invocation_of_output(key: bytes) -> InvocationId:
    """Return the invocation in the key of a row of its output."""
    return InvocationId(key[_PARTITION.size : -8].decode())


def output_head(partition: int, of: InvocationId) -> bytes:
    """Return the key of the head of an invocation's output, ordered by object, then by invocation."""
    return _PARTITION.pack(_OUTPUT_HEAD, partition) + of.encode()


def output_heads(partition: int) -> bytes:
    """Return the prefix of the heads of the outputs of a partition."""
    return _PARTITION.pack(_OUTPUT_HEAD, partition)


def output_heads_of(partition: int, stream: StreamId) -> bytes:
    """Return the prefix of the heads of the outputs of an object's invocations."""
    return _PARTITION.pack(_OUTPUT_HEAD, partition) + object_prefix(stream).encode()


def invocation_of_output_head(key: bytes) -> InvocationId:
    """Return the invocation in the key of the head of its output."""
    return InvocationId(key[_PARTITION.size :].decode())


def owing(partition: int, stream: StreamId) -> bytes:
    """Return the key that marks an object that recovery must load, ordered by stream. Its value is the name of the
    service."""
    return _OF_STREAM.pack(_OWING, partition, stream)


def owing_prefix(partition: int) -> bytes:
    """Return the prefix of the objects that recovery must load."""
    return _PARTITION.pack(_OWING, partition)


def stream_of_owing(key: bytes) -> int:
    """Return the stream in a key of :func:`owing`."""
    return int.from_bytes(key[-8:], "big")


def log_item(partition: int, stream: StreamId, field: str, index: int) -> bytes:
    """Return the key of an item of a ``Log`` field, ordered by object, field, index."""
    return items(partition, stream, field) + _INDEX.pack(index)


def map_item(partition: int, stream: StreamId, field: str, key: bytes) -> bytes:
    """Return the key of an item of a ``Map`` field, ordered by object, field, then by the bytes of the item's key."""
    return items(partition, stream, field) + key


def stream_of_record(record_key: bytes) -> int:
    """Return the stream in a record's key."""
    return int.from_bytes(record_key[3:11], "big")


def records(partition: int) -> bytes:
    """Return the prefix of the records of a partition."""
    return _PARTITION.pack(_RECORD, partition)


def records_of(partition: int, stream: StreamId) -> bytes:
    """Return the prefix of the records of a stream."""
    return _OF_STREAM.pack(_RECORD, partition, stream)


def field_of_item(item_key: bytes) -> tuple[str, bytes]:
    """Return the field in an item's key, and the rest of the key: an index or a map's key."""
    field, _, rest = item_key[11:].partition(b"\x00")
    return field.decode(), rest


def items(partition: int, stream: StreamId, field: str) -> bytes:
    """Return the prefix of the items of a field. The name of a field is an identifier, so a NUL ends it."""
    return _OF_STREAM.pack(_ITEM, partition, stream) + field.encode() + b"\x00"


def all_items(partition: int) -> bytes:
    """Return the prefix of the items of a partition."""
    return _PARTITION.pack(_ITEM, partition)


def stream_of_item(item_key: bytes) -> int:
    """Return the stream in an item's key."""
    return int.from_bytes(item_key[3:11], "big")


def index_of_item(item_key: bytes) -> int:
    """Return the index in the key of a ``Log`` item."""
    return int.from_bytes(item_key[-8:], "big")


def items_of_object(partition: int, stream: StreamId) -> bytes:
    """Return the prefix of the items of an object."""
    return _OF_STREAM.pack(_ITEM, partition, stream)


def message(partition: int, arrival: int) -> bytes:
    """Return the key of a message without a due time, ordered by arrival."""
    return _DATED.pack(_MESSAGE, partition, arrival)


def messages(partition: int) -> bytes:
    """Return the prefix of the messages without a due time."""
    return _PARTITION.pack(_MESSAGE, partition)


def arrival_of_message(key: bytes) -> int:
    """Return the arrival number in the key of a message without a due time."""
    return int.from_bytes(key[3:11], "big")


def dated_message(partition: int, at: float, message_id: str) -> bytes:
    """Return the key of a message with a due time, ordered by that time to the microsecond, then by id."""
    return _DATED.pack(_DATED_MESSAGE, partition, microseconds(at)) + message_id.encode()


def dated_messages(partition: int) -> bytes:
    """Return the prefix of the messages with a due time."""
    return _PARTITION.pack(_DATED_MESSAGE, partition)


def has_date(message_key: bytes) -> bool:
    """Report whether the key is that of a message with a due time."""
    return message_key.startswith(_DATED_MESSAGE)


def date_of_message(key: bytes) -> float:
    """Return the due time in the key of a message, in wall seconds."""
    return int.from_bytes(key[3:11], "big") / 1e6


def id_of_dated_message(key: bytes) -> str:
    """Return the id in the key of a message with a due time."""
    return key[11:].decode()


def seen(partition: int, message_id: str) -> bytes:
    """Return the key that records the arrival of a message without a due time, so that a repetition is recognised;
    ordered by id."""
    return _PARTITION.pack(_SEEN, partition) + message_id.encode()


def seen_by_time(partition: int, at: float, message_id: str) -> bytes:
    """Return the index key of an arrived message, ordered by time of arrival, so that old ids are forgotten in order."""
    return _DATED.pack(_SEEN_BY_TIME, partition, microseconds(at)) + message_id.encode()


def seen_by_time_prefix(partition: int) -> bytes:
    """Return the prefix of the index of arrived messages by time."""
    return _PARTITION.pack(_SEEN_BY_TIME, partition)


def microseconds_of_seen(key: bytes) -> int:
    """Return the time of arrival in a key, in microseconds."""
    return int.from_bytes(key[3:11], "big")


def date_of_seen(key: bytes) -> float:
    """Return the time of arrival in a key, in wall seconds."""
    return microseconds_of_seen(key) / 1e6


def message_id_of_seen(key: bytes) -> str:
    """Return the message id in a key of :func:`seen_by_time`."""
    return key[11:].decode()


def audit(partition: int, number: int) -> bytes:
    """Return the key of a row of the audit log, ordered by number and not by time: setting back a clock must not change
    the order of the chain."""
    return _DATED.pack(_AUDIT, partition, number)


def audit_prefix(partition: int) -> bytes:
    """Return the prefix of the audit log of a partition."""
    return _PARTITION.pack(_AUDIT, partition)


def after_prefix(prefix: bytes) -> bytes:
    """Return the first key after all keys with the prefix."""
    number = int.from_bytes(prefix, "big") + 1
    return number.to_bytes(len(prefix), "big")


_LAST_MICROSECOND = 2**63 - 1
_LAST_SECOND = _LAST_MICROSECOND / 1e6


def microseconds(at: float) -> int:
    """Return a time in wall seconds as the microseconds that keys contain, rounded up so that nothing is due early.
    Times before 1970 become 0.

    A time too large to be stored, including infinity, becomes the last one, which never comes.
    """
    return _LAST_MICROSECOND if at >= _LAST_SECOND else max(0, ceil(at * 1e6))
