"""``playhead invocations check``: replay recorded histories on other code.

A server that is named replays them itself, on its registered code. Otherwise the data directory is read, even while a server has
it open, and the handlers' code runs in this process: the server does not notice. In both cases nothing is written and no step is
executed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from cli.options import report_option, server_options
from cli.render.output import err

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from actors.control.client import Client
    from actors.model.checks import CheckReport, CheckSummary
    from cli.backend import ServerOptions
    from journal.ids import InvocationId


MAX_CHECKED = 250_000


@click.command()
@click.argument("invocation_ids", nargs=-1)
@click.option("--where", "condition", default=None, help="Select by an SQL condition on sys_invocation.")
@click.option("--app", default=None, help="Code on disk: file.py or package.module.")
@click.option("--deployment", default=None, help="A deployment's id, 'latest', or 'keep' for its own deployment.")
@click.option(
    "--limit",
    default=MAX_CHECKED,
    type=click.IntRange(1, MAX_CHECKED),
    help=f"With --where, replay only the newest [default: all, at most {MAX_CHECKED:,}].",
)
@report_option
@server_options
def command(
    invocation_ids: tuple[str, ...],
    condition: str | None,
    app: str | None,
    deployment: str | None,
    limit: int,
    output: str,
    server: ServerOptions,
) -> None:
    """Replay invocations on other code, without effects. Shows the kept operations, and where the code differs.

    A server that is named (--url, a context, PLAYHEAD_URL) replays them on its own code; otherwise the data directory is read.
    The exit code is 0 if every match was replayed and can be moved to that code, 1 if one cannot, 4 if nothing matches --where,
    6 if some were not replayed (beyond --limit, or damaged).

    \b
        playhead invocations check --where "status = 'paused'" --app shop/app.py
    """
    from journal.ids import parse_invocation_id

    if bool(invocation_ids) == (condition is not None):
        raise click.UsageError("pass invocation ids or --where")
    if app is not None and deployment is not None:
        raise click.UsageError("--app names code on disk, --deployment registered code; pass only one")

    ids = tuple(parse_invocation_id(text) for text in invocation_ids)
    if server.url is not None and app is not None:
        raise click.UsageError(
            "a server replays only on its registered code: register it there, or pass --data on the machine with the data"
        )
    if server.url is None:
        _show_answer(
            _check_directory(server.data, _Checked(ids, condition, app, deployment or "latest", limit)),
            condition,
            output,
        )
    else:
        check_by_server(server, ids, condition, deployment or "latest", limit, output)


class _Checked(NamedTuple):
    """The invocations to check, and the code to replay them on."""

    ids: Sequence[InvocationId]
    condition: str | None
    app: str | None
    deployment: str
    limit: int

    async def answer(self, client: Client) -> CheckSummary | list[CheckReport]:
        if self.condition is not None:
            return await client.check(deployment=self.deployment, app=self.app, where=self.condition, limit=self.limit)
        return [await client.invocation(of).check(deployment=self.deployment, app=self.app) for of in self.ids]


def check_by_server(
    server: ServerOptions, ids: Sequence[InvocationId], condition: str | None, deployment: str, limit: int, output: str
) -> None:
    """Let the server replay the invocations. Ends the command with an exit code for the result."""
    from cli.run import ask

    _show_answer(ask(server, _Checked(ids, condition, None, deployment, limit).answer), condition, output)


def _check_directory(data: Path, checked: _Checked) -> CheckSummary | list[CheckReport]:
    """Replay the invocations in this process. A server may have the directory open."""
    import trio

    from actors.control.offline.directory import open_directory

    async def run() -> CheckSummary | list[CheckReport]:
        async with open_directory(data) as client:
            return await checked.answer(client)

    return trio.run(run)


def _show_answer(answer: CheckSummary | list[CheckReport], condition: str | None, output: str) -> None:
    from actors.model.checks import CheckSummary
    from cli.render.checks import show_check

    show_check(answer, output)
    if isinstance(answer, CheckSummary) and not (answer.checked or answer.skipped):
        err(f"no invocation matches {condition}; nothing was checked")
    raise click.exceptions.Exit(_exit_code_of(answer))


def _exit_code_of(answer: CheckSummary | list[CheckReport]) -> int:
    """Return done only if every match was replayed and can be moved, failed if one cannot, partial if some were not
    replayed, and not found if nothing matches. A release script can take 0 for a yes.
    """
    from actors.model.checks import Verdict
    from cli.exit_codes import Exit

    if isinstance(answer, list):
        return Exit.DONE if all(report.is_compatible for report in answer) else Exit.FAILED
    if any(cohort.verdict is not Verdict.SAME for cohort in answer.cohorts):
        return Exit.FAILED
    if not (answer.checked or answer.skipped):
        return Exit.NOT_FOUND
    return Exit.DONE if answer.is_compatible else Exit.PARTIAL
