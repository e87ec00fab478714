"""Configures how the C library returns freed memory.

glibc serves a large block from a mapping of its own, and returns that when the block is freed. But once such a block has been
freed, glibc serves blocks of that size (up to 32 MiB) from the heap, and a fragmented heap is not returned: a server of objects
of several MiB used three times the memory of its objects, which ``Limits.resident_bytes`` bounds. With a fixed threshold it uses
one and a half times as much. See ``mallopt(3)``.

The setting belongs to the process, so the server makes it and the library does not.
"""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


def give_back_large_blocks() -> bool:
    """Make the C library return freed blocks of 1 MiB and more to the system. Returns whether the C library supports
    it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # not glibc
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES))
