"""``playhead why``: what an invocation waits for, and because of whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import trio

from cli.listing import report_option
from cli.output import emit, emit_json, safe, when
from cli.source import Where, live, options
from journal.ids import parse_invocation_id

if TYPE_CHECKING:
    from actors.why import Reason


@click.command()
@click.argument("invocation_id")
@report_option
@options
def command(invocation_id: str, output: str, where: Where) -> None:
    """Say why an invocation does not go on: a gate, a pause, its date, its key, another try, a step, a timer, a signal.

    \b
        playhead why inv_1…
    """
    of = parse_invocation_id(invocation_id)

    async def run() -> tuple[Reason, ...]:
        async with live(where) as client:
            return await client.invocation(of).why()

    found = trio.run(run)
    if output == "json":
        emit_json(found)
        return
    for reason in found:
        emit(safe(line_of(reason)))


def line_of(reason: Reason) -> str:
    """A reason for people."""
    since = f", since {when(reason.since)}" if reason.since is not None else ""
    until = f", until {when(reason.until)}" if reason.until is not None else ""
    by = f", by {reason.by}" if reason.by else ""
    because = f": {reason.because}" if reason.because else ""
    return f"{reason.text}{since}{until}{by}{because}"
