"""The files of a data directory, found by path. ``data_directory`` describes them and holds the directory."""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from journal.errors import StoreDamaged, StoreError, StoreFormat, StoreMissing
from journal.kv.mark import HighWaterMark
from journal.kv.os_errors import refusal
from journal.kv.small_files import read_file, seal, unseal
from journal.rows import FORMAT, StoreIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journal.errors import JournalError

STORE, MARK, HOLDER = "STORE", "MARK", "HOLDER"

BACKUP = "BACKUP"
"""The manifest of a backup; a directory that has one is not a data directory."""


SEED = "SEED"
"""A copy that is being written (:mod:`journal.kv.seeding`); a directory that has one and no STORE has no store yet."""


class DirectoryFiles:
    """The files around RocksDB, by path. Creating one touches nothing.

    ``path`` is absolute, and is the path shown to users. Files are reached below ``root``, RocksDB's below ``rocks``.
    """

    def __init__(self, path: str | os.PathLike[str], root: Path | None = None) -> None:
        try:
            self.path = Path(path).absolute()
        except FileNotFoundError as error:
            raise StoreError(Path(path), "the working directory is gone; give an absolute path") from error
        self.root = self.path if root is None else root
        self.rocks = self.root / "db"

    def exists(self) -> bool:
        """Whether the directory contains a store."""
        return os.path.lexists(self.root / STORE)

    def is_backup(self) -> bool:
        """Whether this is a backup (:mod:`journal.kv.backup`): it is read and restored, and never written to."""
        return os.path.lexists(self.root / BACKUP)

    def identity(self) -> StoreIdentity:
        """The identity of the store. Raises :class:`StoreMissing`, :class:`StoreFormat` or :class:`StoreDamaged`."""
        try:
            data = read_file(self.root / STORE)
        except (FileNotFoundError, NotADirectoryError):
            raise StoreMissing(self.path, "there is no playhead store here") from None
        except OSError as error:
            raise self.refusal(error, doing="reading the file STORE") from error
        try:
            found = msgspec.json.decode(data, type=dict[str, object])["format"]
        except (ValueError, KeyError, RecursionError) as error:
            raise StoreDamaged(self.path, f"the file STORE is not readable: {error!r}") from error
        if not isinstance(found, int):
            raise StoreDamaged(self.path, f"the file STORE names the format {found!r}, which is not a number")
        if found != FORMAT:
            raise StoreFormat(self.path, found, FORMAT)
        try:
            return msgspec.json.decode(unseal(data), type=StoreIdentity)
        except ValueError as error:
            raise StoreDamaged(self.path, f"the file STORE is damaged ({error}); restore it from a backup") from error

    def read_mark(self) -> HighWaterMark:
        """The high-water mark: the changes that were at least on disk. Raises :class:`StoreDamaged`."""
        try:
            return HighWaterMark.decode(read_file(self.root / MARK))
        except OSError as error:
            raise self.refusal(error, doing="reading the file MARK") from error
        except ValueError as error:
            raise StoreDamaged(
                self.path, f"the file MARK is damaged ({error}); restore it with the rest from a backup"
            ) from error

    def logs(self) -> tuple[int, ...]:
        """The numbers of RocksDB's logs in the directory."""
        return tuple(sorted(int(path.stem) for path in self.rocks.glob("*.log") if path.stem.isdecimal()))

    def holder_pid(self) -> int | None:
        """The process that holds the directory, or held it last."""
        try:
            return int(read_file(self.root / HOLDER))
        except (OSError, ValueError):
            return None

    def writable_by_others(self) -> Iterator[tuple[Path, int]]:
        """The first private file that other users may write to, with its mode."""
        for path in (self.root, self.rocks, *(self.root / name for name in (STORE, MARK, "TOKENS", "INFLIGHT"))):
            try:
                mode = path.stat().st_mode
            except FileNotFoundError:
                continue
            if mode & (stat.S_IWGRP | stat.S_IWOTH):
                yield Path(self.in_words(path)), stat.S_IMODE(mode)

    @contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Translate errors of the operating system in the block into errors of this package."""
        try:
            yield
        except OSError as error:
            raise self.refusal(error, doing=doing) from error

    def refusal(self, error: Exception, *, doing: str, is_new: bool = False) -> JournalError:
        """The error for this directory: :func:`journal.kv.os_errors.refusal`."""
        return refusal(self.path, error, self.in_words(error), doing=doing, is_new=is_new)

    def in_words(self, error: object) -> str:
        """A text of RocksDB's, with the paths that users know."""
        return _renamed(_renamed(str(error), self.rocks, self.path / "db"), self.root, self.path)


def encode_identity(identity: StoreIdentity) -> bytes:
    """The contents of the file STORE."""
    return seal(msgspec.json.encode(identity))


def _renamed(text: str, reached: Path, known: Path) -> str:
    """The text with one path replaced by another, which may end in a number."""
    return str(known).join(re.split(rf"{re.escape(str(reached))}(?!\d)", text))
