"""The free space of the disk that a store is on, and the reserve below which it takes no new work."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING

from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from journal.kv.data_directory import HeldDirectory

log = SafeLogger(__name__)

CHECK_SECONDS = 0.5
"""How often the free space is measured at most."""


class DiskRoom:
    """Measures the free space, and logs when it falls to the reserve and when it is above it again.

    The committer measures while it is idle, and everything else as it accepts work, so a lock keeps each change from being logged twice.
    """

    def __init__(self, directory: HeldDirectory, reserve_bytes: int) -> None:
        self.reserve_bytes = reserve_bytes
        self.free_bytes = reserve_bytes + 1
        self._directory = directory
        self._measured_at = -CHECK_SECONDS
        self._lock = threading.Lock()

    def is_left(self) -> bool:
        """Whether the free space is above the reserve, as of the last :meth:`measure`."""
        return self.free_bytes > self.reserve_bytes

    def measure(self) -> None:
        """Measure the free space, at most every ``CHECK_SECONDS``. Raises ``OSError`` if the directory is gone."""
        if time.monotonic() - self._measured_at < CHECK_SECONDS:
            return
        with self._lock:
            was_left, self._measured_at = self.is_left(), time.monotonic()
            self.free_bytes = shutil.disk_usage(self._directory.rocks).free
            if was_left and not self.is_left():
                log.warning(
                    "%s: %d bytes are free on the disk, and new work needs more than %d: it is refused until there is room. "
                    "Free some space; open invocations continue, and stored data can be read",
                    self._directory.path,
                    self.free_bytes,
                    self.reserve_bytes,
                )
            elif self.is_left() and not was_left:
                log.warning(
                    "%s: %d bytes are free on the disk again, more than %d: new work is accepted",
                    self._directory.path,
                    self.free_bytes,
                    self.reserve_bytes,
                )
