"""Invocations as a journal keeps them, without an engine having run them: thousands at once, and of any kind."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from actors.query.snapshot import JournalSnapshot
from journal import events as e
from journal import invocation_keys, keys
from journal.codec import encode_record
from journal.events import Kind, Mode, Outcome, OutcomeKind, Status, Target
from journal.ids import InvocationId, StreamId, invocation_id, stream_of, stream_of_invocation
from journal.kv.memory import MemoryView
from journal.kv.store import Batch
from journal.log.open import open_for_reading, open_journal
from journal.rows import InvocationRow, encode_row
from tests.counted import count_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

NOW = 1_800_100_000.0
STAMP = e.Stamp(NOW, "cause", "user:ada")


def id_in(service: str, key: str | None, number: int) -> InvocationId:
    """An id where the object lives; each invocation of a service has a place of its own."""
    stream = StreamId(number) if key is None else stream_of(service, key)
    return invocation_id(stream, number)


def row(number: int, *, service: str = "Agent", key: str | None = None, **changes: Any) -> InvocationRow:
    """The row of an invocation; ended, if nothing else is said."""
    settings: dict[str, Any] = {
        "invocation_id": id_in(service, key, number),
        "target": Target(service, key, changes.pop("handler", "run")),
        "kind": Kind.SERVICE if key is None else Kind.ACTOR,
        "mode": Mode.EXCLUSIVE,
        "status": Status.COMPLETED,
        "created_at": NOW - number,
        "created_by": "user:ada",
        "modified_at": NOW - number,
        "spans": [(2, 4)],
        **changes,
    }
    if settings["status"] is Status.COMPLETED:
        settings.setdefault("outcome", Outcome(OutcomeKind.SUCCEEDED, b"1"))
    return InvocationRow(**settings)


def stored(rows: Iterable[InvocationRow], partitions: int = 1) -> dict[bytes, bytes]:
    """The rows with their indexes, and how each began."""
    found: dict[bytes, bytes] = {}
    for one in rows:
        stream = stream_of_invocation(one.invocation_id)
        partition = stream % partitions
        found[keys.record(partition, stream, 1)] = encode_record([(STAMP, event) for event in _beginning(one)])
        found[invocation_keys.invocation(partition, one.invocation_id)] = encode_row(one)
        found[invocation_keys.created(partition, one.created_at, one.invocation_id)] = b""
        if one.status is not Status.COMPLETED:
            found[invocation_keys.open_by_status(partition, one.status, one.invocation_id)] = b""
        for name, value in (one.tags or {}).items():
            found[invocation_keys.tag(partition, name, value, one.created_at, one.invocation_id)] = b""
        if one.awaited:
            found[invocation_keys.awaiting(partition, one.awaited[0].since, one.invocation_id)] = b""
    known = MemoryView(found, sorted(found))
    for partition in range(partitions):
        beside: dict[bytes, bytes | None] = {}
        count_all(known, partition, beside)
        found.update((key, value) for key, value in beside.items() if value is not None)
    return found


def _beginning(one: InvocationRow) -> list[e.Event]:
    target = one.target
    return [
        e.ObjectCreated(service=target.service, key=target.key, kind=one.kind),
        e.InvocationAccepted(
            invocation_id=one.invocation_id, handler=target.handler, mode=one.mode, argument=b'{"order": 7}'
        ),
    ]


def in_memory(rows: Iterable[InvocationRow], partitions: int = 1) -> JournalSnapshot:
    """A source of these rows."""
    known = stored(rows, partitions)
    return JournalSnapshot(view=MemoryView(known, sorted(known)), partitions=partitions, now=NOW)


@asynccontextmanager
async def on_disk(rows: Iterable[InvocationRow], path: Path, *, live: bool) -> AsyncIterator[JournalSnapshot]:
    """The same from RocksDB: of a journal that is open, or at rest."""
    async with open_journal(path) as journal:
        store = journal._store
        await store.commit(Batch(dict(stored(rows))))
        if live:
            async with journal.view() as view:
                yield JournalSnapshot(view=view, partitions=1, now=NOW)
    if not live:
        reader, identity = open_for_reading(path)
        try:
            yield JournalSnapshot(view=reader, partitions=identity.partitions, now=NOW)
        finally:
            reader.close()
