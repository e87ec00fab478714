"""``sys_journal``: one row for each event."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from actors.model.history import entry_of, summary_of
from actors.model.info import belongs_to
from actors.query.sql.columns import Column, Path, Table, Type, Wanted
from journal import keys
from journal.codec import decode_record
from journal.errors import CorruptRecord, Damaged, MalformedIdError
from journal.events import Recorded, Status
from journal.ids import StreamId, parse_invocation_id, stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot


def _details(recorded: Recorded) -> str:
    return msgspec.json.encode(entry_of(recorded).details).decode()


def _field(recorded: Recorded, name: str) -> str | None:
    value = getattr(recorded.event, name, None)
    return None if value is None else str(value)


def _of_invocation(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[Recorded]:
    try:
        of = parse_invocation_id(wanted.equal["invocation_id"])
    except MalformedIdError:
        return
    row = snapshot.find_invocation(of)
    if row is None:
        return
    stream = stream_of_invocation(of)
    # The row of an open invocation is not written at each of its events.
    spans = row.spans if row.status is Status.COMPLETED else [(row.spans[0][0], snapshot.last_event(stream))]
    for first, last in spans:
        for recorded in snapshot.events(stream, first, last):
            if belongs_to(recorded.event, of):
                yield recorded


def _every(snapshot: JournalSnapshot, _: Wanted) -> Iterator[Recorded]:
    """Yield the events object by object, each object's in order."""
    for partition in range(snapshot.partitions):
        expected = _Expected()
        for key, data in snapshot.rows_under(keys.records(partition)):
            yield from expected.events_of(key, data)


@attrs.define
class _Expected:
    """The number of the next event: the first one of an object may be any (the stream may be trimmed); after that there is no
    gap."""

    stream: StreamId | None = None
    number: int = 0

    def events_of(self, key: bytes, data: bytes) -> list[Recorded]:
        stream, first = StreamId(keys.stream_of_record(key)), keys.first_number_of(key)
        if stream == self.stream and first != self.number:
            raise Damaged(stream, self.number, f"events are missing up to {first - 1}")
        try:
            recorded = decode_record(data, first)
        except CorruptRecord as error:
            raise Damaged(stream, first, str(error)) from error
        self.stream, self.number = stream, first + len(recorded)
        return recorded


HISTORIES = Table[Recorded](
    name="sys_journal",
    about="One row for each event of every object's log.",
    columns=(
        Column(
            "invocation_id",
            Type.TEXT,
            "the invocation of the event; NULL if it is about the object",
            lambda recorded, _: _field(recorded, "invocation_id"),
        ),
        Column("number", Type.INTEGER, "its number in the object's log", lambda recorded, _: recorded.number),
        Column("at", Type.TIME, "when the event was decided", lambda recorded, _: recorded.stamp.at),
        Column("by", Type.TEXT, "the requester", lambda recorded, _: recorded.stamp.by),
        Column("cause", Type.TEXT, "the id of its cause", lambda recorded, _: recorded.stamp.cause),
        Column("name", Type.TEXT, "the type of the event", lambda recorded, _: type(recorded.event).__name__),
        Column("step", Type.TEXT, "the step that it concerns", lambda recorded, _: _field(recorded, "step")),
        Column("summary", Type.TEXT, "the event in one line", lambda recorded, _: summary_of(recorded.event)),
        Column("details", Type.JSON, "the fields of the event", lambda recorded, _: _details(recorded)),
    ),
    paths=(
        Path(name="invocation", scan=_of_invocation, equal=("invocation_id",), cost=50),
        Path(name="every", scan=_every, cost=1_000_000),
    ),
    identity=lambda recorded: (_field(recorded, "invocation_id"), recorded.number),
)
