"""``--long-way`` closes the short ways, in this process and in those that tests start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.engine.first_turns import FirstTurns
from actors.engine.step_turns import StepTurns
from tests import long_way
from tests.children import ROOT, customized, python_path

ASK = """
import sys
from actors.engine.first_turns import FirstTurns
from actors.engine.step_turns import StepTurns
print({FirstTurns.take.__qualname__, StepTurns.take.__qualname__} == {"_decide"}, *sys.path)
"""


def is_closed() -> bool:
    """Whether this process takes the long way."""
    return {FirstTurns.take.__qualname__, StepTurns.take.__qualname__} == {"_decide"}


def ask(folder: Path, **environment: str) -> tuple[bool, list[str]]:
    """What a child says: whether it takes the long way, and where it imports from."""
    command = [sys.executable, "-c", ASK]
    ran = subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True)
    assert not ran.returncode, ran.stderr
    closed, *path = ran.stdout.split()
    return closed == "True", path


def test_the_option_says_which_way_the_engine_takes(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    is_wanted = pytestconfig.getoption("--long-way")
    assert is_closed() is is_wanted
    assert ask(tmp_path, PYTHONPATH=python_path(ROOT))[0] is is_wanted


def test_the_short_ways_are_closed_within_the_block_only(tmp_path: Path) -> None:
    before, inherited = (FirstTurns.take, StepTurns.take), os.environ.get("PYTHONPATH")
    with long_way.taken():
        assert is_closed()
        assert ask(tmp_path, PYTHONPATH=python_path(ROOT))[0]
    assert before == (FirstTurns.take, StepTurns.take)
    assert ask(tmp_path, PYTHONPATH=python_path(ROOT))[0] is is_closed()
    assert os.environ.get("PYTHONPATH") == inherited


def test_a_child_imports_from_where_it_did_after_it_was_customized(tmp_path: Path) -> None:
    _, plain = ask(tmp_path, PYTHONPATH=python_path(ROOT))
    with customized("import tests.children"):
        _, path = ask(tmp_path, PYTHONPATH=python_path(ROOT))
    assert [place for place in path if "children-" not in place] == [
        place for place in plain if "children-" not in place
    ]


@pytest.mark.parametrize("way", [FirstTurns, StepTurns])
def test_a_short_way_that_is_not_found_is_an_error(monkeypatch: pytest.MonkeyPatch, way: type) -> None:
    monkeypatch.delattr(way, "take")
    with pytest.raises(AttributeError):
        long_way.take()
