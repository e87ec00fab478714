"""Directories and locks by descriptor, which stay the same while names change."""

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
    """The place that a descriptor refers to; None if it was closed."""
    try:
        return place_of(os.fstat(descriptor))
    except OSError:
        return None


def leads_to(path: Path, place: Place | None) -> bool:
    """Whether the path leads to this place now."""
    try:
        return place_of(path.stat()) == place
    except OSError:
        return False


def lacks_descriptor(error: OSError) -> bool:
    """Whether the error says that the process or the system has no free descriptor."""
    return error.errno in (errno.EMFILE, errno.ENFILE)


def open_directory(path: Path, flags: int = 0) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | flags)


def reached_through(descriptor: int, path: Path) -> Path:
    """A path to the file of a descriptor that stays valid when the file is renamed; the given name on systems without one."""
    through = Path(f"/proc/self/fd/{descriptor}")
    return through if leads_to(through, place_of(os.fstat(descriptor))) else path


LOOKS = 1000
"""How often the lock may be found shared by processes that only test it before another process counts as its holder."""

_LOOK_SECONDS = 0.001


def lock_past_lookers(descriptor: int) -> bool:
    """Take the lock exclusively. A process that only tests it (:meth:`DataDirectory.is_held`) shares it for an instant, and is
    waited for."""
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
