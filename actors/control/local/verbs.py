"""Verbs of a client in this process."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import attrs

from actors.control.local.checks import Checker, checked_code
from actors.control.local.invocations import LocalInvocations
from actors.core import commands as c
from actors.errors import ActorError, IncompatibleError, RefusedError
from actors.model.checks import CheckReport, refuse_incompatible
from actors.model.keys import checked_request_key
from actors.model.verb_commands import check_value, with_successor
from actors.model.verb_options import KEEP, RestartOptions, ResumeOptions, VerbOptions
from actors.rows.audit import ControlAction
from actors.values.snapshot import Snapshot
from journal.errors import JournalError
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from journal.events import ControlResult


class LocalVerbs(LocalInvocations):
    """Verbs for one invocation, and the replay that a verb may need first."""

    async def execute(
        self, of: InvocationId, options: VerbOptions, idempotency_key: str | None = None
    ) -> ControlResult:
        """Execute the verb on the invocation. Replays a resume first if it must be compatible; the object itself
        replays a restart.
        """
        request = self.in_namespace(checked_request_key(idempotency_key))
        return await self.engine.obey(await self._command(of, options, request), of, self.who, request=request)

    async def execute_each(
        self,
        ids: Sequence[InvocationId],
        options: VerbOptions,
        told: Callable[[int, ControlResult | Exception], None],
        idempotency_key: str | None = None,
    ) -> None:
        """Execute the verb on each invocation. Each answer, or the exception in its place, has the index of its id in
        ``ids``."""
        request = self.in_namespace(checked_request_key(idempotency_key))
        commands: dict[int, tuple[InvocationId, c.Command]] = {}
        for number, of in enumerate(ids):
            try:
                commands[number] = of, await self._command(of, options, request)
            except (ActorError, JournalError) as refusal:
                told(number, refusal)
        await self.engine.obey_each(commands, self.who, told, request=request)

    async def _command(self, of: InvocationId, options: VerbOptions, request: str | None) -> c.Command:
        """Return the command that the object gets."""
        command: c.Command = options.command(of)
        check_value(command, self.limits)
        match command:
            case c.ResumeInvocation() if isinstance(options, ResumeOptions) and options.moves_checked:
                command = await self._checked_resume(command, request)
            case c.RestartInvocation() if isinstance(options, RestartOptions):
                # Also where the original's code is kept: if it is gone, the restart is on other code.
                command = attrs.evolve(command, require_compatible=options.check)
                if not command.dry_run:
                    self.check_room()
                if c.is_rehearsed(command):
                    await self._load_code_of(command)
        return with_successor(command, self.environment.unique, request)

    async def _checked_resume(self, command: c.ResumeInvocation, request: str | None) -> c.ResumeInvocation:
        """Return the resume command with the deployment that the history was replayed on. Raises
        :class:`actors.errors.IncompatibleError`.
        """
        of = command.invocation_id
        info = await self.info(of)
        if info.outcome is not None or (request is not None and request in info.requests):
            return command  # it is refused, or it is a repeated request, and may have continued since
        report = await self.check(of, command.deployment or KEEP, None)
        try:
            refuse_incompatible(report)
        except IncompatibleError as refusal:
            act = ControlAction(verb="resume", target=of, detail=f"on {report.deployment}", reason=command.reason)
            await self.engine.note(act, self.who, refusal=f"{refusal.code}: {refusal}")
            raise
        if command.deployment is None:
            return command
        return attrs.evolve(
            command, deployment=report.deployment
        )  # the deployment that was checked, even if another is the latest by now

    async def _load_code_of(self, command: c.RestartInvocation) -> None:
        """Load the code on which a restart will be replayed, so that the object need not wait for it."""
        with contextlib.suppress(RefusedError):  # the restart is refused because of it
            applications = self.engine.applications
            row = await self.row(command.invocation_id)
            if command.deployment is None:
                deployment = applications.kept_for_restart(row.deployment)
            else:
                deployment = applications.resolve(command.deployment, row.target.service)
            await applications.load(deployment)

    async def check(
        self, of: InvocationId, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckReport:
        pinned = (await self.row(of)).deployment
        async with (
            checked_code(self.engine.applications, self.environment, deployment, code, pinned) as (name, app),
            self.snapshot() as snapshot,
        ):
            return await Checker(snapshot, self.environment).check(of, name, app)
