"""Checks the outputs of invocations: rows without a gap, heads that agree with them, and an invocation for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from journal import invocation_keys, keys
from journal.errors import CorruptRecord, Damaged
from journal.kv.store import scan_all
from journal.log.outputs import read_whole_output
from journal.output import OutputHead, RunKind, decode_head, encode_head

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from journal.ids import InvocationId, StepId
    from journal.kv.store import Readable
    from journal.output import OutputRun


@attrs.frozen(kw_only=True)
class OutputProblem:
    """A problem of an invocation's output. ``mended`` are the changes of rows that correct it; None if they are not known."""

    invocation_id: InvocationId
    what: str
    mended: dict[bytes, bytes | None] | None = None


def problems_of_outputs(rows: Readable, partition: int) -> Iterator[OutputProblem]:
    """Yield the problems of the outputs of a partition. Raises ``CorruptRecord`` if the store cannot be read on."""
    for of in _invocations_with_output(rows, partition):
        if rows.get(invocation_keys.invocation(partition, of)) is None:
            mended: dict[bytes, bytes | None] = {keys.output_head(partition, of): None}
            prefix = keys.output_of(partition, of)
            mended.update((key, None) for key, _ in scan_all(rows, prefix, keys.after_prefix(prefix)))
            yield OutputProblem(invocation_id=of, what="its output is stored, but it does not exist", mended=mended)
            continue
        try:
            expected = head_of(read_whole_output(rows, partition, of))
        except Damaged as error:
            yield OutputProblem(invocation_id=of, what=error.reason)
            continue
        problem = _problem_of_head(of, rows.get(keys.output_head(partition, of)), expected, partition)
        if problem is not None:
            yield problem


def _problem_of_head(
    of: InvocationId, stored: bytes | None, expected: OutputHead, partition: int
) -> OutputProblem | None:
    mended: dict[bytes, bytes | None] = {keys.output_head(partition, of): encode_head(expected)}
    if stored is None:
        return OutputProblem(invocation_id=of, what="its output has no head", mended=mended)
    try:
        head = decode_head(stored)
    except CorruptRecord as error:
        return OutputProblem(invocation_id=of, what=f"the head of its output cannot be read: {error}", mended=mended)
    if head.last > expected.last:
        missing = f"the entries {expected.last + 1} to {head.last} of its output are missing"
        return OutputProblem(invocation_id=of, what=missing)
    if head != expected:
        what = "the head of its output disagrees with its pieces"
        return OutputProblem(invocation_id=of, what=what, mended=mended)
    return None


def head_of(runs: Iterable[OutputRun]) -> OutputHead:
    """Return the head that agrees with the runs of an output."""
    last = pieces = size = own = 0
    undecided: set[StepId] = set()
    for run in runs:
        last = run.last
        if run.kind is not RunKind.PIECES:
            undecided.discard(run.step)
            continue
        pieces += len(run.values)
        size += sum(map(len, run.values)) + len(run.values) * len(run.stream)
        if run.attempt:
            undecided.add(run.step)
        else:
            own += len(run.values)
    return OutputHead(last=last, pieces=pieces, size=size, own=own, undecided=tuple(sorted(undecided)))


def _invocations_with_output(rows: Readable, partition: int) -> Iterator[InvocationId]:
    """Yield each invocation that has a head or a row of output, in order."""
    heads = iter(scan_all(rows, keys.output_heads(partition), keys.after_prefix(keys.output_heads(partition))))
    head = next(heads, None)
    for of in _invocations_with_rows(rows, partition):
        while head is not None and keys.invocation_of_output_head(head[0]) < of:
            yield keys.invocation_of_output_head(head[0])
            head = next(heads, None)
        if head is not None and keys.invocation_of_output_head(head[0]) == of:
            head = next(heads, None)
        yield of
    while head is not None:
        yield keys.invocation_of_output_head(head[0])
        head = next(heads, None)


def _invocations_with_rows(rows: Readable, partition: int) -> Iterator[InvocationId]:
    at, stop = keys.outputs(partition), keys.after_prefix(keys.outputs(partition))
    while found := rows.scan(at, stop, limit=1):
        of = keys.invocation_of_output(found[0][0])
        yield of
        at = keys.after_prefix(keys.output_of(partition, of))
