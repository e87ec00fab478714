"""What a store says, decoded, so that two stores can be compared key by key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from journal import codec, invocation_keys, keys
from journal.ids import StreamId
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from journal.kv.memory import MemoryStore

_RECORD = keys.record(0, StreamId(0), 0)[:1]
_APPLIED = keys.applied(0)[:1]
_INVOCATION = invocation_keys.invocations(0)[:1]

_TRACEBACK = re.compile(r"traceback=(['\"]).*?\1, details")

Stored = dict[str, Any]
"""By the name of each event and each row."""


def stored(store: MemoryStore) -> Stored:
    """All that is kept, decoded, but for the position of a node in its log: the hash of an entry covers how it was written."""
    found: Stored = {}
    for key, value in store.contents():
        kind = key[:1]
        if kind == _APPLIED:
            continue
        if kind == _RECORD:
            for recorded in codec.decode_record(value, keys.first_number_of(key)):
                found[f"event {key[3:11].hex()} {recorded.number:6}"] = recorded
        elif kind == _INVOCATION:
            found[f"row {invocation_keys.id_at_end(key)}"] = decode_row(InvocationRow, value)
        else:
            found[f"other {kind!r} {key[1:].hex()}"] = value
    return found


def without_tracebacks(found: Stored) -> Stored:
    """As text, without the tracebacks of failures: these name the functions of the engine that a handler was driven by."""
    return {name: _TRACEBACK.sub("", repr(value)) for name, value in found.items()}


def first_difference(short: Stored, long: Stored) -> str:
    """Nothing if they are equal, otherwise the first of what differs."""
    for name in sorted({*short, *long}):
        if short.get(name) != long.get(name):
            return f"{name}\n  short: {short.get(name)}\n  long: {long.get(name)}"
    return ""


def bytes_of_records(store: MemoryStore) -> int:
    """How long the records of events are."""
    return sum(len(value) for key, value in store.contents() if key[:1] == _RECORD)
