"""What a table is: its columns, and the ways into it."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from actors.query.snapshot import JournalSnapshot
    from actors.query.sql.result import Value

R = TypeVar("R")


def _anything(_: object) -> bool:
    return True


class Type(enum.Enum):
    """What a column holds. JSON is text that SQLite's JSON functions take; a TIME is seconds since 1970, UTC."""

    TEXT = "TEXT"
    INTEGER = "INTEGER"
    REAL = "REAL"
    TIME = "TIME"
    JSON = "JSON"

    @property
    def affinity(self) -> str:
        """As SQLite declares it."""
        return {"TIME": "REAL", "JSON": "TEXT"}.get(self.value, self.value)


@attrs.frozen
class Column(Generic[R]):
    """A column: what it is for, and how it is had from a row. ``value`` is only asked where a query names the column.

    ``reads`` names the fields of the row that this takes, for tables that can read part of one.
    """

    name: str
    type: Type
    about: str
    value: Callable[[R, JournalSnapshot], Value]
    reads: Sequence[str] = ()


@attrs.frozen(kw_only=True)
class Wanted:
    """What a query is known to want of a table before it looks at rows. Giving more rows than that is harmless.

    ``equal`` holds the texts that columns must equal, ``low`` and ``high`` the bounds of the path's ranged column, both
    inclusive. ``columns`` are all that the query will ask for, None if that is not known.
    """

    equal: Mapping[str, str] = attrs.field(factory=dict)
    low: float | None = None
    high: float | None = None
    descending: bool = False
    columns: Sequence[str] | None = None


@attrs.frozen(kw_only=True)
class Path(Generic[R]):
    """A way into a table.

    ``equal``: columns whose values must be given. ``held``: columns that have a value in every row of it, so that it is a way for
    a reader who asks for something of one of them. ``ranged``: a column that may be bounded. ``order``: the columns in whose order the
    rows come, or all in the opposite one if ``descending`` is wanted; only a path that needs no value has one.
    ``cost`` compares paths: about how many rows are read. ``suits`` says of a value that is known beforehand whether the path
    is any good for it.
    """

    name: str
    scan: Callable[[JournalSnapshot, Wanted], Iterator[R]]
    cost: float
    equal: Sequence[str] = ()
    held: Sequence[str] = ()
    ranged: str | None = None
    order: Sequence[str] = ()
    suits: Callable[[object], bool] = _anything


@attrs.frozen(kw_only=True)
class Table(Generic[R]):
    """A table. The last of ``paths`` needs nothing and gives every row.

    ``identity`` tells the rows that indexes find from each other: one that two of them find is one row. It is wanted where there
    is an index.
    """

    name: str
    about: str
    columns: Sequence[Column[R]]
    paths: Sequence[Path[R]]
    identity: Callable[[R], Hashable] | None = None

    def __attrs_post_init__(self) -> None:
        if not (self.identity is not None or len(self.paths) == 1):
            raise BrokenInvariant(f"{self.name} has an index, and nothing tells rows apart")

    @property
    def declaration(self) -> str:
        """The table as SQLite is told of it."""
        columns = ", ".join(f'"{column.name}" {column.type.affinity}' for column in self.columns)
        return f"CREATE TABLE x({columns})"


AnyTable = Table[Any]
