"""A query reads what it needs and no more: counted in keys of the store, not in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.query.sql.invocations import INVOCATIONS
from actors.query.sql.statement import query
from journal.events import Caller, Failure, Lineage, Outcome, OutcomeKind, PauseCause, Status, TraceContext
from journal.ids import StepId
from journal.rows import AwaitedSignal
from tests.sql.kept import NOW, in_memory, on_disk, row

if TYPE_CHECKING:
    from pathlib import Path

    from actors.query.snapshot import JournalSnapshot

COUNT = 2_000
OPEN = (Status.PAUSED, Status.QUEUED, Status.BACKING_OFF)


FAILED = {"outcome": Outcome(OutcomeKind.FAILED, failure=Failure("shop.NoRate", "none"))}


def many() -> list[Any]:
    """Two thousand: every hundredth is open, every tenth is one of an actor with ten keys."""
    return [
        row(
            n,
            service="Chat" if n % 10 == 0 else "Agent",
            key=f"k{n // 10 % 10}" if n % 10 == 0 else None,
            status=OPEN[n // 100 % 3] if n % 100 == 7 else Status.COMPLETED,
            **(FAILED | {"completed_at": NOW - n} if n in range(1, 1_500, 50) else {}),
        )
        for n in range(COUNT)
    ]


def waiting() -> list[Any]:
    """Seven wait for an approval, three for a delivery, since ever longer."""
    return [
        row(COUNT + n, status=status, awaited=[AwaitedSignal("approval" if n < 7 else "delivery", NOW - 60 * n)])
        for n, status in enumerate([Status.SUSPENDED, Status.RUNNING] * 5)
    ]


ROWS = many()
BY_ID = f"SELECT * FROM sys_invocation WHERE id = '{ROWS[5].invocation_id}'"


@pytest.fixture(scope="module")
def source() -> JournalSnapshot:
    return in_memory(ROWS)


@pytest.mark.parametrize(
    ("sql", "gives", "reads_at_most"),
    [
        (BY_ID, 1, 2),  # the argument is read from the history
        ("SELECT * FROM sys_invocation WHERE id = 'inv_1nonsense'", 0, 0),
        ("SELECT * FROM sys_invocation WHERE id = NULL", 0, 0),
        ("SELECT id FROM sys_invocation WHERE service = 'Chat' AND key = 'k3'", 20, 20),
        ("SELECT id FROM sys_invocation WHERE service = 'Chat' AND key = 'k3' AND status = 'paused'", 0, 20),
        ("SELECT id FROM sys_invocation WHERE status = 'paused'", 7, 14),
        ("SELECT id FROM sys_invocation WHERE status IN ('paused', 'queued')", 14, 28),
        ("SELECT id FROM sys_invocation WHERE status = 'suspended'", 0, 0),
        ("SELECT id FROM sys_invocation WHERE outcome = 'failed'", 30, 60),
        (f"SELECT id FROM sys_invocation WHERE outcome = 'failed' AND completed_at >= {NOW - 500}", 10, 20),
        ("SELECT id FROM sys_invocation ORDER BY created_at DESC LIMIT 20", 20, 64),
        ("SELECT id FROM sys_invocation ORDER BY created_at DESC, id DESC LIMIT 20", 20, 64),
        ("SELECT id FROM sys_invocation ORDER BY created_at LIMIT 20", 20, 64),
        ("SELECT id FROM sys_invocation WHERE status = 'completed' ORDER BY created_at DESC LIMIT 20", 20, 64),
        (f"SELECT id FROM sys_invocation WHERE created_at > {NOW - 10} ORDER BY created_at DESC", 10, 64),
        (f"SELECT id FROM sys_invocation WHERE created_at BETWEEN {NOW - 1003} AND {NOW - 1000}", 4, 10),
        ("SELECT id FROM sys_invocation WHERE created_at > now() - 10", 10, 64),
        ("SELECT id FROM sys_invocation LIMIT 5", 5, 32),
    ],
)
def test_a_question_with_an_index_reads_few_rows(
    source: JournalSnapshot, sql: str, gives: int, reads_at_most: int
) -> None:
    result = query(source, sql)
    assert len(result.rows) == gives
    assert result.rows_read <= reads_at_most


@pytest.mark.parametrize(
    "condition",
    ["created_by LIKE 'user:%'", "id <> ''", "key IS NULL OR key IS NOT NULL", "mode = mode"],
)
def test_a_question_without_an_index_reads_each_row_once(source: JournalSnapshot, condition: str) -> None:
    result = query(source, f"SELECT count(*) FROM sys_invocation WHERE {condition}")
    assert result.rows == [[COUNT]]
    assert result.rows_read == COUNT


@pytest.mark.parametrize(
    ("condition", "gives"),
    [
        ("id = 5", 0),
        ("key = 3", 0),
        ("service = 'Chat' AND key = x'6b33'", 0),
        ("status = 1", 0),
        ("created_at > 'text'", 0),
        ("created_at < 'text'", COUNT),
        (f"created_at > '{NOW - 10}'", 10),
        ("created_at > 1e300", 0),
        ("created_at < 1e300", COUNT),
        ("created_at > -9e999", COUNT),
        ("created_at < NULL", 0),
        ("status = 'PAUSED' COLLATE NOCASE", 7),
    ],
)
def test_a_value_that_an_index_cannot_use_gives_the_same_rows_as_without_one(
    source: JournalSnapshot, condition: str, gives: int
) -> None:
    assert query(source, f"SELECT count(*) FROM sys_invocation WHERE {condition}").rows == [[gives]]
    assert query(source, f"SELECT count(*) FROM sys_invocation WHERE ({condition}) IS TRUE").rows == [[gives]]


@pytest.mark.parametrize(
    ("condition", "gives"),
    [
        ("awaited_signal IS NOT NULL", 10),
        ("awaited_signal = 'approval'", 7),
        ("awaited_signal > 'b'", 3),
        (f"awaited_since < {NOW - 100}", 8),
        ("awaited_signal = 'approval' AND status = 'suspended' AND handler = 'run'", 4),
        ("awaited_signal = 'approval' OR status = 'paused'", 14),
    ],
)
def test_what_waits_for_a_signal_is_found_without_looking_at_the_others(condition: str, gives: int) -> None:
    source = in_memory([*ROWS, *waiting()])
    found = query(source, f"SELECT id FROM sys_invocation WHERE {condition}")
    assert len(found.rows) == gives
    assert sorted(query(source, f"SELECT id FROM sys_invocation WHERE ({condition}) IS TRUE").rows) == sorted(
        found.rows
    )
    assert found.rows_read <= 2 * (10 + 7)


def test_what_waits_for_no_signal_is_not_looked_for_among_those_that_do() -> None:
    source = in_memory([*ROWS, *waiting()])
    assert query(source, "SELECT count(*) FROM sys_invocation WHERE awaited_signal IS NULL").rows == [[COUNT]]


def test_parameters_are_pushed_down_as_literals_are(source: JournalSnapshot) -> None:
    of = ROWS[5].invocation_id
    for sql, parameters in (("id = ?", [of]), ("id = :id", {"id": of})):
        result = query(source, f"SELECT id FROM sys_invocation WHERE {sql}", parameters)
        assert (result.rows, result.rows_read) == ([[of]], 1)
    assert query(source, "SELECT count(*) FROM sys_invocation WHERE status = ?", ["completed"]).rows == [[1_980]]


@pytest.mark.parametrize(
    ("condition", "gives"),
    [
        (f"status = 'paused' OR id = '{ROWS[5].invocation_id}'", 8),
        (f"id = '{ROWS[7].invocation_id}' OR status = 'paused'", 7),
        ("status = 'paused' OR (service = 'Chat' AND key = 'k3')", 27),
        (f"status = 'paused' OR created_at > {NOW - 10}", 16),
    ],
)
def test_what_fits_either_of_two_conditions_is_found_once_by_their_indexes(
    source: JournalSnapshot, condition: str, gives: int
) -> None:
    found = query(source, f"SELECT id FROM sys_invocation WHERE {condition}")
    assert len({of for (of,) in found.rows}) == len(found.rows) == gives
    assert query(source, f"SELECT id FROM sys_invocation WHERE ({condition}) IS TRUE").rows_read == COUNT
    assert found.rows_read < COUNT / 10


def test_a_join_looks_each_partner_up(source: JournalSnapshot) -> None:
    result = query(
        source,
        "SELECT count(*) FROM sys_invocation a JOIN sys_invocation b ON b.id = a.id WHERE a.status = 'paused'",
    )
    assert result.rows == [[7]]
    assert result.rows_read <= 7 * 3


TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("column", INVOCATIONS.columns, ids=lambda column: column.name)
def test_a_column_alone_is_what_it_is_among_all(column: Any) -> None:
    failure = Failure("builtins.ConnectionError", "refused")
    rows = [
        row(1, key="k", started_at=NOW, completed_at=NOW + 2, last_failure=failure, request="once", purge_at=NOW + 9),
        row(2, outcome=Outcome(OutcomeKind.FAILED, failure=Failure("A", "no"), reason="because"), attempts=3),
        row(3, status=Status.PAUSED, pause_reason="look", cancel_reason="stop", scheduled_for=NOW, deployment="dep_1"),
        row(
            5,
            status=Status.SUSPENDED,
            awaited=[AwaitedSignal("approval", NOW)],
            trace=TraceContext(TRACEPARENT),
            expires_at=NOW,
            status_text="page 3",
            spent={"tokens": "1200"},
            pause_cause=PauseCause.BUDGET,
            budget={"tokens": "1000"},
        ),
        row(4, caller=Caller(ROWS[0].invocation_id, StepId("3")), restarts=Lineage(ROWS[0].invocation_id, StepId("2"))),
    ]
    source = in_memory(rows)
    together = query(source, "SELECT * FROM sys_invocation")
    place = together.columns.index(column.name)
    alone = query(source, f"SELECT {column.name} FROM sys_invocation")
    assert [value for (value,) in alone.rows] == [values[place] for values in together.rows]
    assert any(value is not None for (value,) in alone.rows)


@pytest.mark.parametrize("live", [True, False])
async def test_the_disk_answers_as_memory_does(source: JournalSnapshot, tmp_path: Path, *, live: bool) -> None:
    questions = [
        BY_ID,
        "SELECT * FROM sys_invocation ORDER BY created_at DESC LIMIT 50",
        "SELECT service, key, status, count(*) FROM sys_invocation GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        "SELECT id FROM sys_invocation WHERE status = 'backing_off'",
    ]
    async with on_disk(ROWS, tmp_path, live=live) as other:
        assert [query(other, sql) for sql in questions] == [query(source, sql) for sql in questions]
