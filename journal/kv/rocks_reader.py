"""Reads from an open RocksDB, and opens one read-only.

Observed with rocksdict 0.3.29, RocksDB 9.8 (``tests/journal/test_rocks`` checks it again):

- The default mode of rocksdict pickles. Ours is raw, always.
- Iteration ends silently at a damaged block unless ``status()`` is checked. :meth:`Reads.scan` checks it.
- An iterator reads the block after the last requested row if it may; it is stopped there, so that a damaged block affects only its own rows. Backwards it reads the block before it in any case.
- A snapshot's own iterators ignore it and see later writes. An iterator of the store keeps its view through every later ``seek``: a view is one iterator.
- An iterator that is kept keeps the store open, and the traceback of an error keeps everything in its frames.
"""

from __future__ import annotations

import tempfile
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rocksdict import AccessType, Rdict, ReadOptions

from journal.errors import BrokenInvariant, CorruptRecord, Unavailable
from journal.kv.rocks_options import reading_options
from journal.kv.store import SCAN_PAGE

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from rocksdict import RdictIter

    from journal.kv.data_directory import DataDirectory, OpenDirectory

OLDEST_LOG = "rocksdb.min-log-number-to-keep"


class Reads:
    """Reads of an open handle, on the caller's thread: RocksDB answers from memory or, rarely, reads one block from the
    disk."""

    def _handle(self) -> Rdict:
        raise BrokenInvariant("a subclass must return the handle")

    def get(self, key: bytes) -> bytes | None:
        """Return the value, or None. Raises ``CorruptRecord``."""
        db = self._handle()
        try:
            value = db.get(key)
        except Exception as error:
            raise CorruptRecord(f"a row cannot be read: {error}") from error
        if not (value is None or isinstance(value, bytes)):
            raise CorruptRecord(f"a row is {type(value).__name__}, expected bytes")
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values in the order of the keys. Raises ``CorruptRecord``."""
        db = self._handle()
        try:
            found = db.get(list(keys))
        except Exception as error:
            raise CorruptRecord(f"a row cannot be read: {error}") from error
        if not isinstance(found, list):
            raise CorruptRecord(f"rows are {type(found).__name__}, expected a list")
        return found

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Return at most ``limit`` rows in ``[start, stop)``, in order, or from the end if ``reverse``. Raises
        ``CorruptRecord``."""
        options = ReadOptions()
        if not reverse:
            # It keeps a pointer to the bytes, which the caller's frame keeps alive. The lower bound is not used: its setter sets
            # the upper one.
            options.set_iterate_upper_bound(stop)
        return _scan(self._handle().iter(options), start, stop, limit=limit, reverse=reverse)


def _scan(rows: RdictIter, start: bytes, stop: bytes, *, limit: int, reverse: bool) -> list[tuple[bytes, bytes]]:
    if not (limit > 0):
        raise BrokenInvariant("a read with a limit of no rows was requested")
    found: list[tuple[bytes, bytes]] = []
    try:
        if reverse:
            rows.seek_for_prev(stop)
            if rows.valid() and rows.key() == stop:
                rows.prev()
        else:
            rows.seek(start)
        while rows.valid():
            key = rows.key()
            if (key < start) if reverse else (key >= stop):
                break
            found.append((key, rows.value()))
            if len(found) == limit:
                break  # here, because a further step may reach a damaged neighbour
            if reverse:
                rows.prev()
            else:
                rows.next()
        rows.status()
    except Exception as error:
        raise CorruptRecord(f"rows cannot be read after {found[-1][0] if found else start!r}: {error}") from error
    finally:
        del rows
    return found


class RocksView:
    """A store as it was when the iterator was made. Close the view before the store."""

    def __init__(self, rows: RdictIter) -> None:
        self._rows: RdictIter | None = rows
        self._reading = threading.Lock()  # closing the store must not invalidate the iterator of a reader

    def get(self, key: bytes) -> bytes | None:
        """Return the value, or None. Raises ``CorruptRecord``."""
        found = self.scan(key, key + b"\x00", limit=1)
        return found[0][1] if found else None

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Return at most ``limit`` rows in ``[start, stop)``, in order, or from the end if ``reverse``. Raises
        ``CorruptRecord``."""
        with self._reading:
            if self._rows is None:
                raise Unavailable("this view of the store is closed")
            return _scan(self._rows, start, stop, limit=limit, reverse=reverse)

    def close(self) -> None:
        """Release the iterator."""
        with self._reading:
            self._rows = None


class RocksReader(Reads):
    """A data directory that is open for reading only, also while another process has it open. It sees the state at the time of
    opening.

    ``cut_off`` are the logs that are not read.
    """

    def __init__(self, directory: OpenDirectory, *, cut_off: tuple[int, ...] = ()) -> None:
        self.directory = directory
        self.cut_off = cut_off
        self._rocks = ExitStack()
        options = reading_options()
        try:
            if cut_off:
                options.set_wal_dir(self._rocks.enter_context(_links_to_logs(directory, cut_off)))
            self._db = Rdict(str(directory.rocks), options, access_type=AccessType.read_only(False))
        except Exception as error:
            self._rocks.close()
            raise directory.refusal(error, doing="reading it") from error
        self._rocks.callback(self._db.close)

    def _handle(self) -> Rdict:
        return self._db

    def tables(self) -> set[str]:
        """Return the names of the tables in the manifest."""
        return {file["name"].removeprefix("/") for file in self._db.live_files()}

    def reached(self) -> int:
        """Return the sequence number of the last change."""
        return self._db.latest_sequence_number()

    def oldest_log(self) -> int:
        """Return the number of the oldest log that the manifest requires."""
        number = self._db.property_int_value(OLDEST_LOG)
        if number is None:
            raise BrokenInvariant(f"RocksDB has no property {OLDEST_LOG}")
        return number

    def close_rocks(self) -> None:
        """Close RocksDB but keep holding the directory."""
        self._rocks.close()

    def close(self) -> None:
        """Close RocksDB and release the directory."""
        self.close_rocks()
        self.directory.release()


@contextmanager
def _links_to_logs(directory: DataDirectory, without: Container[int]) -> Iterator[str]:
    """Yield a temporary directory of links to the remaining logs, because RocksDB reads every log in a directory."""
    with tempfile.TemporaryDirectory(prefix="playhead-") as path:
        for number in directory.logs():
            if number not in without:
                name = f"{number:06}.log"
                Path(path, name).symlink_to(directory.rocks / name)
        yield path
