"""Bugs that are planted are found: a few of them here, all of them with ``python -m tests.mutants``."""

from __future__ import annotations

import pytest

from tests.mutants import MUTANTS, finds_in_table, hunt, planted

QUICK = (
    "answers-before-it-is-durable",
    "lets-the-last-one-go-first",
    "fires-timers-early",
    "does-an-at-most-once-step-again",
)


def test_each_bug_has_one_place_in_the_sources() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 40
    for mutant in MUTANTS:
        path, source = planted(mutant)
        assert source != path.read_text()


def test_the_table_has_each_bug_and_what_found_it() -> None:
    assert [*finds_in_table()] == [mutant.name for mutant in MUTANTS], "python -m tests.mutants --missing --table"


@pytest.mark.parametrize("name", QUICK)
def test_storms_find(name: str) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    found = hunt(mutant)
    assert found.broken, found
