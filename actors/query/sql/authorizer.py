"""What a query may do: read the tables of ours, with functions that only compute. Everything else is refused by name.

SQLite asks for each thing that a statement would do while it compiles it (its authorizer). The list says what is allowed and
nothing of what is not, so that what a later SQLite learns is refused until it has been reviewed. Sizes are bounded by
SQLite's own limits, time and memory by the :class:`actors.query.sql.budget.Budget`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import attrs

from actors.query.sql.functions import replace_slow_functions
from actors.query.sql.tables import TABLES

if TYPE_CHECKING:
    from actors.query.sql.budget import Budget

SQL_BYTES = 64 << 10
"""How long a statement may be."""

VALUE_BYTES = 1 << 20
"""How large a value of a query may be. A single step of SQLite cannot be interrupted, and none is much longer than reading or
writing its values: functions that take the product of two lengths are replaced (:mod:`actors.query.sql.functions`)."""

_VALUE_BYTES_AT_ONCE = 64 << 10
_STEPS_BETWEEN_CHECKS = 500
_STEPS_BETWEEN_CHECKS_AT_ONCE = 50

_LIMITS = {
    apsw.SQLITE_LIMIT_SQL_LENGTH: SQL_BYTES,
    apsw.SQLITE_LIMIT_COLUMN: 200,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 100,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT: 20,
    apsw.SQLITE_LIMIT_VDBE_OP: 50_000,
    apsw.SQLITE_LIMIT_FUNCTION_ARG: 50,
    apsw.SQLITE_LIMIT_ATTACHED: 0,
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    apsw.SQLITE_LIMIT_VARIABLE_NUMBER: 1_000,
    apsw.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    apsw.SQLITE_LIMIT_WORKER_THREADS: 0,
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_AGGREGATES = _words("""
    avg count cume_dist dense_rank first_value group_concat json_group_array json_group_object lag last_value
    lead max min nth_value ntile percent_rank rank row_number string_agg sum total
""")
_JSON = _words("""
    -> ->> json json_array json_array_length json_extract json_object json_pretty json_quote
    json_remove json_set json_type json_valid
""")
_DATES = _words("""
    date datetime julianday now strftime time timediff unixepoch
""")
_NUMBERS = _words("""
    abs ceil ceiling exp floor ln log log10 log2 mod pow power random round sign sqrt trunc
""")
_TEXTS = _words("""
    char coalesce concat concat_ws format glob hex if ifnull iif instr length like likelihood likely lower ltrim
    nullif octet_length printf quote replace rtrim substr substring trim typeof unicode unlikely upper
""")
FUNCTIONS = _AGGREGATES | _JSON | _DATES | _NUMBERS | _TEXTS
"""Every function that a query may call. All of them compute; none reads a file, loads code or changes anything."""

_FUNCTIONS_AT_ONCE = (
    (_AGGREGATES - _words("group_concat json_group_array json_group_object string_agg"))
    | _DATES
    | _NUMBERS
    | _words("coalesce if ifnull iif length likelihood likely nullif octet_length substr substring typeof unlikely")
)
"""Those that the event loop waits for: each takes about as long whatever it is given."""

_JSON_TABLES = frozenset({"json_each", "json_tree"})
_OURS = frozenset(table.name for table in TABLES)
_ALWAYS = frozenset({apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE})


@attrs.define(eq=False)
class Authorizer:
    """Answers SQLite's authorizer. ``refusal`` says in words what was refused last, which SQLite does not.

    ``readable`` are the tables that may be read besides those that take JSON apart. ``is_at_once``: functions that may take long
    are refused, and ``is_too_slow_at_once`` says that it was for that.
    """

    readable: frozenset[str] = _OURS
    is_at_once: bool = False
    is_too_slow_at_once: bool = False
    refusal: str | None = None

    def __call__(
        self, action: int, first: str | None, second: str | None, _database: str | None, _by: str | None
    ) -> int:
        if self.is_at_once and action == apsw.SQLITE_FUNCTION and second in FUNCTIONS - _FUNCTIONS_AT_ONCE:
            self.is_too_slow_at_once = True
            return apsw.SQLITE_DENY
        refusal = self._refusal(action, first, second)
        if refusal is None:
            return apsw.SQLITE_OK
        self.refusal = refusal
        return apsw.SQLITE_DENY

    def _refusal(self, action: int, first: str | None, second: str | None) -> str | None:
        if action in _ALWAYS:
            return None
        if action == apsw.SQLITE_FUNCTION:
            if second in FUNCTIONS:
                return None
            return f"the function {second}() is not allowed here; allowed are {', '.join(sorted(FUNCTIONS))}"
        if action == apsw.SQLITE_READ:
            table = (first or "").lower()
            if table in self.readable or table in _JSON_TABLES or _is_made_by_the_query(table, second):
                return None
            return f"the table {first} cannot be read here; there is {', '.join(sorted(self.readable))}"
        name = str(apsw.mapping_authorizer_function.get(action, action)).removeprefix("SQLITE_").replace("_", " ")
        return f"{name} is not allowed: a query can only read (SELECT)"


def _is_made_by_the_query(table: str, column: str | None) -> bool:
    """Whether the table can only be one that the query's own WITH names.

    SQLite asks about one only where none of its columns is read, by the name as it was written; then it may be anything that
    is not ours and not SQLite's.
    """
    return column == "" and table not in _OURS and not table.startswith(("sqlite_", "pragma_"))


def guarded_connection(guard: Authorizer, budget: Budget) -> apsw.Connection:
    """An empty database in memory that can do nothing but what the guard allows, for as long as the budget lasts."""
    connection = apsw.Connection(":memory:")
    connection.execute("PRAGMA temp_store = MEMORY")  # what is sorted never reaches a disk
    for switch, setting in (
        (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
        (apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
        (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
        (apsw.SQLITE_DBCONFIG_DQS_DML, 0),  # "paused" in double quotes is a column, so that a mistake shows
        (apsw.SQLITE_DBCONFIG_DQS_DDL, 0),
    ):
        connection.config(switch, setting)
    for limit, value in _LIMITS.items():
        connection.limit(limit, value)
    value_bytes = _VALUE_BYTES_AT_ONCE if budget.is_at_once else VALUE_BYTES
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, value_bytes)
    replace_slow_functions(connection, value_bytes)
    steps = _STEPS_BETWEEN_CHECKS_AT_ONCE if budget.is_at_once else _STEPS_BETWEEN_CHECKS
    connection.set_progress_handler(budget.must_stop, steps)
    connection.authorizer = guard
    return connection
