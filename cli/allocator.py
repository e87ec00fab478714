"""What the C library does with memory that was freed.

glibc serves a large block from a mapping of its own, and gives it back when it is freed. But the first time that such a block is
freed, it serves blocks of that size, up to 32 MiB, from the heap from then on, and a heap with gaps is not given back: a server of
objects of several MiB held three times as much as all of its objects in memory, which ``Limits.resident_bytes`` bounds. With a fixed
threshold it holds one and a half times as much. See ``mallopt(3)``.

The setting is one of the process, so it is made by the server, whose process is its own, and not by the library.
"""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


def give_back_large_blocks() -> bool:
    """Have blocks of 1 MiB and more always given back when they are freed. Whether the C library knows how."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # no glibc
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES))
