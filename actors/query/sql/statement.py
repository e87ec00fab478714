"""Runs one statement. It blocks: in a server it runs in a thread."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

import apsw
import attrs

from actors.errors import ErrorCode, InvalidArgumentError, LimitExceededError
from actors.query.sql.authorizer import SQL_BYTES, VALUE_BYTES, Authorizer, guarded_connection
from actors.query.sql.budget import Budget, counted
from actors.query.sql.counted import as_counts
from actors.query.sql.result import QueryResult, Value, check_parameters
from actors.query.sql.tables import TABLES
from actors.query.sql.virtual_tables import attach
from actors.values.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot
    from actors.query.sql.result import Parameters

_SHOWN_CHARACTERS = 30
_COUNTS = re.compile(r"uses (\d+) and there are (\d+)")
"""Finds both numbers in an error of apsw."""


def query(
    snapshot: JournalSnapshot,
    sql: str,
    parameters: Parameters = (),
    *,
    budget: Budget | None = None,
    max_rows: int = DEFAULT_LIMITS.query_rows,
    max_bytes: int = DEFAULT_LIMITS.query_bytes,
) -> QueryResult:
    """Return the answer to one SELECT. ``parameters`` are the values for ``?``, or by name for ``:name``.

    Raises :class:`actors.InvalidArgumentError`, :class:`actors.LimitExceededError`, the errors of the budget, and a
    ``JournalError`` if stored data is damaged.

    ::

        query(snapshot, "select status, count(*) from sys_invocation where service = ? group by status", ["Agent"])
    """
    budget = Budget() if budget is None else budget
    statement = Statement(snapshot, budget, Authorizer(is_at_once=budget.is_at_once), sql)
    rows: list[list[Value]] = []
    size = 0
    for row in statement.rows(parameters):
        if len(rows) == max_rows:
            raise LimitExceededError(
                f"the query returns more than {max_rows} rows; add LIMIT or a condition",
                limit="query_rows",
                maximum=max_rows,
            )
        size += sum(len(value) if isinstance(value, str) else 8 for value in row)
        if size > max_bytes:
            raise LimitExceededError(
                f"the query returns more than {max_bytes} bytes; select fewer columns or rows",
                limit="query_bytes",
                maximum=max_bytes,
                found=size,
            )
        rows.append(row)
    return QueryResult(columns=statement.columns, rows=rows, rows_read=budget.rows_read)


@attrs.define(eq=False)
class Statement:
    """One SELECT in SQLite. ``columns`` are known once ``rows`` has begun.

    ``offset`` is where the user's text begins in ``sql`` and ``length`` its number of characters: positions in errors refer to
    the user's text.
    """

    snapshot: JournalSnapshot
    budget: Budget
    guard: Authorizer
    sql: str
    offset: int = 0
    length: int | None = None
    columns: list[str] = attrs.field(factory=list)

    def rows(self, parameters: Parameters) -> Iterator[list[Value]]:
        """Yield the result rows as they are computed. Raises as :func:`query` does, and nothing else."""
        bindings = _checked_parameters(parameters)
        with self._errors_translated(), self._connection() as connection:
            cursor = connection.cursor()
            for row in self._counts(cursor, bindings) or self._begun(cursor, bindings):
                yield [self._checked_value(value, column) for value, column in zip(row, self.columns, strict=True)]
            if not self.columns:
                raise InvalidArgumentError("the query is empty; begin with SELECT", path="query")

    def _begun(self, cursor: apsw.Cursor, bindings: _Bindings) -> apsw.Cursor:
        cursor.exec_trace = self._begin
        return cursor.execute(self.sql, bindings)

    def _counts(self, cursor: apsw.Cursor, bindings: _Bindings) -> apsw.Cursor | None:
        """Answer from the counters. None if the statement needs more than they have."""
        counts = as_counts(self.sql)
        if counts is None:
            return None
        cursor.exec_trace = self._compile_only
        with suppress(apsw.ExecTraceAbort):
            cursor.execute(self.sql, bindings)  # its names, and its errors
        is_compiled = False

        def note(*_: object) -> bool:
            nonlocal is_compiled
            is_compiled = True
            return True

        cursor.exec_trace = note
        try:
            return cursor.execute(counts, bindings)
        except apsw.SQLError:
            if is_compiled:
                raise
            self.columns = []
            return None

    def _compile_only(self, cursor: apsw.Cursor, sql: str, bindings: object) -> bool:
        self._begin(cursor, sql, bindings)
        return False

    @contextmanager
    def _connection(self) -> Iterator[apsw.Connection]:
        if len(self.sql.encode()) > SQL_BYTES:
            raise LimitExceededError(
                f"the query has more than {SQL_BYTES} bytes",
                limit="sql_bytes",
                maximum=SQL_BYTES,
                code=ErrorCode.TOO_LARGE,
            )
        if "\0" in self.sql:
            raise InvalidArgumentError(
                "the query contains a NUL character", position=self.sql.index("\0") - self.offset, path="query"
            )
        connection = guarded_connection(self.guard, self.budget)
        try:
            snapshot = counted(self.snapshot, self.budget)
            for table in TABLES:
                attach(connection, table, snapshot)
            now = self.snapshot.now
            connection.create_scalar_function("now", lambda *_: now, 0, deterministic=True)
            yield connection
        finally:
            connection.close(True)

    def _begin(self, cursor: apsw.Cursor, sql: str, _: object) -> bool:
        """Refuse a second statement. SQLite calls this before each statement of the text."""
        if self.columns:
            raise InvalidArgumentError("the query has more than one statement; send one SELECT at a time", path="query")
        self.columns = [name for name, *_ in cursor.get_description()]
        return True

    @staticmethod
    def _checked_value(value: object, column: str) -> Value:
        if isinstance(value, bytes):
            raise InvalidArgumentError(
                f"column {column} is a BLOB, which a result cannot contain; use hex({column})", path="query"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidArgumentError(f"column {column} is not a finite number", path="query")
        if not (value is None or isinstance(value, (str, int, float))):
            raise InvalidArgumentError(
                f"column {column} is a {type(value).__name__}, which a result cannot contain", path="query"
            )
        return value

    @contextmanager
    def _errors_translated(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise self._translated(error) from error
        except UnicodeError as error:
            raise InvalidArgumentError(
                f"a text of the query or of its result is not UTF-8: {error}", path="query"
            ) from error

    def _translated(self, error: apsw.Error) -> BaseException:
        if self.budget.stopped_by is not None:
            return self.budget.stopped_by
        if self.guard.is_too_slow_at_once:
            return LimitExceededError(
                "the query calls a function that may take long", limit="query_seconds", maximum=self.budget.seconds
            )
        if self.guard.refusal is not None:
            return InvalidArgumentError(self.guard.refusal, path="query")
        if isinstance(error, (apsw.TooBigError, apsw.NoMemError)):
            if self.budget.is_at_once:
                return LimitExceededError(
                    "the query has a value that may take long", limit="query_seconds", maximum=self.budget.seconds
                )
            return LimitExceededError(
                f"a value in the query has more than {VALUE_BYTES >> 10} KiB, or the statement is too large: {error}",
                limit="query_value_bytes",
                maximum=VALUE_BYTES,
            )
        if isinstance(error, apsw.BindingsError):
            return InvalidArgumentError(_bindings_failure(str(error)), path="query")
        return self._pointed(error)

    def _pointed(self, error: apsw.Error) -> InvalidArgumentError:
        """Return the error with its position in the user's text, if SQLite gives one."""
        message = str(error)
        if message.startswith("no such table"):
            message += f" (the tables are {', '.join(sorted(self.guard.readable))})"
        offset = getattr(error, "error_offset", -1)
        if offset < 0:
            return InvalidArgumentError(message, path="query")
        position = len(self.sql.encode()[:offset].decode(errors="ignore")) - self.offset
        asked = self.sql[self.offset :][: self.length]
        if not 0 <= position < len(asked.rstrip()):
            return InvalidArgumentError(f"{message}, at the end", path="query")
        shown = asked[position : position + _SHOWN_CHARACTERS].partition("\n")[0]
        return InvalidArgumentError(f"{message}, at character {position + 1}: {shown}", position=position, path="query")


def _bindings_failure(text: str) -> str:
    counts = _COUNTS.search(text)
    if counts is None:
        return "the query uses ? and its parameters are given by name: use :name in the query, or give a list of parameters"
    used, given = map(int, counts.groups())
    return f"the query uses {used} parameter{'' if used == 1 else 's'} and {given} {'was' if given == 1 else 'were'} given: give one for each"


def _checked_parameters(parameters: Parameters) -> _Bindings:
    check_parameters(parameters)
    return _Named(parameters) if isinstance(parameters, Mapping) else tuple(parameters)


class _Named(dict[str, Value]):
    def __missing__(self, name: str) -> Value:
        raise InvalidArgumentError(f"the query uses :{name}, but no parameter has that name", path="query")


_Bindings: TypeAlias = _Named | tuple[Value, ...]
