"""``playhead why``: what an invocation waits for, and because of whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import report_option, where_options

if TYPE_CHECKING:
    from cli.source import Where


@click.command()
@click.argument("invocation_id")
@report_option
@where_options
def command(invocation_id: str, output: str, where: Where) -> None:
    """Explain why an invocation is waiting: a gate, a pause, its date, its key, a retry, a step, a timer, a signal.

    \b
        playhead why inv_1…
    """
    from cli.doing.why import show

    show(invocation_id, where, output)
