"""Deployments from outside: which code there is, which of it new work runs on, and how much of the old is still needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

from actors.values.arguments import checked_text

if TYPE_CHECKING:
    from actors.core.deployments import DeploymentChange


@attrs.frozen(kw_only=True)
class DeploymentInfo:
    """A deployment. ``open_invocations`` run on it and have not ended: when there are none, it is drained.

    ``is_latest``: new invocations take it. ``is_served``: the process runs it from its own files. ``is_loaded``: its code is in
    memory. ``passed_over`` says who moved ``latest`` away from it, and why.
    """

    id: str
    entries: tuple[str, ...]
    files: int
    size: int
    registered_at: float
    registered_by: str
    is_latest: bool
    is_served: bool
    is_loaded: bool
    passed_over: str = ""
    open_invocations: int = 0


@attrs.frozen(kw_only=True)
class CodeFile:
    """A file of a deployment: its path as imports see it (``shop/orders.py``), its bytes, and their SHA-256.

    ``text`` is what it says, where one file is asked for and is text in UTF-8.
    """

    path: str
    size: int
    digest: str
    text: str | None = None


@runtime_checkable
class DeploymentPort(Protocol):
    """What carries deployments: the runtime in this process, or a connection to one."""

    async def list_deployments(self) -> tuple[DeploymentInfo, ...]: ...
    async def get_deployment(self, deployment: str) -> DeploymentInfo: ...
    async def list_code(self, deployment: str) -> tuple[CodeFile, ...]: ...
    async def read_code(self, deployment: str, path: str) -> CodeFile: ...
    async def make_latest(self, deployment: str, reason: str) -> DeploymentChange: ...
    async def prune_deployment(self, deployment: str, reason: str) -> DeploymentChange: ...


class DeploymentClient:
    """The deployments of a runtime. New invocations take the latest; those under way stay on the one they began on.

    ::

        for deployment in await client.deployments.list():
            print(deployment.id, deployment.is_latest, deployment.open_invocations)
    """

    def __init__(self, port: DeploymentPort) -> None:
        self._port = port

    async def list(self) -> tuple[DeploymentInfo, ...]:
        """All that are registered, the newest first."""
        return await self._port.list_deployments()

    async def get(self, deployment: str) -> DeploymentInfo:
        """One of them. Raises :class:`actors.UnknownDeploymentError`."""
        return await self._port.get_deployment(checked_text(deployment, "deployment"))

    async def files(self, deployment: str) -> tuple[CodeFile, ...]:
        """The files of its code, by path. Raises :class:`actors.UnknownDeploymentError`."""
        return await self._port.list_code(checked_text(deployment, "deployment"))

    async def read(self, deployment: str, path: str) -> CodeFile:
        """One file of its code, with its text. Raises :class:`actors.UnknownFileError` if it has no such file.

        ::

            print((await client.deployments.read(deployment.id, "shop/orders.py")).text)
        """
        return await self._port.read_code(checked_text(deployment, "deployment"), checked_text(path, "path"))

    async def make_latest(self, deployment: str, *, reason: str = "") -> DeploymentChange:
        """Let new invocations run on it, also if it is an older one. A start on the code that it takes the place of does not
        make that the latest again: only a client can.

        Raises :class:`actors.UnknownDeploymentError`, and :class:`actors.BrokenDeploymentError` if it cannot be imported here.
        """
        return await self._port.make_latest(checked_text(deployment, "deployment"), checked_text(reason, "reason"))

    async def prune(self, deployment: str, *, reason: str = "") -> DeploymentChange:
        """Forget a deployment and its code.

        Raises :class:`actors.DeploymentInUseError` while it is the latest, or open invocations run on it, with their number.
        """
        return await self._port.prune_deployment(checked_text(deployment, "deployment"), checked_text(reason, "reason"))
