"""What ``import actors`` gives, and what it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import actors
from actors.http.client.backend import connect
from tests.terminal import ROOT


def test_everything_that_is_promised_is_there_and_documented() -> None:
    undocumented = [name for name in actors.__all__ if not (getattr(actors, name).__doc__ or "").strip()]
    # What is made by NewType, or is an instance, has no docstring of its own.
    assert set(undocumented) <= {"InvocationId", "converter"}
    assert len(actors.__all__) == len(set(actors.__all__))


def test_everything_that_is_called_or_entered_shows_an_example() -> None:
    told_by_others = {
        *("Answer", "InvocationInfo", "JournalEntry", "OutcomeKind", "Status", "InvocationId", "converter"),
        *("GateAnswer", "GateInfo", "GateState", "ScopeKind"),
        *("CheckReport", "CheckSummary", "CodeFile", "DeploymentInfo"),
        *("Reason", "Waiting", "Edited", "FieldChange", "ItemInfo", "ObjectInfo", "ObjectName"),
        *("ItemResult", "JobInfo", "JobItem", "JobItems", "JobPreview", "JobState", "JobVerb"),
    }
    errors = {
        name
        for name in actors.__all__
        if isinstance(getattr(actors, name), type) and issubclass(getattr(actors, name), BaseException)
    }
    named = set(actors.__all__) - told_by_others - errors
    assert sorted(name for name in named if "::\n" not in (getattr(actors, name).__doc__ or "")) == []


def test_connect_is_exported() -> None:
    assert actors.connect is connect


def test_importing_actors_loads_neither_an_http_client_nor_the_store() -> None:
    code = (
        "import sys, actors\n"
        "print(sorted({'httpx2', 'starlette', 'hypercorn', 'rocksdict', 'rich', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'conect'"):
        _ = actors.conect  # type: ignore[attr-defined]  # it is meant to be missing


def test_what_is_imported_late_is_known_to_type_checkers_from_the_same_place() -> None:
    nodes = ast.walk(ast.parse(Path(actors.__file__).read_text()))
    guards = [node for node in nodes if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    known = {
        name.name: line.module
        for guard in guards
        for line in guard.body
        if isinstance(line, ast.ImportFrom)
        for name in line.names
    }
    assert known == actors._LATER
