"""Copies of data directories that a process holds or held."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def copied(source: Path, target: Path) -> Path:
    """Copy a data directory, except its socket: ``cp -r`` makes a dead one of it, and ``shutil`` refuses to."""
    return shutil.copytree(source, target, ignore=shutil.ignore_patterns("SOCKET"))
