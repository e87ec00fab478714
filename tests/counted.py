"""The counters that a store must have, from a look at every invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.rows.counters import Counts, counter_rows, failed_key, groups_of_row, recount
from journal import invocation_keys, keys
from journal.kv.store import scan_all
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from journal.kv.store import Readable


def count_all(rows: Readable, partition: int, found: dict[bytes, bytes | None] | None = None) -> Counts:
    """Count the invocation rows of a partition: what its counters must say. ``found`` receives the counters' rows, and the
    index of failures. Raises ``CorruptRecord``."""
    counts: Counts = {}
    prefix = invocation_keys.invocations(partition)
    for _, data in scan_all(rows, prefix, keys.after_prefix(prefix)):
        row = decode_row(InvocationRow, data)
        recount(counts, (), groups_of_row(row))
        failed = failed_key(partition, row)
        if failed is not None and found is not None:
            found[failed] = b""
    if found is not None:
        found.update(counter_rows(partition, counts))
    return counts
