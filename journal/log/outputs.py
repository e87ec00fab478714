"""Reads the outputs of invocations (``journal.output``) from a store.

Everything that is read is checked: an output has no gap and reaches as far as its head says. Wrong bytes raise ``DamagedOutput`` with the
stream of the object and the invocation; where the outputs of several invocations are read, each has its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal import keys
from journal.errors import CorruptRecord, DamagedOutput
from journal.ids import stream_of_invocation
from journal.output import OutputHead, OutputRun, decode_head, decode_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from journal.ids import InvocationId, StreamId
    from journal.kv.store import Readable

_ROWS_TOGETHER = 16


def read_output_head(store: Readable, partition: int, of: InvocationId) -> OutputHead | None:
    """Return the head of an invocation's output; None if it has emitted nothing. Raises ``DamagedOutput``."""
    try:
        data = store.get(keys.output_head(partition, of))
        return None if data is None else decode_head(data)
    except CorruptRecord as error:
        raise _damaged(of, error) from error


def read_output_heads(
    store: Readable, partition: int, stream: StreamId, wanted: Callable[[InvocationId], bool]
) -> Iterator[tuple[InvocationId, OutputHead | DamagedOutput]]:
    """Yield the head of each output of those invocations of an object that are ``wanted``, or what is wrong with it."""
    start = keys.output_heads_of(partition, stream)
    stop = keys.after_prefix(start)
    while page := store.scan(start, stop):
        for key, data in page:
            of = keys.invocation_of_output_head(key)
            if wanted(of):
                yield of, _head_or_damage(of, data)
        start = page[-1][0] + b"\x00"


def _head_or_damage(of: InvocationId, data: bytes) -> OutputHead | DamagedOutput:
    try:
        return decode_head(data)
    except CorruptRecord as error:
        return _damaged(of, error)


def read_output(store: Readable, partition: int, of: InvocationId, after: int = 0) -> list[OutputRun]:
    """Return the next runs of an invocation's output that end after position ``after``; none if there are no more.

    They are as of one moment, and a limited number. Raises ``DamagedOutput``.
    """
    try:
        found = _runs_from(store, partition, of, after)
    except CorruptRecord as error:
        raise _damaged(of, error) from error
    return [run for run in found if run.last > after]


def _runs_from(store: Readable, partition: int, of: InvocationId, after: int) -> list[OutputRun]:
    # The row that contains the next position, or the last one before it.
    begin = keys.output(partition, of, 0)
    at = store.scan(begin, keys.output(partition, of, after + 2), limit=1, reverse=True)
    start, expected = (at[0][0], keys.position_of_output(at[0][0])) if at else (begin, after + 1)
    found: list[OutputRun] = []
    for key, row in store.scan(start, keys.after_prefix(keys.output_of(partition, of)), limit=_ROWS_TOGETHER):
        first = keys.position_of_output(key)
        if first != expected:
            raise CorruptRecord(f"the entries {expected} to {first - 1} are missing")
        runs = decode_runs(row, first)
        found += runs
        expected = runs[-1].last + 1
    return found


def read_whole_output(store: Readable, partition: int, of: InvocationId, after: int = 0) -> Iterator[OutputRun]:
    """Yield all runs of an invocation's output that end after position ``after``. Raises ``DamagedOutput``."""
    while runs := read_output(store, partition, of, after):
        yield from runs
        after = runs[-1].last


def _damaged(of: InvocationId, error: CorruptRecord) -> DamagedOutput:
    return DamagedOutput(stream_of_invocation(of), of, str(error))
