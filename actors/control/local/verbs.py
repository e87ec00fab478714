"""Verbs of a client in this process."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from actors.control.local.invocations import LocalInvocations
from actors.core import commands as c
from actors.errors import Refused
from actors.model.handles import with_successor
from actors.model.keys import checked_request_key
from actors.model.payloads import check_value
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from journal.events import ControlResult


class LocalVerbs(LocalInvocations):
    """Verbs on one invocation."""

    async def execute(self, command: c.Command, idempotency_key: str | None = None) -> ControlResult:
        request = self.in_realm(checked_request_key(idempotency_key))
        command = with_successor(command, self.world.unique, request)
        if isinstance(command, c.RestartInvocation) and not command.dry_run:
            self.check_room()
        if isinstance(command, c.RestartInvocation) and c.is_rehearsed(command):
            await self._load_code_of(command)
        if isinstance(command, c.StartWaiting):
            raise BrokenInvariant("no verb")
        of = command.invocation_ids[0] if isinstance(command, c.PurgeInvocations) else command.invocation_id
        check_value(command, self.limits)
        return await self.engine.obey(command, of, self.who, request=request)

    async def _load_code_of(self, command: c.RestartInvocation) -> None:
        """Load the code on which a restart will be replayed, so that its object need not wait for it."""
        with contextlib.suppress(Refused):  # the restart is refused because of it
            applications = self.engine.applications
            row = await self.row(command.invocation_id)
            if command.deployment is None:
                deployment = applications.kept_for_restart(row.deployment)
            else:
                deployment = applications.resolve(command.deployment, row.target.service)
            await applications.load(deployment)
