"""The description of a table: its columns and its indexes."""

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
    """The type of a column. JSON is text for SQLite's JSON functions; a TIME is seconds since 1970, UTC."""

    TEXT = "TEXT"
    INTEGER = "INTEGER"
    REAL = "REAL"
    TIME = "TIME"
    JSON = "JSON"

    @property
    def affinity(self) -> str:
        """The name of the type in SQLite."""
        return {"TIME": "REAL", "JSON": "TEXT"}.get(self.value, self.value)


@attrs.frozen
class Column(Generic[R]):
    """A column: its description, and how to compute its value from a row.

    ``reads`` names the fields of the row that it needs, for tables that can read parts of rows.
    """

    name: str
    type: Type
    about: str
    value: Callable[[R, JournalSnapshot], Value]
    reads: Sequence[str] = ()


@attrs.frozen(kw_only=True)
class Wanted:
    """The rows and columns that a query needs of a table, as far as known before it reads rows. Returning more rows is harmless.

    ``equal`` are the texts that columns must equal; ``low`` and ``high`` are the bounds of the path's ranged column, both
    inclusive. ``columns`` are all columns that the query uses; None if unknown.
    """

    equal: Mapping[str, str] = attrs.field(factory=dict)
    low: float | None = None
    high: float | None = None
    descending: bool = False
    columns: Sequence[str] | None = None


@attrs.frozen(kw_only=True)
class Path(Generic[R]):
    """A way to find rows of a table: an index.

    ``equal`` are columns whose values must be given. ``held`` are columns that are not NULL in any row of the path, so that it
    can be used for a condition on one of them. ``ranged`` is a column that may be bounded. ``order`` are the columns by which the
    rows are sorted, or all in reverse if ``descending``; only a path that needs no value has an order. ``cost`` is the
    approximate number of rows read. ``suits`` says whether the path helps for a value that is known beforehand.
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
    """A table. The last of ``paths`` needs no values and gives every row.

    ``identity`` distinguishes the rows that indexes find: a row that two indexes find is returned once. A table with an index
    needs it.
    """

    name: str
    about: str
    columns: Sequence[Column[R]]
    paths: Sequence[Path[R]]
    identity: Callable[[R], Hashable] | None = None

    def __attrs_post_init__(self) -> None:
        if not (self.identity is not None or len(self.paths) == 1):
            raise BrokenInvariant(f"{self.name} has an index but no identity")

    @property
    def declaration(self) -> str:
        """Return the CREATE TABLE statement for SQLite."""
        columns = ", ".join(f'"{column.name}" {column.type.affinity}' for column in self.columns)
        return f"CREATE TABLE x({columns})"


AnyTable = Table[Any]
