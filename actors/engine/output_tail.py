"""The end of an invocation's output, as the engine continues it (``journal.output``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from journal import keys
from journal.errors import DamagedOutput
from journal.output import ROW_BYTES, OutputHead, OutputRun, RunKind, encode_head, encode_run

if TYPE_CHECKING:
    from actors.rows.index import Rows
    from journal.ids import InvocationId, StepId

_VALUE_HEAD = 2
"""The bytes that a short value takes besides its own."""

_ONE_TIME_SECONDS = 0.01
"""Pieces that are emitted within this time have the time of the first."""


@attrs.define(eq=False)
class OutputTail:
    """The end of one invocation's output. ``last`` to ``undecided`` are those of its head; ``runs`` are not sealed yet, and the last
    of them has ``run_bytes``. ``row`` is the last row, which begins at position ``row_first``. ``damage`` says why the head
    cannot be read: such an output cannot be continued."""

    last: int = 0
    pieces: int = 0
    size: int = 0
    own: int = 0
    undecided: set[StepId] = attrs.field(factory=set)
    runs: list[OutputRun] = attrs.field(factory=list)
    run_bytes: int = 0
    row: bytearray = attrs.field(factory=bytearray)
    row_first: int = 0
    damage: DamagedOutput | None = None

    @classmethod
    def of_head(cls, head: OutputHead | DamagedOutput) -> OutputTail:
        """The end of a stored output. What follows begins a row."""
        if isinstance(head, DamagedOutput):
            return cls(damage=head)
        return cls(head.last, head.pieces, head.size, head.own, set(head.undecided))

    def add(self, value: bytes, step: StepId, attempt: int, offset: int, at: float, after: int, stream: str) -> None:
        """Append a piece."""
        self.last += 1
        self.pieces += 1
        self.size += len(value) + len(stream)
        run = self.runs[-1] if self.runs else None
        if (
            run is not None
            and run.kind is RunKind.PIECES
            and run.step == step
            and run.attempt == attempt
            and run.stream == stream
            and (attempt or run.after == after)
            and run.offset + len(run.values) == offset
            and self.run_bytes < ROW_BYTES
            and at - run.at < _ONE_TIME_SECONDS
        ):
            run.values.append(value)
            self.run_bytes += len(value) + _VALUE_HEAD
            return
        self.runs.append(OutputRun(RunKind.PIECES, self.last, at, after, step, attempt, offset, [value], stream))
        self.run_bytes = len(value) + _VALUE_HEAD

    def mark(self, kind: RunKind, step: StepId, attempt: int, at: float, after: int) -> None:
        """Append a mark about the pieces of a step so far."""
        self.undecided.discard(step)
        self.last += 1
        self.runs.append(OutputRun(kind, self.last, at, after, step, attempt, 0, []))

    def write(self, rows: Rows, new: list[bytes], partition: int, of: InvocationId) -> None:
        """Write the runs that are not sealed yet, and the head. ``new`` receives the keys of rows that cannot exist yet."""
        if not self.runs:
            return
        key = keys.output(partition, of, self.row_first)
        for run in self.runs:
            if not self.row or len(self.row) >= ROW_BYTES:
                self.row, self.row_first = bytearray(), run.first
                key = keys.output(partition, of, run.first)
                new.append(key)
            self.row += encode_run(run)
            if len(self.row) >= ROW_BYTES:
                rows[key] = bytes(self.row)
        rows[key] = bytes(self.row)
        self.runs, self.run_bytes = [], 0
        undecided = tuple(sorted(self.undecided))
        head = OutputHead(last=self.last, pieces=self.pieces, size=self.size, own=self.own, undecided=undecided)
        rows[keys.output_head(partition, of)] = encode_head(head)
