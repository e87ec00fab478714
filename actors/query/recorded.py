"""Reads an invocation for a replay: its history, and its object as it was when the invocation began."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.past import GOING_LIVE, FormerItems
from actors.errors import NotFoundError, ResourceKind
from actors.model.info import belongs_to
from actors.rows.invocations import RecordedInvocation
from actors.rows.items import ObjectItems, writer_beside
from journal.errors import Damaged
from journal.events import Mode
from journal.ids import stream_of_invocation

if TYPE_CHECKING:
    from actors.core.state import ObjectState
    from actors.query.snapshot import JournalSnapshot
    from actors.query.stored_object import StoredObject
    from journal.ids import InvocationId
    from journal.rows import InvocationRow


async def read_recorded(snapshot: JournalSnapshot, of: InvocationId) -> RecordedInvocation:
    """Return the recorded invocation, with its history. Raises :class:`actors.NotFoundError` or ``Damaged``."""
    row, stored = snapshot.invocation(of), snapshot.stored_stream(stream_of_invocation(of))
    # The row of an open invocation is written only when its status changes; its object has its current spans.
    spans = row.spans if row.outcome is not None else _spans_of_open(stored, of)
    history = [r for r in await stored.history(stored.stream, spans) if belongs_to(r.event, of)]
    began = max((r.number for r in history if isinstance(r.event, GOING_LIVE)), default=None)
    if began is None:
        return RecordedInvocation(row=row, history=history, state=None, items=None)
    state, were = await _object_as_it_began(stored, row, began)
    beside = None if row.mode is Mode.EXCLUSIVE else writer_beside(state)
    items = ObjectItems(stored.rows_with(were), stored.partition, stored.stream, state, beside=beside)
    return RecordedInvocation(row=row, history=history, state=state, items=items)


async def _object_as_it_began(stored: StoredObject, row: InvocationRow, began: int) -> tuple[ObjectState, FormerItems]:
    past = stored.past
    try:
        state = await past.object_at(began)
        return state, await past.former_items(began, state.lengths)
    except NotFoundError as error:
        if error.kind is not ResourceKind.HISTORY or row.outcome is not None or row.mode is not Mode.EXCLUSIVE:
            raise
        return _state(stored), FormerItems()  # it has its object exclusively, which is therefore unchanged


def _spans_of_open(stored: StoredObject, of: InvocationId) -> list[tuple[int, int]]:
    opened = _state(stored).invocations.get(of)
    if opened is None:
        raise Damaged(stored.stream, 0, f"{of} is open according to its row, but its object does not know it")
    return opened.spans


def _state(stored: StoredObject) -> ObjectState:
    state = stored.state()
    if state is None:
        raise Damaged(stored.stream, 0, "there is an invocation, but no object")
    return state
