"""A deployment as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.render.output import counted, safe, when

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.model.deployment_info import DeploymentInfo


def state_of(deployment: DeploymentInfo) -> str:
    if deployment.is_latest:
        return "latest"
    return "draining" if deployment.open_invocations else "drained"


def code_of(deployment: DeploymentInfo) -> str:
    return f"{', '.join(deployment.entries)} ({counted(deployment.files, 'file')})"


def deployment_lines(found: DeploymentInfo) -> Iterator[str]:
    """Yield the facts about a deployment, one per line."""
    for name, text in (
        ("id", found.id),
        ("state", state_of(found) + (", served by this process" if found.is_served else "")),
        ("open", counted(found.open_invocations, "invocation")),
        ("code", f"{code_of(found)}, {found.size} bytes"),
        ("registered", f"{when(found.registered_at)} by {found.registered_by}"),
        ("loaded", "yes" if found.is_loaded else "no"),
        ("left", found.passed_over),
    ):
        if text:
            yield f"{name:<12}{safe(text)}"
