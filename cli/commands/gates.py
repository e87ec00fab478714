"""``playhead gates``: hold a service, a handler, a key, a deployment or everything, and let it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import output_option, report_option, where_options

if TYPE_CHECKING:
    from cli.source import Where

_REASON = click.option("--reason", default="", help="Why; shown by 'playhead why' and recorded in the audit.")


@click.group()
def command() -> None:
    """Pause and resume a service, handler, key or deployment, new calls included. New calls are accepted and wait.

    A SCOPE is 'everything', 'backlog' (everything accepted before the gate was closed), service:NAME, handler:NAME/HANDLER,
    key:NAME/KEY or deployment:ID.
    """


@command.command("list")
@output_option
@where_options
def list_command(output: str, where: Where) -> None:
    """List closed gates and their exceptions, whose state is open."""
    from cli.doing import gates

    gates.show_all(where, output)


@command.command()
@click.argument("scope")
@_REASON
@click.option(
    "--mode",
    type=click.Choice(["drain", "now"]),
    default="drain",
    show_default=True,
    help="drain: let running steps end; now: abort them, they run again later.",
)
@report_option
@where_options
def close(scope: str, reason: str, mode: str, output: str, where: Where) -> None:
    """Hold everything in SCOPE, also what was opened before.

    \b
        playhead gates close service:Agent --reason 'the database is down for maintenance'
    """
    from cli.doing import gates

    gates.change(where, output, lambda client: client.close(scope, mode=mode, reason=reason))


@command.command("open")
@click.argument("scope")
@_REASON
@report_option
@where_options
def open_command(scope: str, reason: str, output: str, where: Where) -> None:
    """Resume SCOPE, except narrower scopes that were closed individually.

    While a wider gate is closed, this makes an exception to it.
    """
    from cli.doing import gates

    gates.change(where, output, lambda client: client.open(scope, reason=reason))
