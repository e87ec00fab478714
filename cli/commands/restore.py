"""``playhead restore``: a data directory from a backup."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("backup", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.argument("data", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--run",
    "runs_at_once",
    is_flag=True,
    help="Resume its work at the first start. Only where the original is gone for good.",
)
def command(backup: Path, data: Path, runs_at_once: bool) -> None:
    """Create the data directory DATA, which must be empty or missing, from BACKUP.

    Every file is compared with the backup's manifest, and every event of the copy is checked. If anything is wrong the exit code is 1,
    the message names the files, and nothing is left in DATA. Links are not followed. Tokens are not in a backup: the first start makes
    a new one.

    The copy has a store id and an epoch of its own. What was under way when the backup was made (timers, retries, waiting and running
    invocations) may still go on in the original, so at the first start the gate 'backlog' is closed: it holds what was accepted
    before. New calls are taken at once, and wait only for a held invocation of their key. Look at it with 'playhead why ID', end
    what should not run, and let the rest go on:

    \b
        playhead gates open backlog
    """
    from cli.doing import copies

    copies.restore(backup, data, runs_at_once=runs_at_once)
