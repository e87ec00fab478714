"""The client in the process of the runtime, which can speak for others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from actors.control.backend import Sent
from actors.control.client import Client
from actors.control.local.backend import LocalBackend
from actors.control.local.health import Health, HealthReason, health_of
from actors.control.local.metrics import EndedSecond, Figures, ended_lately, figures_of
from actors.core import commands as c
from actors.core.jobs import Choice
from actors.engine.requests import ControlAction, Principal
from actors.model.keys import checked_request_key
from actors.model.listing import Listing
from actors.values.arguments import Seconds, seconds_or_none
from actors.values.snapshot import Snapshot
from journal.events import Kind, Target
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable
    from pathlib import Path

    from actors.core.deployments import DeploymentChange
    from actors.model.checks import CheckSummary
    from actors.model.output import OutputChunk
    from journal.events import Outcome


class LocalClient(Client):
    """A client in the process of the runtime, which can speak for others."""

    _backend: LocalBackend

    @property
    def who(self) -> Principal:
        """Who it speaks for."""
        return self._backend.who

    def acting_as(self, by: str, origin: str, *, realm: str = "") -> LocalClient:
        """The same for another client: ``by`` is who, ``origin`` from where. Events and the audit name them.

        Idempotency keys of different realms are different keys, so that nobody gets at the outcome of another's request.
        """
        return LocalClient(self._backend.acting_as(Principal(by, origin, realm)))

    def as_command(
        self,
        target: Target,
        argument: bytes,
        idempotency_key: str | None,
        *,
        delay: Seconds | None = None,
        parameter: str | None = None,
    ) -> c.Invoke:
        """A call or a message with the id that it has, or would have. ``parameter`` is the one that ``argument`` is the value of,
        empty if that names its parameters; None: the signature tells. Raises a :class:`actors.Refused`."""
        key = checked_request_key(idempotency_key)
        return self._backend.invoke_by_name(target, argument, key, seconds_or_none(delay, "delay"), parameter)

    async def send_command(self, command: c.Invoke) -> Sent:
        """Send the message; returns once it is durable."""
        return await self._backend.send_command(command)

    async def outcome_of_call(self, command: c.Invoke, *, leaves_at_pause: bool) -> Outcome:
        """Make the call; how it ends. Raises :class:`actors.InvocationPausedError` with ``leaves_at_pause`` when it is paused."""
        return await self._backend.outcome_of_call(command, leaves_at_pause=leaves_at_pause)

    async def outcome_of(self, of: InvocationId, *, leaves_at_pause: bool) -> Outcome:
        """How an invocation ends, likewise."""
        return await self._backend.outcome(of, leaves_at_pause=leaves_at_pause)

    def kind_of(self, service: str) -> Kind:
        """What a class is. Raises :class:`actors.UnknownServiceError`."""
        return self._backend.definition_of(service).kind

    def has_handler(self, service: str, name: str) -> bool:
        """Whether a class has a handler of this name. Raises :class:`actors.UnknownServiceError`."""
        return name in self._backend.definition_of(service).called

    def id_of_request(self, target: Target, idempotency_key: str | None) -> InvocationId:
        """The invocation that a call under this key is, or would be; of a workflow's run without one."""
        return self._backend.id_of_request(target, checked_request_key(idempotency_key))

    async def register_deployment(self, code: str | os.PathLike[str] | Snapshot) -> DeploymentChange:
        """Register the code of ``file.py`` or ``package.module`` as it is now, and let new work run on it.

        Raises :class:`actors.BrokenDeploymentError`, and nothing has changed, if it cannot be imported.
        """
        return await self._backend.register_deployment(code)

    def supersede(self, deployment: str) -> None:
        """Let restarts that would keep this deployment take the latest, as long as this process runs: a later save of the same
        code has taken its place."""
        self._backend.engine.applications.supersede(deployment)

    def output_marks(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[OutputChunk]:
        """The pieces of an invocation's output, and what becomes of them, as they are recorded."""
        return self._backend.marks(of, after, follow=follow)

    async def chosen(self, choice: Choice, *, at_most: int) -> tuple[int, list[InvocationId]]:
        """How many invocations are chosen, and the ids of so many of them: of those that a condition fits the oldest."""
        return await self._backend.chosen(choice, at_most=at_most)

    def check_each(self, listing: Listing, choice: Choice, deployment: str) -> AsyncGenerator[CheckSummary]:
        """Replay many on a deployment; tells how far it has come, and at last what it has come to. See :meth:`check`."""
        return self._backend.check_each(listing, choice, deployment, None)

    async def copy_to(self, path: Path) -> None:
        """Make a backup at ``path`` with everything that is kept, as of now, for ``playhead restore``. Raises ``JournalError``."""
        await self._backend.engine.journal.copy_to(path)

    def health(self, others: Iterable[HealthReason] = ()) -> Health:
        """Whether the runtime does its work, and what is wrong if it does not. ``others``: reasons from around it."""
        return health_of(self._backend.engine, others)

    async def figures(self) -> Figures:
        """How much there is of what."""
        return await figures_of(self._backend.engine)

    def ended_lately(self) -> tuple[EndedSecond, ...]:
        """How much ended, by the second, in the last minutes of this process."""
        return ended_lately(self._backend.engine)

    async def note(self, act: ControlAction, *, refusal: str = "", dropped: int = 0) -> None:
        """Have the audit say that a client did something that is asked of no object, or was turned away.

        ``dropped``: how many others were turned away since the last note, without one.
        """
        await self._backend.engine.note(act, self._backend.who, refusal=refusal, dropped=dropped)
