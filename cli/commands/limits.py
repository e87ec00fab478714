"""``playhead limits``: bound how many invocations run at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.groups import Group
from cli.options import output_option, reason_option, report_option, server_options
from cli.render.output import err, out, out_json, safe

if TYPE_CHECKING:
    from actors.model.limit_info import LimitAnswer
    from cli.backend import ServerOptions


@click.group(cls=Group)
def command() -> None:
    """Set how many invocations run at once. The others wait, and run in the order in which they were accepted."""


@command.command("list")
@output_option
@server_options
def list_command(output: str, server: ServerOptions) -> None:
    """List the limits, with how many invocations run under each and wait for it."""
    from cli.render.tables import LIMITS
    from cli.run import read

    LIMITS.show(read(server, lambda client: client.limits.list()), output)


@command.command("set")
@click.argument("name")
@click.argument("scope")
@click.option("--concurrency", type=click.IntRange(min=1), required=True, help="How many may run at once.")
@reason_option
@report_option
@server_options
def set_command(name: str, scope: str, concurrency: int, reason: str, output: str, server: ServerOptions) -> None:
    """Set the limit NAME: at most --concurrency invocations of SCOPE run at once.

    A SCOPE is 'everything', service:NAME, handler:NAME/HANDLER, key:NAME/KEY or tag:NAME=VALUE. Invocations that run already
    are not stopped.

    \b
        playhead limits set agents service:Agent --concurrency 50
        playhead limits set ada tag:user=ada --concurrency 2
    """
    from cli.run import ask

    answer = ask(server, lambda client: client.limits.set(name, scope, concurrency=concurrency, reason=reason))
    _show_change(answer, output)


@command.command()
@click.argument("name")
@reason_option
@report_option
@server_options
def delete(name: str, reason: str, output: str, server: ServerOptions) -> None:
    """Delete the limit NAME. Invocations that wait for it start."""
    from cli.run import ask

    answer = ask(server, lambda client: client.limits.delete(name, reason=reason))
    _show_change(answer, output)
    if answer.before is None:
        err(f"there is no limit {name!r}; nothing was changed")


def _show_change(answer: LimitAnswer, output: str) -> None:
    if output == "json":
        out_json(answer)
        return
    before, after = answer.before, answer.after
    shown = ["none" if one is None else f"{one.concurrency} of {safe(one.scope)}" for one in (before, after)]
    out(f"{safe(answer.name)}  {'changed' if answer.changed else 'unchanged'}  {shown[0]} -> {shown[1]}")
