"""``sys_output``: one row for each piece of output, and for each mark that earlier pieces are void or final."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core.output import Mark, OutputKind, marks_of
from actors.query.sql.columns import Column, Path, Table, Type, Wanted
from journal import keys
from journal.errors import MalformedIdError
from journal.ids import InvocationId, parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot


@attrs.frozen
class _OutputEntry:
    """An entry of the output of an invocation."""

    invocation_id: InvocationId
    mark: Mark


def _of_invocation(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[_OutputEntry]:
    try:
        of = parse_invocation_id(wanted.equal["invocation_id"])
    except MalformedIdError:
        return
    for run in snapshot.output(of):
        for mark in marks_of(run):
            yield _OutputEntry(of, mark)


def _every(snapshot: JournalSnapshot, _: Wanted) -> Iterator[_OutputEntry]:
    """Yield the entries invocation by invocation, each one's in order."""
    for partition in range(snapshot.partitions):
        for key, _data in snapshot.rows_under(keys.output_heads(partition)):
            yield from _of_invocation(snapshot, Wanted(equal={"invocation_id": keys.invocation_of_output_head(key)}))


OUTPUTS = Table[_OutputEntry](
    name="sys_output",
    about="One row for each piece that an invocation has emitted, and for each mark that pieces of a step are void or final.",
    columns=(
        Column("invocation_id", Type.TEXT, "the invocation", lambda entry, _: entry.invocation_id),
        Column("position", Type.INTEGER, "its position in the output", lambda entry, _: entry.mark.number),
        Column("at", Type.TIME, "when it was emitted", lambda entry, _: entry.mark.at),
        Column(
            "kind",
            Type.TEXT,
            "chunk: a piece; reset: the pieces of the step so far are void; kept: they are final",
            lambda entry, _: entry.mark.kind.value,
        ),
        Column(
            "step",
            Type.TEXT,
            "the step that emitted it; NULL for the handler",
            lambda entry, _: entry.mark.step or None,
        ),
        Column("attempt", Type.INTEGER, "the try of the step, 0 for the handler", lambda entry, _: entry.mark.attempt),
        Column(
            "offset",
            Type.INTEGER,
            "its index in that try, or among the handler's own",
            lambda entry, _: entry.mark.offset,
        ),
        Column("stream", Type.TEXT, "the name of its stream; empty without one", lambda entry, _: entry.mark.stream),
        Column(
            "value",
            Type.JSON,
            "the piece; NULL for a mark",
            lambda entry, _: entry.mark.value.decode() if entry.mark.kind is OutputKind.CHUNK else None,
        ),
    ),
    paths=(
        Path(name="invocation", scan=_of_invocation, equal=("invocation_id",), cost=50),
        Path(name="every", scan=_every, cost=1_000_000),
    ),
    identity=lambda entry: (entry.invocation_id, entry.mark.number),
)
