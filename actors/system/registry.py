"""The rules of the whole runtime as one object: its gates and its deployments.

Only the object's handlers change the rules, so its log shows who changed what, when, and why. An engine does not call
the object: it follows the log (``engine.registry``).
"""

from __future__ import annotations

from typing import ClassVar

from actors.core.deployments import Deployment, DeploymentChange, Deployments
from actors.core.gates import Gate, GateChange, Gates, GateScope, GateState, close_gate, open_gate
from actors.errors import ErrorCode, LimitExceededError
from actors.model.classes import Actor, service_name
from actors.model.fields import field
from actors.model.handlers import handler
from actors.model.verbs.time import current_time
from actors.values.names import SYSTEM_NAMESPACE
from journal.events import PauseMode, Target
from journal.ids import StreamId, stream_of

REGISTRY_KEY = "main"
"""The only registry's key."""

AUDIT_SECONDS = 90 * 24 * 3600.0
"""How long changes to the registry stay visible, independent of the retention of user invocations."""

MAX_GATES = 1_000
"""The number of rules that can be in force at a time."""


class Registry(Actor):
    """Gates and deployments, and the history of their changes."""

    _namespace: ClassVar[str] = SYSTEM_NAMESPACE

    gates: list[Gate] = field(factory=list)
    deployments: list[Deployment] = field(factory=list)
    latest: str = ""
    revision: int = 0
    """Counts the requests. An object without state would be removed, and its log would start again from 1 under its followers."""

    @handler(retention=AUDIT_SECONDS)
    async def close_gate(
        self, scope: GateScope, mode: PauseMode, reason: str, by: str, since: float | None = None
    ) -> GateChange:
        """Hold every invocation in the scope. ``since`` is the time of closing in wall seconds, by default now."""
        self.revision += 1
        at = current_time() if since is None else since
        gate = Gate(scope=scope, state=GateState.CLOSED, since=at, by=by, reason=reason, mode=mode)
        return self._keep(*close_gate(Gates(self.gates), gate))

    @handler(retention=AUDIT_SECONDS)
    async def open_gate(self, scope: GateScope, reason: str, by: str) -> GateChange:
        """Resume every invocation in the scope."""
        self.revision += 1
        exception = Gate(scope=scope, state=GateState.OPEN, since=current_time(), by=by, reason=reason)
        return self._keep(*open_gate(Gates(self.gates), exception))

    @handler(retention=AUDIT_SECONDS)
    async def register_deployment(
        self, deployment: str, entries: list[str], files: int, size: int, by: str
    ) -> DeploymentChange:
        """Register a deployment that is being served."""
        new = Deployment(
            id=deployment,
            entries=tuple(entries),
            files=files,
            size=size,
            registered_at=current_time(),
            registered_by=by,
        )
        return self._take(self._deployments().served(new))

    @handler(retention=AUDIT_SECONDS)
    async def make_latest(self, deployment: str, reason: str, by: str) -> DeploymentChange:
        """Make the deployment the one that new invocations run on."""
        because = f"{by} made {deployment} the latest{f': {reason}' if reason else ''}"
        return self._take(self._deployments().moved(deployment, because))

    @handler(retention=AUDIT_SECONDS)
    async def prune_deployment(self, deployment: str, reason: str, by: str) -> DeploymentChange:
        """Remove the deployment; ``reason`` and ``by`` are for the log."""
        return self._take(self._deployments().pruned(deployment))

    def _deployments(self) -> Deployments:
        return Deployments(tuple(self.deployments), self.latest)

    def _take(self, after: Deployments) -> DeploymentChange:
        before = self._deployments()
        self.revision += 1
        self.deployments, self.latest = [*after.known], after.latest
        return DeploymentChange(after != before, before.latest, after.latest)

    def _keep(self, gates: Gates, change: GateChange) -> GateChange:
        if len(gates) > MAX_GATES:
            raise LimitExceededError(
                f"there are {len(self.gates)} gates (limit {MAX_GATES}); open some, or close a wider one",
                limit="gates",
                maximum=MAX_GATES,
                found=len(self.gates),
                code=ErrorCode.TOO_MANY,
            )
        self.gates = [*gates]
        return change


def registry_stream() -> StreamId:
    """Return the stream of the registry."""
    return stream_of(service_name(Registry), REGISTRY_KEY)


def registry_target(handler_name: str) -> Target:
    """Return the target of a handler of the registry."""
    return Target(service_name(Registry), REGISTRY_KEY, handler_name)
