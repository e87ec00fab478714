"""``playhead backup``: a copy of a data directory as of now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import reason_option, where_options

if TYPE_CHECKING:
    from cli.source import Where


@click.command()
@click.argument("name", required=False)
@reason_option
@where_options
def command(name: str | None, reason: str, where: Where) -> None:
    """Copy everything that is kept to DATA/backups/NAME, and print where that is. NAME: the time, if none is given.

    A server that runs does it itself, on its machine, and goes on meanwhile. Files that do not change any more are linked, not
    copied, so move the copy to another disk. It holds no token: 'playhead restore' makes a directory with tokens of its own.
    """
    from cli.doing import copies

    copies.back_up(name, reason, where)
