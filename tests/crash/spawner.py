"""Starts servers quickly: a process that has imported everything once, and forks itself for each.

    python -m tests.crash.spawner

Reads orders from stdin, one JSON object a line (:class:`Order`), one server at a time. Says ``started PID`` and ``ended CODE`` on
stdout, negative for a signal. A server's own remarks go to stderr. Each child runs ``playhead serve`` as the command does; a
``cold`` one also starts the interpreter again.
"""

from __future__ import annotations

import gc
import os
import resource
import sys

import attrs
import msgspec

import actors.http.server.listener
import cli.server  # noqa: F401  the command imports it only when it runs, and each child would do so again
from actors.model.classes import definition_of
from cli.main import main as playhead
from tests.crash.bank import Account, Bank
from tests.crash.bugs import plant

assert actors.http.server.listener


@attrs.frozen
class Order:
    """A server to start: the words after ``playhead``; the file for what its steps do; the ``bug`` to plant in it; the size that no file may exceed, 0 for any."""

    arguments: list[str]
    ledger: str
    is_cold: bool = False
    bug: str = ""
    file_bytes: int = 0


def main() -> None:
    """Serve orders until stdin ends."""
    for cls in (Account, Bank):
        definition_of(cls)  # so that the children need not look at it
    gc.collect()
    gc.freeze()
    while line := os.read(0, 1 << 16):  # the other side waits for each end before it sends the next order
        order = msgspec.json.decode(line, type=Order)
        child = os.fork()
        if not child:
            _serve(order)
        _say(f"started {child}")
        _, status = os.waitpid(child, 0)
        _say(f"ended {os.waitstatus_to_exitcode(status)}")


def _serve(order: Order) -> None:
    """In the child."""
    os.write(2, b"\nbegins %d\n" % os.getpid())  # whatever a killed one has left unsaid ends here
    os.environ["CRASH_LEDGER"] = order.ledger
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115  they live as long as the process
    if order.file_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.file_bytes, order.file_bytes))
    if order.is_cold:
        os.execv(sys.executable, [sys.executable, "-m", "playhead", *order.arguments])
    if order.bug:
        plant(order.bug)
    sys.argv = ["playhead", *order.arguments]
    playhead()


def _say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


if __name__ == "__main__":
    main()
