"""Each past bug has a name, a sentence and a test that exists."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.past import FAULTS, GROUPS
from tests.past.__main__ import ids_of, main, refusal

ROOT = Path(__file__).parents[1]
ALL = [fault for faults in GROUPS.values() for fault in faults]
KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


def test_each_past_bug_has_a_name_of_its_own() -> None:
    names = Counter(fault.name for fault in ALL)
    assert [name for name, count in names.items() if count > 1] == []
    assert [name for name in names if not KEBAB.fullmatch(name)] == []


def test_each_past_bug_is_told_in_one_short_sentence() -> None:
    assert [fault.name for fault in ALL if not fault.harm.endswith(".") or len(fault.harm) > 160] == []


def test_each_past_bug_names_tests_that_exist() -> None:
    assert [fault.name for fault in ALL if not fault.tests] == []
    assert [test for fault in ALL for test in fault.tests if not exists(test)] == []


def test_no_test_stands_for_two_past_bugs() -> None:
    named = Counter(test for fault in ALL for test in set(fault.tests))
    assert [test for test, count in named.items() if count > 1] == []


def test_an_unknown_name_is_refused_with_those_that_are_near(capsys: pytest.CaptureFixture[str]) -> None:
    name = next(iter(FAULTS))
    assert name in refusal(name[:-1])
    assert main([name, "no-such-bug"]) == 2
    assert "no-such-bug" in capsys.readouterr().err


def test_the_list_has_every_past_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = {line.strip() for line in capsys.readouterr().out.splitlines()}
    assert FAULTS.keys() <= lines


def test_a_test_that_is_named_twice_runs_once() -> None:
    fault = ALL[0]
    assert ids_of([fault.name, fault.name]) == list(fault.tests)


def exists(test: str) -> bool:
    """A parametrised id is looked up by its function."""
    path, _, rest = test.partition("::")
    return (ROOT / path).exists() and rest.partition("[")[0] in functions_in(path)


@cache
def functions_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return {function.name for function in functions if function.name.startswith("test_")}
