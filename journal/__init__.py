"""The journal: events, and the storage that keeps them.

The parts, from the bottom: ``ids`` and ``events`` (the facts), ``codec`` and ``rows`` (their bytes), ``keys`` (their place),
``kv`` (a sorted map of bytes: RocksDB on disk, a dictionary for tests), and ``log`` (streams and messages over such a map).
``log.protocol`` is all that an engine knows of it.
"""

from __future__ import annotations
