"""The classes of a storm as deployments, which do the same under other names."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from actors.code.loading import load
from actors.values.snapshot import Snapshot
from tests.simulation import cast

if TYPE_CHECKING:
    from actors.code.loading import Loaded

VERSIONS = (1, 2)


@functools.cache
def snapshot(version: int) -> Snapshot:
    """The code of this version."""
    source = Path(cast.__file__).read_text().replace("VERSION = 0", f"VERSION = {version}")
    return Snapshot(("storm_cast",), {"storm_cast.py": source.encode()})


@functools.cache
def loaded(version: int) -> Loaded:
    """The same, loaded: until this process ends, so that each storm finds it."""
    folder = Path(tempfile.mkdtemp(prefix="storms-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return load(snapshot(version), folder, shown_as=Path("storms"))


@functools.cache
def version_of(deployment: str) -> int:
    """Which version a deployment is; 0 if it is none."""
    return next((version for version in VERSIONS if snapshot(version).deployment == deployment), 0)
