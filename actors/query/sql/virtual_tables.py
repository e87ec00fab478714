"""Presents a table to SQLite as a virtual table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from actors.query.sql.columns import Wanted
from actors.query.sql.plans import can_match, choose, decode_plan, wanted_of
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    import apsw

    from actors.query.snapshot import JournalSnapshot
    from actors.query.sql.columns import AnyTable
    from actors.query.sql.result import Value


def attach(connection: apsw.Connection, table: AnyTable, snapshot: JournalSnapshot) -> None:
    """Make a table visible to the connection, without a CREATE."""
    # apsw's protocol also has methods for tables that are created and dropped.
    module = cast("apsw.VTModule", _Module(table, snapshot))
    connection.create_module(
        table.name, module, use_bestindex_object=True, eponymous=True, eponymous_only=True, read_only=True
    )


class _Module:
    def __init__(self, table: AnyTable, snapshot: JournalSnapshot) -> None:
        self._table = table
        self._snapshot = snapshot

    def Connect(self, *_: Any) -> tuple[str, _Window]:  # noqa: N802 - the names are apsw's
        return self._table.declaration, _Window(self._table, self._snapshot)

    Create = Connect


class _Window:
    def __init__(self, table: AnyTable, snapshot: JournalSnapshot) -> None:
        self._table = table
        self._snapshot = snapshot
        self._numbers: dict[Hashable, int] = {}

    def BestIndexObject(self, index: apsw.IndexInfo) -> bool:  # noqa: N802
        choose(self._table, index)
        return True

    def Open(self) -> _Cursor:  # noqa: N802
        return _Cursor(self._table, self._snapshot, self._numbers)

    def Disconnect(self) -> None:  # noqa: N802
        ...

    Destroy = Disconnect


class _Cursor:
    """A scan. ``numbers`` are the row ids given out: for a condition with ``or``, SQLite uses an index and a cursor for each
    side, and recognises repeated rows by their ids."""

    def __init__(self, table: AnyTable, snapshot: JournalSnapshot, numbers: dict[Hashable, int]) -> None:
        self._table = table
        self._snapshot = snapshot
        self._numbers = numbers
        self._values = [column.value for column in table.columns]
        self._rows: Iterator[Any] = iter(())
        self._row: Any = None
        self._number = 0

    def Filter(self, _number: int, plan: str, values: Sequence[object]) -> None:  # noqa: N802
        self._rows = self._found(plan, values)
        self._number = 0
        self.Next()

    def _found(self, encoded: str, values: Sequence[object]) -> Iterator[Any]:
        plan = decode_plan(encoded)
        if not can_match(plan, values):
            return iter(())
        wanted = wanted_of(plan, values)
        if wanted is None:
            if plan.ordered:
                raise BrokenInvariant("a path that needs a column's value declares an order")
            return self._table.paths[-1].scan(self._snapshot, Wanted(columns=plan.columns))
        path = next(path for path in self._table.paths if path.name == plan.path)
        return path.scan(self._snapshot, wanted)

    def Next(self) -> None:  # noqa: N802
        self._row = next(self._rows, None)
        self._number += 1

    def Eof(self) -> bool:  # noqa: N802
        return self._row is None

    def Column(self, which: int) -> Value:  # noqa: N802
        return self.Rowid() if which < 0 else self._values[which](self._row, self._snapshot)

    def Rowid(self) -> int:  # noqa: N802
        identity = self._table.identity
        if identity is None:
            return self._number
        return self._numbers.setdefault(identity(self._row), len(self._numbers) + 1)

    def Close(self) -> None:  # noqa: N802
        self._rows = iter(())
