"""What is looked up by key is there as long as what it leads to, and not longer."""

from __future__ import annotations

from actors.engine.index import forget_invocation
from actors.engine.loaded_object import LoadedObject
from actors.rows.index import IndexedState, Rows
from journal import invocation_keys
from journal.events import Kind, Mode, Status, Target
from journal.ids import InvocationId, stream_of
from journal.rows import InvocationRow

IT = InvocationId("inv_1" + "0" * 33)


def test_an_invocation_that_ends_and_is_purged_in_one_commit_leaves_no_index() -> None:
    loaded = LoadedObject(stream_of("Notes", "a"), None)
    loaded.listings[IT] = IndexedState(Status.QUEUED, None, cancelled=False, deployment="dep_1")
    row = InvocationRow(
        invocation_id=IT,
        target=Target("Notes", "a", "note"),
        kind=Kind.ACTOR,
        mode=Mode.EXCLUSIVE,
        status=Status.COMPLETED,
        created_at=1.0,
        created_by="me",
        modified_at=2.0,
        spans=[(1, 2)],
        purge_at=3.0,
        deployment="dep_1",
    )
    rows: Rows = {}
    forget_invocation(rows, {}, 0, loaded, row)
    assert rows == dict.fromkeys(
        [
            invocation_keys.open_by_status(0, Status.QUEUED, IT),
            invocation_keys.pinned(0, "dep_1", IT),
            invocation_keys.invocation(0, IT),
            invocation_keys.created(0, 1.0, IT),
            invocation_keys.purge(0, 3.0, IT),
        ]
    )
