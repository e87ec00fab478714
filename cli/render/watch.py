"""``--watch``: refresh the output in place every second, until Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable

import click
import trio

from cli.render.output import is_terminal

Look = Callable[[], Awaitable[tuple[Iterable[str], bool]]]
"""The lines to show now, and whether they are final."""

SECONDS = 1.0

_HOME, _END_OF_LINE, _BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_CLEAR = "\x1b[2J"


async def watch(look: Look) -> None:
    """Print the lines again at each refresh, until they are final."""
    stdout = sys.stdout
    stdout.write(_CLEAR)
    while True:
        lines, is_last = await look()
        stdout.write(_HOME + "".join(f"{line}{_END_OF_LINE}\n" for line in lines) + _BELOW)
        stdout.flush()
        if is_last:
            return
        await trio.sleep(SECONDS)


def check_watchable(output: str) -> None:
    """Raise a usage error if stdout is not a terminal."""
    if output not in ("table", "wide"):
        raise click.UsageError("--watch works only with tables; programs can use 'playhead invocations follow -o json'")
    if not is_terminal():
        raise click.UsageError("--watch needs a terminal; omit it to print once")
