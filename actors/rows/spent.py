"""The rows of amounts spent under budgets: one for each partition and scope, written with the events that spend.

The scope of a limit is a text, such as ``tag:user=ada``. The budget of an invocation has a scope of its own (:func:`scope_of`), and its
row in the partition of the invocation has the budget too, where the invocations that it calls find it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.values.amounts import added
from journal import keys
from journal.errors import CorruptRecord
from journal.ids import InvocationId, stream_of_invocation
from journal.rows import SpentRow, decode_row, encode_row
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actors.rows.index import Rows
    from actors.values.amounts import Amounts
    from journal.kv.store import Readable

log = SafeLogger(__name__)

_INVOCATION = "invocation:"


def add_spent(into: Rows, rows: Readable, partition: int, scope: str, life: int, spent: Mapping[str, str]) -> None:
    """Add to the amounts spent under the budget with this ``life``. ``rows`` are those of the partition, with the changes that are not on
    disk yet."""
    key = keys.spent(partition, scope)
    row = _row_at(rows, key)
    before = row.spent if row is not None and row.life == life else {}
    budget = row.budget if row is not None and row.life == life else None
    into[key] = encode_row(SpentRow(life, added(before, spent), budget))


def spent_under(readers: Iterable[Readable], scope: str, life: int) -> Amounts:
    """Return the amounts spent in all partitions under the budget with this ``life``. ``readers`` read them, in their order."""
    sums: Amounts = {}
    for partition, rows in enumerate(readers):
        row = _row_at(rows, keys.spent(partition, scope))
        if row is not None and row.life == life:
            sums = added(sums, row.spent)
    return sums


def scope_of(invocation_id: InvocationId) -> str:
    """Return the scope of the budget of an invocation."""
    return f"{_INVOCATION}{invocation_id}"


def owner_of(scope: str) -> InvocationId | None:
    """Return the invocation whose budget has this scope; None if it is the scope of a limit."""
    return InvocationId(scope.removeprefix(_INVOCATION)) if scope.startswith(_INVOCATION) else None


def add_to_own(
    into: Rows, readers: Sequence[Readable], partition: int, of: InvocationId, spent: Mapping[str, str], at: int
) -> None:
    """Add to the amounts spent of the budget of an invocation, if it has the quantity. In a cluster its row may arrive here later than the
    call of one that spends: until then all amounts count, under ``-at`` as the life, where ``at`` is the time in microseconds."""
    owner, key = own_row(readers, of), keys.spent(partition, scope_of(of))
    row = _row_at(readers[partition], key)
    if owner is None:
        life, before, budget = (-at, {}, None) if row is None else (row.life, row.spent, row.budget)
    elif owner.budget is None:
        return
    else:
        life, budget = owner.life, None if row is None or row.life != owner.life else row.budget
        before = row.spent if row is not None and _counts(row, owner) else {}
        before, spent = _only(before, owner.budget), _only(spent, owner.budget)
    if spent:
        into[key] = encode_row(SpentRow(life, added(before, spent), budget))


def _counts(row: SpentRow, owner: SpentRow) -> bool:
    """Report whether the amounts of a row are of this budget: it was written under it, or before its row had arrived."""
    return row.life == owner.life or row.life < 0


def _only(amounts: Mapping[str, str], budget: Mapping[str, str]) -> Amounts:
    return {name: amount for name, amount in amounts.items() if name in budget}


def own_row(readers: Sequence[Readable], of: InvocationId) -> SpentRow | None:
    """Return the row that has the budget of an invocation; None if it has, and had, none."""
    partition = stream_of_invocation(of) % len(readers)
    return _row_at(readers[partition], keys.spent(partition, scope_of(of)))


def spent_of_budget(readers: Sequence[Readable], of: InvocationId) -> Amounts:
    """Return what an invocation and those that it has called have spent of its budget."""
    owner = own_row(readers, of)
    sums: Amounts = {}
    if owner is None:
        return sums
    for partition, rows in enumerate(readers):
        row = _row_at(rows, keys.spent(partition, scope_of(of)))
        if row is not None and _counts(row, owner):
            sums = added(sums, row.spent if owner.budget is None else _only(row.spent, owner.budget))
    return sums


def keep_budget(
    into: Rows, rows: Readable, partition: int, of: InvocationId, budget: Amounts | None, life: int
) -> None:
    """Write the budget of an invocation of the partition; None ends it, and keeps what was spent. ``life`` is that of a new budget: an
    invocation that has the id of a purged one begins at zero."""
    key = keys.spent(partition, scope_of(of))
    row = _row_at(rows, key)
    if row is None:
        row = SpentRow(life, {})
    into[key] = encode_row(SpentRow(row.life, row.spent, budget))


def life_of(data: bytes) -> int | None:
    """Return the life of the budget whose sum a row is; None if the row cannot be read."""
    try:
        return decode_row(SpentRow, data).life
    except CorruptRecord:
        return None


def _row_at(rows: Readable, key: bytes) -> SpentRow | None:
    data = rows.get(key)
    if data is None:
        return None
    try:
        return decode_row(SpentRow, data)
    except CorruptRecord:
        log.exception(
            "the row with the amounts spent under %s cannot be read and counts as empty", keys.scope_of_spent(key)
        )
        return None
