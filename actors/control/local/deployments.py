"""Deployments for a client in this process: register, read, move ``latest``, prune."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import attrs

from actors.code.discovery import snapshot_of
from actors.control.local.registry import LocalRegistry
from actors.errors import BrokenDeploymentError, ConflictError, ErrorCode, RefusedError
from actors.model.deployment_info import CodeFile, DeploymentInfo
from actors.query.counts import open_by_deployment
from actors.query.deployments import code_file, code_files, is_drained, stored_deployment
from actors.rows.audit import ControlAction
from actors.system.code import code_target, pieces_of, read_code, read_packed
from actors.values.snapshot import Snapshot, pack, unpack
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.core.deployments import Deployment, DeploymentChange

log = SafeLogger(__name__)


class LocalDeployments(LocalRegistry):
    """Calls the registry, and the objects that store code, on behalf of a client."""

    async def serve_as(self, snapshot: Snapshot) -> None:
        """Register that this process serves this code, unless that changes nothing."""
        applications = self.engine.applications
        is_registered = any(known.id == snapshot.deployment for known in applications.registered.known)
        if is_registered and self._is_kept(snapshot.deployment) and applications.is_settled:
            await applications.trust()
        else:
            await self.register_deployment(snapshot)
            await applications.trust()
        if applications.latest != snapshot.deployment:
            passed_over = applications.registered.find(snapshot.deployment).passed_over
            log.warning(
                "this process serves %s, but new invocations run on %s: %s",
                snapshot.deployment,
                applications.latest,
                passed_over,
            )

    async def register_deployment(self, code: str | os.PathLike[str] | Snapshot) -> DeploymentChange:
        """Store the code, then register it; it becomes the latest, unless ``latest`` was moved away from it.

        Raises :class:`BrokenDeploymentError` if it cannot be imported; then nothing has changed.
        """
        snapshot = code
        if not isinstance(snapshot, Snapshot):
            snapshot = await self.environment.offload(partial(snapshot_of, os.fspath(snapshot)))
        deployment = snapshot.deployment
        if self.engine.applications.served_as != deployment:
            await self.engine.applications.try_out(snapshot)
        if not self._is_kept(deployment):
            for number, of, piece in pieces_of(pack(snapshot)):
                await self.call_built_in(code_target(deployment, "keep"), None, number=number, of=of, piece=piece)
        act = ControlAction(verb="register-deployment", target=deployment)
        change: DeploymentChange = await self.ask_registry(
            "register_deployment",
            act,
            deployment=deployment,
            entries=[*snapshot.entries],
            files=len(snapshot.files),
            size=snapshot.size,
            by=self.who.by,
        )
        return change

    async def make_latest(self, deployment: str, reason: str) -> DeploymentChange:
        """Let new invocations run on a deployment. Raises ``NotFoundError`` and ``BrokenDeploymentError``."""
        act = ControlAction(verb="make-latest", target=deployment, reason=reason)
        try:
            self.engine.applications.registered.find(deployment)
            await self.engine.applications.load(deployment)
        except RefusedError as refusal:
            await self.note_refusal(act, refusal)
            raise
        change: DeploymentChange = await self.ask_registry(
            "make_latest", act, deployment=deployment, reason=reason, by=self.who.by
        )
        return change

    async def prune_deployment(self, deployment: str, reason: str) -> DeploymentChange:
        """Delete a deployment that no invocation runs on. Raises ``ConflictError`` and ``NotFoundError``."""
        act = ControlAction(verb="prune-deployment", target=deployment, reason=reason)
        try:
            await self._check_drained(deployment)
        except RefusedError as refusal:
            await self.note_refusal(act, refusal)
            raise
        change: DeploymentChange = await self.ask_registry(
            "prune_deployment", act, deployment=deployment, reason=reason, by=self.who.by
        )
        await self.call_built_in(code_target(deployment, "forget"), None)
        return change

    async def list_deployments(self) -> tuple[DeploymentInfo, ...]:
        """Return the registered deployments, newest first."""
        async with self.snapshot() as snapshot:
            counts = open_by_deployment(snapshot.view, snapshot.partitions)
        return tuple(self._info(each, counts) for each in reversed(self.engine.applications.registered.known))

    async def get_deployment(self, deployment: str) -> DeploymentInfo:
        """Return a deployment. Raises :class:`NotFoundError`."""
        known = self.engine.applications.registered.find(deployment)
        async with self.snapshot() as snapshot:
            counts = open_by_deployment(snapshot.view, snapshot.partitions)
        return self._info(known, counts)

    async def list_code(self, deployment: str) -> tuple[CodeFile, ...]:
        """Return the files of a deployment's code, by path. Raises ``NotFoundError`` and ``BrokenDeploymentError``."""
        return code_files(await self._code(deployment))

    async def read_code(self, deployment: str, path: str) -> CodeFile:
        """Return one file of a deployment's code, with its text. Raises as :meth:`list_code`, and ``NotFoundError`` for
        an unknown path.
        """
        return code_file(await self._code(deployment), path)

    async def _code(self, deployment: str) -> Snapshot:
        self.engine.check_open()
        self.engine.applications.registered.find(deployment)
        packed = read_packed(self.engine.journal, self.engine.journal.partitions, deployment)
        snapshot: Snapshot = await self.environment.offload(partial(unpack, deployment, packed))
        return snapshot

    def _info(self, known: Deployment, counts: Mapping[str, int]) -> DeploymentInfo:
        applications = self.engine.applications
        return attrs.evolve(
            stored_deployment(known, applications.latest, counts),
            is_served=known.id == applications.served_as,
            is_loaded=applications.is_loaded(known.id),
        )

    async def _check_drained(self, deployment: str) -> None:
        applications = self.engine.applications
        applications.registered.find(deployment)
        if deployment == applications.served_as:
            raise ConflictError(
                f"{deployment} is the code that this process serves; stop the process or serve other code first",
                code=ErrorCode.IN_USE,
            )
        async with self.snapshot() as snapshot:
            if is_drained(snapshot, deployment):
                return
            count = open_by_deployment(snapshot.view, snapshot.partitions).get(deployment, 0)
        raise ConflictError(
            f"{count} open invocations run on {deployment}; wait for them to end, or move them with resume(deployment=…)",
            details={"open_invocations": count},
            code=ErrorCode.IN_USE,
        )

    def _is_kept(self, deployment: str) -> bool:
        try:
            read_code(self.engine.journal, self.engine.journal.partitions, deployment)
        except BrokenDeploymentError:
            return False
        return True
