"""The client in the process of the runtime, which can act on behalf of others."""

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
from actors.errors import AccessDeniedError, NotFoundError, ResourceKind
from actors.model.keys import checked_request_key
from actors.model.listing import Listing
from actors.rows.audit import ControlAction, Principal
from actors.values.snapshot import Snapshot
from journal.events import Kind, Target
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
    from pathlib import Path

    from actors.core.deployments import DeploymentChange
    from actors.core.notifications import Notice, PostResult
    from actors.core.tokens import TokenRecord
    from actors.model.checks import CheckSummary
    from actors.model.control_options import EditOptions
    from actors.model.edit import EditResult
    from actors.model.output import OutputChunk
    from actors.model.question_info import QuestionInfo
    from actors.model.requests import CallOptions
    from actors.model.verb_options import VerbOptions
    from actors.model.webhooks import Webhook, WebhookRequest
    from actors.query.overview import Overview
    from journal.events import ControlResult, Outcome, TraceContext


class LocalClient(Client):
    """A client in the process of the runtime, which can act on behalf of others."""

    _backend: LocalBackend

    @property
    def who(self) -> Principal:
        """The principal that the client acts for."""
        return self._backend.who

    def acting_as(self, by: str, source: str, *, idempotency_namespace: str = "") -> LocalClient:
        """Return a client that acts on behalf of another: ``by`` is its name and ``source`` its address, for events and
        the audit log.

        Idempotency keys in different namespaces are different keys, so that a client cannot reach the outcome of another's request.
        """
        return LocalClient(self._backend.acting_as(Principal(by, source, idempotency_namespace)))

    async def as_command(
        self,
        target: Target,
        argument: bytes,
        options: CallOptions,
        *,
        parameter: str | None = None,
        trace: TraceContext | None = None,
    ) -> c.Invoke:
        """Return the command for a call or a message, with the id of its existing or new invocation.

        ``parameter`` names the parameter whose value ``argument`` is, empty for an object of parameters; None means
        as the signature says. ``trace`` is the span of the requester. Raises a :class:`actors.RefusedError`, and for a private
        handler :class:`actors.errors.AccessDeniedError`, because the request comes from outside the program.
        """
        if (await self._backend.judge_of(target)).handler(target.handler).is_private:
            raise AccessDeniedError(
                f"{target} is private: only handlers, and the program that runs it, may call it. Call a handler that is not, "
                "or remove 'private' where it is defined"
            )
        return await self._backend.invoke_by_name(target, argument, options, parameter, trace)

    @property
    def node(self) -> str:
        """The name of the runtime's node in a cluster; empty if it is none."""
        router = self._backend.engine.router
        return "" if router is None else router.node

    # The tokens that the nodes of a cluster have in common.

    @property
    def shared_tokens(self) -> tuple[TokenRecord, ...]:
        """The named tokens of the cluster, as far as this node has seen."""
        return self._backend.engine.registry.tokens

    @property
    def is_current(self) -> bool:
        """Whether this process knows every change that was acknowledged a moment ago. A node that is cut off from its cluster does not."""
        router = self._backend.engine.router
        return router is None or router.is_current

    async def create_token(self, name: str, scope: str, digest: str, reason: str) -> None:
        """Make a named token valid on every node, by its hash."""
        await self._backend.create_token(name, scope, digest, reason)

    async def revoke_token(self, name: str, reason: str) -> None:
        """Revoke a named token on every node."""
        await self._backend.revoke_token(name, reason)

    @property
    def now(self) -> float:
        """The wall clock of the runtime, in seconds."""
        return self._backend.environment.clock.now()

    def webhook_of(self, target: Target) -> Webhook:
        """Return the webhook options of a handler. Raises :class:`actors.NotFoundError` if it accepts no webhooks."""
        webhook = self._backend.definition_of(target.service).handler(target.handler).options.webhook
        if webhook is None:
            raise NotFoundError(f"{target} takes no webhooks", kind=ResourceKind.HANDLER)
        return webhook

    async def send_webhook(self, target: Target, request: WebhookRequest, idempotency_key: str | None) -> Sent:
        """Send the request of a verified sender to a handler; durable on return. Repeated deliveries of one event may have other headers,
        so the first delivery with the same key counts."""
        return await self._backend.send_webhook(target, request, idempotency_key)

    async def send_command(self, command: c.Invoke) -> Sent:
        """Send the message; durable on return."""
        return await self._backend.send_command(command)

    async def outcome_of_call(self, command: c.Invoke, *, leaves_at_pause: bool) -> Outcome:
        """Make the call and return its outcome. With ``leaves_at_pause``, raises
        :class:`actors.errors.InvocationPausedError` if the invocation is paused.
        """
        return await self._backend.submit_call(command, leaves_at_pause=leaves_at_pause).wait()

    async def outcome_of(self, of: InvocationId, *, leaves_at_pause: bool) -> Outcome:
        """Wait for an invocation and return its outcome. ``leaves_at_pause`` is that of :meth:`outcome_of_call`."""
        return await self._backend.outcome(of, leaves_at_pause=leaves_at_pause)

    async def edit_object(
        self, service: str, key: str, options: EditOptions, idempotency_key: str | None
    ) -> EditResult:
        """Change fields of an object, as :meth:`actors.types.ObjectHandle.edit` does; the values are JSON."""
        return await self._backend.edit_object(service, key, options, checked_request_key(idempotency_key))

    def kind_of(self, service: str) -> Kind:
        """Return the kind of a class. Raises :class:`actors.NotFoundError`."""
        return self._backend.definition_of(service).kind

    def has_handler(self, service: str, name: str) -> bool:
        """Report whether a class has a handler of this name. Raises :class:`actors.NotFoundError`."""
        return name in self._backend.definition_of(service).called

    def id_of_request(self, target: Target, idempotency_key: str | None) -> InvocationId:
        """Return the id that the invocation for this idempotency key has or would have. Without a key, the id of a
        workflow's run.
        """
        return self._backend.id_of_request(target, checked_request_key(idempotency_key))

    async def register_deployment(self, code: str | os.PathLike[str] | Snapshot) -> DeploymentChange:
        """Register the current code of ``file.py`` or ``package.module``, and let new work run on it.

        Raises :class:`actors.errors.BrokenDeploymentError` if it cannot be imported; then nothing has changed.
        """
        return await self._backend.register_deployment(code)

    def supersede(self, deployment: str) -> None:
        """Mark a deployment as replaced by a later save of the same code: while this process runs, restarts that would
        keep it use the latest."""
        self._backend.engine.applications.supersede(deployment)

    def output_marks(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[OutputChunk]:
        """Return the output pieces of an invocation, and the resets that declare pieces void, as recorded."""
        return self._backend.marks(of, after, follow=follow)

    async def execute_each(
        self,
        ids: Sequence[InvocationId],
        options: VerbOptions,
        told: Callable[[int, ControlResult | Exception], None],
        *,
        idempotency_key: str | None = None,
    ) -> None:
        """Execute the verb on each invocation, for a bulk job; see :meth:`LocalVerbs.execute_each`."""
        await self._backend.execute_each(ids, options, told, idempotency_key)

    async def chosen(self, choice: Choice, *, at_most: int) -> tuple[int, list[InvocationId]]:
        """Count the selected invocations, and return the number with the first ids: the oldest matches of a condition."""
        return await self._backend.chosen(choice, at_most=at_most)

    async def post_notice(self, name: str, life: str, notice: Notice) -> PostResult:
        """Send a notice once. Called by the object that sends the notices of a notification."""
        return await self._backend.post_notice(name, life, notice)

    async def give_up_notice(self, name: str, notice: Notice, error: str) -> None:
        """Write the audit entry of an abandoned notice. Called by the same object."""
        await self._backend.give_up_notice(name, notice, error)

    async def question_of_link(self, token: str) -> QuestionInfo:
        """Return the open question of a signed link; see :meth:`LocalQuestions.question_of_link`."""
        return await self._backend.question_of_link(token)

    async def answer_by_link(self, token: str, choice: str) -> QuestionInfo:
        """Answer the question of a signed link; see :meth:`LocalQuestions.answer_by_link`."""
        return await self._backend.answer_by_link(token, choice)

    def check_each(self, listing: Listing, choice: Choice, deployment: str) -> AsyncGenerator[CheckSummary]:
        """Replay the chosen invocations on a deployment, and yield the summary as it grows. See :meth:`check`."""
        return self._backend.check_each(listing, choice, deployment, None)

    async def copy_to(self, path: Path) -> None:
        """Make a backup at ``path`` of everything stored now, for ``playhead restore``. Raises ``JournalError``."""
        await self._backend.checkpoint()
        await self._backend.engine.journal.copy_to(path)

    def health(self, others: Iterable[HealthReason] = ()) -> Health:
        """Return the health of the runtime, with reasons. ``others`` are further reasons from outside the engine."""
        return health_of(self._backend.engine, others)

    async def figures(self) -> Figures:
        """Return the runtime's metrics."""
        await self._backend.checkpoint()
        return await figures_of(self._backend.engine)

    def ended_lately(self) -> tuple[EndedSecond, ...]:
        """Return the number of invocations that completed in each of the last seconds of this process."""
        return ended_lately(self._backend.engine)

    async def wait_for_change(self, after: int) -> None:
        """Wait until something changes after this position in the feed of changes (:meth:`changes`)."""
        await self._backend.wait_for_change(after)

    async def overview(self) -> Overview:
        """Return the counts of invocations and those that need attention; at most two seconds old."""
        await self._backend.checkpoint()
        return await self._backend.overview.get()

    async def note(self, act: ControlAction, *, refusal: str = "", dropped: int = 0) -> None:
        """Write an audit entry for an action that concerns no object, or was denied.

        ``dropped`` counts the denied actions since the last entry that have no entry.
        """
        await self._backend.engine.note(act, self._backend.who, refusal=refusal, dropped=dropped)
