"""Raises the limit on open files and connections.

Many systems start a process with a limit of 1,024, far below their maximum, for programs that use ``select(2)``. A
server needs a descriptor for each waiting call, so a thousand waiting calls would leave none for the next connection or
the store.

The limit belongs to the process, so the server raises it and the library does not.
"""

from __future__ import annotations

import resource
from contextlib import suppress

_ENOUGH = 1 << 16


def allow_many_descriptors() -> None:
    """Raise the limit on open files as far as the system allows, up to 65,536."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # a system may allow less than it reports
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
