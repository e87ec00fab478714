"""Operations on an open RocksDB, and on one that must not be closed."""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from rocksdict import Rdict, WriteBatch

from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from journal.kv.store import Batch

_POLL_SECONDS = 0.01


def number_of(db: Rdict, name: str) -> int:
    number = db.property_int_value(f"rocksdb.{name}")
    if number is None:
        raise BrokenInvariant(f"RocksDB has no property {name}")
    return number


def write_batch(batch: Batch) -> WriteBatch:
    writes = WriteBatch(raw_mode=True)
    for start, stop in batch.cleared:
        writes.delete_range(start, stop)
    rows = batch.rows
    if None in rows.values():
        for key, value in rows.items():
            if value is None:
                writes.delete(key)
            else:
                writes.put(key, value)
    else:
        deque(
            map(writes.put, rows.keys(), rows.values()), maxlen=0
        )  # a loop of the interpreter costs more than the rows
    return writes


def write_tables(db: Rdict) -> bool:
    """Write the contents of memory and log into tables. Returns whether that succeeded. Stops at the first background
    error, at which RocksDB alone would retry without end."""
    errors = number_of(db, "background-errors")
    written = threading.Event()

    def write() -> None:
        with suppress(Exception):  # RocksDB's own log has the reason; here it is enough that nothing was written
            db.flush()
            written.set()

    thread = threading.Thread(target=write, name="journal-flush", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_POLL_SECONDS)
        if number_of(db, "background-errors") != errors:
            db.cancel_all_background(True)
            thread.join()
    return written.is_set()


def keep_for_ever(db: Rdict) -> None:
    """Stop RocksDB's background work and never release the handle, not even when Python exits and clears its modules:
    closing or releasing it writes to the disk."""
    db.cancel_all_background(True)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(db))
