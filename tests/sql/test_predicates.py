"""A predicate finds exactly what the same condition finds in plain Python, and what is none is said to be none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from actors.errors import InvalidArgumentError, LimitExceededError
from actors.model.listing import Listing, place_of
from actors.query.sql.budget import Budget
from actors.query.sql.predicates import newest, where
from actors.query.sql.statement import query
from journal.events import Failure, Outcome, OutcomeKind, Status
from tests.raising import raises
from tests.sql.kept import NOW, in_memory, row

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.rows import InvocationRow

# Conditions, each as SQL and as Python. None is SQL's NULL: neither true nor false.

Truth = bool | None
TEXTS = (
    "",
    "A",
    "Agent",
    "Chat",
    "k1",
    "k2",
    "paused",
    "queued",
    "completed",
    "succeeded",
    "failed",
    "run",
    "5",
    "it's",
)
TIMES = (NOW - 3, NOW - 2.5, NOW - 2, NOW - 2 + 2.5e-7, NOW, 0, -1, 5)
COLUMNS: dict[str, Callable[[InvocationRow], Any]] = {
    "service": lambda r: r.target.service,
    "key": lambda r: r.target.key,
    "handler": lambda r: r.target.handler,
    "status": lambda r: r.status.value,
    "outcome": lambda r: None if r.outcome is None else r.outcome.kind.value,
    "last_error_type": lambda r: None if r.last_failure is None else r.last_failure.type,
}
NUMBERS: dict[str, Callable[[InvocationRow], Any]] = {
    "created_at": lambda r: r.created_at,
    "started_at": lambda r: r.started_at,
    "failed_attempts": lambda r: r.attempts,
    "failed_tries": lambda r: r.attempts + r.step_tries,
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@attrs.frozen
class Condition:
    sql: str
    holds: Callable[[InvocationRow], Truth]

    def __repr__(self) -> str:
        return self.sql


def literal(value: Any) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def comparison(column: str, get: Callable[[InvocationRow], Any], operator: str, value: Any) -> Condition:
    def holds(one: InvocationRow) -> Truth:
        found = get(one)
        return None if found is None else COMPARE[operator](found, value)

    return Condition(f"{column} {operator} {literal(value)}", holds)


def membership(column: str, get: Callable[[InvocationRow], Any], values: list[Any]) -> Condition:
    def holds(one: InvocationRow) -> Truth:
        found = get(one)
        return None if found is None else found in values

    return Condition(f"{column} IN ({', '.join(map(literal, values))})", holds)


def null_test(column: str, get: Callable[[InvocationRow], Any], negated: bool) -> Condition:
    return Condition(f"{column} IS {'NOT ' * negated}NULL", lambda one: (get(one) is None) != negated)


def both(a: Condition, b: Condition) -> Condition:
    def holds(one: InvocationRow) -> Truth:
        truths = (a.holds(one), b.holds(one))
        return False if False in truths else None if None in truths else True

    return Condition(f"({a} AND {b})", holds)


def either(a: Condition, b: Condition) -> Condition:
    def holds(one: InvocationRow) -> Truth:
        truths = (a.holds(one), b.holds(one))
        return True if True in truths else None if None in truths else False

    return Condition(f"({a} OR {b})", holds)


def opposite(a: Condition) -> Condition:
    def holds(one: InvocationRow) -> Truth:
        truth = a.holds(one)
        return None if truth is None else not truth

    return Condition(f"NOT ({a})", holds)


OPERATORS = st.sampled_from(list(COMPARE))
LEAVES = st.one_of(
    st.builds(
        lambda c, o, v: comparison(c, COLUMNS[c], o, v),
        st.sampled_from(list(COLUMNS)),
        OPERATORS,
        st.sampled_from(TEXTS),
    ),
    st.builds(
        lambda c, o, v: comparison(c, NUMBERS[c], o, v),
        st.sampled_from(list(NUMBERS)),
        OPERATORS,
        st.sampled_from(TIMES),
    ),
    st.builds(
        lambda c, v: membership(c, COLUMNS[c], v),
        st.sampled_from(list(COLUMNS)),
        st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3),
    ),
    st.builds(lambda c, n: null_test(c, COLUMNS[c], n), st.sampled_from(list(COLUMNS)), st.booleans()),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.builds(both, inner, inner), st.builds(either, inner, inner), st.builds(opposite, inner)),
    max_leaves=6,
)


@st.composite
def populations(draw: st.DrawFn) -> list[InvocationRow]:
    rows: list[InvocationRow] = []
    for number in range(draw(st.integers(0, 12))):
        status = draw(st.sampled_from(Status))
        ended = status is Status.COMPLETED
        rows.append(
            row(
                number,
                service=draw(st.sampled_from(["A", "Agent", "Chat", "it's"])),
                key=draw(st.sampled_from([None, "k1", "k2", "5"])),
                handler=draw(st.sampled_from(["run", "5"])),
                status=status,
                outcome=Outcome(draw(st.sampled_from(OutcomeKind))) if ended else None,
                completed_at=NOW if ended else None,
                created_at=draw(st.sampled_from([NOW - 3, NOW - 2.5, NOW - 2, NOW - 2 + 2.5e-7, NOW - 2 + 5e-7, NOW])),
                started_at=draw(st.sampled_from([None, NOW - 2, NOW])),
                attempts=draw(st.sampled_from([0, 5])),
                step_tries=draw(st.sampled_from([0, 2])),
                last_failure=draw(st.sampled_from([None, Failure("A", "no"), Failure("failed", "")])),
            )
        )
    return rows


@given(rows=populations(), condition=CONDITIONS, partitions=st.integers(1, 3))
@settings(max_examples=300, deadline=None)
def test_a_predicate_finds_what_plain_python_finds(
    rows: list[InvocationRow], condition: Condition, partitions: int
) -> None:
    source = in_memory(rows, partitions)
    expected = sorted(one.invocation_id for one in rows if condition.holds(one) is True)
    assert sorted(where(source, condition.sql)) == expected


@given(
    rows=populations(),
    condition=CONDITIONS,
    partitions=st.integers(1, 3),
    descending=st.booleans(),
    limit=st.integers(1, 5),
)
@settings(max_examples=200, deadline=None)
def test_an_order_by_time_is_the_order_of_time(
    rows: list[InvocationRow], condition: Condition, partitions: int, descending: bool, limit: int
) -> None:
    word = "DESC" if descending else "ASC"
    found = query(
        in_memory(rows, partitions),
        f"SELECT id FROM sys_invocation WHERE {condition} ORDER BY created_at {word}, id {word} LIMIT {limit}",
    )
    chosen = [one for one in rows if condition.holds(one) is True]
    chosen.sort(key=lambda one: (one.created_at, one.invocation_id), reverse=descending)
    assert [of for (of,) in found.rows] == [one.invocation_id for one in chosen[:limit]]


@given(
    rows=populations(),
    condition=CONDITIONS,
    status=st.none() | st.frozensets(st.sampled_from(Status), min_size=1),
    service=st.none() | st.sampled_from(["Agent", "Chat"]),
    key=st.none() | st.sampled_from(["k1", "k2"]),
    last=st.none() | st.integers(0, 20),
)
@settings(max_examples=200, deadline=None)
def test_a_listing_with_a_predicate_is_both(
    rows: list[InvocationRow],
    condition: Condition,
    status: frozenset[Status] | None,
    service: str | None,
    key: str | None,
    last: int | None,
) -> None:
    after = place_of(rows[last % len(rows)]) if rows and last is not None else None
    listing = Listing(status=status, service=service, key=key, limit=3, after=after)
    chosen = [one for one in rows if listing.wants(one) and condition.holds(one) is True]
    chosen.sort(key=lambda one: (one.created_at, one.invocation_id), reverse=True)
    assert newest(in_memory(rows), listing, condition.sql) == chosen[:3]


def test_what_is_built_in_is_listed_only_when_asked_for() -> None:
    source = in_memory([row(1), row(2, service="playhead.gates", key="all")])
    assert [one.target.service for one in newest(source, Listing(), "true")] == ["Agent"]
    assert len(newest(source, Listing(system=True), "true")) == 2


# What is no predicate.

SOURCE = in_memory([row(1, status=Status.PAUSED), row(2)])

NONE_OF_THEM = [
    "",
    " \n",
    "-- status = 'paused'",
    "1) OR (1",
    "1) UNION SELECT id FROM sys_invocation WHERE (1",
    "1) ORDER BY (id",
    "1) LIMIT (1",
    "1) GROUP BY (id",
    "1) --",
    "1; SELECT 1",
    "1; DROP TABLE sys_invocation",
    "true THEN 1 WHEN true",
    "true THEN 1 END AND CASE WHEN true",
    "SELECT 1",
    "SELECT id FROM sys_invocation",
    "true, true",
    "true ORDER BY id",
    "true LIMIT 1",
    "status = 'paused' AND",
    "status = 'paused",
    'status = "paused"',
    "status = 'a' /* and",
    "(status = 'paused'",
    "status = 'paused')",
    "count(*) > 1",
    "row_number() OVER () = 1",
    "id IN (SELECT invocation_id FROM sys_journal)",
    "(SELECT count(*) FROM sys_journal) > 0",
    "(SELECT count(*) FROM SYS_STATE) > 0",
    "EXISTS (SELECT 1 FROM sqlite_master)",
    "id IN (SELECT name FROM pragma_function_list)",
    "load_extension('x') IS NULL",
    "stauts = 'paused'",
    "status = ?",
    "status = :status",
    "PRAGMA user_version",
    "true AS x",
    "true COLLATE nothing",
    "1 \0",
    "'\ud800' = id",
]


@pytest.mark.parametrize("text", NONE_OF_THEM)
def test_what_is_no_predicate_is_refused_before_anything_is_read(text: str) -> None:
    with raises(InvalidArgumentError, path="query"):
        where(SOURCE, text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("status = 'paused' -- why not", 1),
        ("status = /* a comment */ 'paused'", 1),
        ("status =\n'paused'", 1),
        ("true", 2),
        ("'1)' <> id", 2),
        ("CASE WHEN status = 'paused' THEN 1 END", 1),
        ("id IN (SELECT id FROM sys_invocation WHERE outcome IS NULL)", 1),
        ("created_at > now() - 1.5", 1),
        ("json_extract(argument, '$.order') = 7", 2),
        ("value ->> '$' = 1", 1),
        ("NULL", 0),
    ],
)
def test_an_expression_is_a_predicate(text: str, count: int) -> None:
    assert len(list(where(SOURCE, text))) == count


@pytest.mark.parametrize(
    ("text", "position"),
    [("stauts = 'paused'", 0), ("status = 'paused' and stauts = 1", 22), ("1) OR (1", 1), ("ä = 1", 0)],
)
def test_the_place_is_counted_in_the_words_of_who_asks(text: str, position: int) -> None:
    with raises(InvalidArgumentError, path="query") as refused:
        where(SOURCE, text)
    assert refused.value.position == position


VOCABULARY = """
    status created_at id key argument = <> < > and or not in is null like glob between ( ) , ; -- /* */ ' " 'paused' 1 1e9 -1
    x'00' ? :a now() count(*) sum(id) select from where sys_invocation sys_journal union all order by limit case when then else
    end exists cast as text json_extract json_each(value) '$' || ->> + - * / % & ~ collate nocase é 𝄞 9223372036854775808
    over () filter recursive with t values escape match regexp abs(-9223372036854775808) raise(abort,1)
"""
WORDS = st.sampled_from([*VOCABULARY.split(), "\0", "\ud800", "\n"])


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=14).map(" ".join)))
@example("abs(-9223372036854775807 - 1)")
@example("json_extract('x', '$')")
@example("json_extract('1', 'x')")
@example("cast(x'ff' as text) = id")
@example("id LIKE '%' ESCAPE 'ab'")
@example("(" * 20_000)
@example("-" * 20_000 + "1")
@example("x" * 70_000)
@settings(max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_a_predicate_or_a_typed_refusal(text: str) -> None:
    try:
        found = list(where(SOURCE, text, budget=Budget(1)))
    except (InvalidArgumentError, LimitExceededError) as refused:
        assert str(refused)
    else:
        assert len(found) <= 2


@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=14).map(" ".join).map("SELECT {}".format)))
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_a_query_or_a_typed_refusal(text: str) -> None:
    try:
        query(SOURCE, text, budget=Budget(1))
    except (InvalidArgumentError, LimitExceededError) as refused:
        assert str(refused)
