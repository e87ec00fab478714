"""``playhead gates``: pause and resume a service, a handler, a key, a deployment or everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.groups import Group
from cli.options import output_option, report_option, server_options
from cli.render.output import err, out, out_json, safe

if TYPE_CHECKING:
    from actors.model.gate_info import GateAnswer
    from cli.backend import ServerOptions


_REASON = click.option(
    "--reason", default="", help="The reason; shown by 'playhead why' and recorded in the audit log."
)


@click.group(cls=Group)
def command() -> None:
    """Pause and resume a service, handler, key or deployment, new calls included. New calls are accepted and wait.

    A SCOPE is 'everything', 'backlog' (everything accepted before the gate was closed), service:NAME, handler:NAME/HANDLER,
    key:NAME/KEY or deployment:ID.
    """


@command.command("list")
@output_option
@server_options
def list_command(output: str, server: ServerOptions) -> None:
    """List closed gates and their exceptions, whose state is open."""
    from cli.render.tables import GATES
    from cli.run import read

    GATES.show(read(server, lambda client: client.gates.list()), output)


@command.command()
@click.argument("scope")
@_REASON
@click.option(
    "--mode",
    type=click.Choice(["drain", "now"]),
    default="drain",
    show_default=True,
    help="drain: let running steps end; now: abort and rerun them later.",
)
@report_option
@server_options
def close(scope: str, reason: str, mode: str, output: str, server: ServerOptions) -> None:
    """Hold everything in SCOPE, including narrower scopes opened before.

    \b
        playhead gates close service:Agent --reason 'the database is down'
    """
    from cli.run import ask

    _show_change(ask(server, lambda client: client.gates.close(scope, mode=mode, reason=reason)), output)


@command.command("open")
@click.argument("scope")
@_REASON
@report_option
@server_options
def open_command(scope: str, reason: str, output: str, server: ServerOptions) -> None:
    """Resume SCOPE, except narrower scopes that were closed individually.

    While a wider gate is closed, this makes an exception to it.
    """
    from cli.run import ask

    _show_change(ask(server, lambda client: client.gates.open(scope, reason=reason)), output)


def _show_change(answer: GateAnswer, output: str) -> None:
    if output == "json":
        out_json(answer)
        return
    change = "changed" if answer.changed else "unchanged"
    out(f"{safe(answer.scope)}  {change}  {answer.before.value} -> {answer.after.value}")
    if answer.gate is not None and answer.gate.scope != answer.scope:
        err(f"the scope is still held by the gate {answer.gate.scope}")
