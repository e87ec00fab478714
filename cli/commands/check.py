"""``playhead invocations check``: what other code would make of what is recorded.

A server that is named replays them itself, on code that is registered with it. Otherwise the data directory is read, also
beside a server that has it open, and the handlers' code runs in this process: the server does not notice. Either way nothing is
written and no step is executed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import report_option, where_options

if TYPE_CHECKING:
    from cli.source import Where

MAX_CHECKED = 250_000


@click.command()
@click.argument("invocation_ids", nargs=-1)
@click.option("--where", "condition", default=None, help="Select by an SQL condition on sys_invocation.")
@click.option("--app", default=None, help="Code on disk: file.py or package.module.")
@click.option("--deployment", default=None, help="A deployment by its id, 'latest', or 'keep': the one that it is on.")
@click.option(
    "--limit",
    default=MAX_CHECKED,
    type=click.IntRange(1, MAX_CHECKED),
    help=f"With --where, replay only the newest [default: all, at most {MAX_CHECKED:,}].",
)
@report_option
@where_options
def command(
    invocation_ids: tuple[str, ...],
    condition: str | None,
    app: str | None,
    deployment: str | None,
    limit: int,
    output: str,
    where: Where,
) -> None:
    """Replay invocations on other code, without effects. Shows what is kept, and where the code would do something else.

    A server that is named (--url, a context, PLAYHEAD_URL) replays them on its own code; otherwise the data directory is read.
    The exit code is 0 if every match was replayed and can be moved to that code, 1 if one cannot, 4 if nothing matches --where,
    6 if some were not replayed (beyond --limit, or damaged).

    \b
        playhead invocations check --where "status = 'paused'" --app shop/app.py
    """
    if bool(invocation_ids) == (condition is not None):
        raise click.UsageError("name invocations, or say --where")
    if app is not None and deployment is not None:
        raise click.UsageError("--app names code on disk, --deployment code that is registered; take one")

    from cli.doing import check

    asked = (where, check.parse_ids(invocation_ids), condition)
    if check.is_by_server(where):
        if app is not None:
            raise click.UsageError(
                "a server replays on code that it has: register it there, or say --data where the data lies"
            )
        check.check_by_server(*asked, deployment or "latest", limit, output)
    else:
        check.check_at_rest(*asked, app, deployment, limit, output)
