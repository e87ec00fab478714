"""The classes of a storm as deployments: some do the same under other names, some do something else."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from actors.code.loading import load
from actors.values.snapshot import Snapshot
from tests.simulation import cast

VERSIONS = (1, 2)
"""Those that do the same."""

WAYS = {3: "another order", 4: "a step less", 5: "a step more", 6: "a step more later", 7: "other arguments"}
"""What the others do differently: see :func:`tests.simulation.cast.as_done`."""


@functools.cache
def snapshot(version: int) -> Snapshot:
    """The code of this version."""
    source = Path(cast.__file__).read_text()
    source = source.replace("VERSION = 0", f"VERSION = {version}").replace(
        'WAY = ""', f'WAY = "{WAYS.get(version, "")}"'
    )
    return Snapshot(("storm_cast",), {"storm_cast.py": source.encode()})


@functools.cache
def loaded(version: int) -> tuple[type, ...]:
    """The classes of this version, none for 0. They stay loaded, as the code keeps nothing and takes long to execute."""
    return load(snapshot(version), _folder(), shown_as=Path("storms")).classes if version else ()


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="storms-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def version_of(deployment: str) -> int:
    """Which version a deployment is; 0 if it is none."""
    return next((version for version in (*VERSIONS, *WAYS) if snapshot(version).deployment == deployment), 0)
