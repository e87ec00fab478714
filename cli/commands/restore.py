"""``playhead restore``: a data directory from a backup."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("backup", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("data", type=click.Path(path_type=Path, file_okay=False))
def command(backup: Path, data: Path) -> None:
    """Copy BACKUP to the data directory DATA, which is empty or not there, and check every event of the copy.

    The exit code is 1 if something is wrong with it; then nothing is left in DATA.
    """
    from cli.doing import copies

    copies.restore(backup, data)
