"""``playhead invocations replay``: replay recordings on code on disk, away from the data that they are from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import report_option
from cli.render.output import out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.model.checks import CheckReport
    from cli.backend import ServerOptions
    from journal.ids import InvocationId


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--app", required=True, help="Code on disk: file.py or package.module.")
@report_option
def command(file: str, app: str, output: str) -> None:
    """Replay recordings on code on disk, without effects. Shows where the code differs.

    FILE has what 'playhead invocations export --recording' wrote, on any machine. Nothing of the original data is needed. The exit
    code is 0 if every invocation could be moved to that code, 1 if one could not.

    \b
        playhead invocations export --recording inv_1… > histories/claim.jsonl
        playhead invocations replay histories/claim.jsonl --app shop/app.py
    """
    import trio

    from actors.control.local.checks import check_recordings, loaded_aside
    from actors.environment import Environment
    from cli.exit_codes import Exit
    from cli.render.checks import show_check

    async def run() -> list[CheckReport]:
        environment = Environment()
        async with loaded_aside(app, environment) as (name, code):
            return [*check_recordings(file, code, name, environment)]

    reports = trio.run(run)
    show_check(reports, output)
    raise click.exceptions.Exit(Exit.DONE if all(report.is_compatible for report in reports) else Exit.FAILED)


def write_recordings(server: ServerOptions, ids: Sequence[InvocationId]) -> None:
    """Print the recordings of invocations of the data directory, which a server may have open."""
    import trio

    from actors.control.offline.directory import open_directory

    if server.url is not None:
        raise click.UsageError(
            "--recording reads the data directory: pass --data on the machine with the data, and no --url"
        )

    async def run() -> None:
        async with open_directory(server.data) as client:
            for of in ids:
                out(await client.recording(of))

    trio.run(run)
