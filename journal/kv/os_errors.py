"""Translates the errors of an operating system or of RocksDB about a disk.

RocksDB raises plain exceptions that differ only in their text. This is the only module that reads such texts.
"""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

from journal.errors import DiskFull, JournalError, StoreDamaged, StoreError, StoreFailed, StoreInUse, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

_LOCKED = re.compile(r"\block (file|hold)\b")


def is_full(error: Exception) -> bool:
    """Report whether the error says that the disk is full."""
    return _says(error, errno.ENOSPC)


def refusal(path: Path, error: Exception, text: str, *, doing: str, is_new: bool = False) -> JournalError:
    """Return the error that explains why the directory ``path`` cannot be used, with a remedy. An error that the disk
    did not cause counts as damage, unless the directory ``is_new``: is being made. ``text`` is the error's text, with the paths that users know."""
    if isinstance(error, JournalError):
        return error
    if is_full(error):
        return DiskFull(f"{path}: the disk is full, and {doing} needs free space: free some, then start again ({text})")
    if _says(error, errno.EMFILE, errno.ENFILE):
        return Unavailable(f"{path}: {doing} needs more open files than are allowed here: raise 'ulimit -n' ({text})")
    if _says(error, errno.EIO):
        return StoreFailed(f"{path}: the disk failed at {doing}: check the disk, then start again ({text})")
    if _says(error, errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreError(
            path, f"{doing} is not permitted here, and even reading needs write access to the store: {text}"
        )
    if _says(error, errno.ENOTDIR, errno.EEXIST, errno.ELOOP):
        return StoreError(
            path,
            f"{doing} failed: {text}. It must be a directory, and its files plain files: links in it are not followed",
        )
    if _says(error, errno.ENOLCK, errno.ENOTSUP):
        return StoreError(path, f"{doing} needs a file system with locks; use a local disk: {text}")
    if _LOCKED.search(str(error)):
        return StoreInUse(path, None)
    if is_new:
        return StoreError(path, f"{doing} failed: {text}. Name a directory that can be made, on a local disk")
    return StoreDamaged(path, f"{doing} failed: {text}. Nothing was changed: restore the directory from a backup")


def _says(error: Exception, *numbers: int) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in numbers
    return any(os.strerror(number) in str(error) for number in numbers)
