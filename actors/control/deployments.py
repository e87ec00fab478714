"""The client for deployments: the registered code, the deployment that new invocations run on, and whether older ones
are still needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.values.arguments import checked_text

if TYPE_CHECKING:
    from actors.control.backend import Backend
    from actors.core.deployments import DeploymentChange
    from actors.model.deployment_info import CodeFile, DeploymentInfo


class DeploymentClient:
    """The deployments of a runtime. New invocations run on the latest; unfinished ones stay on the code that started them.

    ::

        for deployment in await client.deployments.list():
            print(deployment.id, deployment.is_latest, deployment.open_invocations)
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def list(self) -> tuple[DeploymentInfo, ...]:
        """Return the registered deployments, newest first."""
        return await self._backend.list_deployments()

    async def get(self, deployment: str) -> DeploymentInfo:
        """Return a deployment. Raises :class:`actors.NotFoundError`."""
        return await self._backend.get_deployment(checked_text(deployment, "deployment"))

    async def files(self, deployment: str) -> tuple[CodeFile, ...]:
        """Return the files of a deployment's code, by path. Raises :class:`actors.NotFoundError`."""
        return await self._backend.list_code(checked_text(deployment, "deployment"))

    async def read(self, deployment: str, path: str) -> CodeFile:
        """Return one file of a deployment's code, with its text. Raises :class:`actors.NotFoundError`.

        ::

            print((await client.deployments.read(deployment.id, "shop/orders.py")).text)
        """
        return await self._backend.read_code(checked_text(deployment, "deployment"), checked_text(path, "path"))

    async def make_latest(self, deployment: str, *, reason: str = "") -> DeploymentChange:
        """Let new invocations run on a deployment, which may be an older one.

        Raises :class:`actors.NotFoundError`, and :class:`actors.errors.BrokenDeploymentError` if it cannot be imported here.
        """
        return await self._backend.make_latest(checked_text(deployment, "deployment"), checked_text(reason, "reason"))

    async def prune(self, deployment: str, *, reason: str = "") -> DeploymentChange:
        """Delete a deployment and its code.

        Raises :class:`actors.ConflictError` if it is the latest or open invocations run on it, with their number.
        """
        return await self._backend.prune_deployment(
            checked_text(deployment, "deployment"), checked_text(reason, "reason")
        )
