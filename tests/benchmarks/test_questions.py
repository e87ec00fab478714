"""Every question still works, and what it says can be true. How fast things are is for ``python -m benchmarks`` to say."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import msgspec
import pytest
from click.testing import CliRunner

import actors
from benchmarks import first_version, record
from benchmarks.__main__ import main
from benchmarks.all_questions import QUESTIONS
from benchmarks.drawing import draw
from benchmarks.floor import raw_store, writing_floor
from benchmarks.machine import this_machine
from benchmarks.measure import Figure, Room, Sample, Size, Spread, Tally, measure
from benchmarks.questions import calls
from benchmarks.report import curves, number
from journal.kv.store import Durability

if TYPE_CHECKING:
    from benchmarks.measure import Question

TINY = Size(factor=0.001, largest=20)

OF_THE_FLOOR_AT_LEAST = 0.03
TIMES_THE_FLOORS_PROCESSOR_TIME_AT_MOST = 30.0
"""Half of the worst, and twice, that was seen when this was written, on a machine with much else to do (0.063 and 14)."""


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_every_question_gives_figures_that_can_be_true(question: Question, tmp_path: Path) -> None:
    names: set[str] = set()
    for case in question.cases(TINY):
        figure = measure(question, case, runs=1, durability=Durability.FSYNC, under=tmp_path)
        spreads = [figure.value, figure.cpu_us, figure.floor, figure.ratio, figure.cpu_ratio]
        assert all(math.isfinite(s.median) and s.median > 0 for s in spreads if s is not None), figure
        assert (figure.floor is None) == (case.floor is None)
        assert (figure.p50_ms is None) or (figure.p99_ms is not None and figure.p50_ms.median <= figure.p99_ms.median)
        assert case.name not in names, "two lines of a table have one name"
        names.add(case.name)
    assert not list(tmp_path.iterdir()), "a run leaves nothing behind"


def is_near_the_floor(figure: Figure) -> bool:
    """As ratios within one run, and never as times: with a wide margin, which only what is far slower misses."""
    assert figure.ratio is not None
    assert figure.cpu_ratio is not None
    is_quick = figure.ratio.most > OF_THE_FLOOR_AT_LEAST
    return is_quick and figure.cpu_ratio.least < TIMES_THE_FLOORS_PROCESSOR_TIME_AT_MOST


def asked_for_calls(path: Path, *, runs: int) -> Figure:
    (case,) = calls.cases(Size(factor=0.1), in_flight=[64], keys=[64])
    return measure(calls.QUESTION, case, runs=runs, durability=Durability.FSYNC, under=path)


def test_a_call_is_not_far_dearer_than_its_rows(tmp_path: Path) -> None:
    figure = asked_for_calls(tmp_path, runs=3)
    assert is_near_the_floor(figure), figure


def test_a_call_that_wastes_a_millisecond_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Counter(actors.Actor):
        total: int = 0

        @actors.handler
        async def add(self, amount: int) -> int:
            began = time.process_time()
            while time.process_time() < began + 0.001:
                pass
            self.total += amount
            return self.total

    monkeypatch.setattr(calls, "Counter", Counter)
    figure = asked_for_calls(tmp_path, runs=1)
    assert not is_near_the_floor(figure), figure


def test_the_command_prints_a_line_of_json_for_each_case_with_its_machine(tmp_path: Path) -> None:
    arguments = ["calls", "--in-flight", "2", "--keys", "1", "--keys", "3", "--scale", "0.001", "--runs", "2"]
    done = CliRunner().invoke(main, [*arguments, "--json", "--under", str(tmp_path)], catch_exceptions=False)
    told = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert [line["figure"]["case"] for line in told] == ["2 in flight, 1 key", "2 in flight, 3 keys"]
    assert all(line["figure"]["runs"] == 2 for line in told)
    assert all(line["machine"]["durability"] == "fsync" and line["machine"]["cores"] > 0 for line in told)


def test_the_command_prints_a_table_for_people(tmp_path: Path) -> None:
    arguments = [
        "calls",
        "--in-flight",
        "2",
        "--keys",
        "1",
        "--scale",
        "0.001",
        "--runs",
        "1",
        "--under",
        str(tmp_path),
    ]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert "durability fsync" in done.stdout
    assert "x floor" in done.stdout
    assert "2 in flight, 1 key" in done.stdout


async def test_the_floor_writes_what_the_first_version_wrote_whatever_a_run_writes(tmp_path: Path) -> None:
    floor = writing_floor(first_version.CALL, in_flight=8)
    run_wrote = Tally(rows=1, key_bytes=8, value_bytes=1)
    await floor(Room(tmp_path, Durability.OS), Sample(value=1.0, operations=100, written=run_wrote))
    with raw_store(tmp_path / "floor") as db:
        rows = list(db.items())
    assert len(rows) == 100 * first_version.CALL.rows
    assert sum(len(value) for _, value in rows) == pytest.approx(100 * first_version.CALL.value_bytes, rel=0.01)


def test_ratios_are_of_the_thin_engine_and_of_the_floor() -> None:
    done = CliRunner().invoke(main, ["ratios", "--scale", "0.001", "--runs", "1"], catch_exceptions=False)
    lines = done.stdout.splitlines()
    beside_thin = [line for line in lines if line.startswith(("calls,", "sends,", "steps,"))]
    beside_floor = [line for line in lines if line.startswith(("nested,", "fanout,", "signals,", "timers,"))]
    assert len(beside_thin) == 3
    assert len(beside_floor) == 4


def test_the_readme_says_what_the_kept_figures_say() -> None:
    text = (record.HERE / "README.md").read_text()
    assert record.filled(text, QUESTIONS) == text, "run `python -m benchmarks --record`, or take the hand out of it"


def test_a_curve_that_is_flat_is_drawn_flat_and_its_name_cannot_break_the_drawing() -> None:
    line = [figure("a<b", at, 50.0) for at in (1_000.0, 10.0, 100.0)]
    drawn = draw("How <much>?", curves(line))
    assert "How &lt;much&gt;?" in drawn
    assert "a&lt;b" in drawn
    (points,) = [part for part in drawn.split('"') if part.count(",") == 3 and " " in part]
    places = [tuple(map(float, point.split(","))) for point in points.split()]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert len({y for _, y in places}) == 1
    assert "prefers-color-scheme: dark" in drawn


@pytest.mark.parametrize(
    ("value", "text"), [(0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (12_345.6, "12,346")]
)
def test_a_number_has_three_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_a_machine_that_has_other_work_is_called_noisy() -> None:
    machine = this_machine("fsync", 1.0)
    busy, idle = (attrs.evolve(machine, cores=2, load=load) for load in (6.0, 0.5))
    assert "noisy" in " ".join(busy.lines())
    assert "noisy" not in " ".join(idle.lines())


def figure(line: str, at: float, cpu_us: float) -> Figure:
    one = Spread(median=cpu_us, least=cpu_us, most=cpu_us)
    return Figure(
        question="growth",
        case=f"{line} {at}",
        unit="ms",
        runs=1,
        value=one,
        cpu_us=one,
        p50_ms=None,
        p99_ms=None,
        floor=None,
        ratio=None,
        cpu_ratio=None,
        line=line,
        at=at,
    )
