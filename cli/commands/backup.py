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
    """Back up everything to DATA/backups/NAME and print its path. The default NAME is the time.

    A running server makes the copy itself, on its machine, and keeps serving. Files that no longer change are linked, not
    copied, so move the copy to another disk. It holds no token: 'playhead restore' makes a directory with tokens of its own.
    """
    from cli.doing import copies

    copies.back_up(name, reason, where)
