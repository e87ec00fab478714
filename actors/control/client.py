"""Clients: call objects, read their state and control their invocations from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from actors.control.cluster import ClusterClient
from actors.control.deployments import DeploymentClient
from actors.control.gates import GateClient
from actors.control.jobs import JobClient
from actors.control.limits import LimitClient
from actors.control.notifications import NotificationClient
from actors.control.objects import ObjectHandle
from actors.control.reads import ReadClient
from actors.control.schedules import ScheduleClient
from actors.errors import DefinitionError, DefinitionReason
from actors.model.classes import definition_of
from actors.model.definitions import kind_in_words
from actors.model.handles import InvocationHandle
from actors.model.info import outcome_info
from actors.model.keys import checked_key, checked_request_key, key_text
from actors.model.payloads import NO_ARGUMENT, argument_of
from actors.model.references import Reference
from actors.model.requests import NO_OPTIONS, CallOptions
from actors.model.targets import parse_target
from actors.values import parse
from actors.values.amounts import Amount
from actors.values.arguments import (
    Seconds,
    checked_name,
    checked_text,
)
from actors.values.outcomes import value_of
from journal.events import Kind, Target
from journal.ids import InvocationId, parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.control.backend import Sent
    from actors.model.classes import Actor, ObjectBase, Service, Workflow
    from actors.model.info import OutcomeInfo
    from actors.model.verb_options import VerbOptions
    from actors.values.limits import Limits
    from journal.events import ControlResult

A = TypeVar("A", bound="Actor")
S = TypeVar("S", bound="Service")
W = TypeVar("W", bound="Workflow")
Object = TypeVar("Object", bound="ObjectBase")


class Client(ReadClient):
    """A client of a runtime, in this process or over HTTP (:func:`actors.connect`).

    ::

        total = await client.actor(Counter, "bob").add(5)
        task = await client.service(Agent).run_task.send("hello")
        print(await task.result())
    """

    def __deepcopy__(self, memo: object) -> Client:
        """Return the client itself, because it is a connection and not a value."""
        return self

    @property
    def runtime_limits(self) -> Limits:
        """The limits of the runtime: sizes, counts and times."""
        return self._backend.limits

    def actor(self, cls: type[A], key: str) -> A:
        """Return a reference to a keyed object, for calls and messages.

        Type checkers accept ``reference.value`` of a field, which raises :class:`actors.errors.FieldMisuseError` when it runs: read a
        field through a ``@shared`` handler, or with :meth:`object`. No checker can refuse it. Python cannot derive a type with the
        handlers of a class and without its fields, and a descriptor cannot refuse it either, because ``__get__`` gets the same type of
        instance for ``self`` in a handler as for a reference.
        """
        return self._reference(cls, key, Kind.ACTOR)

    def service(self, cls: type[S]) -> S:
        """Return a reference to a service."""
        return self._reference(cls, None, Kind.SERVICE)

    def workflow(self, cls: type[W], key: str) -> W:
        """Return a reference to a workflow, whose ``run`` executes once for each key."""
        return self._reference(cls, key, Kind.WORKFLOW)

    def invocation(self, of: InvocationId | str) -> InvocationHandle[Any]:
        """Return a handle to the invocation with this id. Raises :class:`actors.errors.MalformedIdError`."""
        return InvocationHandle(self._backend, parse_invocation_id(checked_text(of, "of")))

    async def call(
        self,
        target: str | Target,
        argument: Any = NO_ARGUMENT,
        *,
        idempotency_key: str | None = None,
        timeout: Seconds | None = None,  # noqa: ASYNC109 - as of every call
        tags: Mapping[str, str] | None = None,
        max_duration: Seconds | None = None,
        budget: Mapping[str, Amount] | None = None,
    ) -> Any:
        """Call a handler by its name, ``Service/key/handler`` or ``Service/handler``, and return its result as a plain JSON
        value.

        ``argument`` is a plain JSON value: one value for one parameter, a dictionary for several, nothing for none. Write a slash
        in a key as ``%2F``. After ``timeout`` seconds the wait ends, and the invocation continues. Raises the terminal error of
        the handler, :class:`actors.NotFoundError`, :class:`actors.InvalidArgumentError` and :class:`actors.TooSlowError`.

        ::

            total = await client.call("Counter/bob/add", 5)
        """
        asked, body = parse_target(target), argument_of(argument, target)
        options = CallOptions(
            idempotency_key=idempotency_key, timeout=timeout, tags=tags, max_duration=max_duration, budget=budget
        )
        of, outcome = await self._backend.call_by_name(asked, body, options)
        return parse(value_of(outcome, of))

    async def send(
        self,
        target: str | Target,
        argument: Any = NO_ARGUMENT,
        *,
        idempotency_key: str | None = None,
        delay: Seconds | None = None,
        tags: Mapping[str, str] | None = None,
        max_duration: Seconds | None = None,
        budget: Mapping[str, Amount] | None = None,
        debounce: str | None = None,
        max_delay: Seconds | None = None,
    ) -> InvocationHandle[Any]:
        """Send a message to a handler by its name, as :meth:`call` does; it is durable on return.

        ::

            task = await client.send("Agent/run_task", "hello")
        """
        asked, body = parse_target(target), argument_of(argument, target)
        options = CallOptions(
            idempotency_key=idempotency_key,
            delay=delay,
            tags=tags,
            max_duration=max_duration,
            budget=budget,
            debounce=debounce,
            max_delay=max_delay,
        )
        sent = await self._backend.send_by_name(asked, body, options)
        return InvocationHandle(self._backend, sent.invocation_id)

    async def call_by_name(
        self, target: Target, argument: bytes = b"", options: CallOptions = NO_OPTIONS
    ) -> tuple[InvocationId, OutcomeInfo]:
        """Call with the argument as JSON bytes; returns the id of the invocation and its outcome, also if it failed.
        Raises a ``RefusedError`` if the call was not accepted."""
        of, outcome = await self._backend.call_by_name(target, argument, options)
        return of, outcome_info(outcome)

    async def send_by_name(self, target: Target, argument: bytes = b"", options: CallOptions = NO_OPTIONS) -> Sent:
        """Send with the argument as JSON bytes; returns whether the message is new."""
        return await self._backend.send_by_name(target, argument, options)

    async def execute(
        self, of: InvocationId, options: VerbOptions, *, idempotency_key: str | None = None
    ) -> ControlResult:
        """Execute the verb with these options, as the methods of :class:`actors.InvocationHandle` do."""
        return await self._backend.execute(of, options, checked_request_key(idempotency_key))

    @property
    def gates(self) -> GateClient:
        """The gates, which pause and resume a service, a handler, a key, or everything. See :class:`actors.types.GateClient`."""
        return GateClient(self._backend)

    @property
    def limits(self) -> LimitClient:
        """The limits on invocations that run at once or start in a period. See :class:`actors.types.LimitClient`."""
        return LimitClient(self._backend)

    @property
    def cluster(self) -> ClusterClient:
        """The nodes of a cluster, and the partitions that they own. See :class:`actors.types.ClusterClient`."""
        return ClusterClient(self._backend)

    @property
    def deployments(self) -> DeploymentClient:
        """The registered deployments, and the one that new invocations run on. See :class:`actors.types.DeploymentClient`."""
        return DeploymentClient(self._backend)

    @property
    def jobs(self) -> JobClient:
        """Bulk jobs: one verb for every invocation that matches a condition. See :class:`actors.types.JobClient`."""
        return JobClient(self._backend)

    @property
    def schedules(self) -> ScheduleClient:
        """Schedules: handlers that are called at the times of a cron line, or at an interval. See :class:`actors.types.ScheduleClient`."""
        return ScheduleClient(self._backend)

    @property
    def notifications(self) -> NotificationClient:
        """Notifications: changes of invocations that are sent to a URL as signed webhooks, or followed by this program. See
        :class:`actors.types.NotificationClient`.
        """
        return NotificationClient(self._backend)

    def object(self, cls: type[Actor | Workflow] | str, key: str) -> ObjectHandle:
        """Return a handle to a stored object, by its class or name, for its fields now and in the past, and for edits."""
        service = checked_name(cls, "cls") if isinstance(cls, str) else definition_of(cls).name
        return ObjectHandle(self._backend, service, key_text(key, service))

    def _reference(self, cls: type[Object], key: str | None, kind: Kind) -> Object:
        definition = definition_of(cls)
        if definition.kind is not kind:
            raise DefinitionError(
                f"{definition.name} is {kind_in_words(definition.kind)}; use client.{definition.kind.value}()",
                reason=DefinitionReason.KIND,
                name=definition.name,
            )
        return cast(
            "Object", Reference(self._backend, definition, checked_key(definition, key, self.runtime_limits.key_bytes))
        )
