"""``--long-way`` closes the short way of a call, in this process and in those that tests start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.engine import first_turns
from tests import long_way
from tests.children import ROOT, customized, python_path

ASK = "import sys\nfrom actors.engine import first_turns\nprint(first_turns.CALLS_A_ROUND, *sys.path)"


def ask(folder: Path, **environment: str) -> tuple[int, list[str]]:
    """What a child says: how many calls a round runs, and where it imports from."""
    command = [sys.executable, "-c", ASK]
    ran = subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True)
    assert not ran.returncode, ran.stderr
    calls, *path = ran.stdout.split()
    return int(calls), path


def test_the_option_says_which_way_calls_take(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    is_closed = pytestconfig.getoption("--long-way")
    assert (first_turns.CALLS_A_ROUND == 0) is is_closed
    assert (ask(tmp_path, PYTHONPATH=python_path(ROOT))[0] == 0) is is_closed


def test_the_short_way_is_closed_within_the_block_only(tmp_path: Path) -> None:
    before, inherited = first_turns.CALLS_A_ROUND, os.environ.get("PYTHONPATH")
    with long_way.taken():
        assert first_turns.CALLS_A_ROUND == 0
        assert ask(tmp_path, PYTHONPATH=python_path(ROOT))[0] == 0
    assert before == first_turns.CALLS_A_ROUND
    assert ask(tmp_path, PYTHONPATH=python_path(ROOT))[0] == before
    assert os.environ.get("PYTHONPATH") == inherited


def test_a_child_imports_from_where_it_did_after_it_was_customized(tmp_path: Path) -> None:
    _, plain = ask(tmp_path, PYTHONPATH=python_path(ROOT))
    with customized("import tests.children"):
        _, path = ask(tmp_path, PYTHONPATH=python_path(ROOT))
    assert [place for place in path if "children-" not in place] == [
        place for place in plain if "children-" not in place
    ]


def test_a_number_of_calls_that_is_not_found_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(first_turns, "CALLS_A_ROUND")
    with pytest.raises(AttributeError):
        long_way.take()
