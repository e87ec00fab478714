"""Writes the outputs of invocations, with the commits of their object (``journal.output``). ::

    emit() in a step ───────────► add_of_step ──┐
    a turn of a handler ────────► add_own ──────┼─► runs of the forming batch ── seal ──► the last row, the head
    the end of a step or a try ─► settle ───────┘

Invariant: the end of an output in memory is the one on disk, plus the sealed batch, plus the runs that the forming batch will write.
An object with such runs has a part in the batch, so it stays in memory; if the commit fails, all of it is dropped with the object.

A piece does not pass the inbox: it changes no state that a decision depends on. It goes into the batch that is forming, and the end of
its step, which is decided later, into the same batch or a later one. So no step can be seen to have ended without its pieces.
A piece from a thread is queued for the event loop first, and counts towards the limits from then on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from actors.core.output import decision_of
from actors.engine.output_room import OutputRoom
from actors.engine.output_tail import OutputTail
from journal import keys
from journal.ids import ROOT_STEP
from journal.log.outputs import read_output_heads, read_whole_output
from journal.output import RunKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actors.core.output import KeptOutput
    from actors.engine.batch import CommitBatch, PendingAppend
    from actors.engine.loaded_object import LoadedObject
    from actors.rows.layers import LayeredRows
    from actors.values.limits import Limits
    from journal.events import Event, Stamp
    from journal.ids import InvocationId, StepId
    from journal.output import OutputRun
    from journal.pieces import Piece


class Outputs:
    """The outputs of the invocations of one partition."""

    def __init__(self, rows: LayeredRows, partition: int, limits: Limits) -> None:
        self._rows = rows
        self._partition = partition
        self._limits = limits
        self.room = OutputRoom(limits)

    def of(self, loaded: LoadedObject) -> dict[InvocationId, OutputTail]:
        """The ends of the outputs of the object's open invocations, read if the object has come from the disk.

        An output with a damaged head is included; only an operation that continues it raises ``DamagedOutput``.
        """
        tails = loaded.outputs
        if tails is None:
            tails = loaded.outputs = {
                of: OutputTail.of_head(head)
                for of, head in read_output_heads(self._rows, self._partition, loaded.stream, partial(_is_open, loaded))
            }
        return tails

    def own_pieces(self, loaded: LoadedObject, of: InvocationId) -> int:
        """The number of pieces that the handler itself has emitted. Raises ``DamagedOutput``."""
        tail = self.of(loaded).get(of)
        return 0 if tail is None else _undamaged(tail).own

    def beyond_limits(self, loaded: LoadedObject, of: InvocationId, more: Sequence[Piece] = ()) -> str | None:
        """Describe the limit that the output exceeds with these further pieces; None if it is within the limits."""
        tail = self.of(loaded).get(of)
        limits = self._limits
        pieces, size = (0, 0) if tail is None else (tail.pieces, tail.size)
        pieces, size = pieces + len(more), size + sum(len(piece.value) + len(piece.stream) for piece in more)
        if pieces <= limits.output_pieces and size <= limits.output_bytes:
            return None
        return (
            f"its output has {pieces} pieces and {size} bytes, the limits are {limits.output_pieces} (output_pieces) and "
            f"{limits.output_bytes} (output_bytes). Emit less, or raise the limit and resume"
        )

    def begin_try(self, pending: PendingAppend, of: InvocationId, step: StepId, attempt: int, at: float) -> None:
        """Declare the pieces of an earlier try void that was cut off, now that the step begins again."""
        tail = self.of(pending.loaded).get(of)
        if tail is not None and step in tail.undecided:
            tail.mark(RunKind.VOID, step, attempt, at, pending.loaded.version)
            pending.outputs[of] = tail

    def add_of_step(
        self, pending: PendingAppend, of: InvocationId, step: StepId, attempt: int, offset: int, piece: Piece, at: float
    ) -> None:
        """Append a piece that a step has emitted."""
        tail = self._tail(pending, of)
        tail.undecided.add(step)
        tail.add(piece.value, step, attempt, offset, at, pending.loaded.version, piece.stream)

    def add_own(self, pending: PendingAppend, of: InvocationId, pieces: Iterable[Piece], at: float) -> None:
        """Append the pieces that a handler has emitted in a turn, which is recorded."""
        tail, after = self._tail(pending, of), pending.loaded.version
        for piece in pieces:
            tail.add(piece.value, ROOT_STEP, 0, tail.own, at, after, piece.stream)
            tail.own += 1

    def settle(self, pending: PendingAppend, events: Sequence[tuple[Stamp, Event]], last: int) -> None:
        """Append the marks that follow from the events, the last of which has the number ``last``."""
        tails = self.of(pending.loaded)
        for stamp, event in events if tails else ():
            decision = decision_of(event)
            tail = None if decision is None else tails.get(decision.invocation_id)
            if decision is not None and tail is not None and decision.step in tail.undecided:
                tail.mark(decision.kind, decision.step, decision.attempt, stamp.at, last)
                pending.outputs[decision.invocation_id] = tail

    def kept_of(self, loaded: LoadedObject, original: InvocationId, kept: KeptOutput) -> list[OutputRun]:
        """Return the part of an output that a restart keeps. Raises ``DamagedOutput``."""
        tail = self.of(loaded).get(original)
        runs = [*read_whole_output(self._rows, self._partition, original), *(() if tail is None else tail.runs)]
        return kept.of(runs)

    def copy(
        self,
        pending: PendingAppend,
        successor: InvocationId,
        copied: Sequence[OutputRun],
        kept: KeptOutput,
        before_first: int,
    ) -> None:
        """Append the part of an output that a restart keeps. ``before_first`` is the number before its first copied event."""
        if not copied:
            return
        tail, after = self._tail(pending, successor), pending.loaded.version
        for run in copied:
            place = kept.after_in_copy(run, before_first)
            for index, value in enumerate(run.values):
                if run.attempt:
                    tail.add(value, run.step, run.attempt, run.offset + index, run.at, after, run.stream)
                else:
                    tail.add(value, ROOT_STEP, 0, tail.own, run.at, place, run.stream)
                    tail.own += 1
        for step in sorted({run.step for run in copied if run.attempt}):
            tail.mark(RunKind.FINAL, step, 0, copied[-1].at, after)

    def forget(self, pending: PendingAppend, of: InvocationId) -> dict[bytes, bytes | None]:
        """Forget the output of an invocation that is purged. Returns the rows to delete."""
        if pending.loaded.outputs:
            pending.loaded.outputs.pop(of, None)
        pending.outputs.pop(of, None)
        gone: dict[bytes, bytes | None] = {}
        head = keys.output_head(self._partition, of)
        if self._rows.get(head) is None:
            return gone
        gone[head] = None
        start = keys.output_of(self._partition, of)
        stop = keys.after_prefix(start)
        while page := self._rows.scan(start, stop):
            gone.update((key, None) for key, _ in page)
            start = page[-1][0] + b"\x00"
        return gone

    def seal(self, batch: CommitBatch, pending: PendingAppend) -> None:
        """Write the appended runs. The outputs of ended invocations are complete."""
        for of, tail in pending.outputs.items():
            tail.write(batch.rows, batch.new, batch.partition, of)
        tails = pending.loaded.outputs
        if tails:
            for of in [of for of in tails if pending.loaded.open_state(of) is None]:
                del tails[of]

    def _tail(self, pending: PendingAppend, of: InvocationId) -> OutputTail:
        tails = self.of(pending.loaded)
        tail = tails.get(of)
        if tail is None:
            tail = tails[of] = OutputTail()
        pending.outputs[of] = _undamaged(tail)
        return tail


def _is_open(loaded: LoadedObject, of: InvocationId) -> bool:
    return loaded.open_state(of) is not None


def _undamaged(tail: OutputTail) -> OutputTail:
    if tail.damage is not None:
        raise tail.damage
    return tail
