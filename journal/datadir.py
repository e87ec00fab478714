"""A data directory: whose it is, who holds it, and whether all of it is still there.

    STORE    what the store is (JSON, with a checksum): format, id, number of partitions
    MARK     what RocksDB is known to have on disk: how far it reaches, and which of its logs it still needs
    HOLDER   locked by the process that has the directory open; holds its pid
    db/      RocksDB's own files, in a directory that nobody else may enter

STORE is renamed into place last, so that a directory without one is empty, or somebody else's, or what a creation that
died has left, and that is finished by the next. ``preflight`` holds the store against MARK before it is opened.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import msgspec

from journal.errors import StoreDamaged, StoreError, StoreFormat, StoreInUse, StoreMissing
from journal.refusals import refusal
from journal.rows import FORMAT, StoreIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MARK_BYTES = 256
"""One sector of a disk holds it, so that writing over it tears nothing and takes no room that may not be there."""

_PID_WIDTH = 20


@attrs.frozen
class Mark:
    """That the store reaches at least as far as ``sequence``; the first of RocksDB's logs that its manifest still asked
    for, because no table had what was in it; and which of the logs that it asked for were there."""

    sequence: int = 0
    oldest_log: int = 0
    logs: tuple[int, ...] = ()

    def encode(self) -> bytes:
        words = " ".join(map(str, (self.sequence, self.oldest_log, *self.logs)))
        assert len(words) < _MARK_BYTES - 10, "there is a log for each memtable, and RocksDB keeps a few of those"
        return f"{words} {zlib.crc32(words.encode()):08x}".ljust(_MARK_BYTES - 1).encode() + b"\n"

    @staticmethod
    def decode(data: bytes) -> Mark:
        """Back. Raises ``ValueError``."""
        words, _, checksum = data.decode().strip().rpartition(" ")
        if int(checksum, 16) != zlib.crc32(words.encode()):
            raise ValueError("its checksum does not fit")
        sequence, oldest_log, *logs = map(int, words.split())
        return Mark(sequence, oldest_log, tuple(logs))


_NOTHING = Mark()


class DataDirectory:
    """The files around RocksDB. Creating one touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rocks = path / "db"
        self._identity = path / "STORE"
        self._new_identity = path / "STORE.new"
        self._mark = path / "MARK"
        self._holder = path / "HOLDER"

    def exists(self) -> bool:
        """Whether a store was created here."""
        return self._identity.exists()

    def create(self, identity: StoreIdentity, mark: Mark = _NOTHING) -> None:
        """Make an empty store in a held directory, or finish making one; durable when it returns. With a ``mark``, of the
        files of RocksDB's that are there."""
        with self._translated("creating a store"):
            self.rocks.mkdir(mode=0o700, exist_ok=True)
            self.rocks.chmod(0o700)
            for path in (*self.rocks.iterdir(), self.rocks):
                sync_directory(path)
            self.write_mark(mark)
            _write(self._new_identity, _encode_identity(identity), os.O_TRUNC)
            self._new_identity.rename(self._identity)
            sync_directory(self.path)

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
            return _decode_identity(data)
        except ValueError as error:
            raise StoreDamaged(
                self.path, f"the file STORE is not as it was written ({error}); restore it from a backup"
            ) from error

    def hold(self) -> Callable[[], None]:
        """Hold the directory against other processes, making it if it is not there; returns what gives it up.

        The kernel drops the lock when the process dies, however it dies. Raises :class:`StoreInUse`, and
        :class:`StoreError` where something else lives, which is left as it is.
        """
        with self._translated("holding the directory"):
            self._make()
            self._refuse_what_others_may_change()
            self._refuse_strangers()
            descriptor = os.open(self._holder, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not _lock_past_lookers(descriptor):
                os.close(descriptor)
                raise StoreInUse(self.path, self.holder_pid())
            # Written over and never cut, because a full disk might not give back the room.
            os.pwrite(descriptor, str(os.getpid()).ljust(_PID_WIDTH).encode(), 0)
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

    def write_mark(self, mark: Mark) -> None:
        """Note, durably, what is on disk."""
        _write(self._mark, mark.encode())

    def read_mark(self) -> Mark:
        """What was on disk at least."""
        try:
            return Mark.decode(self._mark.read_bytes())
        except (FileNotFoundError, ValueError) as error:
            raise StoreDamaged(
                self.path, f"the file MARK is missing or unreadable ({error}); restore it with the rest from a backup"
            ) from error

    def copy_to(self, path: Path) -> None:
        """A copy of it as it lies here, where nobody has it open. Raises :class:`StoreError` where something is there."""
        identity, mark = self.identity(), self.read_mark()
        target = DataDirectory(path)
        with target.beginning():
            with target._translated("copying a store"):
                shutil.copytree(self.rocks, target.rocks)
            target.create(identity, mark)

    @contextmanager
    def beginning(self) -> Iterator[None]:
        """Hold it for the block, to make a store in it. Raises :class:`StoreError` where something is there already."""
        release = self.hold()
        try:
            if self.exists():
                raise StoreError(self.path, "there is a store here already; name an empty or a new directory")
            if self.rocks.exists():
                self.rocks.rmdir()  # empty, as holding it has made sure
            yield
        finally:
            release()

    def logs(self) -> tuple[int, ...]:
        """The numbers of RocksDB's logs that are there."""
        return tuple(sorted(int(path.stem) for path in self.rocks.glob("*.log")))

    def _make(self) -> None:
        missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in missing:
            sync_directory(path.parent)

    def _refuse_what_others_may_change(self) -> None:
        for path in (self.path, self.rocks):
            mode = path.stat().st_mode if path.exists() else 0
            if mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise StoreError(
                    path, f"others may write here (mode {stat.S_IMODE(mode):o}); run 'chmod go-w' on it first"
                )

    def _refuse_strangers(self) -> None:
        """Where no store is, there must be nothing, but for what a creation leaves that died."""
        if self.exists():
            return
        if self.rocks.exists() and any(self.rocks.iterdir()):
            raise StoreDamaged(self.path, "the file STORE is missing; restore it with the rest from a backup")
        ours = {self._holder.name, self._mark.name, self._new_identity.name, self.rocks.name}
        strangers = sorted(path.name for path in self.path.iterdir() if path.name not in ours)
        if strangers:
            raise StoreError(
                self.path,
                f"not a playhead data directory, and not empty (found {strangers[0]!r}); name an empty or a new one",
            )

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise refusal(self.path, error, doing=doing) from error


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


def _encode_identity(identity: StoreIdentity) -> bytes:
    plain = msgspec.json.encode(identity)
    return plain[:-1] + b',"checksum":%d}' % zlib.crc32(plain)


def _decode_identity(data: bytes) -> StoreIdentity:
    """Back. Raises ``ValueError``."""
    identity = msgspec.json.decode(data, type=StoreIdentity)
    if data != _encode_identity(identity):
        raise ValueError("its checksum does not fit")
    return identity


def _write(path: Path, data: bytes, flags: int = 0) -> None:
    """Write over what the file begins with, durably."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o600)
    try:
        os.pwrite(descriptor, data, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Have the disk know the names in it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
