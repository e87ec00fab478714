"""``playhead deployments``: the code that there is, and which of it new work runs on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
import trio

from actors.client import Client
from actors.core.deployments import DeploymentChange
from actors.deploying import DeploymentInfo
from cli.listing import Column, Table, output_option, report_option
from cli.output import ago, emit, emit_json, remark, safe, when
from cli.source import Where, live, options

T = TypeVar("T")

_REASON = click.option("--reason", default="", help="Why; it is kept in the log.")


@click.group()
def command() -> None:
    """Show the deployments of a running server, choose the one that new work takes, forget what nothing runs on."""


def _with_client(where: Where, ask: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        async with live(where) as client:
            return await ask(client)

    return trio.run(run)


@command.command("list")
@output_option
@options
def list_command(output: str, where: Where) -> None:
    """List them, the newest first. One without open invocations that is not the latest is drained: it can be pruned."""
    found = _with_client(where, lambda client: client.deployments.list())
    DEPLOYMENTS.show(found, output)


def _state(deployment: DeploymentInfo) -> str:
    if deployment.is_latest:
        return "latest"
    return "draining" if deployment.open_invocations else "drained"


def _code(deployment: DeploymentInfo) -> str:
    return f"{', '.join(deployment.entries)} ({deployment.files} files)"


@command.command()
@click.argument("deployment")
@report_option
@options
def show(deployment: str, output: str, where: Where) -> None:
    """Show one deployment."""
    found = _with_client(where, lambda client: client.deployments.get(deployment))
    if output == "json":
        emit_json(found)
        return
    for name, text in (
        ("id", found.id),
        ("state", _state(found) + (", served by this process" if found.is_served else "")),
        ("open", f"{found.open_invocations} invocations"),
        ("code", f"{_code(found)}, {found.size} bytes"),
        ("registered", f"{when(found.registered_at)} by {found.registered_by}"),
        ("loaded", "yes" if found.is_loaded else "no"),
        ("left", found.passed_over),
    ):
        if text:
            emit(f"{name:<12}{safe(text)}")


@command.command()
@click.argument("deployment")
@_REASON
@options
def latest(deployment: str, reason: str, where: Where) -> None:
    """Let new invocations run on DEPLOYMENT, also if it is an older one."""
    change = _with_client(where, lambda client: client.deployments.make_latest(deployment, reason=reason))
    _tell(change)
    if not change.changed:
        remark(f"{deployment} was the latest already")


@command.command()
@click.argument("deployments", nargs=-1)
@click.option("--drained", is_flag=True, help="All that nothing runs on, and that are not the latest.")
@_REASON
@options
def prune(deployments: tuple[str, ...], drained: bool, reason: str, where: Where) -> None:
    """Forget DEPLOYMENTS and their code. Refused while open invocations run on them."""
    if bool(deployments) == drained:
        raise click.UsageError("name deployments, or say --drained")

    async def ask(client: Client) -> None:
        for deployment in deployments or await _drained(client):
            await client.deployments.prune(deployment, reason=reason)
            emit(f"{deployment}  pruned")

    _with_client(where, ask)


async def _drained(client: Client) -> list[str]:
    found = await client.deployments.list()
    return [d.id for d in found if not (d.is_latest or d.is_served or d.open_invocations)]


def _tell(change: DeploymentChange) -> None:
    emit(f"{change.after}  {'changed' if change.changed else 'unchanged'}  {change.before or 'none'} -> {change.after}")


DEPLOYMENTS: Table[DeploymentInfo] = Table(
    id_of=lambda deployment: deployment.id,
    columns=(
        Column("ID", lambda deployment: deployment.id),
        Column("STATE", _state),
        Column("OPEN", lambda deployment: str(deployment.open_invocations)),
        Column("REGISTERED", lambda deployment: ago(deployment.registered_at)),
        Column("BY", lambda deployment: deployment.registered_by, is_wide=True),
        Column("LEFT", lambda deployment: deployment.passed_over, is_wide=True),
        Column("CODE", _code),
    ),
)
