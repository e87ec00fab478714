"""Deployments, as they are shown, chosen and forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import trio

from cli.listing import TextColumn, TextTable
from cli.output import ago, counted, emit, emit_json, remark, safe, when
from cli.source import live, seen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.control.client import Client
    from actors.core.deployments import DeploymentChange
    from actors.model.deployment_info import DeploymentInfo
    from cli.source import Where

T = TypeVar("T")


def _with_client(where: Where, ask: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        async with live(where) as client:
            return await ask(client)

    return trio.run(run)


def show_all(where: Where, output: str) -> None:
    """List them, the newest first."""
    DEPLOYMENTS.show(seen(where, lambda source: source.deployments()), output)


def _state(deployment: DeploymentInfo) -> str:
    if deployment.is_latest:
        return "latest"
    return "draining" if deployment.open_invocations else "drained"


def _code(deployment: DeploymentInfo) -> str:
    return f"{', '.join(deployment.entries)} ({counted(deployment.files, 'file')})"


def show_one(deployment: str, where: Where, output: str) -> None:
    """Show what is known of it."""
    found = seen(where, lambda source: source.deployment(deployment))
    if output == "json":
        emit_json(found)
        return
    for name, text in (
        ("id", found.id),
        ("state", _state(found) + (", served by this process" if found.is_served else "")),
        ("open", counted(found.open_invocations, "invocation")),
        ("code", f"{_code(found)}, {found.size} bytes"),
        ("registered", f"{when(found.registered_at)} by {found.registered_by}"),
        ("loaded", "yes" if found.is_loaded else "no"),
        ("left", found.passed_over),
    ):
        if text:
            emit(f"{name:<12}{safe(text)}")


def make_latest(deployment: str, reason: str, where: Where) -> None:
    """Let new invocations run on it."""
    change = _with_client(where, lambda client: client.deployments.make_latest(deployment, reason=reason))
    _tell(change)
    if not change.changed:
        remark(f"{deployment} was the latest already")


def prune_all(deployments: tuple[str, ...], reason: str, where: Where) -> None:
    """Forget them; without names, all that are drained."""

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


DEPLOYMENTS: TextTable[DeploymentInfo] = TextTable(
    id_of=lambda deployment: deployment.id,
    columns=(
        TextColumn("ID", lambda deployment: deployment.id),
        TextColumn("STATE", _state),
        TextColumn("OPEN", lambda deployment: str(deployment.open_invocations)),
        TextColumn("REGISTERED", lambda deployment: ago(deployment.registered_at)),
        TextColumn("BY", lambda deployment: deployment.registered_by, is_wide=True),
        TextColumn("LEFT", lambda deployment: deployment.passed_over, is_wide=True),
        TextColumn("CODE", _code),
    ),
)
