"""Opens and locks directories by descriptor, which refers to the same file even when its path changes."""

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
    """Return the device and inode of an open descriptor; None if the descriptor is closed."""
    try:
        return place_of(os.fstat(descriptor))
    except OSError:
        return None


def leads_to(path: Path, place: Place | None) -> bool:
    """Report whether the path currently refers to this device and inode."""
    try:
        return place_of(path.stat()) == place
    except OSError:
        return False


def lacks_descriptor(error: OSError) -> bool:
    """Report whether the error means that the process or the system has no free file descriptor."""
    return error.errno in (errno.EMFILE, errno.ENFILE)


def open_directory(path: Path, flags: int = 0) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | flags)


def reached_through(descriptor: int, path: Path) -> Path:
    """Return a path to the file of a descriptor that stays valid when the file is renamed, or ``path`` on systems that
    do not offer one."""
    through = Path(f"/proc/self/fd/{descriptor}")
    return through if leads_to(through, place_of(os.fstat(descriptor))) else path


LOOKS = 1000
"""The number of tries to lock a directory that other processes only test. After them, another process counts as the
holder."""

_LOOK_SECONDS = 0.001


def lock_past_lookers(descriptor: int) -> bool:
    """Take the lock exclusively, and return whether it was taken. Waits for processes that only test the lock
    (:meth:`DataDirectory.is_held`), which share it for an instant."""
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
