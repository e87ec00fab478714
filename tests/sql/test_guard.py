"""A query can read, and nothing else; it ends in time, and its answer has a size."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from typing import TYPE_CHECKING

import apsw
import pytest

from actors.errors import InvalidArgumentError, LimitExceededError
from actors.query.sql.authorizer import SQL_BYTES, VALUE_BYTES
from actors.query.sql.budget import Budget
from actors.query.sql.statement import query
from tests.raising import raises
from tests.sql.kept import in_memory, row

if TYPE_CHECKING:
    from pathlib import Path

    from actors.query.snapshot import JournalSnapshot

HOSTILE = """
ATTACH ':memory:' AS other
ATTACH '{file}' AS other
DETACH main
PRAGMA database_list
PRAGMA temp_store_directory = '/tmp'
PRAGMA trusted_schema = 1
SELECT * FROM pragma_database_list
SELECT * FROM pragma_table_info('sys_invocation')
VACUUM
VACUUM INTO '{file}'
CREATE TABLE t(a)
CREATE TEMP TABLE t(a)
CREATE TABLE t AS SELECT * FROM sys_invocation
CREATE VIEW v AS SELECT 1
CREATE TEMP VIEW v AS SELECT 1
CREATE INDEX i ON sys_invocation(id)
CREATE TRIGGER t INSERT ON sys_invocation BEGIN SELECT 1; END
CREATE VIRTUAL TABLE f USING fts5(a)
CREATE VIRTUAL TABLE f USING sys_invocation
INSERT INTO sys_invocation(id) VALUES ('x')
UPDATE sys_invocation SET status = 'paused'
DELETE FROM sys_invocation
REPLACE INTO sys_invocation(id) VALUES ('x')
DROP TABLE sys_invocation
ALTER TABLE sys_invocation RENAME TO x
ANALYZE
REINDEX
BEGIN
COMMIT
SAVEPOINT s
SELECT load_extension('{file}')
SELECT readfile('/etc/passwd')
SELECT writefile('{file}', 'x')
SELECT edit('x')
SELECT fts3_tokenizer('simple')
SELECT sqlite_source_id()
SELECT zeroblob(1000000000)
SELECT randomblob(1000000000)
SELECT * FROM sqlite_master
SELECT * FROM sqlite_schema
SELECT * FROM sqlite_temp_master
SELECT * FROM dbstat
SELECT * FROM sqlite_dbpage
SELECT * FROM bytecode('SELECT 1')
SELECT * FROM sqlite_stmt
SELECT 1; SELECT 2
SELECT 1; DROP TABLE sys_invocation
WITH t AS (SELECT 1) DELETE FROM sys_invocation
EXPLAIN DELETE FROM sys_invocation
SELECT * FROM nothing
SELECT "paused"
SELECT ?
SELECT x'00'
SELECT 9e999
""".strip().split("\n")


@pytest.fixture(scope="module")
def source() -> JournalSnapshot:
    return in_memory([row(n) for n in range(2_000)])


@pytest.mark.parametrize("sql", HOSTILE)
def test_whatever_is_not_reading_is_refused_and_leaves_no_trace(
    source: JournalSnapshot, tmp_path: Path, sql: str
) -> None:
    with raises(InvalidArgumentError, path="query") as refused:
        query(source, sql.format(file=tmp_path / "made"))
    assert str(refused.value)
    assert list(tmp_path.iterdir()) == []
    assert query(source, "SELECT count(*) FROM sys_invocation").rows == [[2_000]]


@pytest.mark.parametrize("sql", ["", " ", "-- nothing", "/* nothing */", ";"])
def test_an_empty_query_says_what_to_begin_with(source: JournalSnapshot, sql: str) -> None:
    with raises(InvalidArgumentError, path="query"):
        query(source, sql)


@pytest.mark.parametrize(
    ("sql", "position"),
    [
        ("SELCT 1", 0),
        ("SELECT id FORM sys_invocation", 15),
        ("SELECT ä, id FROM sys_invocation WHERE stauts = 'x'", 7),
        ("SELECT 'äöü', id FROM sys_invocation WHERE stauts = 'x'", 43),
    ],
)
def test_an_error_points_at_the_character(source: JournalSnapshot, sql: str, position: int) -> None:
    with raises(InvalidArgumentError, path="query", match=f"at character {position + 1}: ") as error:
        query(source, sql)
    assert error.value.position == position


def test_a_refusal_says_what_was_refused_and_what_is_there(source: JournalSnapshot) -> None:
    with raises(InvalidArgumentError, path="query"):
        query(source, "PRAGMA user_version")
    with raises(InvalidArgumentError, path="query", match=r"load_extension\(\) is not allowed here; allowed are .*abs"):
        query(source, "SELECT load_extension('x')")
    with raises(
        InvalidArgumentError,
        path="query",
        match="no such table: sys_invocations .*the tables are sys_audit, sys_deployment, sys_gate, sys_inbox, sys_invocation",
    ):
        query(source, "SELECT * FROM sys_invocations")


ENDLESS = [
    "SELECT count(*) FROM sys_invocation a, sys_invocation b, sys_invocation c",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT * FROM t WHERE n < 0",
    "WITH RECURSIVE sqlite(n) AS (SELECT 1 UNION SELECT n + 1 FROM sqlite) SELECT max(n) FROM sqlite",
    "SELECT max(a.id || b.id) FROM sys_invocation a, sys_invocation b, sys_invocation c ORDER BY 1",
]


@pytest.mark.parametrize("sql", ENDLESS)
def test_a_query_without_an_end_is_stopped_by_its_deadline(source: JournalSnapshot, sql: str) -> None:
    began = time.monotonic()
    with raises(LimitExceededError, limit="query_seconds"):
        query(source, sql, budget=Budget(0.05))
    assert time.monotonic() - began < 5


def test_a_scan_that_gives_sqlite_nothing_is_stopped_as_well(source: JournalSnapshot) -> None:
    with raises(LimitExceededError, limit="query_seconds"):
        query(source, "SELECT * FROM sys_invocation", budget=Budget(-1))


@pytest.mark.parametrize("sql", ENDLESS[:2])
def test_a_query_that_nobody_waits_for_stops_with_the_error_of_whoever_left(source: JournalSnapshot, sql: str) -> None:
    asked = 0

    class Left(BaseException): ...

    def still_wanted() -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Left

    with pytest.raises(Left):
        query(source, sql, budget=Budget(still_wanted=still_wanted))


def test_more_rows_than_the_limit_are_an_error_never_cut_off(source: JournalSnapshot) -> None:
    assert len(query(source, "SELECT id FROM sys_invocation LIMIT 10", max_rows=10).rows) == 10
    with raises(LimitExceededError, limit="query_rows", maximum=10):
        query(source, "SELECT id FROM sys_invocation LIMIT 11", max_rows=10)


def test_an_answer_that_is_too_large_is_refused_before_it_is_whole(source: JournalSnapshot) -> None:
    with raises(LimitExceededError, limit="query_bytes", maximum=1_000):
        query(source, "SELECT id FROM sys_invocation", max_bytes=1_000)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT printf('%.100000000c', 'x')",
        "SELECT replace(printf('%.10000c', 'x'), 'x', printf('%.10000c', 'y'))",
        "SELECT json_group_array(a.id || printf('%.100000c', 'x')) FROM sys_invocation a",
    ],
)
def test_a_value_that_is_too_large_is_refused(source: JournalSnapshot, sql: str) -> None:
    with raises(LimitExceededError, limit="query_value_bytes"):
        query(source, sql)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT '{'x' * SQL_BYTES}'",
        "SELECT " + "-" * 500 + " 1",
        "SELECT 1" + " + 1" * 500,
        " UNION ALL ".join(["SELECT 1"] * 50),
        "SELECT " + ", ".join(["1"] * 500),
        "SELECT 'x' LIKE '" + "%a" * 500 + "'",
        "SELECT ?99999",
        "SELECT 1 \0 2",
        "SELECT '\ud800'",
    ],
    ids=["length", "signs", "depth", "compound", "columns", "pattern", "variables", "nul", "surrogate"],
)
def test_a_statement_beyond_a_limit_is_not_understood(source: JournalSnapshot, sql: str) -> None:
    with pytest.raises((InvalidArgumentError, LimitExceededError)):
        query(source, sql)


def test_what_is_sorted_is_kept_in_bounds(source: JournalSnapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.query.sql.budget.MEMORY_BYTES", 8 << 20)
    with raises(LimitExceededError, limit="query_memory_bytes", maximum=8 << 20):
        query(source, "SELECT a.id || b.id FROM sys_invocation a, sys_invocation b ORDER BY 1")


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ([b"x"], "parameter 1 is a bytes"),
        ([1, object()], "parameter 2 is a object"),
        ({"a": [1]}, "parameter a is a list"),
        ([2**63], "parameter 1 has more than 64 bits"),
        ([], "uses 1 parameter and 0 were given"),
        ([1, 2], "uses 1 parameter and 2 were given"),
        ({"a": 1}, "given by name"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(source: JournalSnapshot, parameters: object, named: str) -> None:
    with raises(InvalidArgumentError, path="query", match=named):
        query(source, "SELECT ?", parameters)  # type: ignore[arg-type]


def test_a_name_without_a_value_is_refused(source: JournalSnapshot) -> None:
    with raises(InvalidArgumentError, path="query", match="b"):
        query(source, "SELECT :a, :b", {"a": 1})


A = "printf('%.*c', 260000, 'a')"
LONG_STEPS = [
    f"SELECT instr({A} || {A}, {A} || 'b')",
    f"SELECT length(replace({A} || {A}, {A} || 'b', 'x'))",
    f"SELECT length(trim({A}, {A}))",
    f"SELECT length(rtrim({A}, {A} || 'b'))",
    f"SELECT {A} LIKE '%a%a%a%a%a%b'",
    f"SELECT {A} GLOB '*a*a*a*a*a*b'",
    f"SELECT length(quote({A})), length(hex({A})), length(upper({A}))",
    f"SELECT json_extract('[' || replace({A}, 'a', '1,') || '1]', '$[#-1]')",
    f"SELECT group_concat({A}) FROM sys_invocation",
    f"SELECT length(replace({A}, 'a', printf('%.*c', 20000, 'b')))",
]


@pytest.mark.parametrize("sql", LONG_STEPS)
def test_no_single_step_is_long(source: JournalSnapshot, sql: str) -> None:
    """A step cannot be interrupted, so each must be short by itself. Processor time: SQLite's own took minutes for some."""
    began = time.process_time()
    with contextlib.suppress(LimitExceededError):
        query(source, sql, budget=Budget(5.0))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("sql", LONG_STEPS)
def test_the_loop_waits_for_no_function_that_may_take_long(source: JournalSnapshot, sql: str) -> None:
    budget = Budget(5.0, is_at_once=True)
    with raises(LimitExceededError, limit="query_seconds"):
        query(source, sql, budget=budget)
    assert budget.rows_read == 0


def test_the_loop_waits_for_no_large_value(source: JournalSnapshot) -> None:
    sql = "SELECT length(argument || ?) FROM sys_invocation LIMIT 1"
    assert query(source, sql, ["x" * 1_000], budget=Budget(5.0, is_at_once=True)).rows
    with raises(LimitExceededError, limit="query_seconds"):
        query(source, sql, ["x" * 100_000], budget=Budget(5.0, is_at_once=True))
    assert query(source, sql, ["x" * 100_000]).rows
    with raises(LimitExceededError, limit="query_value_bytes", maximum=1 << 20):
        query(source, sql, ["x" * 1_100_000])


@pytest.mark.parametrize("times", [1_000, 500_000])
def test_a_value_that_would_be_too_large_is_never_made(source: JournalSnapshot, times: int) -> None:
    large = "SELECT length(replace(printf('%.*c', 900000, 'a'), 'a', printf('%.*c', ?, 'b')))"
    tracemalloc.start()
    try:
        with raises(LimitExceededError, limit="query_value_bytes"):
            query(source, large, [times])
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_a_replacement_of_the_largest_size_is_made(source: JournalSnapshot) -> None:
    assert query(source, "SELECT length(replace(printf('%.*c', ?, 'a'), 'a', 'bb'))", [VALUE_BYTES // 2]).rows == [
        [VALUE_BYTES]
    ]


TEXTS = ["", "a", "aab", "aaab", " a b ", "  ", "äbä", "10", "1.5", "%"]


@pytest.mark.parametrize(
    "call",
    ["instr({0}, {1})", "trim({0}, {1})", "ltrim({0}, {1})", "rtrim({0}, {1})", "trim({0})", "replace({0}, {1}, 'x')"],
)
def test_functions_of_ours_give_what_those_of_sqlite_give(source: JournalSnapshot, call: str) -> None:
    plain = apsw.Connection(":memory:")
    written = [f"'{text}'" for text in TEXTS] + ["NULL", "10", "1.5", "1e300", "-0.0", "1e15", "123456789012345678"]
    for first in written:
        for second in written:
            asked = f"SELECT {call.format(first, second)} AS found"
            assert query(source, asked).rows == [list(row) for row in plain.execute(asked)], asked
