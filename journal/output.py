"""The output of an invocation on disk: its pieces, in rows of their own beside the log. ::

    log of the object     accepted ─ started ─ step a ─────────────────────── a completed ─ completed
    output of it            1 "Once"  2 "upon" ─ 3 "a" 4 "time" ─ 5 kept(a)  6 "The end"
                           └───────────────── row 1 ──────────────────────┘ └─── row 6 ───┘
    its head              last 6, 5 pieces, 18 bytes, 1 of the handler's own, no step undecided

A piece is not an event: it changes no state, and a replay does not read it. Each entry of an output has a *position*: 1, 2, 3 … without
a gap, for pieces and marks alike. A *mark* says that the pieces of a step so far are void (the try failed, or was cut off) or that
they are final. Entries of one kind that follow each other are one *run*, and a commit appends its runs to the last row until that
row has :data:`ROW_BYTES`; then another row begins. So an output of any length is a few rows of a few KiB at every moment, also
while its step runs, and no row has to be merged when the step ends.

Rows are written in the batch of the events that belong to them: the pieces of a turn with its requests, a mark with the end of the
step. They are ordinary rows of the sealed commit, so a journal that replicates commits replicates outputs. The head is written with
them, and has what the next try of the handler needs to know without reading the pieces: how many of its own are recorded.

Invariants. Positions are never reused and never change, so a reader that has come to position n continues after n, with or
without a crash in between. A mark comes after the pieces that it decides on. Rows begin where the row before ends, and the last one ends where the head
says. Rows and head live as long as the row of their invocation: a purge deletes all of them at once.

Prior art: a Kafka partition, read by offset; the aborted transactions of Kafka, whose records stay and are marked. Alternatives
refused: an event for each piece, which fills the history of an agent with tokens and makes every replay read them; a row for each
commit that are merged when the step ends, which reads and writes a long output again in one commit; and a side file, which no
commit, backup or replica would contain.
"""

from __future__ import annotations

import enum
import struct

import attrs
import msgspec

from journal.errors import CorruptRecord
from journal.events import Date
from journal.ids import StepId

ROW_BYTES = 2048
"""A row that has reached this size is not extended. A piece is never split, so a row can be larger. Each commit writes the last row
again, half of this on average: more would be written again and again, less would make more rows."""


class RunKind(enum.IntEnum):
    """The kind of a run: pieces, or a mark that the pieces of a step so far are void, or final."""

    PIECES = 0
    VOID = 1
    FINAL = 2


class OutputRun(msgspec.Struct, array_like=True, gc=False):
    """Entries of one output at the positions from ``first`` on: ``values`` of pieces, or one mark.

    ``at`` is wall seconds. ``after`` is the number of the last event of the object when they were recorded; for a handler's own
    pieces that a restart has copied, of the copied event after which they come. ``attempt`` is the try of
    the ``step`` that emitted them, 0 for the handler itself, and ``offset`` the index of the first in that try, or among the
    handler's own. ``stream`` is the name of the stream that the pieces are of, or empty.
    """

    kind: RunKind
    first: int
    at: Date
    after: int
    step: StepId
    attempt: int
    offset: int
    values: list[bytes]
    stream: str = ""

    @property
    def last(self) -> int:
        """The position of the last entry."""
        return self.first + (len(self.values) if self.kind is RunKind.PIECES else 1) - 1


@attrs.frozen(kw_only=True)
class OutputHead:
    """The end of an output: the position of its last entry, the number and the bytes of its pieces, the number of the handler's own
    among them, and the steps whose pieces are undecided."""

    last: int
    pieces: int
    size: int
    own: int
    undecided: tuple[StepId, ...] = ()


_LENGTH = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode
_decode_run = msgspec.msgpack.Decoder(OutputRun).decode
_decode_head = msgspec.msgpack.Decoder(OutputHead).decode


def encode_run(run: OutputRun) -> bytes:
    """Encode a run. Runs that are put one after the other are a row."""
    data = _encode(run)
    return _LENGTH.pack(len(data)) + data


def decode_runs(row: bytes, first: int) -> list[OutputRun]:
    """Decode a row that begins at position ``first``. Raises :class:`CorruptRecord` for wrong bytes and for a gap."""
    runs: list[OutputRun] = []
    at, expected = 0, first
    try:
        while at < len(row):
            (length,) = _LENGTH.unpack_from(row, at)
            at += _LENGTH.size
            if at + length > len(row):
                raise CorruptRecord(f"a run of {length} bytes is cut off after {len(row) - at}")
            run = _decode_run(row[at : at + length])
            if run.first != expected or run.last < run.first:
                raise CorruptRecord(
                    f"a run has the positions {run.first} to {run.last}, expected them from {expected} on"
                )
            runs.append(run)
            at, expected = at + length, run.last + 1
    except (ValueError, struct.error, RecursionError) as error:
        raise CorruptRecord(f"a run cannot be decoded: {error}") from error
    if not runs:
        raise CorruptRecord("the row is empty")
    return runs


def encode_head(head: OutputHead) -> bytes:
    """Encode a head."""
    return _encode(head)


def decode_head(data: bytes) -> OutputHead:
    """Decode a head. Raises :class:`CorruptRecord`."""
    try:
        return _decode_head(data)
    except (ValueError, RecursionError) as error:
        raise CorruptRecord(f"the head cannot be decoded: {error}") from error
