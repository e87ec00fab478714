"""``playhead services``: what is served, and what can be asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import output_option, where_options

if TYPE_CHECKING:
    from cli.source import Where


@click.command()
@click.argument("name", required=False)
@click.option("--system", is_flag=True, help="Include built-in services.")
@output_option
@where_options
def command(name: str | None, system: bool, output: str, where: Where) -> None:
    """List the services; with NAME, its handlers with their parameters and results.

    Of a stopped data directory: the classes with stored invocations, and the handlers that were called.
    """
    from cli.doing import services

    services.show(name, where, output, with_system=system)
