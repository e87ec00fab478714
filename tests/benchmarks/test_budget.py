"""A unit of work takes no more calls, instructions and garbage than its budget, and a gain is recorded as a new budget."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import actors
from actors.model.caller_trace import OPENTELEMETRY
from benchmarks.__main__ import main
from benchmarks.budget import book, command, count
from benchmarks.budget.book import Entry, Verdict
from benchmarks.budget.meters import Calls
from benchmarks.budget.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import FrameType

    from benchmarks.budget.count import Figures

ROOT = Path(actors.__file__).parents[1]

HOW_TO_CHANGE = "If the change is worth it, or if this is a gain: run `python -m benchmarks budget --write`, and commit benchmarks/budget.toml"

same_python = pytest.mark.skipif(
    book.read().python != book.this_python(),
    reason=f"budgets are of Python {book.read().python}: another version makes other calls",
)


class Counter(actors.Actor):
    value: int = 0

    @actors.handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value


def not_kept(measured: Figures) -> list[str]:
    """What has to be said of figures that do not keep to their budgets."""
    budgets = book.read()
    wrong = [
        f"{entry.unit}, {entry.measure}: {book.rounded(entry.measured)} measured, budget {entry.budget} ({entry.verdict.value})"
        for entry in budgets.compare(measured)
        if entry.verdict is not Verdict.KEPT
    ]
    others = [f"another version than the budgets': {part}" for part in budgets.other_parts()]
    return [*wrong, *others, HOW_TO_CHANGE] if wrong else []


@same_python
def test_no_unit_makes_more_calls_or_garbage_than_its_budget() -> None:
    assert not_kept(count.count_calls()) == []


@same_python
@pytest.mark.skipif(not count.has_callgrind(), reason=command.NO_CALLGRIND)
@pytest.mark.skipif(book.read().build != sys.version, reason=command.OTHER_BUILD)
def test_no_unit_takes_more_instructions_than_its_budget() -> None:
    assert not_kept(count.count_instructions()) == []


def test_two_counts_of_the_same_unit_agree_to_a_thousandth() -> None:
    calls = [unit for unit in UNITS if unit.name == "call"]
    assert count.count_calls(calls)["call"] == pytest.approx(count.count_calls(calls)["call"], rel=1e-3)


def test_each_unit_has_a_budget_of_each_measure() -> None:
    assert {unit: set(figures) for unit, figures in book.read().budgets.items()} == {
        unit.name: set(book.MEASURES) for unit in UNITS
    }


MODULES_OF_A_CALL = 30
"""What a reader who follows one call has to open."""


async def test_a_call_of_a_keyed_object_enters_at_most_thirty_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, OPENTELEMETRY, raising=False)  # other tests of this process may have imported it
    async with actors.open_runtime(Counter, durability="memory") as runtime:
        counter = runtime.client.actor(Counter, "warm")
        for _ in range(10):
            await counter.add(1)
        entered = [await modules_entered(counter.add, 1) for _ in range(5)]
    fewest = min(entered, key=len)  # a clock may have rung during the others
    assert "actors.engine.processor" in fewest
    assert len(fewest) <= MODULES_OF_A_CALL, " ".join(sorted(fewest))


async def modules_entered(call: Callable[[int], Awaitable[int]], argument: int) -> set[str]:
    """The modules of playhead's whose code runs during the call."""
    files: set[str] = set()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            files.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        await call(argument)
    finally:
        sys.setprofile(before)
    inside = [Path(file).relative_to(ROOT) for file in files if file.startswith(str(ROOT))]
    return {".".join(file.with_suffix("").parts) for file in inside if file.parts[0] in ("actors", "journal")}


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (94.0, Verdict.UNUSED),
        (95.1, Verdict.KEPT),
        (100.0, Verdict.KEPT),
        (100.9, Verdict.KEPT),
        (101.1, Verdict.EXCEEDED),
    ],
)
def test_a_figure_may_be_one_percent_above_and_five_below(measured: float, verdict: Verdict) -> None:
    assert Entry("call", "calls", measured, 100.0).verdict is verdict


def test_instructions_may_be_two_percent_above() -> None:
    assert Entry("call", "instructions", 101_900.0, 100_000.0).verdict is Verdict.KEPT
    assert Entry("call", "instructions", 102_100.0, 100_000.0).verdict is Verdict.EXCEEDED


def test_garbage_where_there_was_none_exceeds_its_budget() -> None:
    assert Entry("call", "garbage", 0.1, 0.0).verdict is Verdict.EXCEEDED
    assert Entry("call", "garbage", 0.0, 0.0).verdict is Verdict.KEPT


def test_a_measure_without_a_budget_is_reported() -> None:
    assert Entry("call", "calls", 1.0, None).verdict is Verdict.MISSING


async def test_the_meter_sees_each_call_and_each_cycle() -> None:
    def act() -> None:
        one: list[object] = []
        one.append(one)

    async def work(times: int) -> None:
        for _ in range(times):
            act()

    gc.disable()  # a collection in between would count as none
    try:
        await Calls().count(lambda: work(1))  # what other tests have left goes with the first count
        few, many = await Calls().count(lambda: work(10)), await Calls().count(lambda: work(110))
    finally:
        gc.enable()
    assert many["python_calls"] - few["python_calls"] == 100
    assert many["calls"] - few["calls"] == 200
    assert many["garbage"] - few["garbage"] == 100


def test_what_is_written_reads_as_the_same_budgets(tmp_path: Path) -> None:
    measured = {unit.name: {"calls": 123.0, "garbage": 0.25} for unit in UNITS}
    book.write(measured, tmp_path / "budget.toml")
    written = book.read(tmp_path / "budget.toml")
    assert all(entry.verdict is Verdict.KEPT for entry in written.compare(measured))
    assert written.other_parts() == []


def test_writing_calls_alone_keeps_the_budgets_of_instructions(tmp_path: Path) -> None:
    path = tmp_path / "budget.toml"
    book.write({"call": {"calls": 1.0, "instructions": 5.0}}, path)
    book.write({"call": {"calls": 2.0}}, path)
    assert book.read(path).budgets["call"] == {"calls": 2.0, "instructions": 5.0}


def test_the_command_fails_if_a_budget_is_exceeded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measured = {unit.name: {"calls": 100.0} for unit in UNITS}
    book.write(measured, tmp_path / "budget.toml")
    dearer = measured | {"call": {"calls": 102.0}}
    for figures, code in ((measured, 0), (dearer, 1)):
        monkeypatch.setattr(command, "count_calls", lambda figures=figures: figures)
        monkeypatch.setattr(command.book, "read", lambda read=book.read: read(tmp_path / "budget.toml"))
        assert CliRunner().invoke(main, ["budget", "--calls"]).exit_code == code
        monkeypatch.undo()
