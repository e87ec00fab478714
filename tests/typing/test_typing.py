"""Calls are typed from the handlers' own signatures: both checkers find what is wrong with one, and nothing else."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import actors
from tests.terminal import ROOT
from tests.typing.stubs import STUBS

HERE = Path(__file__).parent
USERS, PLANTED = HERE / "users.py", HERE / "planted.py"

Found = set[tuple[int, str]]
"""Lines, and the rules that they break."""


def marked() -> list[tuple[int, str, str]]:
    """The lines of the planted mistakes, and what mypy and basedpyright call them."""
    marks = [re.search(r"# error: ([\w-]+), (\w+)$", line) for line in PLANTED.read_text().splitlines()]
    return [(number, mark[1], mark[2]) for number, mark in enumerate(marks, start=1) if mark is not None]


def mypy_finds(path: Path) -> Found:
    """What it says of this one file. Imported files are only followed."""
    out = _run("mypy", "--strict", "--output", "json", str(path))
    errors = [msgspec.json.decode(line) for line in out.splitlines() if line.startswith("{")]
    assert all(error["file"] == str(path.relative_to(ROOT)) for error in errors), errors
    return {(error["line"], error["code"]) for error in errors if error["severity"] == "error"}


def basedpyright_finds(path: Path) -> Found:
    out = _run("basedpyright", "--pythonpath", sys.executable, "--level", "error", "--outputjson", str(path))
    report = msgspec.json.decode(out)
    assert report["summary"]["filesAnalyzed"] == 1, report
    return {(error["range"]["start"]["line"] + 1, error["rule"]) for error in report["generalDiagnostics"]}


def _run(checker: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", checker, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def test_the_planted_mistakes_are_many() -> None:
    assert len(marked()) > 20


@pytest.mark.parametrize(
    ("path", "expected"), [(USERS, set()), (PLANTED, {(line, rule) for line, rule, _ in marked()})]
)
def test_mypy_finds_the_planted_mistakes_and_nothing_else(path: Path, expected: Found) -> None:
    assert mypy_finds(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"), [(USERS, set()), (PLANTED, {(line, rule) for line, _, rule in marked()})]
)
def test_basedpyright_finds_the_planted_mistakes_and_nothing_else(path: Path, expected: Found) -> None:
    assert basedpyright_finds(path) == expected


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: stub.name)
def test_the_blocking_client_is_typed_as_the_async_one(stub: Path) -> None:
    """Write them with ``python -m tests.typing.stubs``."""
    assert stub.read_text() == STUBS[stub]()


def test_the_stub_of_the_blocking_client_names_what_is_there() -> None:
    tree = ast.parse((ROOT / "actors" / "sync.pyi").read_text())
    named = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for name, node in named.items():
        cls = getattr(actors.sync, name)
        missing = [
            member.name for member in node.body if isinstance(member, ast.FunctionDef) and not hasattr(cls, member.name)
        ]
        assert missing == [], name
    assert {*named, "connect", "open_runtime", "InvocationHandle", "BlockingHandler"} == {*actors.sync.__all__}
