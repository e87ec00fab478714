"""A question that only counts is answered from the counters, without reading an invocation, and as if all had been read."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from actors.errors import InvalidArgumentError
from actors.query.counts import open_by_deployment, open_by_status
from actors.query.sql.budget import Budget
from actors.query.sql.counted import as_counts
from actors.query.sql.predicates import matching
from actors.query.sql.statement import query
from journal import invocation_keys
from journal.events import Failure, Outcome, OutcomeKind, Status
from journal.kv.store import SCAN_PAGE
from journal.rows import AwaitedSignal
from tests.sql.kept import NOW, in_memory, row

if TYPE_CHECKING:
    from actors.query.snapshot import JournalSnapshot
    from journal.kv.store import Readable

COUNT = 1_000


@attrs.define
class Watched:
    """Rows that count how many of those that were read are of invocations."""

    rows: Readable
    invocations: int = 0

    def get(self, key: bytes) -> bytes | None:
        self.invocations += invocation_keys.is_invocation(key)
        return self.rows.get(key)

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        found = self.rows.scan(start, stop, limit=limit, reverse=reverse)
        if limit > 1:  # one is read to see whether there are any
            self.invocations += sum(invocation_keys.is_invocation(key) for key, _ in found)
        return found


def some_row(random: Random, number: int) -> Any:
    status = random.choice([*Status])
    error = random.choice([None, Failure("shop.NoRate", "none"), Failure("builtins.OSError", "late")])
    changes: dict[str, Any] = {"status": status, "last_failure": error}
    if status is Status.COMPLETED:
        kind = random.choice([*OutcomeKind])
        failure = Failure("shop.Broken", "broken") if kind is OutcomeKind.FAILED else None
        changes |= {"outcome": Outcome(kind, failure=failure), "completed_at": NOW}
    elif random.random() < 0.5:
        changes["awaited"] = [AwaitedSignal(random.choice(("go", "stay")), NOW - number)]
    service, key = random.choice((("Agent", None), ("Chat", "a"), ("playhead.Job", "b")))
    handler = random.choice(("run", "stop"))
    deployment = random.choice(("", "dep_1", "dep_2"))
    return row(number, service=service, key=key, handler=handler, deployment=deployment, **changes)


@pytest.fixture(scope="module")
def source() -> JournalSnapshot:
    random = Random(7)
    return in_memory([some_row(random, number) for number in range(COUNT)], partitions=3)


QUESTIONS = (
    "select count(*) from sys_invocation",
    "SELECT COUNT(*) AS n from sys_invocation WHERE status = 'paused'",
    "select count(*) from sys_invocation where awaited_signal = 'go'",
    "select awaited_signal, count(*) from sys_invocation group by 1 order by 1",
    "select awaited_signal, status, count(*) from sys_invocation where service = 'Chat' group by 1, 2 order by 1, 2",
    "select service, handler, status, outcome, count(*) as n from sys_invocation group by 1, 2, 3, 4 order by n desc, 1, 2, 3, 4",
    "select last_error_type, count(*) from sys_invocation where last_error_type is not null group by 1 having count(*) > 10 order by 2",
    "select deployment, count(*) from sys_invocation where status <> 'completed' group by deployment order by 1 limit 2",
    "select count(*) from sys_invocation where service not like 'playhead.%' and handler in ('run', 'walk') or outcome = 'killed'",
    "select count(*) from sys_invocation where service = 'nothing'",
    "select upper(service) as name, count(*) * 2 from sys_invocation group by name order by name;",
    "select count(*) /* all */ from sys_invocation -- of them",
    "select count(*) from sys_invocation /* of " + "/* of " * 1_000,  # SQLite needs no end either
)


@pytest.mark.parametrize("sql", QUESTIONS)
def test_a_count_reads_no_invocation(source: JournalSnapshot, sql: str) -> None:
    watched = Watched(source.view)
    found = query(attrs.evolve(source, view=watched), sql)
    assert watched.invocations == 0
    # The same question in words that the counters do not understand.
    in_other_words = sql.replace("from sys_invocation", "from (select * from sys_invocation)", 1)
    assert as_counts(in_other_words) is None
    read = query(source, in_other_words)
    assert (found.columns, found.rows) == (read.columns, read.rows)
    assert found.rows or "nothing" in sql


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from sys_invocation where created_at > 5",
        "select count(*) from sys_invocation where id is not null",
        "select key, count(*) from sys_invocation group by key",
        "select count(distinct service) from sys_invocation",
        "select count(*), max(status) from sys_invocation",
        "select count(handler) from sys_invocation",
        "select count(*) from sys_invocation as i where i.status = 'paused'",
        "select count(*) from sys_invocation, json_each('[1, 2]')",
        "select (select count(*) from sys_invocation)",
        "select service from sys_invocation group by 1",
        "select count(*) from sys_state",
        'select count(*) from "sys_invocation"',
        "select service, count(*) over () from sys_invocation",
        "select count(*) filter (where status = 'paused') from sys_invocation",
        "select count(*) from sys_invocation where rowid > 2",
    ],
)
def test_a_question_about_more_than_counts_is_asked_as_it_is_written(source: JournalSnapshot, sql: str) -> None:
    hidden = sql.replace("from sys_invocation", "from main.sys_invocation", 1)
    assert as_counts(hidden) is None
    assert query(source, sql).rows == query(source, hidden).rows


def test_parameters_reach_a_count(source: JournalSnapshot) -> None:
    asked = "select count(*) from sys_invocation where status = "
    (literal,) = query(source, f"{asked}'paused'").rows
    assert query(source, f"{asked}?", ["paused"]).rows == [literal]
    assert query(source, f"{asked}:status", {"status": "paused"}).rows == [literal]


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from sys_invocation where nothing = 1",
        "select count(*) from sys_invocation where",
        "select count(*), count from sys_invocation",
    ],
)
def test_an_error_in_a_count_is_that_of_the_text_as_written(source: JournalSnapshot, sql: str) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        query(source, sql)
    assert "sys_invocation_count" not in str(refusal.value)


def test_a_job_counts_what_it_would_select_without_reading_it(source: JournalSnapshot) -> None:
    expected, _ = matching(source, "status = 'suspended'", at_most=1, budget=Budget())
    watched = Watched(source.view)
    counting = attrs.evolve(source, view=watched)
    assert matching(counting, "status = 'suspended'", at_most=0, budget=Budget()) == (expected, [])
    assert watched.invocations == 0
    assert matching(counting, "key = 'a' and status = 'suspended'", at_most=0, budget=Budget())[0] > 0
    assert watched.invocations > 0, "keys are not counted"
    with pytest.raises(InvalidArgumentError):
        matching(counting, "status in (select status from sys_invocation_count)", at_most=0, budget=Budget())


def test_the_counters_can_be_asked_by_name(source: JournalSnapshot) -> None:
    sql = 'select status, sum("count") from sys_invocation_count group by 1 order by 1'
    counted = "select status, count(*) from sys_invocation group by 1 order by 1"
    assert query(source, sql).rows == query(source, counted).rows
    assert as_counts(sql) is None


def test_open_invocations_are_counted_without_a_look_at_them(source: JournalSnapshot) -> None:
    watched = Watched(source.view)
    by_deployment = open_by_deployment(watched, source.partitions)
    by_status = open_by_status(watched, range(source.partitions))
    assert watched.invocations == 0
    sql = "select coalesce(deployment, ''), count(*) from main.sys_invocation where outcome is null group by 1"
    assert by_deployment == dict(query(source, sql).rows)
    sql = "select status, count(*) from main.sys_invocation where outcome is null and service not like 'playhead.%' group by 1"
    assert {status.value: count for status, count in by_status.items()} == dict(query(source, sql).rows)
