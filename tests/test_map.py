"""The tests' own shape: the map of ``tests/README.md`` has every folder, and a test's name can be read at a glance."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.budget import budgets
from tests.long_files import LONGEST

TESTS = Path(__file__).parent
LONGEST_NAME = 90
"""Characters. A new name has at most about 70."""


def test_a_name_of_a_test_is_a_short_sentence() -> None:
    files = {file: ast.parse(file.read_text()) for file in TESTS.rglob("test_*.py")}
    functions = [
        f"{file.relative_to(TESTS)}::{node.name}"
        for file, tree in files.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if len(node.name) > LONGEST_NAME
    ]
    assert functions == []


def test_the_map_has_a_row_with_a_budget_for_each_folder() -> None:
    folders = {folder.name for folder in TESTS.iterdir() if any(folder.glob("test_*.py"))}
    assert folders | {"*"} == budgets().keys()


def test_the_files_that_begin_first_exist() -> None:
    assert [file for file in LONGEST if not (TESTS.parent / file).exists()] == []
