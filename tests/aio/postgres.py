"""A real PostgreSQL server for a test, on a socket in a folder of its own; the test is skipped where none is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_OTHER_USER = "postgres"
"""Who runs the server if the tests are run by root, as which PostgreSQL refuses to run."""


def _programs() -> Path:
    if not _FOLDERS:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    return _FOLDERS[-1]


def _as_a_user() -> list[str]:
    if os.getuid() != 0:
        return []
    try:
        pwd.getpwnam(_OTHER_USER)
    except KeyError:
        pytest.skip(f"root cannot run PostgreSQL, and there is no user {_OTHER_USER}")
    return ["runuser", "-u", _OTHER_USER, "--"]


@contextmanager
def postgres(settings: str = "-c fsync=off") -> Iterator[str]:
    """Start a server with an empty database, and give the block the address of the database."""
    programs, prefix = _programs(), _as_a_user()
    folder = tempfile.mkdtemp(prefix="pg-")  # not in pytest's own, which other users may not enter

    def run(program: str, *words: str) -> None:
        done = subprocess.run([*prefix, programs / program, *words], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    try:
        if prefix:
            shutil.chown(folder, _OTHER_USER)
        run("initdb", "-D", f"{folder}/data", "-U", "tests", "--auth=trust", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' {settings}"
        run("pg_ctl", "start", "-w", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options)
        try:
            yield f"host={folder} user=tests dbname=postgres"
        finally:
            run("pg_ctl", "stop", "-D", f"{folder}/data", "-m", "immediate")
    finally:
        shutil.rmtree(folder)
