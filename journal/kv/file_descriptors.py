"""Directories and locks by descriptor: what stays the same while names change."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

Place = tuple[int, int]
"""Device and inode."""


def place_of(status: os.stat_result) -> Place:
    return status.st_dev, status.st_ino


def place_of_descriptor(descriptor: int) -> Place | None:
    """What is open there; None if it was closed."""
    try:
        return place_of(os.fstat(descriptor))
    except OSError:
        return None


def leads_to(path: Path, place: Place | None) -> bool:
    """Whether the path leads there now."""
    try:
        return place_of(path.stat()) == place
    except OSError:
        return False


def lacks_descriptor(error: OSError) -> bool:
    """Whether it failed because the process, or the system, has no descriptor left."""
    return error.errno in (errno.EMFILE, errno.ENFILE)


def open_directory(path: Path, flags: int = 0) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | flags)


def reached_through(descriptor: int, path: Path) -> Path:
    """A path that leads to what is open there, whatever becomes of its name; the name where the system has none."""
    through = Path(f"/proc/self/fd/{descriptor}")
    return through if leads_to(through, place_of(os.fstat(descriptor))) else path


LOOKS = 1000
"""How often the lock may be found shared by processes that only look, before a process is taken to hold it."""

_LOOK_SECONDS = 0.001


def lock_past_lookers(descriptor: int) -> bool:
    """Lock it alone. Who only looks (:meth:`DataDirectory.is_held`) has it shared, for an instant, and is waited for."""
    for _ in range(LOOKS):
        if lock(descriptor, fcntl.LOCK_EX):
            return True
        if not lock(descriptor, fcntl.LOCK_SH):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(_LOOK_SECONDS)
    return False


def lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
