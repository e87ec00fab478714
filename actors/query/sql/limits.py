"""``sys_limit``: one row for each limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.model.limit_info import LimitInfo
from actors.query.sql.columns import Path, Table, Wanted
from actors.query.sql.records import column_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot


def _every(snapshot: JournalSnapshot, _: Wanted) -> Iterator[LimitInfo]:
    return iter(snapshot.limit_infos())


_STORED = ("scope", "concurrency", "rate", "period", "budget", "spent", "since", "by", "reason")

LIMITS = Table[LimitInfo](
    name="sys_limit",
    about="One row for each limit: how many invocations run at once, how many start in a period, and how much they may spend.",
    columns=tuple(column_of(LimitInfo, name, name) for name in _STORED),
    paths=(Path(name="every", scan=_every, cost=20),),
)
