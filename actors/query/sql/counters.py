"""``sys_invocation_count``: how many invocations there are of each sort, from the counters that are kept with their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from actors.query.counts import invocation_counts
from actors.query.sql.columns import Column, Path, Table, Type
from actors.rows import counters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot
    from actors.query.sql.columns import Wanted
    from actors.rows.counters import Group

_Row: TypeAlias = "tuple[Group, int]"


def _part(name: str, place: int, about: str) -> Column[_Row]:
    return Column(name, Type.TEXT, about, lambda row, _: row[0][place] or None)


def _groups(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[_Row]:
    by_signal = wanted.columns is None or "awaited_signal" in wanted.columns
    yield from invocation_counts(snapshot.view, snapshot.partitions, by_signal=by_signal).items()


INVOCATION_COUNTS = Table[_Row](
    name="sys_invocation_count",
    about="The number of invocations by these columns, which mean what they mean in sys_invocation. Reads no invocation.",
    columns=(
        _part("service", counters.SERVICE, "the class"),
        _part("handler", counters.HANDLER, "the handler"),
        _part("status", counters.STATUS, "their status"),
        _part("outcome", counters.OUTCOME, "succeeded, failed, cancelled or killed; NULL until they have ended"),
        _part("deployment", counters.DEPLOYMENT, "the deployment that they run on"),
        _part("last_error_type", counters.ERROR_TYPE, "the full name of the last error's type"),
        _part("awaited_signal", counters.SIGNAL, "the signal that they wait for"),
        Column("count", Type.INTEGER, "the number of invocations", lambda row, _: row[1]),
    ),
    paths=(Path(name="every", scan=_groups, cost=100),),
)
