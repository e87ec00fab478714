"""The backend of a client in the process of the runtime, assembled from its parts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from actors.control.local.bulk_checks import LocalBulkChecks
from actors.control.local.deployments import LocalDeployments
from actors.control.local.nodes import LocalNodes
from actors.control.local.notifications import LocalNotifications
from actors.control.local.objects import LocalObjects
from actors.control.local.questions import LocalQuestions
from actors.control.local.schedules import LocalSchedules
from actors.control.local.tokens import LocalTokens
from actors.errors import NotFoundError
from actors.model.handles import InvocationHandle
from actors.rows.audit import Principal
from actors.values import Codec, codec_for, decode_kept
from actors.values.outcomes import value_of
from journal.ids import InvocationId

if TYPE_CHECKING:
    from actors.model.info import InvocationInfo
    from actors.model.requests import Request


class LocalBackend(
    LocalBulkChecks,
    LocalObjects,
    LocalDeployments,
    LocalSchedules,
    LocalNotifications,
    LocalTokens,
    LocalNodes,
    LocalQuestions,
):
    """The engine of this process as a :class:`actors.control.backend.Backend`."""

    def acting_as(self, who: Principal) -> LocalBackend:
        """Return a backend that acts on behalf of this principal."""
        return LocalBackend(self.engine, self.environment, self.limits, who, self.queries, self.overview)

    async def attach(self, of: InvocationId, returns: Codec[Any] | None) -> Any:
        data = value_of(await self.outcome(of), of)
        codec = returns if returns is not None else self._codec_of(await self.info(of))
        return decode_kept(codec, data, f"the result of {of}")

    def _codec_of(self, info: InvocationInfo) -> Codec[Any]:
        """Return the codec of the served code, whose classes the program has, or else that of the code on which the invocation ran."""
        applications = self.engine.applications
        ran_on = applications.find(info.deployment, info.target.service)
        for app in (applications.served, ran_on or self.engine.app):
            with suppress(NotFoundError):
                return app.handler_of(info.target)[1].signature.returns
        return codec_for(Any)

    async def send(self, request: Request) -> InvocationHandle[Any]:
        now = self.environment.clock.now()
        command = self._invoke(request, now)
        accepted = await self.engine.submit_send(command, self.who, at=now, is_fresh=command.request is None).wait()
        return InvocationHandle(self, accepted.invocation_id, request.handler.signature.returns)
