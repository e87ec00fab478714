"""``playhead invocations check``: what other code would make of what is recorded.

Reads the data directory itself, also beside a server that has it open, and runs the handlers' code in this process: nothing is
written, no step is executed, and the server does not notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import data_option, report_option

if TYPE_CHECKING:
    from pathlib import Path

MAX_CHECKED = 1_000


@click.command()
@click.argument("invocation_ids", nargs=-1)
@click.option("--where", "condition", default=None, help="All that this fits: SQL over sys_invocation.")
@click.option("--app", default=None, help="Code on disk: file.py or package.module.")
@click.option("--deployment", default=None, help="A deployment by its id, 'latest', or 'keep': the one that it is on.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, MAX_CHECKED), help="Of --where.")
@report_option
@data_option("The data directory; a server may have it open.")
def command(
    invocation_ids: tuple[str, ...],
    condition: str | None,
    app: str | None,
    deployment: str | None,
    limit: int,
    output: str,
    data: Path,
) -> None:
    """Replay invocations on other code, with no effect: what is kept, and where it would ask for something else.

    The exit code is 0 if all of them can be moved to that code, 1 if one cannot, 6 if one could not be checked.

    \b
        playhead invocations check --where "status = 'paused'" --app shop/app.py
    """
    if bool(invocation_ids) == (condition is not None):
        raise click.UsageError("name invocations, or say --where")
    if app is not None and deployment is not None:
        raise click.UsageError("--app names code on disk, --deployment code that is registered; take one")

    from cli.doing.check import check

    check(data, invocation_ids, condition, app, deployment, limit, output)
