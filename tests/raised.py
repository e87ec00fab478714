"""A plugin of pytest that writes down every message that code of ours gives to an error of ours: ``-p tests.raised``.

The file that the environment variable ``RAISED_MESSAGES`` names gets them as a list of JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import actors
from tests.wording import ROOT, packages

if TYPE_CHECKING:
    from types import FrameType

_FOLDERS = tuple(f"{package}{os.sep}" for package in packages())
_raised: set[str] = set()


def pytest_configure() -> None:
    assert issubclass(actors.ActorError, Exception)  # imported for the subclasses that it brings
    for kind in Exception.__subclasses__():
        if kind.__module__.partition(".")[0] in {package.name for package in packages()}:
            _record_messages_of(kind)


def _record_messages_of(root: type[Exception]) -> None:
    original = root.__init__

    def recording(self: Exception, *args: Any, **named: Any) -> None:
        original(self, *args, **named)
        if args and isinstance(args[0], str) and _file_of_raise(sys._getframe(1)).startswith(_FOLDERS):
            _raised.add(args[0])

    setattr(root, "__init__", recording)  # noqa: B010  mypy takes no assignment to a class's __init__


def _file_of_raise(frame: FrameType | None) -> str:
    """Where an error is made: below the constructors of its classes."""
    while frame is not None and frame.f_code.co_name == "__init__":
        frame = frame.f_back
    return "" if frame is None else str(Path(ROOT, frame.f_code.co_filename))


def pytest_sessionfinish() -> None:
    Path(os.environ["RAISED_MESSAGES"]).write_text(json.dumps(sorted(_raised)))
