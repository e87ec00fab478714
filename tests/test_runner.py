"""``python -m tests`` says how far it is, which test it waits for, and what each folder costs."""

from __future__ import annotations

from tests.budget import START, Spent, budgets, folder_of, table
from tests.long_files import LONGEST
from tests.progress import QUIET_SECONDS, Progress

SLOW, QUICK = "tests/crash/test_kills.py::test_slow", "tests/core/test_decide.py::test_quick"


def progress() -> Progress:
    """Two tests of four are running."""
    told = Progress(started=100.0, total=4)
    told.begin(SLOW, 100.0)
    told.begin(QUICK, 100.0)
    return told


def test_progress_counts_tests_and_time() -> None:
    told = progress()
    told.end(QUICK, 161.0)
    assert told.line(162.0).split() == ["1:02", "1", "of", "4", "tests,", "25", "%"]


def test_progress_names_the_longest_running_test_when_none_ends() -> None:
    told = progress()
    told.end(QUICK, 101.0)
    told.begin(QUICK, 101.0)
    assert SLOW not in told.line(100.0 + QUIET_SECONDS)
    assert SLOW in told.line(101.0 + QUIET_SECONDS)
    assert QUICK not in told.line(101.0 + QUIET_SECONDS)


def test_progress_says_how_long_a_long_file_takes() -> None:
    told = Progress(started=0.0, total=1)
    told.begin("tests/crash/test_boundaries.py::test_slow", 0.0)
    assert f"about {LONGEST['tests/crash/test_boundaries.py']} s" in told.line(QUIET_SECONDS)


def test_progress_is_no_longer_quiet_once_a_test_has_ended() -> None:
    told = progress()
    told.end(QUICK, 100.0 + QUIET_SECONDS)
    assert not told.is_quiet(101.0 + QUIET_SECONDS)


def test_figures_of_all_processes_are_added_up() -> None:
    spent = Spent()
    for _ in range(2):
        spent.add({"tests": {"tests/core/test_a.py": 3}, "seconds": {"tests/core/test_a.py": 1.5, START: 2.0}})
    assert spent.plain() == {"tests": {"tests/core/test_a.py": 6}, "seconds": {"tests/core/test_a.py": 3.0, START: 4.0}}


def test_a_folder_over_its_budget_is_marked() -> None:
    spent = Spent(
        {"tests/core/test_a.py": 3, "tests/sql/test_b.py": 1},
        {"tests/core/test_a.py": 1e6, "tests/sql/test_b.py": 0.0, START: 1.0},
    )
    rows = {line.split()[0]: line for line in table({"pytest": spent})}
    assert rows["core"].endswith("over")
    assert not rows["sql"].endswith("over")
    assert rows["all"].split()[1] == "4"


def test_a_file_outside_of_all_folders_belongs_to_the_last_row_of_the_map() -> None:
    assert [folder_of(file) for file in ("tests/test_map.py", "tests/core/test_a.py", START)] == ["*", "core", START]
    assert "*" in budgets()
