"""A data directory: whose it is, who holds it, and whether all of it is still there.

    STORE    what the store is (JSON): format, id, number of partitions
    MARK     the highest sequence number that RocksDB is known to have on disk
    HOLDER   locked by the process that has the directory open; holds its pid
    db/      RocksDB's own files

RocksDB opens happily, and empty, when its manifest is cut short, and drops files it then thinks obsolete (observed with
9.8). So before anything is opened for writing, the store is opened for reading and held against MARK.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from journal.errors import StoreDamaged, StoreError, StoreFormat, StoreInUse, StoreMissing
from journal.rows import FORMAT, StoreIdentity

if TYPE_CHECKING:
    from collections.abc import Callable

_MARK_WIDTH = 20


class DataDirectory:
    """The files around RocksDB. Creating one touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rocks = path / "db"
        self._identity = path / "STORE"
        self._mark = path / "MARK"
        self._holder = path / "HOLDER"

    def exists(self) -> bool:
        """Whether a store was created here."""
        return self._identity.exists()

    def create(self, identity: StoreIdentity) -> None:
        """Make an empty store; durable when it returns. Refuses a directory that holds anything else."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        strangers = sorted(p.name for p in self.path.iterdir() if p.name != self._holder.name)
        if strangers:
            raise StoreError(
                self.path,
                f"not a playhead data directory, and not empty (found {strangers[0]!r}); name an empty or a new one",
            )
        self.write_mark(0)
        temporary = self._identity.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(identity))
        _sync(temporary)
        temporary.rename(self._identity)
        _sync(self.path)

    def identity(self) -> StoreIdentity:
        """What the store is. Raises :class:`StoreMissing`, :class:`StoreFormat`, :class:`StoreDamaged`."""
        try:
            data = self._identity.read_bytes()
        except FileNotFoundError:
            raise StoreMissing(self.path, "there is no playhead store here") from None
        try:
            found = msgspec.json.decode(data, type=dict[str, object])["format"]
        except (msgspec.DecodeError, KeyError) as error:
            raise StoreDamaged(self.path, f"the file STORE is not readable: {error!r}") from error
        if not isinstance(found, int):
            raise StoreDamaged(self.path, f"the file STORE names the format {found!r}, which is no number")
        if found != FORMAT:
            raise StoreFormat(self.path, found, FORMAT)
        try:
            return msgspec.json.decode(data, type=StoreIdentity)
        except msgspec.DecodeError as error:
            raise StoreDamaged(self.path, f"the file STORE is not readable: {error}") from error

    def hold(self) -> Callable[[], None]:
        """Hold the directory against other processes; returns what gives it up. Raises :class:`StoreInUse`.

        The kernel drops the lock when the process dies, however it dies.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = self.path.stat().st_mode
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise StoreError(
                self.path, f"others may write here (mode {stat.S_IMODE(mode):o}); run 'chmod go-w' on it first"
            )
        descriptor = os.open(self._holder, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _lock_past_lookers(descriptor):
            os.close(descriptor)
            raise StoreInUse(self.path, self.holder_pid())
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return lambda: os.close(descriptor)

    def holder_pid(self) -> int | None:
        """The process that holds the directory, or held it last."""
        try:
            return int(self._holder.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def is_held(self) -> bool:
        """Whether a process has the store open now."""
        try:
            descriptor = os.open(self._holder, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def write_mark(self, sequence: int) -> None:
        """Note, durably, that the store reaches at least this far."""
        descriptor = os.open(self._mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, b"%0*d\n" % (_MARK_WIDTH, sequence), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read_mark(self) -> int:
        """How far the store reached at least."""
        try:
            return int(self._mark.read_bytes())
        except (FileNotFoundError, ValueError) as error:
            raise StoreDamaged(
                self.path, f"the file MARK is missing or unreadable ({error}); restore it with the rest from a backup"
            ) from error


_LOOKS = 1000
"""How often the lock may be found shared by processes that only look, before somebody is taken to hold it."""

_LOOK_SECONDS = 0.001


def _lock_past_lookers(descriptor: int) -> bool:
    """Lock it alone. Who only looks (:meth:`DataDirectory.is_held`) has it shared, for an instant, and is waited for."""
    for _ in range(_LOOKS):
        if _lock(descriptor, fcntl.LOCK_EX):
            return True
        if not _lock(descriptor, fcntl.LOCK_SH):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        time.sleep(_LOOK_SECONDS)
    return False


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
