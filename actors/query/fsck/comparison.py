"""Compares stored rows with the rows that follow from events, where equal rows may have different bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.rows.index import IndexedState
from journal.errors import CorruptRecord
from journal.log.inbox import decode_message

if TYPE_CHECKING:
    from journal.rows import InvocationRow


def is_same_timer(expected: bytes, there: bytes) -> bool:
    """Compare timers by their commands: another version may have encoded them differently."""
    try:
        one, other = decode_message(expected), decode_message(there)
        return one.to == other.to and c.decode_command(one.data)[0] == c.decode_command(other.data)[0]
    except CorruptRecord:
        return False


def listing_of_row(row: InvocationRow) -> IndexedState:
    """Return the part of an open invocation's row that its index entries depend on."""
    return IndexedState(row.status, row.last_failure, row.cancel_reason is not None, row.deployment, tuple(row.awaited))
