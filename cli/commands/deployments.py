"""``playhead deployments``: the code that there is, and which of it new work runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import output_option, reason_option, report_option, where_options

if TYPE_CHECKING:
    from cli.source import Where


@click.group()
def command() -> None:
    """List deployments, choose the one for new work, and prune unused ones."""


@command.command("list")
@output_option
@where_options
def list_command(output: str, where: Where) -> None:
    """List deployments, newest first. One without open invocations that is not the latest is drained: it can be pruned."""
    from cli.doing import deployments

    deployments.show_all(where, output)


@command.command()
@click.argument("deployment")
@report_option
@where_options
def show(deployment: str, output: str, where: Where) -> None:
    """Show one deployment."""
    from cli.doing import deployments

    deployments.show_one(deployment, where, output)


@command.command()
@click.argument("deployment")
@reason_option
@where_options
def latest(deployment: str, reason: str, where: Where) -> None:
    """Run new invocations on DEPLOYMENT, which may be an older one."""
    from cli.doing import deployments

    deployments.make_latest(deployment, reason, where)


@command.command()
@click.argument("deployments", nargs=-1)
@click.option("--drained", is_flag=True, help="All that have no open invocations and are not the latest.")
@reason_option
@where_options
def prune(deployments: tuple[str, ...], drained: bool, reason: str, where: Where) -> None:
    """Delete DEPLOYMENTS and their code. Refused while open invocations run on them."""
    if bool(deployments) == drained:
        raise click.UsageError("name deployments, or say --drained")

    from cli.doing.deployments import prune_all

    prune_all(deployments, reason, where)
