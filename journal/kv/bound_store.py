"""The check that a held data directory still contains the store that was opened."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from journal.errors import DirectoryLost, StoreError, StoreFailed, Unavailable
from journal.kv.directory_files import STORE
from journal.kv.file_descriptors import lacks_descriptor
from journal.kv.small_files import read_file

if TYPE_CHECKING:
    from pathlib import Path

    from journal.kv.directory_files import DirectoryFiles

_NAME_CHARACTERS = 40


class BoundStore:
    """The store that a process opened in a directory. Checks that the directory still contains it."""

    def __init__(self, files: DirectoryFiles, store_id: str) -> None:
        self._files = files
        self._store_id = store_id
        self._store_seen: tuple[int, int, int] | None = None
        self._written: dict[str, tuple[int, int]] = {}
        self._manifest: str | None = None

    def check(self) -> None:
        """Compare the store's id, and the files that RocksDB is writing. Raises :class:`DirectoryLost`.

        Files that cannot be checked because the process has no free descriptor are checked next time.
        """
        self._check_store()
        if self._files.is_backup():
            self._lose("a backup was copied into it; 'playhead restore' makes a directory of its own")
        self._check_written()

    def forget_written(self) -> None:
        """Forget the sizes and the manifest, because RocksDB was opened again."""
        self._written.clear()
        self._manifest = None

    def _check_store(self) -> None:
        try:
            status = (self._files.root / STORE).stat()
        except OSError as error:
            self._lose(f"its file STORE is gone ({error.strerror})")
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen == self._store_seen:
            return
        try:
            found = self._files.identity().store_id
        except StoreError as error:
            self._lose(f"its file STORE is not the one that was there ({error.reason})")
        except StoreFailed as error:
            self._lose(f"its file STORE cannot be read ({error})")
        except Unavailable:
            return
        if found != self._store_id:
            self._lose(f"it has the store {found} now, but {self._store_id} was opened")
        self._store_seen = seen

    def _check_written(self) -> None:
        """RocksDB appends to its manifest and its logs, never replaces the file under a name, and keeps one manifest."""
        try:
            manifest = self._current_manifest()
            written = _written_in(self._files.rocks)
        except OSError as error:
            if lacks_descriptor(error):
                return
            self._lose(f"its directory db, or a file in it, cannot be read ({error.strerror})")
        for name in written.keys() & self._written.keys():
            (inode, size), (inode_before, size_before) = written[name], self._written[name]
            if inode != inode_before or size < size_before:
                self._lose(f"its file db/{name} was replaced or cut")
        if self._manifest not in (None, manifest):
            self._lose(f"its file db/CURRENT names {manifest!r}, and {self._manifest!r} was opened")
        if manifest is not None and manifest not in written:
            self._lose(f"its file db/{manifest} was removed")
        self._written, self._manifest = written, manifest

    def _current_manifest(self) -> str | None:
        """The manifest that CURRENT names; None before RocksDB was first opened here."""
        try:
            return read_file(self._files.rocks / "CURRENT").decode(errors="replace").strip()[:_NAME_CHARACTERS]
        except FileNotFoundError:
            if self._manifest is None:
                return None
            raise

    def _lose(self, why: str) -> NoReturn:
        lose(self._files.path, why)


def lose(path: Path, why: str) -> NoReturn:
    """Raise :class:`DirectoryLost`: this process must write nothing more and must not close RocksDB."""
    raise DirectoryLost(
        f"{path}: this is no longer the data directory that this process opened: {why}. The process "
        "writes nothing more and leaves the store open. Acknowledged work is in the directory that it "
        "held: start again on that one"
    )


def _written_in(rocks: Path) -> dict[str, tuple[int, int]]:
    """The manifests and logs, each with its inode and size."""
    found: dict[str, tuple[int, int]] = {}
    with os.scandir(rocks) as entries:
        for entry in entries:
            if entry.name.startswith("MANIFEST-") or entry.name.endswith(".log"):
                with suppress(FileNotFoundError):  # RocksDB removes the files that it does not need
                    status = entry.stat(follow_symlinks=False)
                    found[entry.name] = (status.st_ino, status.st_size)
    return found
