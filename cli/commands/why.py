"""``playhead why``: explain what an invocation waits for, and who caused it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import report_option, server_options
from cli.render.output import out, out_json, safe_lines

if TYPE_CHECKING:
    from cli.backend import ServerOptions


@click.command()
@click.argument("invocation_id")
@report_option
@server_options
def command(invocation_id: str, output: str, server: ServerOptions) -> None:
    """Explain why an invocation is waiting: a gate, a pause, a delay, its key, a retry, a step, a timer, a signal.

    \b
        playhead why inv_1…
    """
    from actors.model.explain import reasons
    from cli.render.reasons import line_of
    from cli.run import read
    from journal.ids import parse_invocation_id

    of = parse_invocation_id(invocation_id)
    found = reasons(read(server, lambda client: client.invocation(of).info()))
    if output == "json":
        out_json(found)
        return
    for reason in found:
        out(safe_lines(line_of(reason)))
