"""The layout of every key of the store, each with the order that it promises. The keys of invocations are in
:mod:`journal.invocation_keys`.

The first byte is the kind of the key and never gets another meaning. The partition is next, so that the owner of a partition
reads one contiguous range. Numbers are big endian, so that bytes sort as numbers do.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from math import ceil

from journal.ids import InvocationId, StreamId, object_prefix

STORE = b"\x00store"
"""The only key outside the partitions: its value is the identity of the store (``rows.StoreIdentity``)."""

PARTITION = struct.Struct(">cH")
_OF_STREAM = struct.Struct(">cHQ")
_FROM_PARTITION = struct.Struct(">cHHQ")
_IN_STREAM = struct.Struct(">cHQQ")
DATED = struct.Struct(">cHQ")
INDEX = struct.Struct(">Q")

# The kinds of all keys, also of those in journal.invocation_keys: a new kind takes a byte that is not here.
_RECORD = b"e"
_HEAD = b"h"
_SNAPSHOT = b"s"
INVOCATION = b"i"
CREATED = b"c"
OPEN = b"a"
PURGE = b"p"
_OWING = b"o"
_ITEM = b"v"
_MESSAGE = b"l"
_DATED_MESSAGE = b"t"
_SEEN = b"d"
_SEEN_BY_TIME = b"D"
_PARTITION_STATE = b"m"
PINNED = b"b"
_AUDIT = b"u"
_NAME = b"n"
AWAITING = b"w"
FAILED = b"f"
COUNTER = b"k"
TAG = b"g"
_OUTPUT = b"r"
_OUTPUT_HEAD = b"q"
_COUNTED_START = b"y"
_APPLIED = b"z"
_OUTGOING = b"x"
_TAKEN = b"X"
_SPENT = b"j"


def object_name(partition: int, service: str, key: str) -> bytes:
    """Return the key that marks a keyed object as existing, ordered by service, then by the bytes of the object's key.
    The name of a service contains no NUL."""
    return object_names(partition, service) + key.encode()


def object_names(partition: int, service: str | None) -> bytes:
    """Return the prefix of the keys of all objects of a partition, or of one service."""
    prefix = PARTITION.pack(_NAME, partition)
    return prefix if service is None else prefix + service.encode() + b"\x00"


def parts_of_object_name(key: bytes) -> tuple[str, str]:
    """Return the service and the key in an object's name."""
    service, _, name = key[PARTITION.size :].partition(b"\x00")
    return service.decode(), name.decode()


def partition_state(partition: int) -> bytes:
    """Return the key of the partition's epoch and counters."""
    return PARTITION.pack(_PARTITION_STATE, partition)


record: Callable[[int, StreamId, int], bytes] = partial(_IN_STREAM.pack, _RECORD)
"""Returns the key of the events of one append, from the partition, the stream and the number of the first event. It is ordered by
stream, then by number, so that scanning on from a key reads the stream in order."""


def first_number_of(record_key: bytes) -> int:
    """Return the number of the first event under a record's key."""
    return int.from_bytes(record_key[-8:], "big")


head: Callable[[int, StreamId], bytes] = partial(_OF_STREAM.pack, _HEAD)
"""Returns the key of a stream's head, from the partition and the stream, ordered by stream."""


def partition_of(key: bytes) -> int:
    """Return the partition that the key belongs to."""
    return int.from_bytes(key[1 : PARTITION.size], "big")


def applied(partition: int) -> bytes:
    """Return the key of the position up to which a node has applied the log of the partition. It is of the node: the log
    does not have it."""
    return PARTITION.pack(_APPLIED, partition)


outgoing: Callable[[int, int], bytes] = partial(DATED.pack, _OUTGOING)
"""Returns the key of a message to another partition that is to be sent, from the partition and the number, ordered by it."""


def outgoing_prefix(partition: int) -> bytes:
    """Return the prefix of the messages of a partition that are to be posted."""
    return PARTITION.pack(_OUTGOING, partition)


def is_outgoing(key: bytes) -> bool:
    """Report whether the key is that of a message to another partition."""
    return key.startswith(_OUTGOING)


def number_in_sender(key: bytes) -> int:
    """Return the number in a key of :func:`outgoing` or of :func:`taken`."""
    return int.from_bytes(key[-8:], "big")


def is_head(key: bytes) -> bool:
    """Report whether the key is that of a stream's head."""
    return key.startswith(_HEAD)


def heads(partition: int) -> bytes:
    """Return the prefix of the heads of a partition."""
    return PARTITION.pack(_HEAD, partition)


def stream_of_head(head_key: bytes) -> int:
    """Return the stream in a head's key."""
    return int.from_bytes(head_key[-8:], "big")


def snapshot(partition: int, stream: StreamId, number: int) -> bytes:
    """Return the key of an object's snapshot, ordered by stream, then by the number of the event."""
    return _IN_STREAM.pack(_SNAPSHOT, partition, stream, number)


def number_of_snapshot(key: bytes) -> int:
    """Return the number of the event in a snapshot's key."""
    return int.from_bytes(key[-8:], "big")


def output(partition: int, of: InvocationId, first_position: int) -> bytes:
    """Return the key of a row of an invocation's output, ordered by object, invocation, then position."""
    return output_of(partition, of) + INDEX.pack(first_position)


def output_of(partition: int, of: InvocationId) -> bytes:
    """Return the prefix of the rows of an invocation's output."""
    return PARTITION.pack(_OUTPUT, partition) + of.encode()


def outputs(partition: int) -> bytes:
    """Return the prefix of the rows of the outputs of a partition."""
    return PARTITION.pack(_OUTPUT, partition)


def position_of_output(key: bytes) -> int:
    """Return the position of the first entry of a row of an output."""
    return int.from_bytes(key[-8:], "big")


def invocation_of_output(key: bytes) -> InvocationId:
    """Return the invocation in the key of a row of its output."""
    return InvocationId(key[PARTITION.size : -8].decode())


def output_head(partition: int, of: InvocationId) -> bytes:
    """Return the key of the head of an invocation's output, ordered by object, then by invocation."""
    return PARTITION.pack(_OUTPUT_HEAD, partition) + of.encode()


def output_heads(partition: int) -> bytes:
    """Return the prefix of the heads of the outputs of a partition."""
    return PARTITION.pack(_OUTPUT_HEAD, partition)


def output_heads_of(partition: int, stream: StreamId) -> bytes:
    """Return the prefix of the heads of the outputs of an object's invocations."""
    return PARTITION.pack(_OUTPUT_HEAD, partition) + object_prefix(stream).encode()


def invocation_of_output_head(key: bytes) -> InvocationId:
    """Return the invocation in the key of the head of its output."""
    return InvocationId(key[PARTITION.size :].decode())


def counted_start(partition: int, end: float, of: InvocationId) -> bytes:
    """Return the key of a start that rates count, ordered by the end of its longest period, then by invocation."""
    return DATED.pack(_COUNTED_START, partition, microseconds(end)) + of.encode()


def counted_starts(partition: int) -> bytes:
    """Return the prefix of the starts that rates count."""
    return PARTITION.pack(_COUNTED_START, partition)


def end_of_counted_start(key: bytes) -> float:
    """Return the end of the longest period in the key of a start, in wall seconds."""
    return int.from_bytes(key[3:11], "big") / 1e6


def spent(partition: int, scope: str) -> bytes:
    """Return the key of the amounts spent under the budget of a scope, ordered by the bytes of the scope."""
    return spent_prefix(partition) + scope.encode()


def spent_prefix(partition: int) -> bytes:
    """Return the prefix of the amounts spent under budgets."""
    return PARTITION.pack(_SPENT, partition)


def scope_of_spent(key: bytes) -> str:
    """Return the scope in a key of :func:`spent`."""
    return key[PARTITION.size :].decode()


def owing(partition: int, stream: StreamId) -> bytes:
    """Return the key that marks an object that recovery must load, ordered by stream. Its value is the name of the
    service."""
    return _OF_STREAM.pack(_OWING, partition, stream)


def owing_prefix(partition: int) -> bytes:
    """Return the prefix of the objects that recovery must load."""
    return PARTITION.pack(_OWING, partition)


def stream_of_owing(key: bytes) -> int:
    """Return the stream in a key of :func:`owing`."""
    return int.from_bytes(key[-8:], "big")


def log_item(partition: int, stream: StreamId, field: str, index: int) -> bytes:
    """Return the key of an item of a ``Log`` field, ordered by object, field, index."""
    return items(partition, stream, field) + INDEX.pack(index)


def map_item(partition: int, stream: StreamId, field: str, key: bytes) -> bytes:
    """Return the key of an item of a ``Map`` field, ordered by object, field, then by the bytes of the item's key."""
    return items(partition, stream, field) + key


def stream_of_record(record_key: bytes) -> int:
    """Return the stream in a record's key."""
    return int.from_bytes(record_key[3:11], "big")


def records(partition: int) -> bytes:
    """Return the prefix of the records of a partition."""
    return PARTITION.pack(_RECORD, partition)


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
    return PARTITION.pack(_ITEM, partition)


def stream_of_item(item_key: bytes) -> int:
    """Return the stream in an item's key."""
    return int.from_bytes(item_key[3:11], "big")


def index_of_item(item_key: bytes) -> int:
    """Return the index in the key of a ``Log`` item."""
    return int.from_bytes(item_key[-8:], "big")


def items_of_object(partition: int, stream: StreamId) -> bytes:
    """Return the prefix of the items of an object."""
    return _OF_STREAM.pack(_ITEM, partition, stream)


message: Callable[[int, int], bytes] = partial(DATED.pack, _MESSAGE)
"""Returns the key of a message without a due time, from the partition and the arrival number, ordered by it."""


def messages(partition: int) -> bytes:
    """Return the prefix of the messages without a due time."""
    return PARTITION.pack(_MESSAGE, partition)


def arrival_of_message(key: bytes) -> int:
    """Return the arrival number in the key of a message without a due time."""
    return int.from_bytes(key[3:11], "big")


def dated_message(partition: int, at: float, message_id: str) -> bytes:
    """Return the key of a message with a due time, ordered by that time to the microsecond, then by id."""
    return DATED.pack(_DATED_MESSAGE, partition, microseconds(at)) + message_id.encode()


def dated_messages(partition: int) -> bytes:
    """Return the prefix of the messages with a due time."""
    return PARTITION.pack(_DATED_MESSAGE, partition)


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
    return PARTITION.pack(_SEEN, partition) + message_id.encode()


def seen_by_time(partition: int, at: float, message_id: str) -> bytes:
    """Return the index key of an arrived message, ordered by time of arrival, so that old ids are forgotten in order."""
    return DATED.pack(_SEEN_BY_TIME, partition, microseconds(at)) + message_id.encode()


def seen_by_time_prefix(partition: int) -> bytes:
    """Return the prefix of the index of arrived messages by time."""
    return PARTITION.pack(_SEEN_BY_TIME, partition)


def microseconds_of_seen(key: bytes) -> int:
    """Return the time of arrival in a key, in microseconds."""
    return int.from_bytes(key[3:11], "big")


def date_of_seen(key: bytes) -> float:
    """Return the time of arrival in a key, in wall seconds."""
    return microseconds_of_seen(key) / 1e6


def message_id_of_seen(key: bytes) -> str:
    """Return the message id in a key of :func:`seen_by_time`."""
    return key[11:].decode()


taken: Callable[[int, int, int], bytes] = partial(_FROM_PARTITION.pack, _TAKEN)
"""Returns the key that records the arrival of a message of another partition, from the partition, the sender's and the number there. Number 0
is not that of a message: its value is the number up to which all have arrived."""


audit: Callable[[int, int], bytes] = partial(DATED.pack, _AUDIT)
"""Returns the key of a row of the audit log, ordered by number and not by time: setting back a clock must not change the order of the chain."""


def audit_prefix(partition: int) -> bytes:
    """Return the prefix of the audit log of a partition."""
    return PARTITION.pack(_AUDIT, partition)


def after_prefix(prefix: bytes) -> bytes:
    """Return the first key after all keys with the prefix."""
    number = int.from_bytes(prefix, "big") + 1
    return number.to_bytes(len(prefix), "big")


_LAST_MICROSECOND = 2**63 - 1
LAST_SECOND = _LAST_MICROSECOND / 1e6


def microseconds(at: float) -> int:
    """Return a time in wall seconds as the microseconds that keys contain, rounded up so that nothing is due early.
    Times before 1970 become 0.

    A time too large to be stored, including infinity, becomes the last one, which never comes.
    """
    if at >= LAST_SECOND:
        return _LAST_MICROSECOND
    rounded = ceil(at * 1e6)
    return max(0, rounded + (rounded / 1e6 < at))  # the product may have been rounded down
