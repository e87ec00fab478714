"""``sys_lock``: one row for each invocation that holds a lock or waits for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.query.locks import LockPlace, each_lock_place
from actors.query.sql.columns import Column, Path, Table, Type, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot


def _every(snapshot: JournalSnapshot, _: Wanted) -> Iterator[LockPlace]:
    return each_lock_place(snapshot)


LOCKS = Table[LockPlace](
    name="sys_lock",
    about="One row for each invocation that holds a lock (actors.lock) or waits for one.",
    columns=(
        Column("lock", Type.TEXT, "the name of the lock and the key: Account/alice", lambda place, _: place.lock),
        Column("place", Type.INTEGER, "its place in the queue; 1 has the lock", lambda place, _: place.place),
        Column("state", Type.TEXT, "held or waiting", lambda place, _: "held" if place.place == 1 else "waiting"),
        Column("invocation_id", Type.TEXT, "the invocation", lambda place, _: place.hold.holder),
        Column("since", Type.TIME, "when it asked for the lock", lambda place, _: place.hold.since),
    ),
    paths=(Path(name="every", scan=_every, cost=1_000),),
)
