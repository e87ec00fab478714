"""``playhead dev``: serve an app, and reload its code whenever a file of it is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.commands.serve import drain_option, verbose_option, where_served

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@where_served
@drain_option
@verbose_option
def command(app: str, data: Path, host: str, port: int, drain: float, verbose: bool) -> int:
    """Serve APP and register a deployment when one of its files is saved. Open invocations keep their code.

    Code that cannot be imported is shown, and what was the latest stays so until it can be. A mistake that every try would
    repeat, such as a name that does not exist or a call that does not fit its function, fails an invocation at once.
    """
    from cli.doing.dev import dev

    return dev(app, data, host, port, drain=drain, is_verbose=verbose)
