"""``playhead doctor``: whether a data directory is sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import data_option, report_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.option(
    "--rebuild", is_flag=True, help="Rewrite rows, indexes, timers and items from the events, where they differ."
)
@report_option
@data_option("The data directory; a server may have it open, but for --rebuild.")
def command(rebuild: bool, output: str, data: Path) -> None:
    """Read every event and compare what follows from it with rows, indexes, items, timers, messages and the audit's chain. At rest, find
    files that neither the store's manifest nor its MARK names, and files that others may write to.

    Nothing is changed without --rebuild. The exit code is 0 if everything is as it should be (afterwards), else 1.
    """
    from cli.doing import doctor

    doctor.examine_directory(data, output, is_rebuilt=rebuild)
