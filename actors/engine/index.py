"""Maintains the index rows of objects and invocations, so that both can be found without reading logs, and counts invocations
as their rows change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.owed import needs_recovery
from actors.core.state import existing
from actors.rows.counters import Counts, failed_key, groups_of_listed, groups_of_row, recount
from actors.rows.index import IndexedState, Rows, listing_of, row_of, tag_keys
from journal import invocation_keys, keys
from journal.rows import AwaitedSignal, InvocationRow, encode_row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.core.state import ObjectState
    from actors.engine.loaded_object import LoadedObject
    from journal.ids import InvocationId


def index_invocation(
    rows: Rows, new: list[bytes], counts: Counts, partition: int, loaded: LoadedObject, invocation_id: InvocationId
) -> None:
    """Write the row of an invocation, and move it in the indexes and the counts, if its indexed state has changed. ``new`` receives
    the keys of rows that cannot exist yet."""
    ended = loaded.ended.get(invocation_id)
    listed = loaded.listings.get(invocation_id)
    if ended is not None:
        _index_ended(rows, new, counts, partition, ended, listed)
        loaded.listings.pop(invocation_id, None)
        return
    state = existing(loaded.state)
    invocation = state.invocations.get(invocation_id)
    if invocation is None:
        return  # it had completed before, and its row is final
    listing = listing_of(invocation)
    if listing == listed:
        return
    key = invocation_keys.invocation(partition, invocation_id)
    rows[key] = encode_row(row_of(state, invocation))
    loaded.listings[invocation_id] = listing
    service, handler = state.service, invocation.handler
    recount(counts, groups_of_listed(service, handler, listed), groups_of_listed(service, handler, listing))
    if listed is None:
        _index_created(rows, new, key, partition, invocation.accepted_at, invocation_id)
        if invocation.tags:
            index_tags(rows, new, partition, invocation.tags, invocation.accepted_at, invocation_id)
    elif listed.status is not listing.status:
        rows[invocation_keys.open_by_status(partition, listed.status, invocation_id)] = None
    rows[invocation_keys.open_by_status(partition, listing.status, invocation_id)] = b""
    _index_pinned(rows, partition, invocation_id, "" if listed is None else listed.deployment, listing.deployment)
    _index_awaiting(rows, partition, invocation_id, () if listed is None else listed.awaited, listing.awaited)


def _index_created(
    rows: Rows, new: list[bytes], key: bytes, partition: int, at: float, invocation_id: InvocationId
) -> None:
    created = invocation_keys.created(partition, at, invocation_id)
    rows[created] = b""
    new += (key, created)


def index_tags(
    rows: Rows, new: list[bytes], partition: int, tags: dict[str, str], at: float, invocation_id: InvocationId
) -> None:
    """Index an invocation that was accepted at this time by its tags."""
    for key in tag_keys(partition, tags, at, invocation_id):
        rows[key] = b""
        new.append(key)


def _index_pinned(rows: Rows, partition: int, invocation_id: InvocationId, before: str, now: str) -> None:
    if before == now:
        return
    if before:
        rows[invocation_keys.pinned(partition, before, invocation_id)] = None
    if now:
        rows[invocation_keys.pinned(partition, now, invocation_id)] = b""


def _index_awaiting(
    rows: Rows,
    partition: int,
    invocation_id: InvocationId,
    before: tuple[AwaitedSignal, ...],
    now: tuple[AwaitedSignal, ...],
) -> None:
    """Index the signal that the invocation has awaited longest."""
    if before[:1] == now[:1]:
        return
    if before:
        rows[invocation_keys.awaiting(partition, before[0].since, invocation_id)] = None
    if now:
        rows[invocation_keys.awaiting(partition, now[0].since, invocation_id)] = b""


def _index_ended(
    rows: Rows, new: list[bytes], counts: Counts, partition: int, row: InvocationRow, listed: IndexedState | None
) -> None:
    """Write the row of a completed invocation, which was ``listed`` as open on disk, or is not there yet."""
    invocation_id = row.invocation_id
    key = invocation_keys.invocation(partition, invocation_id)
    rows[key] = encode_row(row)
    recount(counts, groups_of_listed(row.target.service, row.target.handler, listed), groups_of_row(row))
    if listed is None:
        _index_created(rows, new, key, partition, row.created_at, invocation_id)
        if row.tags:
            index_tags(rows, new, partition, row.tags, row.created_at, invocation_id)
    else:
        _unlist(rows, partition, invocation_id, listed)
    if row.purge_at is not None:
        due = invocation_keys.purge(partition, row.purge_at, invocation_id)
        rows[due] = b""
        new.append(due)
    failed = failed_key(partition, row)
    if failed is not None:
        rows[failed] = b""
        new.append(failed)


def _unlist(rows: Rows, partition: int, invocation_id: InvocationId, listed: IndexedState) -> None:
    """Remove an invocation from the indexes of open ones."""
    rows[invocation_keys.open_by_status(partition, listed.status, invocation_id)] = None
    _index_pinned(rows, partition, invocation_id, listed.deployment, "")
    _index_awaiting(rows, partition, invocation_id, listed.awaited, ())


def index_name(rows: Rows, partition: int, state: ObjectState, *, there: bool) -> None:
    """Add a keyed object to the index of names, or remove it."""
    if state.key is not None:
        rows[keys.object_name(partition, state.service, state.key)] = b"" if there else None


def index_owing(rows: Rows, partition: int, loaded: LoadedObject) -> None:
    """Record whether recovery must load the object. The entry has the service's name, so that recovery can skip objects that a
    gate holds.

    An object without unfinished work has no entry. An object whose state alone suggests unfinished work may have none either, if its
    handlers are known to have handled every event.
    """
    state = loaded.state
    owing = state is not None and needs_recovery(state, _rested(loaded))
    if owing != loaded.owing_on_disk:
        loaded.owing_on_disk = owing
        rows[keys.owing(partition, loaded.stream)] = None if not owing or state is None else state.service.encode()


def _rested(loaded: LoadedObject) -> Mapping[InvocationId, int]:
    if not loaded.attempts:
        return loaded.rested
    return loaded.rested | {of: attempt.rested for of, attempt in loaded.attempts.items()}


def forget_invocation(rows: Rows, counts: Counts, partition: int, loaded: LoadedObject, row: InvocationRow) -> None:
    """Delete every row of a completed invocation, also if its completion is not on disk yet."""
    is_written = loaded.ended.pop(row.invocation_id, None) is None
    listed = loaded.listings.pop(row.invocation_id, None)
    if listed is not None:
        _unlist(rows, partition, row.invocation_id, listed)
    # The counters include the row on disk or in a sealed batch: the completed one, the open one before it, or none.
    open_groups = groups_of_listed(row.target.service, row.target.handler, listed)
    recount(counts, groups_of_row(row) if is_written else open_groups, ())
    rows[invocation_keys.invocation(partition, row.invocation_id)] = None
    rows[invocation_keys.created(partition, row.created_at, row.invocation_id)] = None
    if row.purge_at is not None:
        rows[invocation_keys.purge(partition, row.purge_at, row.invocation_id)] = None
    failed = failed_key(partition, row)
    if failed is not None:
        rows[failed] = None
    if row.tags:
        rows |= dict.fromkeys(tag_keys(partition, row.tags, row.created_at, row.invocation_id))
