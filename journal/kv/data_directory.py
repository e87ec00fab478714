"""The data directory: its owner, its lock, and the check that it is still the same directory. ::

    STORE    the identity of the store (JSON, sealed): format, id, number of partitions
    MARK     what RocksDB is known to have on disk: its last change, and the logs that it still needs
    HOLDER   locked by the process that has the directory open; contains its pid
    INFLIGHT the user code that this process is running, for the next one (``in_flight``)
    SEED     a node's copy that is being written (``seeding``)
    SOCKET   where the process listens for its owner (``actors.http.local_socket``); a copy of it is dead, and is replaced
    db/      RocksDB's own files, in a directory that no other user may enter

STORE is renamed into place last. A directory without it is empty, or belongs to something else, or is left from an interrupted
creation, which the next creation completes. ``preflight`` compares the store with MARK before it is opened.

A path is only a name. Directories are moved, removed, restored and mounted over while a process uses them, and a relative path
means another place after ``chdir``. RocksDB writes its tables, manifests and CURRENT by path, at every flush and when it is
closed, so a process that followed the path would write them into the store that is there by then. Therefore

- a path becomes absolute when it enters;
- a directory that is *held* (:class:`HeldDirectory`) is held by descriptors, and its files are reached through ``/proc/self/fd/N``, which stays valid if the directory is renamed. MARK is written through a descriptor of its own;
- :meth:`HeldDirectory.check` compares the directory at the path with the one that is held. It is called before RocksDB is opened, closed or opened again, before MARK is written, and every half a second. If they differ, the process writes nothing more.

Without ``/proc`` (a system other than Linux) the absolute path is used, and only the comparison protects it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from journal.errors import DirectoryNotEmpty, StoreDamaged, StoreError, StoreExists, StoreInUse, StoreMissing
from journal.kv.bound_store import BoundStore, lose
from journal.kv.directory_files import BACKUP, HOLDER, MARK, SEED, STORE, DirectoryFiles, encode_identity
from journal.kv.file_descriptors import (
    LOOKS,
    lacks_descriptor,
    leads_to,
    lock,
    lock_past_lookers,
    open_directory,
    place_of,
    place_of_descriptor,
    reached_through,
)
from journal.kv.mark import HighWaterMark
from journal.kv.small_files import replace_file, sync_directory
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from journal.rows import StoreIdentity

log = SafeLogger(__name__)

_PID_WIDTH = 20
_HELD_HERE: set[tuple[int, int]] = set()
"""The directories that this process holds. A pid is not enough, because processes in two containers may have the same pid."""

_CREATED = (STORE, f"{STORE}.new", MARK, HOLDER, BACKUP, f"{BACKUP}.new")
"""The files that creating a store can leave beside ``db``."""


class DataDirectory(DirectoryFiles):
    """A data directory that can be opened, held and created. Making one touches nothing."""

    def is_held(self) -> bool:
        """Whether a process has the store open now."""
        with self.translated("looking whether it is in use"):
            try:
                descriptor = os.open(self.root / HOLDER, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except (FileNotFoundError, NotADirectoryError):
                return False
        try:
            return not lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def check(self) -> None:
        """Raise :class:`DirectoryLost` if this directory is held and is not the one at its path any more."""

    def within(self, path: Path) -> DataDirectory:
        """The directory at this path; one inside this directory is reached through it."""
        path = path.absolute()
        if path.is_relative_to(self.path):
            return DataDirectory(path, self.root / path.relative_to(self.path))
        return DataDirectory(path)

    def open(self) -> OpenDirectory:
        """Open the directory that is here now for reading, also if it is moved meanwhile. Raises :class:`StoreMissing`."""
        with self.translated("opening the directory"):
            try:
                return OpenDirectory(self.path, open_directory(self.root))
            except (FileNotFoundError, NotADirectoryError):
                raise StoreMissing(self.path, "there is no playhead store here") from None

    def hold(self, *, is_seeding: bool = False) -> HeldDirectory:
        """Hold the directory against other processes, and create it if it is missing. It must be released. With ``is_seeding``, it may
        contain a copy of a store whose writing was interrupted.

        The kernel drops the lock when the process dies, however it dies. Raises :class:`StoreInUse`, and :class:`StoreError` if
        it contains anything other than a store, which is left as it is.
        """
        with self.translated("holding the directory"):
            self._make()
            held = HeldDirectory(self.path, open_directory(self.root))
            try:
                held.take(is_seeding=is_seeding)
            except BaseException:
                held.release()
                raise
            return held

    @contextmanager
    def beginning(self) -> Iterator[HeldDirectory]:
        """Hold the directory for the block, to create a store in it. If the block fails, the created files are removed.

        Raises :class:`StoreExists`, and :class:`DirectoryNotEmpty` if it contains other files.
        """
        self._refuse_store()
        made = self._make()
        try:
            held = self.hold()
            try:
                held._refuse_store()
                with held._removing_what_was_made():
                    if held.rocks.exists():
                        held.rocks.rmdir()  # empty, as taking it has verified
                    yield held
            finally:
                held.release()
        except BaseException:
            for path in made:
                with suppress(OSError):  # another process has put something there
                    path.rmdir()
            raise

    def _refuse_store(self) -> None:
        if self.exists() or self.is_backup():
            raise StoreExists(self.path)

    def _make(self) -> list[Path]:
        """Create the directory and its missing parents. Returns the created ones, innermost first."""
        try:
            missing = [path for path in (self.root, *self.root.parents) if not path.exists()]
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in missing:
                sync_directory(path.parent)
        except OSError as error:
            raise self.refusal(error, doing="making the directory", is_new=True) from error
        return missing


class OpenDirectory(DataDirectory):
    """A data directory that is reached through a descriptor: moving it, or replacing it at its path, changes nothing."""

    def __init__(self, path: Path, descriptor: int) -> None:
        super().__init__(path, reached_through(descriptor, path))
        self._descriptor = descriptor
        self._rocks = -1

    def reach_rocks(self) -> None:
        """Reach RocksDB's directory through a descriptor of its own. Raises :class:`StoreDamaged` if it is not a directory."""
        try:
            self._rocks = open_directory(self.rocks, os.O_NOFOLLOW)
        except OSError as error:
            raise StoreDamaged(
                self.path, f"the directory db is missing, or is a link ({error.strerror}); restore a backup"
            ) from error
        self.rocks = reached_through(self._rocks, self.rocks)

    def release(self) -> None:
        """Close the descriptors."""
        if self._rocks >= 0:
            os.close(self._rocks)
        os.close(self._descriptor)


class HeldDirectory(OpenDirectory):
    """A data directory that this process has locked. Made by :meth:`DataDirectory.hold`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        super().__init__(path, descriptor)
        self._here = place_of(os.fstat(descriptor))
        self._lock = -1
        self._mark = -1
        self._links_of_rocks = 0
        self._bound: BoundStore | None = None
        self._checking = threading.Lock()  # the committer checks, and every other thread that is about to write
        self._is_abandoned = False

    def take(self, *, is_seeding: bool = False) -> None:
        """Lock the directory. Raises :class:`StoreInUse`, and :class:`StoreError` if it is not a data directory of this user."""
        self._refuse_what_others_may_change()
        if self.is_backup():
            raise StoreError(
                self.path,
                "this is a backup, which is read-only: make a data directory from it with 'playhead restore BACKUP DIR'",
            )
        if not (is_seeding and os.path.lexists(self.root / SEED)):
            self._refuse_strangers()
        path = self.root / HOLDER
        for _ in range(LOOKS):
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if not lock_past_lookers(self._lock):
                raise StoreInUse(self.path, self.holder_pid(), is_own=self._here in _HELD_HERE)
            if leads_to(path, place_of(os.fstat(self._lock))):
                break
            os.close(self._lock)  # removed between opening and locking it
            self._lock = -1
        else:
            raise StoreInUse(self.path, self.holder_pid(), is_own=self._here in _HELD_HERE)
        _HELD_HERE.add(self._here)
        # Overwritten and never truncated, because a full disk might not give the room back.
        os.pwrite(self._lock, str(os.getpid()).ljust(_PID_WIDTH).encode(), 0)

    def create(self, identity: StoreIdentity) -> None:
        """Create an empty store, or complete an interrupted creation; durable when it returns."""
        self.settle_files(HighWaterMark())
        self.write_identity(identity)

    def settle_files(self, mark: HighWaterMark) -> None:
        """Make everything except STORE durable: the files of RocksDB, if any, and their ``mark``."""
        with self.translated("creating a store"):
            self.rocks.mkdir(mode=0o700, exist_ok=True)
            self.rocks.chmod(0o700)
            for path in (*self.rocks.iterdir(), self.rocks):
                sync_directory(path)
            self._write_new_mark(mark)

    def write_identity(self, identity: StoreIdentity) -> None:
        """Write the identity of the store, durably. It makes the directory a store."""
        with self.translated("writing the file STORE"):
            replace_file(self.root / STORE, encode_identity(identity))

    def bind(self) -> StoreIdentity:
        """Bind to the store in the directory and return its identity. Raises as :meth:`identity` and :meth:`read_mark` do."""
        identity = self.identity()
        self.read_mark()
        self.reach_rocks()
        self._links_of_rocks = os.fstat(self._rocks).st_nlink
        self._mark = os.open(self.root / MARK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._bound = BoundStore(self, identity.store_id)
        return identity

    def write_mark(self, mark: HighWaterMark) -> None:
        """Write MARK durably, to the file that was there when the store was bound."""
        os.pwrite(self._mark, mark.encode(), 0)
        os.fsync(self._mark)

    def is_removed(self) -> bool:
        """Whether RocksDB's directory was removed. It costs a microsecond, so every commit checks it."""
        return self._links_of_rocks > 0 and os.fstat(self._rocks).st_nlink == 0

    def check(self) -> None:
        """Compare the directory at the path with the held one: the directory, the lock, RocksDB's directory, the store's id, and
        the files that RocksDB is writing.

        Files that cannot be checked because the process has no free descriptor are checked next time. Raises
        :class:`DirectoryLost`: this process must write nothing more and must not close RocksDB.
        """
        with self._checking:
            self._check()

    def _check(self) -> None:
        if place_of_descriptor(self._descriptor) != self._here:
            lose(self.path, "the descriptor that it was held by was closed")
        if not leads_to(self.path, self._here):
            lose(self.path, "it was moved, removed or mounted over; its path has another directory or none")
        if not leads_to(self.root / HOLDER, place_of_descriptor(self._lock)):
            lose(self.path, "its file HOLDER was removed or replaced, so another process can hold it as well")
        if self._bound is None:
            return
        if not leads_to(self.root / "db", place_of_descriptor(self._rocks)):
            lose(self.path, "its directory db was removed or replaced")
        self._bound.check()

    def forget_written(self) -> None:
        """Forget which files RocksDB wrote, before it is opened again: after a failed write it truncates its log, and
        it begins a new manifest."""
        if self._bound is not None:
            self._bound.forget_written()

    def abandon(self) -> None:
        """Keep the directory and the lock until the process ends, because RocksDB in it cannot be closed."""
        self._is_abandoned = True

    def release(self) -> None:
        """Release the lock and the descriptors."""
        if self._is_abandoned:
            return
        if self._lock >= 0:
            _HELD_HERE.discard(self._here)
        for descriptor in (self._mark, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        super().release()

    @contextmanager
    def _removing_what_was_made(self) -> Iterator[None]:
        """If the block fails, remove every file that creating a store leaves."""
        try:
            yield
        except BaseException:
            try:
                if os.path.lexists(self.root / "db"):
                    shutil.rmtree(self.root / "db")
                for name in _CREATED:
                    (self.root / name).unlink(missing_ok=True)
            except OSError as error:
                log.warning("%s: the unfinished copy could not be removed: %s", self.path, self.in_words(error))
            raise

    def _write_new_mark(self, mark: HighWaterMark) -> None:
        descriptor = os.open(self.root / MARK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.pwrite(descriptor, mark.encode(), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def missing(self, names: set[str]) -> set[str]:
        """Those of RocksDB's files with these names that do not exist; none while the process has no free descriptor."""
        try:
            return names.difference(os.listdir(self.rocks))
        except OSError as error:
            if lacks_descriptor(error):
                return set()
            raise

    def refuse_removed(self, names: set[str]) -> None:
        """Raise :class:`DirectoryLost` if a file with one of these names was removed."""
        if names:
            lose(self.path, f"its file db/{min(names)} was removed")

    def _refuse_what_others_may_change(self) -> None:
        for path, mode in self.writable_by_others():
            raise StoreError(path, f"other users may write here (mode {mode:o}); run 'chmod go-w' on it first")

    def _refuse_strangers(self) -> None:
        """Raise if a directory without a store contains anything except the remains of an interrupted creation."""
        if self.exists():
            return
        if os.path.lexists(self.root / SEED):
            raise StoreError(
                self.path,
                "a node's copy of a journal was being written here, and is not whole: start the node again with the address of its "
                "database (--cluster, or cluster=), or remove the directory",
            )
        if self.rocks.exists() and any(self.rocks.iterdir()):
            raise StoreDamaged(self.path, "the file STORE is missing; restore it with the rest from a backup")
        strangers = sorted(name for name in os.listdir(self.root) if name not in {*_CREATED, "db"})
        if strangers:
            raise DirectoryNotEmpty(self.path, found=strangers[0])
