"""A process beside a cluster on one machine: it ends the cluster's processes if the command that started them dies without doing so.

The command writes to this process's stdin what it has started, one line each, and an end of file means that it has ended: its death, by
SIGKILL too, closes the pipe. A process of its own is needed because PostgreSQL watches no pipe, and because the signal that Linux sends
at the death of a parent (``PR_SET_PDEATHSIG``) belongs to the thread that started the child and is lost with a change of the user. ::

    start 1 4711 15       process 4711 has started; at the end it gets signal 15, after all with a larger number than 1
    end 4711              it has ended
    remove /tmp/x         a directory to remove at the end

It imports nothing of this package, so that it starts quickly and outlives a broken installation.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress

END_SECONDS = 30.0
"""How long a process may take to end, until it is killed."""

_LOOK_SECONDS = 0.02


class Started:
    """A process, which a descriptor names where the system has them: a number may be that of another process later."""

    def __init__(self, order: int, pid: int, how: int) -> None:
        self.order = order
        self._pid = pid
        self._how = how
        self._descriptor: int | None = None
        with suppress(OSError, AttributeError):
            self._descriptor = os.pidfd_open(pid)

    def ask_to_end(self) -> None:
        """Send the signal that it ends at."""
        self._send(self._how)

    def kill(self) -> None:
        """Kill it with the processes that it has started."""
        with suppress(OSError):
            os.killpg(self._pid, signal.SIGKILL)

    def has_ended(self) -> bool:
        """Report whether it has ended."""
        try:
            self._send(0)
        except OSError:
            return True
        return self._is_left_unread()

    def _send(self, number: int) -> None:
        if self._descriptor is not None:
            signal.pidfd_send_signal(self._descriptor, number)
        else:
            os.kill(self._pid, number)

    def _is_left_unread(self) -> bool:
        """Whether it has ended and its parent has not asked for its exit code yet."""
        if self._descriptor is None:
            return False
        import select

        return bool(select.select([self._descriptor], [], [], 0)[0])


def end_all(started: list[Started]) -> None:
    """End the processes, those with the largest number first."""
    for order in sorted({each.order for each in started}, reverse=True):
        left = [each for each in started if each.order == order and not each.has_ended()]
        for each in left:
            with suppress(OSError):
                each.ask_to_end()
        until = time.monotonic() + END_SECONDS
        while left and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
            left = [each for each in left if not each.has_ended()]
        for each in left:
            each.kill()


def main() -> None:
    """Read the lines until the command has ended, and end what it has left."""
    started: dict[int, Started] = {}
    directories: list[str] = []
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "start":
            order, pid, how = map(int, rest.split())
            started[pid] = Started(order, pid, how)
        elif word == "end":
            started.pop(int(rest), None)
        elif word == "remove":
            directories.append(rest)
    end_all(list(started.values()))
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
