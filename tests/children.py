"""The processes that tests start, and what each of them does before its own program."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]


def python_path(*folders: Path) -> str:
    """The ``PYTHONPATH`` of a process that imports from these folders, and does first what :func:`customized` says."""
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([*map(str, folders), *([inherited] if inherited else [])])


@contextmanager
def customized(program: str) -> Iterator[None]:
    """Each Python process that begins within the block runs this first. It can import the tests."""
    before = os.environ.get("PYTHONPATH")
    with tempfile.TemporaryDirectory(prefix="children-") as folder:
        text = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\ntry:\n    {program}\nfinally:\n    del sys.path[0]\n"
        Path(folder, "sitecustomize.py").write_text(text)
        os.environ["PYTHONPATH"] = folder if not before else os.pathsep.join([folder, before])
        try:
            yield
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before
