"""Deployments: the registered code, and which of it new invocations run on. Code cannot be uploaded over HTTP."""

from __future__ import annotations

from actors.core.deployments import DeploymentChange
from actors.http.models import DeploymentList, FileList
from actors.http.requests import ReasonBody
from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.model.deployment_info import CodeFile, DeploymentInfo


async def list_deployments(exchange: Exchange) -> DeploymentList:
    """List the registered deployments, newest first, with the number of invocations on each."""
    return DeploymentList(deployments=list(await exchange.client.deployments.list()))


async def get_deployment(exchange: Exchange) -> DeploymentInfo:
    """Show one deployment."""
    return await exchange.client.deployments.get(exchange.path["deployment"])


async def list_files(exchange: Exchange) -> FileList:
    """List the files of a deployment's code, by path."""
    return FileList(files=list(await exchange.client.deployments.files(exchange.path["deployment"])))


async def read_file(exchange: Exchange) -> CodeFile:
    """Show one file of a deployment's code; write a slash in its path as ``%2F``."""
    return await exchange.client.deployments.read(exchange.path["deployment"], exchange.path["file"])


async def make_latest(exchange: Exchange, body: ReasonBody) -> DeploymentChange:
    """Let new invocations run on this deployment, which may be an older one."""
    return await exchange.client.deployments.make_latest(exchange.path["deployment"], reason=body.reason)


async def prune_deployment(exchange: Exchange, body: ReasonBody) -> DeploymentChange:
    """Delete a deployment that no invocation runs on, and its code."""
    return await exchange.client.deployments.prune(exchange.path["deployment"], reason=body.reason)


ROUTES = (
    Route("GET", "/deployments", TokenScope.READ, list_deployments),
    Route("GET", "/deployments/{deployment}", TokenScope.READ, get_deployment),
    Route("GET", "/deployments/{deployment}/files", TokenScope.READ, list_files),
    Route("GET", "/deployments/{deployment}/files/{file}", TokenScope.READ, read_file),
    Route("PATCH", "/deployments/{deployment}/make-latest", TokenScope.ADMIN, make_latest),
    Route("PATCH", "/deployments/{deployment}/prune", TokenScope.ADMIN, prune_deployment),
)
