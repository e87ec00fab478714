"""Every key layout of the store, in one place, each with the order it promises.

The first byte says what a key is and is never given another meaning. The partition comes next, so that the owner of one
partition reads a contiguous piece. Numbers are big endian, so that bytes sort as numbers do.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from journal.ids import object_prefix

if TYPE_CHECKING:
    from journal.events import Status
    from journal.ids import InvocationId, StreamId

STORE = b"\x00store"
"""One key: what the store is (``rows.StoreIdentity``)."""

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
    """That a keyed object is there. By service, then by the bytes of the key. A service's name holds no NUL."""
    return object_names(partition, service) + key.encode()


def object_names(partition: int, service: str | None) -> bytes:
    """The prefix of the objects of a partition, or of one service's."""
    prefix = _PARTITION.pack(_NAME, partition)
    return prefix if service is None else prefix + service.encode() + b"\x00"


def parts_of_object_name(key: bytes) -> tuple[str, str]:
    """The service and the key that an object's name holds."""
    service, _, name = key[_PARTITION.size :].partition(b"\x00")
    return service.decode(), name.decode()


def partition_state(partition: int) -> bytes:
    """One key: epoch and counters of the partition."""
    return _PARTITION.pack(_PARTITION_STATE, partition)


def record(partition: int, stream: StreamId, first_number: int) -> bytes:
    """Events of one append. By stream, then by number: reading on from a key reads the stream in order."""
    return _IN_STREAM.pack(_RECORD, partition, stream, first_number)


def first_number_of(record_key: bytes) -> int:
    """The number of the first event under a record's key."""
    return int.from_bytes(record_key[-8:], "big")


def head(partition: int, stream: StreamId) -> bytes:
    """How far a stream goes. By stream."""
    return _OF_STREAM.pack(_HEAD, partition, stream)


def heads(partition: int) -> bytes:
    """The prefix of every head of a partition."""
    return _PARTITION.pack(_HEAD, partition)


def stream_of_head(head_key: bytes) -> int:
    """The stream that a head's key names."""
    return int.from_bytes(head_key[-8:], "big")


def snapshot(partition: int, stream: StreamId, number: int) -> bytes:
    """An object as of an event. By stream, then by the event's number."""
    return _IN_STREAM.pack(_SNAPSHOT, partition, stream, number)


def number_of_snapshot(key: bytes) -> int:
    """The number of the event that a snapshot is as of."""
    return int.from_bytes(key[-8:], "big")


def invocation(partition: int, invocation_id: InvocationId) -> bytes:
    """What is known of an invocation. By object, and within one by age (but for ids made from a request's key)."""
    return _PARTITION.pack(_INVOCATION, partition) + invocation_id.encode()


def is_invocation(key: bytes) -> bool:
    """Whether the key is that of an invocation's row."""
    return key.startswith(_INVOCATION)


def invocations(partition: int) -> bytes:
    """The prefix of every invocation's row of a partition."""
    return _PARTITION.pack(_INVOCATION, partition)


def invocations_of(partition: int, stream: StreamId) -> bytes:
    """The prefix of the rows of one object's invocations."""
    return _PARTITION.pack(_INVOCATION, partition) + object_prefix(stream).encode()


def created(partition: int, at: float, invocation_id: InvocationId) -> bytes:
    """Invocations by the time they were accepted, to the microsecond, then by id."""
    return _DATED.pack(_CREATED, partition, microseconds(at)) + invocation_id.encode()


def created_prefix(partition: int) -> bytes:
    """The prefix of the index by time."""
    return _PARTITION.pack(_CREATED, partition)


def created_from(partition: int, at: float) -> bytes:
    """Where the invocations accepted at or after this time begin in the index by time."""
    return _DATED.pack(_CREATED, partition, microseconds(at))


def created_behind(partition: int, at: float) -> bytes:
    """Where the invocations accepted at or before this time end in the index by time."""
    return _DATED.pack(_CREATED, partition, microseconds(at) + 1)


def microsecond_of_created(key: bytes) -> int:
    """When an invocation was accepted, from its key in the index by time; microseconds, rounded up."""
    return int.from_bytes(key[3:11], "big")


def open_by_status(partition: int, status: Status, invocation_id: InvocationId) -> bytes:
    """Invocations that have not ended, by status, then as the invocation rows."""
    return _PARTITION.pack(_OPEN, partition) + _STATUS_BYTES[status.value] + invocation_id.encode()


def open_prefix(partition: int, status: Status) -> bytes:
    """The prefix of the open invocations of one status."""
    return _PARTITION.pack(_OPEN, partition) + _STATUS_BYTES[status.value]


def pinned(partition: int, deployment: str, invocation_id: InvocationId) -> bytes:
    """Invocations that have not ended, by the deployment that they run on. Those of one have names of one length."""
    return pinned_prefix(partition, deployment) + invocation_id.encode()


def pinned_prefix(partition: int, deployment: str) -> bytes:
    """The prefix of the open invocations of one deployment."""
    return _PARTITION.pack(_PINNED, partition) + deployment.encode()


def awaiting(partition: int, since: float, invocation_id: InvocationId) -> bytes:
    """Invocations that wait for a signal, by the time since when they do, to the microsecond, then by id."""
    return _DATED.pack(_AWAITING, partition, microseconds(since)) + invocation_id.encode()


def awaiting_prefix(partition: int) -> bytes:
    """The prefix of the invocations that wait for a signal."""
    return _PARTITION.pack(_AWAITING, partition)


def purge(partition: int, due_at: float, invocation_id: InvocationId) -> bytes:
    """Ended invocations by the time when their retention is over."""
    return _DATED.pack(_PURGE, partition, microseconds(due_at)) + invocation_id.encode()


def purge_prefix(partition: int) -> bytes:
    """The prefix of the index by end of retention."""
    return _PARTITION.pack(_PURGE, partition)


def date_of_purge(key: bytes) -> float:
    """When a retention is over, from its key; seconds."""
    return int.from_bytes(key[3:11], "big") / 1e6


def id_at_end(key: bytes) -> str:
    """The invocation id that a key of an index ends with."""
    return key[-38:].decode()


def owing(partition: int, stream: StreamId) -> bytes:
    """Objects that have something to do without being asked, by stream; under it the name of the service. All that a start
    must look at."""
    return _OF_STREAM.pack(_OWING, partition, stream)


def owing_prefix(partition: int) -> bytes:
    """The prefix of the owing objects of a partition."""
    return _PARTITION.pack(_OWING, partition)


def stream_of_owing(key: bytes) -> int:
    """The stream that an owing object's key names."""
    return int.from_bytes(key[-8:], "big")


def log_item(partition: int, stream: StreamId, field: str, index: int) -> bytes:
    """An item of a ``Log`` field. By object, field, index."""
    return items(partition, stream, field) + _INDEX.pack(index)


def map_item(partition: int, stream: StreamId, field: str, key: bytes) -> bytes:
    """An item of a ``Map`` field. By object, field, then by the bytes of the item's key."""
    return items(partition, stream, field) + key


def stream_of_record(record_key: bytes) -> int:
    """The stream that a record belongs to."""
    return int.from_bytes(record_key[3:11], "big")


def records(partition: int) -> bytes:
    """The prefix of every record of a partition."""
    return _PARTITION.pack(_RECORD, partition)


def records_of(partition: int, stream: StreamId) -> bytes:
    """The prefix of every record of a stream."""
    return _OF_STREAM.pack(_RECORD, partition, stream)


def field_of_item(item_key: bytes) -> tuple[str, bytes]:
    """The field that an item belongs to, and the rest of its key: an index or a map's key."""
    field, _, rest = item_key[11:].partition(b"\x00")
    return field.decode(), rest


def items(partition: int, stream: StreamId, field: str) -> bytes:
    """The prefix of all items of a field. A field's name is an identifier, so a NUL ends it."""
    return _OF_STREAM.pack(_ITEM, partition, stream) + field.encode() + b"\x00"


def all_items(partition: int) -> bytes:
    """The prefix of all items of all objects of a partition."""
    return _PARTITION.pack(_ITEM, partition)


def stream_of_item(item_key: bytes) -> int:
    """The stream of the object that an item belongs to."""
    return int.from_bytes(item_key[3:11], "big")


def index_of_item(item_key: bytes) -> int:
    """The index of an item of a ``Log``."""
    return int.from_bytes(item_key[-8:], "big")


def items_of_object(partition: int, stream: StreamId) -> bytes:
    """The prefix of all items of all fields of an object."""
    return _OF_STREAM.pack(_ITEM, partition, stream)


def message(partition: int, arrival: int) -> bytes:
    """A letter without a date, in the order of arrival."""
    return _DATED.pack(_MESSAGE, partition, arrival)


def messages(partition: int) -> bytes:
    """The prefix of the letters without a date."""
    return _PARTITION.pack(_MESSAGE, partition)


def arrival_of_message(key: bytes) -> int:
    """The number that a letter without a date got when it came, from its key."""
    return int.from_bytes(key[3:11], "big")


def dated_message(partition: int, at: float, message_id: str) -> bytes:
    """A letter with a date: by date to the microsecond, then by id."""
    return _DATED.pack(_DATED_MESSAGE, partition, microseconds(at)) + message_id.encode()


def dated_messages(partition: int) -> bytes:
    """The prefix of the letters with a date."""
    return _PARTITION.pack(_DATED_MESSAGE, partition)


def has_date(message_key: bytes) -> bool:
    """Whether the key is that of a letter with a date."""
    return message_key.startswith(_DATED_MESSAGE)


def date_of_message(key: bytes) -> float:
    """When a dated letter is due, from its key; seconds."""
    return int.from_bytes(key[3:11], "big") / 1e6


def id_of_dated_message(key: bytes) -> str:
    """The id of a letter with a date, from its key."""
    return key[11:].decode()


def seen(partition: int, message_id: str) -> bytes:
    """That a letter without a date has come, so that it comes once. By id."""
    return _PARTITION.pack(_SEEN, partition) + message_id.encode()


def seen_by_time(partition: int, at: float, message_id: str) -> bytes:
    """The same by the time it came, so that it can be forgotten in order."""
    return _DATED.pack(_SEEN_BY_TIME, partition, microseconds(at)) + message_id.encode()


def seen_by_time_prefix(partition: int) -> bytes:
    """The prefix of the letters seen, by time."""
    return _PARTITION.pack(_SEEN_BY_TIME, partition)


def microseconds_of_seen(key: bytes) -> int:
    """When a letter was seen, from its key in the index by time."""
    return int.from_bytes(key[3:11], "big")


def date_of_seen(key: bytes) -> float:
    """The same in seconds."""
    return microseconds_of_seen(key) / 1e6


def message_id_of_seen(key: bytes) -> str:
    """The letter's id in the index by time."""
    return key[11:].decode()


def audit(partition: int, number: int) -> bytes:
    """A row of the audit. By number, not by date: a clock that is set back must not change the order of the chain."""
    return _DATED.pack(_AUDIT, partition, number)


def audit_prefix(partition: int) -> bytes:
    """The prefix of the audit of a partition."""
    return _PARTITION.pack(_AUDIT, partition)


def after_prefix(prefix: bytes) -> bytes:
    """The first key behind all that begin with the prefix."""
    number = int.from_bytes(prefix, "big") + 1
    return number.to_bytes(len(prefix), "big")


_LAST_MICROSECOND = 2**63 - 1


def microseconds(at: float) -> int:
    """A date as it stands in keys; dates before 1970 sort as 1970. Rounded up, so that nothing is due early.

    What lies behind the last date that fits, infinity too, stands there: it never comes.
    """
    return _LAST_MICROSECOND if at >= _LAST_MICROSECOND / 1e6 else max(0, -int(-at * 1e6 // 1))
