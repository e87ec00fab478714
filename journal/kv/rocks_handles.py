"""What is done with an open RocksDB, and with one that must not be closed."""

from __future__ import annotations

import ctypes
import threading
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
        raise BrokenInvariant(f"RocksDB 9.8 knows the property {name}")
    return number


def write_batch(batch: Batch) -> WriteBatch:
    writes = WriteBatch(raw_mode=True)
    for start, stop in batch.cleared:
        writes.delete_range(start, stop)
    for key, value in batch.rows.items():
        if value is None:
            writes.delete(key)
        else:
            writes.put(key, value)
    return writes


def write_tables(db: Rdict) -> bool:
    """Write what is only in memory and in the log into tables; whether that went well. RocksDB itself would not give up."""
    errors = number_of(db, "background-errors")
    written = threading.Event()

    def write() -> None:
        with suppress(Exception):  # what it is shows in RocksDB's own log; here it is enough that it was not written
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
    """Stop what RocksDB does in the background, and never let go of it, not even when Python ends and clears its modules: to close
    it, or to drop it, writes."""
    db.cancel_all_background(True)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(db))
