"""How many files and connections a process may have open.

Many systems start a process with a limit of 1,024, far below what they allow, for the sake of programs that use ``select(2)``. A server
has a descriptor for every call that waits, so a thousand of those would leave none to the next connection, or to the store.

The limit is one of the process, so it is raised by the server, whose process is its own, and not by the library.
"""

from __future__ import annotations

import resource
from contextlib import suppress

_ENOUGH = 1 << 16


def allow_many_descriptors() -> None:
    """Raise the limit as far as the system allows, up to 65,536."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):  # a system may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
