"""Loads an app from a file or a module."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from actors.code.discovery import snapshot_of
from actors.errors import DefinitionError, DefinitionReason
from actors.model.classes import definitions_in

if TYPE_CHECKING:
    from types import ModuleType


def load_app(app: str) -> list[type]:
    """Return the actors, services and workflows of ``file.py`` or ``package.module``.

    Raises :class:`actors.errors.DefinitionError`, also if the module itself raises: then its notes are the lines of the
    traceback, without the frames of the import system.
    """
    snapshot_of(app)  # refuses code that could not be loaded again, before any of it runs
    try:
        module = _load_file(Path(app)) if app.endswith(".py") else _load_module(app)
    except (DefinitionError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit too: an app that ends the process cannot be served
        refusal = DefinitionError(
            f"importing {app} failed: {type(error).__name__}: {error}", reason=DefinitionReason.SOURCE, name=app
        )
        for line in _from_the_app_on(error).splitlines():
            refusal.add_note(line)
        raise refusal from error
    classes: list[type] = list(definitions_in(module))
    if not classes:
        raise DefinitionError(
            f"{app} defines no Actor, Service or Workflow with handlers", reason=DefinitionReason.SOURCE, name=app
        )
    return classes


def _from_the_app_on(error: BaseException) -> str:
    """Format the traceback without the frames before the app: this module and the import system."""
    summary = traceback.TracebackException.from_exception(error)
    while summary.stack and (summary.stack[0].filename == __file__ or "importlib" in summary.stack[0].filename):
        del summary.stack[0]
    return "".join(summary.format()).rstrip()


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise DefinitionError(f"file {path} does not exist", reason=DefinitionReason.SOURCE, name=str(path))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise DefinitionError(
            f"{path} cannot be loaded as a module; name a file that ends in .py",
            reason=DefinitionReason.SOURCE,
            name=str(path),
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent.resolve()))
    spec.loader.exec_module(module)
    return module


def _load_module(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise DefinitionError(
                f"module {name!r} does not exist; to name a file, write path/to/app.py",
                reason=DefinitionReason.SOURCE,
                name=name,
            ) from error
        raise
