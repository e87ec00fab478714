"""``playhead deployments``: the registered code, and the deployment that new work runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.groups import Group
from cli.options import output_option, reason_option, report_option, server_options
from cli.render.output import err, out, out_json

if TYPE_CHECKING:
    from actors.control.client import Client
    from cli.backend import ServerOptions


@click.group(cls=Group)
def command() -> None:
    """List deployments, choose the one for new work, and prune unused ones."""


@command.command("list")
@output_option
@server_options
def list_command(output: str, server: ServerOptions) -> None:
    """List deployments, newest first. One without open invocations that is not the latest is drained: it can be pruned."""
    from cli.render.tables import DEPLOYMENTS
    from cli.run import read

    DEPLOYMENTS.show(read(server, lambda client: client.deployments.list()), output)


@command.command()
@click.argument("deployment")
@report_option
@server_options
def show(deployment: str, output: str, server: ServerOptions) -> None:
    """Show one deployment."""
    from cli.render.deployments import deployment_lines
    from cli.run import read

    found = read(server, lambda client: client.deployments.get(deployment))
    if output == "json":
        out_json(found)
        return
    for line in deployment_lines(found):
        out(line)


@command.command()
@click.argument("deployment")
@reason_option
@server_options
def latest(deployment: str, reason: str, server: ServerOptions) -> None:
    """Run new invocations on DEPLOYMENT, which may be an older one."""
    from cli.run import ask

    change = ask(server, lambda client: client.deployments.make_latest(deployment, reason=reason))
    out(f"{change.after}  {'changed' if change.changed else 'unchanged'}  {change.before or 'none'} -> {change.after}")
    if not change.changed:
        err(f"{deployment} was already the latest")


@command.command()
@click.argument("deployments", nargs=-1)
@click.option("--drained", is_flag=True, help="Prune all without open invocations, except the latest.")
@reason_option
@server_options
def prune(deployments: tuple[str, ...], drained: bool, reason: str, server: ServerOptions) -> None:
    """Delete DEPLOYMENTS and their code. Refused while open invocations run on them."""
    from cli.run import ask

    if deployments and drained:
        raise click.UsageError("pass either DEPLOYMENTS or --drained, not both")
    if not deployments and not drained:
        raise click.UsageError("name the DEPLOYMENTS to delete, or pass --drained for all that are not needed")

    async def prune_each(client: Client) -> None:
        for deployment in deployments or await _drained(client):
            await client.deployments.prune(deployment, reason=reason)
            out(f"{deployment}  pruned")

    ask(server, prune_each)


async def _drained(client: Client) -> list[str]:
    found = await client.deployments.list()
    return [d.id for d in found if not (d.is_latest or d.is_served or d.open_invocations)]
