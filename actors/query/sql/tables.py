"""The tables and their descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.query.sql.audit import AUDITS
from actors.query.sql.counters import INVOCATION_COUNTS
from actors.query.sql.deployments import DEPLOYMENTS
from actors.query.sql.gates import GATES
from actors.query.sql.histories import HISTORIES
from actors.query.sql.invocations import INVOCATIONS
from actors.query.sql.limits import LIMITS
from actors.query.sql.locks import LOCKS
from actors.query.sql.notifications import NOTIFICATIONS
from actors.query.sql.objects import INBOXES, STATES
from actors.query.sql.outputs import OUTPUTS
from actors.query.sql.result import ColumnInfo, TableInfo
from actors.query.sql.schedules import SCHEDULES
from actors.query.sql.services import SERVICES
from actors.query.sql.tags import TAGS

if TYPE_CHECKING:
    from actors.query.sql.columns import AnyTable

TABLES: tuple[AnyTable, ...] = (
    INVOCATIONS,
    TAGS,
    INVOCATION_COUNTS,
    HISTORIES,
    OUTPUTS,
    STATES,
    INBOXES,
    SERVICES,
    DEPLOYMENTS,
    GATES,
    LIMITS,
    LOCKS,
    SCHEDULES,
    NOTIFICATIONS,
    AUDITS,
)
"""Every table that a query can name. A table is a module of its own beside this one, and a line here."""


def describe() -> str:
    """Describe every table with its columns, for people::

    print(actors.query.sql.tables.describe())
    """
    return "\n\n".join(_described(table) for table in TABLES)


def listed() -> list[TableInfo]:
    """Return every table with its columns, for programs::

    names = [table.name for table in actors.query.sql.tables.listed()]
    """
    return [
        TableInfo(
            name=table.name,
            about=table.about,
            columns=[ColumnInfo(name=c.name, type=c.type.value, about=c.about) for c in table.columns],
            found_by=_found_by(table),
        )
        for table in TABLES
    ]


def _found_by(table: AnyTable) -> list[str]:
    ways = [", ".join((*path.equal, *([path.ranged] if path.ranged else []))) for path in table.paths]
    return [*filter(None, ways), *(column for path in table.paths for column in path.held)]


def _described(table: AnyTable) -> str:
    width = max(len(column.name) for column in table.columns)
    lines = [
        f"  {column.name.ljust(width)}  {column.type.value.lower():<7}  {column.about}" for column in table.columns
    ]
    found_by = "; ".join(_found_by(table))
    return "\n".join([table.name, f"  {table.about}", *([f"  Found by: {found_by}"] if found_by else []), *lines])
