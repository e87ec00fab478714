"""Clients: call objects, read their state and control their invocations from outside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar, cast

from actors.control.cluster import ClusterClient
from actors.control.deployments import DeploymentClient
from actors.control.gates import GateClient
from actors.control.jobs import JobClient
from actors.control.limits import LimitClient
from actors.control.notifications import NotificationClient
from actors.control.objects import ObjectHandle
from actors.control.schedules import ScheduleClient
from actors.core.jobs import MAX_ITEMS
from actors.errors import DefinitionError, DefinitionReason, InvalidArgumentError
from actors.model.classes import definition_of
from actors.model.definitions import kind_in_words
from actors.model.handles import InvocationHandle
from actors.model.info import outcome_info
from actors.model.keys import checked_key, checked_request_key, key_text
from actors.model.listing import Listing
from actors.model.payloads import NO_ARGUMENT, argument_of
from actors.model.references import Reference
from actors.model.requests import NO_OPTIONS, CallOptions
from actors.model.tags import checked_tags
from actors.model.targets import parse_target
from actors.query.audit import AuditQuery
from actors.query.sql.result import check_parameters
from actors.values import parse
from actors.values.amounts import Amount
from actors.values.arguments import (
    MAX_COUNT,
    MAX_WORDS,
    Seconds,
    checked_count,
    checked_name,
    checked_seconds,
    checked_text,
    count_or_none,
    one_of,
    text_or_none,
)
from actors.values.outcomes import value_of
from actors.values.snapshot import Snapshot
from journal.events import Kind, Status, Target
from journal.ids import InvocationId, parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.control.backend import Backend, Sent
    from actors.model.checks import CheckSummary
    from actors.model.classes import Actor, ObjectBase, Service, Workflow
    from actors.model.info import InvocationInfo, OutcomeInfo
    from actors.model.object_info import ObjectName
    from actors.model.service_info import ServiceInfo
    from actors.model.verb_options import VerbOptions
    from actors.query.audit import AuditCheck, AuditPage
    from actors.query.changes import ChangeSet
    from actors.query.sql.result import Parameters, QueryResult
    from actors.values.limits import Limits
    from journal.events import ControlResult

A = TypeVar("A", bound="Actor")
S = TypeVar("S", bound="Service")
W = TypeVar("W", bound="Workflow")
Object = TypeVar("Object", bound="ObjectBase")


class Client:
    """A client of a runtime, in this process or over HTTP (:func:`actors.connect`).

    ::

        total = await client.actor(Counter, "bob").add(5)
        task = await client.service(Agent).run_task.send("hello")
        print(await task.result())
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

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

    async def check(
        self,
        *,
        deployment: str = "latest",
        app: str | os.PathLike[str] | Snapshot | None = None,
        where: str | None = None,
        status: Iterable[Status] | None = None,
        service: str | None = None,
        key: str | None = None,
        handler: str | None = None,
        limit: int = MAX_ITEMS,
    ) -> CheckSummary:
        """Replay all matching invocations on other code, without effects: how many pass, diverge (and where), or raise.

        ``deployment`` is ``latest`` or an id; ``app`` is code on disk instead, ``file.py`` or ``package.module``. See
        :meth:`InvocationHandle.check`. At most ``limit`` are checked, the newest; ``is_complete`` says whether these were all, and
        ``is_compatible`` is False if not.

        ::

            summary = await client.check(where="status = 'paused'", app="shop/app.py")
        """
        listing = _listing(status, service, key, handler, where, checked_count(limit, "limit"))
        return await self._backend.check_all(listing, checked_name(deployment, "deployment", MAX_WORDS), app)

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

    async def services(self, *, system: bool = False) -> tuple[ServiceInfo, ...]:
        """Return the served classes with their handlers, inputs and outputs. With ``system``, includes the built-in
        ones.
        """
        return await self._backend.services(system=system)

    async def invocations(
        self,
        *,
        status: Iterable[Status] | None = None,
        service: str | None = None,
        key: str | None = None,
        handler: str | None = None,
        where: str | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int = 100,
        system: bool = False,
    ) -> list[InvocationInfo]:
        """List invocations as of the last commit, newest first. With ``system``, includes those of built-in objects.

        ``where`` is an SQL condition on ``sys_invocation``; raises :class:`actors.InvalidArgumentError` if it is invalid. With
        ``tags``, only those that have all of these tags, found by an index.

        ::

            chats = await client.invocations(tags={"user": "ada"}, limit=10)
        """
        listing = _listing(
            status, service, key, handler, where, checked_count(limit, "limit"), tags=tags, system=system
        )
        return await self._backend.find(listing)

    def object(self, cls: type[Actor | Workflow] | str, key: str) -> ObjectHandle:
        """Return a handle to a stored object, by its class or name, for its fields now and in the past, and for edits."""
        service = checked_name(cls, "cls") if isinstance(cls, str) else definition_of(cls).name
        return ObjectHandle(self._backend, service, key_text(key, service))

    async def objects(
        self, service: str | None = None, *, after: str = "", begin: str = "", limit: int = 100
    ) -> list[ObjectName]:
        """List keyed objects that have been used, by service and key: of one service, after the key ``after``, or of all services that
        are not built in. With ``begin``, only objects whose keys begin with it.
        """
        return await self._backend.object_names(
            text_or_none(service, "service"),
            checked_text(after, "after"),
            checked_count(limit, "limit"),
            checked_text(begin, "begin"),
        )

    async def query(self, sql: str, parameters: Parameters = ()) -> QueryResult:
        """Run one SELECT over the tables of the runtime (``playhead sql --tables``), as of one moment.

        Raises :class:`actors.InvalidArgumentError`, :class:`actors.LimitExceededError`.

        ::

            found = await client.query("select id from sys_invocation where status = ?", ["paused"])
        """
        check_parameters(parameters)
        return await self._backend.query(checked_text(sql, "sql", MAX_COUNT), parameters)

    async def audit(
        self,
        *,
        by: str | None = None,
        verb: str | None = None,
        target: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> AuditPage:
        """List the audit log, newest first: every control request, including those that were refused or denied.

        ::

            for entry in (await client.audit(target=task.id)).entries:
                print(entry.by, entry.verb, entry.reason)
        """
        query = AuditQuery(
            by=text_or_none(by, "by"),
            verb=text_or_none(verb, "verb"),
            target=text_or_none(target, "target"),
            limit=checked_count(limit, "limit"),
            after=text_or_none(after, "after"),
        )
        return await self._backend.audit(query)

    async def changes(self, after: int | None = None, *, wait: Seconds = 0.0) -> ChangeSet:
        """Return the invocations, objects, gates and deployments that have changed after the ``position`` of an earlier
        answer.

        With ``wait``, in seconds or as a timedelta, it waits at most that long for a change. Without ``after``, it returns the
        current position.

        ::

            seen = (await client.changes()).position
            for invocation in (await client.changes(seen, wait=30)).invocations:
                print(invocation.id, invocation.status)
        """
        return await self._backend.changes(count_or_none(after, "after", at_least=0), checked_seconds(wait, "wait"))

    async def verify_audit(self) -> AuditCheck:
        """Verify the hash chain of the audit log from the first row, to find whether a row was changed or removed."""
        return await self._backend.verify_audit()

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


def _listing(
    status: Iterable[str | Status] | None,
    service: str | None,
    key: str | None,
    handler: str | None,
    where: str | None,
    limit: int,
    *,
    tags: Mapping[str, str] | None = None,
    system: bool = False,
) -> Listing:
    if isinstance(status, (str, Status)):
        raise InvalidArgumentError(f"status is {status!r}, expected a list: [{status!r}]", path="status")
    return Listing(
        status=None if status is None else frozenset(one_of(Status, one, "status") for one in status),
        service=text_or_none(service, "service"),
        key=text_or_none(key, "key"),
        handler=text_or_none(handler, "handler"),
        where=text_or_none(where, "where", MAX_COUNT),
        tags=checked_tags(tags),
        limit=limit,
        system=system,
    )
