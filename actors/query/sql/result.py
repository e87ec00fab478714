"""The result of a query. It is imported without SQLite by modules that only pass it on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import attrs

from actors.errors import InvalidArgumentError
from actors.values.texts import is_utf8

if TYPE_CHECKING:
    from collections.abc import Sequence

_LARGEST_INTEGER = 2**63 - 1

Value: TypeAlias = str | int | float | None
"""The values of parameters and results: those that SQLite and JSON share. Nested JSON is text."""

Parameters: TypeAlias = "Sequence[Value] | Mapping[str, Value]"
"""The values for ``?``, or by name for ``:name``."""


@attrs.frozen(kw_only=True)
class QueryResult:
    """The answer to a query: the names of its columns, and its rows in order.

    ``rows_read`` is the number of keys that were read for it: a query that an index answers reads few.

    ::

        result = await client.query("select status, count(*) from sys_invocation group by status")
        for status, count in result.rows:
            print(status, count)
    """

    columns: list[str]
    rows: list[list[Value]]
    rows_read: int


@attrs.frozen(kw_only=True)
class ColumnInfo:
    """A column: its name, its type (``TIME`` is seconds since 1970, ``JSON`` is text), and its description."""

    name: str
    type: str
    about: str


@attrs.frozen(kw_only=True)
class TableInfo:
    """A table that a query can name. ``found_by`` are the columns with an index: conditions on others read more rows."""

    name: str
    about: str
    columns: list[ColumnInfo]
    found_by: list[str]


def check_parameters(parameters: Parameters) -> None:
    """Raise :class:`actors.InvalidArgumentError` for a parameter that SQLite or JSON would read as another value."""
    named = parameters.items() if isinstance(parameters, Mapping) else enumerate(parameters, start=1)
    for name, value in named:
        if value is not None and not isinstance(value, (str, int, float)):
            raise InvalidArgumentError(
                f"parameter {name} is a {type(value).__name__}; a query takes texts, numbers, true, false and null",
                path="query",
            )
        if isinstance(value, int) and not -_LARGEST_INTEGER - 1 <= value <= _LARGEST_INTEGER:
            raise InvalidArgumentError(f"parameter {name} has more than 64 bits", path="query")
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidArgumentError(f"parameter {name} is {value}; a query takes finite numbers", path="query")
        if isinstance(value, str) and not is_utf8(value):
            raise InvalidArgumentError(f"parameter {name} cannot be written as UTF-8", path="query")
