"""The permissions of a query: reading the public tables, with functions that only compute. Everything else is refused by name.

SQLite asks its authorizer about each action of a statement while it compiles it. The list contains the permitted actions rather
than the forbidden ones, so features of a later SQLite are refused until they have been reviewed. SQLite's own limits bound sizes,
and the :class:`actors.query.sql.budget.Budget` bounds time and memory.
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
"""The longest statement, in bytes."""

VALUE_BYTES = 1 << 20
"""The largest value in a query, in bytes. A step of SQLite cannot be interrupted, and with this limit none takes much longer than
reading or writing its values: functions whose time is the product of two lengths are replaced
(:mod:`actors.query.sql.functions`)."""

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
"""The functions that may run on the event loop: their time does not depend on their arguments."""

_JSON_TABLES = frozenset({"json_each", "json_tree"})
_OURS = frozenset(table.name for table in TABLES)
_ALWAYS = frozenset({apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE})


@attrs.define(eq=False)
class Authorizer:
    """Implements SQLite's authorizer. ``refusal`` is the text of the last refusal, which SQLite does not give.

    ``readable`` are the tables that may be read besides those that parse JSON. With ``is_at_once``, functions that may take long
    are refused, and ``is_too_slow_at_once`` says that this was the reason.
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
            return f"the table {first} cannot be read; the tables are {', '.join(sorted(self.readable))}"
        name = str(apsw.mapping_authorizer_function.get(action, action)).removeprefix("SQLITE_").replace("_", " ")
        return f"{name} is not allowed: a query can only read (SELECT)"


def _is_made_by_the_query(table: str, column: str | None) -> bool:
    """Report whether the table can only be one that the query's own WITH clause defines.

    SQLite asks about one only if none of its columns is read, by its name as written; then it can be any name that is not one of
    the public tables or SQLite's own.
    """
    return column == "" and table not in _OURS and not table.startswith(("sqlite_", "pragma_"))


def guarded_connection(guard: Authorizer, budget: Budget) -> apsw.Connection:
    """Open an empty in-memory database that permits only the authorized actions, within the budget."""
    connection = apsw.Connection(":memory:")
    connection.execute("PRAGMA temp_store = MEMORY")  # sorting never uses the disk
    for switch, setting in (
        (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
        (apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
        (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
        (apsw.SQLITE_DBCONFIG_DQS_DML, 0),  # "paused" in double quotes is a column, so that the mistake is reported
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
