"""The names that playhead takes: ``import playhead``, ``python -m playhead``, and files of the user's that hide our packages."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import actors
import playhead
from actors.code.discovery import snapshot_of
from actors.errors import DefinitionError
from cli.apps import load_app
from tests.raising import raises

if TYPE_CHECKING:
    from pathlib import Path

APP = """
import {name}
from actors import Service, handler
from tests.raising import raises

class Greeter(Service):
    @handler
    async def greet(self) -> str:
        return "hello"
"""


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=60)


def test_the_distribution_can_be_imported_by_its_own_name() -> None:
    assert playhead.Actor is actors.Actor
    assert set(actors.__all__) <= set(dir(playhead))
    with pytest.raises(AttributeError):
        playhead.__wrong__  # noqa: B018


def test_the_command_can_be_run_as_a_module(tmp_path: Path) -> None:
    ran = python(tmp_path, "-m", "playhead", "--help")
    assert ran.returncode == 0
    assert ran.stdout.startswith("Usage: playhead [OPTIONS] COMMAND")


@pytest.mark.parametrize("name", ["actors", "journal", "cli"])
def test_a_file_that_hides_a_package_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("")
    command = python(tmp_path, "-m", "playhead", "--help")
    assert (command.returncode, str(tmp_path / f"{name}.py") in command.stderr) == (2, True)
    assert "Traceback" not in command.stderr
    imported = python(tmp_path, "-c", "import playhead; playhead.Actor")
    assert str(tmp_path / f"{name}.py") in imported.stderr.splitlines()[-1]


def test_a_journal_of_the_users_is_named_by_import_actors(tmp_path: Path) -> None:
    (tmp_path / "journal.py").write_text("")
    ran = python(tmp_path, "-c", "import actors")
    assert f"ImportError: {tmp_path / 'journal.py'} hides playhead's own package 'journal'" in ran.stderr


@pytest.mark.parametrize("source", ["", "import actors"])
def test_a_playhead_of_the_users_is_named_by_import_actors(source: str, tmp_path: Path) -> None:
    (tmp_path / "playhead.py").write_text(source)
    named = f"ImportError: {tmp_path / 'playhead.py'} hides playhead's own package 'playhead'"
    for command in (["-c", "import actors"], ["playhead.py"] if source else ["-c", "import actors"]):
        assert named in python(tmp_path, *command).stderr


def test_a_folder_playhead_of_the_users_is_named_by_import_actors(tmp_path: Path) -> None:
    (tmp_path / "playhead").mkdir()
    (tmp_path / "playhead" / "__init__.py").write_text("raise AssertionError('imported')")
    named = f"ImportError: {tmp_path / 'playhead' / '__init__.py'} hides playhead's own package 'playhead'"
    assert named in python(tmp_path, "-c", "import actors").stderr


@pytest.mark.parametrize("name", ["actors", "journal", "cli", "playhead"])
def test_an_app_that_imports_a_module_with_our_name_is_refused(name: str, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP.format(name=name))
    (tmp_path / f"{name}.py").write_text("raise AssertionError('imported')")
    for refuse in (snapshot_of, load_app):
        with raises(DefinitionError, reason="source", name=str(tmp_path / f"{name}.py")):
            refuse(str(app))


def test_an_app_with_our_name_is_refused(tmp_path: Path) -> None:
    app = tmp_path / "actors.py"
    app.write_text(APP.format(name="os"))
    with raises(DefinitionError, reason="source", name=str(app)):
        load_app(str(app))


def test_a_module_with_our_name_that_no_app_imports_does_no_harm(tmp_path: Path) -> None:
    app = tmp_path / "own_names_app.py"
    app.write_text(APP.format(name="os"))
    (tmp_path / "cli.py").write_text("raise AssertionError('imported')")
    assert [cls.__name__ for cls in load_app(str(app))] == ["Greeter"]
