"""What ``import actors`` gives, and what it costs."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import actors
import actors.aio
import actors.errors
import actors.testing
import actors.types
from actors.http.client.backend import connect
from journal import errors as journal_errors
from journal.errors import StoreError, StoreFailed
from tests.raising import raises
from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

MOST_NAMES = 75

SPACES: tuple[ModuleType, ...] = (actors, actors.aio, actors.types, actors.testing)

MADE_BY_US = {
    *(
        "AsyncioRuntime",
        "BoundHandler",
        "Chunks",
        "Client",
        "ClusterClient",
        "DeploymentClient",
        "FailingBlock",
        "GateClient",
        "Handler",
        "InvocationHandle",
    ),
    *(
        "LockBlock",
        "JobClient",
        "JobHandle",
        "JobSelection",
        "LimitClient",
        "LocalClient",
        "OfflineClient",
        "Nursery",
        "ObjectHandle",
        "Runtime",
        "NotificationClient",
        "NotificationHandle",
        "ScheduleClient",
        "ScheduleHandle",
        "Snapshot",
        "Step",
    ),
}
"""Classes that no user calls: what makes them is no promise."""

NOT_NAMED = {
    "Choice",
    "Endpoints",
    "Engine",
    "HandlerDefinition",
    "HeldDirectory",
    "InFlight",
    "Journal",
    "KvJournal",
    "LocalClient",
    "NotificationOptions",
    "Peers",
    "ScheduleOptions",
    "VerbOptions",
}
"""For the command line, the server and :mod:`actors.testing`. To everybody else the client of a runtime is a ``Client``."""


def test_there_are_at_most_75_names() -> None:
    assert len(actors.__all__) == len({*actors.__all__}) <= MOST_NAMES


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.__name__)
def test_everything_that_is_promised_is_there_and_documented(space: ModuleType) -> None:
    promised = {name: getattr(space, name) for name in space.__all__}
    undocumented = {name for name, value in promised.items() if not (inspect.getdoc(value) or "").strip()}
    # What is made by NewType or is a union of types has no docstring of its own.
    assert undocumented <= {"InvocationId", "Redactor", "StepId", "converter"}


def test_everything_that_is_called_or_entered_shows_an_example() -> None:
    told_by_others = {"Status", "InvocationId", "converter"}
    errors = {name for name in actors.__all__ if isinstance(getattr(actors, name), type) and _is_error(name)}
    named = set(actors.__all__) - told_by_others - errors
    assert sorted(name for name in named if "::\n" not in (getattr(actors, name).__doc__ or "")) == []


def _is_error(name: str) -> bool:
    return issubclass(getattr(actors, name), BaseException)


def functions_of(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The functions that a user calls by this name, and those of its class."""
    if inspect.isfunction(value):
        yield name, value
    if not inspect.isclass(value):
        return
    for member, found in inspect.getmembers_static(value):
        if member.startswith("_") and (member != "__init__" or name in MADE_BY_US):
            continue
        function = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        if inspect.isfunction(function) and function.__module__.startswith(("actors", "journal")):
            yield f"{name}.{member}", function


def annotations_of(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """What its signatures and fields say, and where."""
    for where, function in functions_of(name, value):
        yield from ((where, str(said)) for said in function.__annotations__.values())
    if inspect.isclass(value):
        for member, said in inspect.get_annotations(value).items():
            if not member.startswith("_"):
                yield f"{name}.{member}", str(said)


def test_every_type_that_a_public_signature_names_is_exported() -> None:
    promised = {name: getattr(space, name) for space in SPACES for name in space.__all__}
    promised |= {name: value for name, value in vars(actors.errors).items() if not name.startswith("_")}
    known = {
        *promised,
        *NOT_NAMED,
        *dir(typing),
        *dir(__builtins__),
        "BaseException",
        "Exception",
        "None",
        "False",
        "True",
    }
    known |= {
        "LogRecord",
        "Random",
        "UUID",
        "PathLike",
        "Converter",
        "TypeForm",
        "Path",
    }  # of the standard library, and of cattrs
    variables = {"A", "K", "Object", "P", "R", "R_co", "S", "T", "Ts", "V", "W"}
    unknown = {
        (word, where)
        for name in {name for space in SPACES for name in space.__all__}
        for where, said in annotations_of(name, promised[name])
        for word in re.findall(r"\b[A-Z]\w+|\b[A-Z]\b", re.sub(r"\"[^\"]*\"|'[^']*'", "", said))
        if word not in known | variables
    }
    assert sorted(unknown) == []


def test_no_name_is_promised_twice_for_different_things() -> None:
    seen: dict[str, Any] = {}
    for space in (actors, actors.types):
        for name in space.__all__:
            assert seen.setdefault(name, getattr(space, name)) is getattr(space, name), name


def test_every_error_of_a_store_is_exported_with_a_code_of_its_own() -> None:
    kinds = [kind for kind in vars(journal_errors).values() if isinstance(kind, type)]
    stores = {kind.__name__: kind for kind in kinds if issubclass(kind, (StoreError, StoreFailed))}
    assert {*stores} <= {*actors.errors.__all__}
    assert {name for name, kind in stores.items() if "code" not in vars(kind)} == {"ChangesMissing"}  # a StoreDamaged


def test_connect_is_exported() -> None:
    assert actors.connect is connect


def test_the_version_is_that_of_the_package() -> None:
    assert actors.__version__ == importlib.metadata.version("playhead")


def test_importing_actors_loads_neither_an_http_client_nor_the_store() -> None:
    code = (
        "import sys, actors\n"
        "print(sorted({'asyncio', 'httpx2', 'h11', 'rocksdict', 'rich', 'click', 'importlib.metadata', 'actors.types',"
        "'actors.testing', 'trio.testing'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with raises(AttributeError, name="conect"):
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
    spaces = {name for name, module in known.items() if module == "actors"}
    assert spaces == {*actors._NAMESPACES}
    assert {name: module for name, module in known.items() if name not in spaces} == actors._LATER


@pytest.mark.parametrize("name", actors.errors.__all__)
def test_an_error_is_recorded_under_its_public_name_and_its_annotations_resolve(name: str) -> None:
    kind = getattr(actors.errors, name)
    assert f"{kind.__module__}.{kind.__qualname__}" == f"actors.errors.{name}"
    typing.get_type_hints(kind)
