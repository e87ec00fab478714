"""Writes a copy of a store into a data directory from elsewhere, in place of what the directory has. ::

    SEED/db   the copy while it is not whole; SEED is removed once the directory has it

SEED is written and verified beside the store of the directory. Only then STORE is removed, ``db`` replaced, and STORE written again. So
a directory with STORE has a whole store, the former one or the copy; one with SEED and no STORE has nothing, and is begun anew.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from journal.kv.directory_files import SEED, STORE
from journal.kv.small_files import sync_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from journal.kv.data_directory import DataDirectory, HeldDirectory
    from journal.kv.mark import HighWaterMark
    from journal.rows import StoreIdentity


class Seeding:
    """A held directory into which a copy is written. Use :func:`seeding`."""

    def __init__(self, held: HeldDirectory) -> None:
        self._held = held
        self._seed = held.root / SEED

    def begin(self) -> Path:
        """Return an empty directory for the files of the copy."""
        with self._held.translated("writing a copy of the store"):
            self.discard()
            self._seed.mkdir(mode=0o700)
            files = self._seed / "db"
            files.mkdir(mode=0o700)
            sync_directory(self._held.root)
            return files

    def discard(self) -> None:
        """Remove what was written; the directory is as before. If it has no store, it is empty then."""
        if self._held.exists():
            shutil.rmtree(self._seed, ignore_errors=True)
        elif os.path.lexists(self._seed):
            shutil.rmtree(self._held.rocks, ignore_errors=True)
            sync_directory(self._held.root)
            shutil.rmtree(self._seed, ignore_errors=True)

    def finish(self, mark: HighWaterMark, identity: StoreIdentity) -> None:
        """Make the copy, whose files are durable, the store of the directory."""
        held = self._held
        with held.translated("replacing the store by a copy"):
            (held.root / STORE).unlink(missing_ok=True)
            sync_directory(held.root)
            if held.rocks.exists():
                shutil.rmtree(held.rocks)
            (self._seed / "db").rename(held.rocks)
            sync_directory(held.root)
        held.settle_files(mark)
        held.write_identity(identity)
        self.discard()


@contextmanager
def seeding(directory: DataDirectory) -> Iterator[Seeding]:
    """Hold the directory for the block, to write a copy into it. What an interrupted copy has left is removed. Raises as
    :meth:`journal.kv.data_directory.DataDirectory.hold` does."""
    held = directory.hold(is_seeding=True)
    try:
        made = Seeding(held)
        made.discard()
        yield made
    finally:
        held.release()
