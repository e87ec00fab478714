"""What the tests of the console need besides Python: Chromium, and a few npm packages at fixed versions."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "actors" / "http" / "console" / "static"
TOOLS = Path(__file__).parent / "tools"

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
NO_CHROMIUM = "needs Chromium: apt-get install --yes --no-install-recommends chromium"
NO_NPM = "needs npm: apt-get install --yes --no-install-recommends nodejs npm"


def chromium() -> str:
    """The browser; skips the test where there is none."""
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(NO_CHROMIUM)
    return found


@cache
def packages() -> Path:
    """The folder ``node_modules`` with what ``package-lock.json`` names, installed once; skips the test where npm is not there."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(NO_NPM)
    lock = (TOOLS / "package-lock.json").read_bytes()
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "playhead-tests"
    folder = cache_folder / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock_file:  # processes that run tests beside each other install it once
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            _install(npm, folder)
    return folder / "node_modules"


def _install(npm: str, folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(TOOLS / name, folder / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert installed.returncode == 0, f"npm ci has failed: {installed.stdout}{installed.stderr}"
    (folder / "installed").touch()


def vendored() -> list[dict[str, object]]:
    """What ``vendor/VENDORED.json`` says of each folder beside it."""
    found: list[dict[str, object]] = json.loads((STATIC / "vendor" / "VENDORED.json").read_text())
    return found
