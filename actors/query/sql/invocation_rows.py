"""Rows of invocations for queries: ``journal.rows.InvocationRow`` with texts instead of enums.

Decoding unused fields takes most of the time of a read, so each query decodes only the fields that its columns need.
"""

from __future__ import annotations

import functools
from types import UnionType
from typing import Any, cast, get_args, get_type_hints

import msgspec

from journal.ids import ROOT_STEP, InvocationId
from journal.rows import AwaitedSignal


class StoredFailure(msgspec.Struct, gc=False):
    type: str
    message: str


class StoredOutcome(msgspec.Struct, gc=False):
    kind: str
    value: bytes = b""
    failure: StoredFailure | None = None
    reason: str = ""
    expired: bool = False


class StoredTarget(msgspec.Struct, gc=False):
    service: str
    key: str | None
    handler: str


class StoredReference(msgspec.Struct, gc=False):
    """The id of a caller, or of the original of a restart."""

    invocation_id: str
    step: str = ROOT_STEP


class StoredTrace(msgspec.Struct, gc=False):
    traceparent: str


_SKIPPED = msgspec.Raw(msgspec.msgpack.encode(None))
"""The value of a field that is not decoded."""


class Row(msgspec.Struct, kw_only=True, array_like=True, gc=False):
    """The fields of a row, in the order in which they are stored. Only the fields that the columns name are decoded."""

    invocation_id: InvocationId
    target: StoredTarget
    kind: str
    mode: str
    status: str
    created_at: float
    created_by: str
    modified_at: float
    spans: list[tuple[int, int]]
    started_at: float | None = None
    completed_at: float | None = None
    scheduled_for: float | None = None
    purge_at: float | None = None
    attempts: int = 0
    caller: StoredReference | None = None
    request: str | None = None
    argument_digest: msgspec.Raw = _SKIPPED
    last_failure: StoredFailure | None = None
    pause_reason: str = ""
    cancel_reason: str | None = None
    deployment: str = ""
    outcome: StoredOutcome | None = None
    applied_requests: msgspec.Raw = _SKIPPED
    restarts: StoredReference | None = None
    successors: msgspec.Raw = _SKIPPED
    awaited: list[AwaitedSignal] = []
    step_tries: int = 0
    tags: dict[str, str] | None = None
    trace: StoredTrace | None = None
    expires_at: float | None = None
    status_text: str = ""
    spent: dict[str, str] | None = None
    pause_cause: str | None = None
    budget: dict[str, str] | None = None


def row_with(fields: frozenset[str]) -> type[Row]:
    """Return a row class with only these fields. ``outcome.kind`` is a part of a field."""
    return cast("type[Row]", part_of(Row, fields))  # it replaces a row wherever only these fields are read


@functools.cache
def part_of(whole: type[msgspec.Struct], fields: frozenset[str]) -> type[msgspec.Struct]:
    """Return a class with these fields of another; a dotted name is a part of a field."""
    types, array_like = get_type_hints(whole), whole.__struct_config__.array_like
    parts: list[Any] = []
    needed = 0
    for field in msgspec.structs.fields(whole):
        below = frozenset(name.partition(".")[2] for name in fields if name.partition(".")[0] == field.name)
        if below:
            kind = types[field.name] if "" in below else _narrowed(types[field.name], below)
            parts.append((field.name, kind, *(() if field.required else (field.default,))))
            needed = len(parts)
        elif array_like:
            parts.append((field.name, msgspec.Raw, _SKIPPED))
    return msgspec.defstruct(f"{whole.__name__}InPart", parts[:needed], kw_only=True, gc=False, array_like=array_like)


def _narrowed(kind: Any, fields: frozenset[str]) -> Any:
    if isinstance(kind, UnionType):
        (inner,) = (one for one in get_args(kind) if one is not type(None))
        return part_of(inner, fields) | None
    return part_of(kind, fields)


def json_text(data: bytes) -> str | None:
    """Return a user value as text, or NULL if there is none."""
    return data.decode() if data else None
