"""The rows of amounts spent under budgets: one for each partition and scope, written with the events that spend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.values.amounts import added
from journal import keys
from journal.errors import CorruptRecord
from journal.rows import SpentRow, decode_row, encode_row
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.rows.index import Rows
    from actors.values.amounts import Amounts
    from journal.kv.store import Readable

log = SafeLogger(__name__)


def add_spent(into: Rows, rows: Readable, partition: int, scope: str, life: int, spent: Mapping[str, str]) -> None:
    """Add to the amounts spent under the budget with this ``life``. ``rows`` are those of the partition, with the changes that are not on
    disk yet."""
    key = keys.spent(partition, scope)
    into[key] = encode_row(SpentRow(life, added(_spent_at(rows, key, life), spent)))


def spent_under(readers: Iterable[Readable], scope: str, life: int) -> Amounts:
    """Return the amounts spent in all partitions under the budget with this ``life``. ``readers`` read them, in their order."""
    sums: Amounts = {}
    for partition, rows in enumerate(readers):
        sums = added(sums, _spent_at(rows, keys.spent(partition, scope), life))
    return sums


def life_of(data: bytes) -> int | None:
    """Return the life of the budget whose sum a row is; None if the row cannot be read."""
    try:
        return decode_row(SpentRow, data).life
    except CorruptRecord:
        return None


def _spent_at(rows: Readable, key: bytes, life: int) -> Amounts:
    data = rows.get(key)
    if data is None:
        return {}
    try:
        row = decode_row(SpentRow, data)
    except CorruptRecord:
        log.exception(
            "the row with the amounts spent under %s cannot be read and counts as empty", keys.scope_of_spent(key)
        )
        return {}
    return row.spent if row.life == life else {}
