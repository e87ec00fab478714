"""Calls and verbs of clients outside the handlers, in the process of the runtime."""

from __future__ import annotations

import contextlib
import os
from contextlib import aclosing
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import attrs
import trio

from actors.code.discovery import snapshot_of
from actors.control.backend import Sent
from actors.control.client import Client
from actors.control.local.checks import KEEP, Checker, checked_code, last_of
from actors.control.local.deployments import DeploymentKeeper
from actors.control.local.event_stream import Events, Marks
from actors.control.local.health import Health, HealthReason, health_of
from actors.control.local.jobs import JobCaller
from actors.control.local.metrics import EndedSecond, Figures, ended_lately, figures_of
from actors.control.local.objects import ObjectCaller
from actors.control.local.registry import RegistryCaller
from actors.core import commands as c
from actors.core.jobs import Choice
from actors.engine.requests import ControlAction, Principal
from actors.errors import (
    IncompatibleError,
    InvalidArgumentError,
    InvalidKeyError,
    Refused,
    TooSlowError,
    UnavailableError,
    UnknownHandlerError,
    UnknownServiceError,
)
from actors.model.checks import refuse_incompatible
from actors.model.handles import InvocationHandle, with_successor
from actors.model.history import JournalEntry
from actors.model.info import ServiceInfo, info_of
from actors.model.keys import checked_key, checked_request_key
from actors.model.listing import Listing
from actors.model.new_ids import new_id
from actors.model.payloads import check_value
from actors.model.services import service_info
from actors.query.audit import AuditQuery, ChainCheck, check_of, list_audit
from actors.query.changes import changes_since
from actors.query.invocations import row_of_id
from actors.query.objects import KeptObjects
from actors.query.sql.queries import Queries, QueryTarget
from actors.query.unserved import UnservedClass, unserved_classes
from actors.values import Codec, ValueProblem, codec_for, decode_kept
from actors.values.arguments import Seconds, seconds_or_none
from actors.values.limits import within_limit
from actors.values.names import is_system
from actors.values.outcomes import value_of
from actors.values.snapshot import Snapshot
from journal.errors import BrokenInvariant, JournalError
from journal.events import Kind, Target
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
    from pathlib import Path

    from actors.core.deployments import DeploymentChange
    from actors.core.gates import Scope
    from actors.core.jobs import JobSpec
    from actors.engine.engine import Engine
    from actors.environment import Environment
    from actors.model.checks import CheckReport, CheckSummary
    from actors.model.definitions import Definition
    from actors.model.deployment_info import CodeFile, DeploymentInfo
    from actors.model.edit import Edit, Edited
    from actors.model.info import GateAnswer, GateInfo, InvocationInfo
    from actors.model.job_info import JobInfo, JobItems, JobPreview
    from actors.model.object_info import FieldChange, ItemInfo, ObjectInfo, ObjectName
    from actors.model.output import OutputChunk
    from actors.model.requests import Request
    from actors.query.audit import AuditCheck, AuditPage
    from actors.query.changes import ChangeSet
    from actors.query.sql.result import Parameters, QueryResult
    from actors.values.limits import Limits
    from journal.events import Answer, Outcome, PauseMode
    from journal.rows import InvocationRow


_LOOKS_TOGETHER = 100
"""Open invocations of a list that are looked up at the same time."""


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


class LocalBackend:
    """Calls and verbs of clients outside the handlers, in the process of the runtime."""

    def __init__(
        self, engine: Engine, world: Environment, limits: Limits, who: Principal, queries: Queries | None = None
    ) -> None:
        self.engine = engine
        self.limits = limits
        self.world = world
        self.who = who
        self._queries = queries if queries is not None else Queries(world, limits)

    @cached_property
    def registry(self) -> RegistryCaller:
        """What speaks to the registry of gates and deployments. Made, as those below, when it is wanted: a port may be for one call."""
        return RegistryCaller(self.engine, self.world, self.limits, self.who)

    @cached_property
    def _deployments(self) -> DeploymentKeeper:
        return DeploymentKeeper(self.engine, self.world, self.registry, self.who)

    @cached_property
    def _jobs(self) -> JobCaller:
        return JobCaller(self)

    @cached_property
    def _objects(self) -> ObjectCaller:
        return ObjectCaller(self)

    def acting_as(self, who: Principal) -> LocalBackend:
        """The same for another client."""
        return LocalBackend(self.engine, self.world, self.limits, who, self._queries)

    async def call(self, request: Request) -> Any:
        command = self._invoke(request)
        if request.options.timeout is None:
            outcome = await self.engine.call(command, self.who, is_fresh=command.request is None)
        else:
            outcome = await self._outcome_within(command, request, request.options.timeout)
        data = value_of(outcome, command.invocation_id)
        return decode_kept(request.handler.signature.returns, data, request)

    async def send(self, request: Request) -> InvocationHandle[Any]:
        command = self._invoke(request)
        accepted = await self.engine.invoke(command, self.who, is_fresh=command.request is None)
        return InvocationHandle(self, accepted.invocation_id, request.handler.signature.returns)

    async def outcome(self, of: InvocationId, *, leaves_at_pause: bool = False) -> Outcome:
        return await self.engine.watch(of, self.who, leaves_at_pause=leaves_at_pause)

    async def find(self, listing: Listing) -> list[InvocationInfo]:
        listings = self._by_all_names(listing)
        rows = [row for each in listings for row in await self._rows(each)]
        if len(listings) > 1:
            rows = sorted(rows, key=lambda row: (row.created_at, row.invocation_id), reverse=True)[: listing.limit]
        found: list[InvocationInfo] = []
        for first in range(0, len(rows), _LOOKS_TOGETHER):
            found += await self._infos(rows[first : first + _LOOKS_TOGETHER])
        return found

    async def _rows(self, listing: Listing) -> list[InvocationRow]:
        if listing.where is not None:
            return await self._queries.newest(self._asked(), listing, listing.where)
        return await self._queries.listed(self._asked(), listing)

    def _by_all_names(self, listing: Listing) -> list[Listing]:
        """A listing of a class, or of a handler of it, by each name that what it wants may be kept under."""
        if listing.service is None or listing.service not in self.engine.app:
            return [listing]
        definition = self.engine.app.find(listing.service)
        handlers: Sequence[str | None] = (listing.handler,)
        if listing.handler is not None and listing.handler in definition.called:
            handlers = definition.called[listing.handler].names
        return [attrs.evolve(listing, service=name, handler=each) for name in definition.names for each in handlers]

    async def _infos(self, rows: Sequence[InvocationRow]) -> list[InvocationInfo]:
        """The rows as infos: a list says of an open invocation what :meth:`info` says, with its pause and its waits."""
        found = [info_of(row, None, self.engine.registry.gates) for row in rows]

        async def look(at: int) -> None:
            with contextlib.suppress(Refused, JournalError):  # purged since, or its object is damaged: the row stays
                found[at] = await self.info(rows[at].invocation_id)

        async with trio.open_nursery() as nursery:
            for at, row in enumerate(rows):
                if row.outcome is None:
                    nursery.start_soon(look, at)
        return found

    async def query(self, sql: str, parameters: Parameters) -> QueryResult:
        return await self._queries.query(self._asked(), sql, parameters)

    def _asked(self) -> QueryTarget:
        journal = self.engine.journal
        return QueryTarget(
            view=journal.view,
            partitions=journal.partitions,
            asker=self.who.realm,
            services=self._served(system=True),
        )

    async def matching(self, predicate: str, *, at_most: int) -> tuple[int, list[InvocationId]]:
        """How many invocations the predicate fits, and the ids of so many of them, the oldest first."""
        return await self._queries.matching(self._asked(), predicate, at_most=at_most)

    async def chosen(self, choice: Choice, *, at_most: int) -> tuple[int, list[InvocationId]]:
        """How many invocations are chosen, and the ids of so many of them: of those that a condition fits the oldest."""
        return await self._jobs.chosen(choice, at_most=at_most)

    async def preview_job(self, choice: Choice, sample: int) -> JobPreview:
        return await self._jobs.preview(choice, sample)

    async def start_job(self, spec: JobSpec, ids: tuple[InvocationId, ...], idempotency_key: str | None) -> str:
        return await self._jobs.start(spec, ids, self.in_realm(idempotency_key))

    async def list_jobs(self, limit: int) -> tuple[JobInfo, ...]:
        return await self._jobs.list(limit)

    async def job_info(self, job: str) -> JobInfo:
        return await self._jobs.info(job)

    async def await_job(self, job: str) -> JobInfo:
        return await self._jobs.result(job)

    async def cancel_job(self, job: str, reason: str) -> Answer:
        return await self._jobs.cancel(job, reason)

    async def job_items(self, job: str, after: int) -> JobItems:
        return await self._jobs.items(job, after)

    async def close_gate(self, scope: Scope, mode: PauseMode, reason: str) -> GateAnswer:
        return await self.registry.close_gate(scope, mode, reason)

    async def open_gate(self, scope: Scope, reason: str) -> GateAnswer:
        return await self.registry.open_gate(scope, reason)

    async def list_gates(self) -> tuple[GateInfo, ...]:
        await trio.lowlevel.checkpoint()
        return self.registry.list_gates()

    async def serve_as(self, snapshot: Snapshot) -> None:
        """Register what this process serves."""
        await self._deployments.serve_as(snapshot)

    async def register_deployment(self, code: str | os.PathLike[str] | Snapshot) -> DeploymentChange:
        snapshot = code
        if not isinstance(snapshot, Snapshot):
            snapshot = await self.world.offload(partial(snapshot_of, os.fspath(snapshot)))
        return await self._deployments.register(snapshot)

    async def check(
        self, of: InvocationId, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckReport:
        pinned = row_of_id(self.engine.journal, of).deployment
        async with (
            checked_code(self.engine.applications, self.world, deployment, code, pinned) as (name, app),
            self.engine.journal.view() as rows,
        ):
            return await Checker(rows, self.engine.journal.partitions, self.world).check(of, name, app)

    async def check_all(
        self, listing: Listing, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckSummary:
        return await last_of(self.check_each(listing, Choice(), deployment, code))

    async def check_each(
        self, listing: Listing, choice: Choice, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> AsyncGenerator[CheckSummary]:
        """The same as it goes on; of those that are chosen by ids or by a job if there are any, else of the newest listed."""
        if choice.ids or choice.refused_by:
            count, wanted = await self._jobs.chosen(choice, at_most=listing.limit)
        else:
            count, wanted = await self._queries.newest_ids(self._asked(), listing)
        async with (
            checked_code(self.engine.applications, self.world, deployment, code, "") as (name, app),
            self.engine.journal.view() as rows,
        ):
            checker = Checker(rows, self.engine.journal.partitions, self.world)
            each = checker.check_each(wanted, name, app, is_complete=count <= listing.limit)
            async with aclosing(each):
                async for summary in each:
                    yield summary

    async def resume_if_compatible(self, command: c.ResumeInvocation, idempotency_key: str | None) -> Answer:
        if await self._has_obeyed(command, idempotency_key):
            return await self.execute(command, idempotency_key)  # asked again: it may have gone on since
        report = await self.check(command.invocation_id, command.deployment or KEEP, None)
        try:
            refuse_incompatible(report)
        except IncompatibleError as refusal:
            act = ControlAction(
                verb="resume",
                target=command.invocation_id,
                detail=f"on {report.deployment}",
                reason=command.reason,
            )
            await self.engine.note(act, self.who, refusal=f"{type(refusal).__name__}: {refusal}")
            raise
        if command.deployment is not None:
            command = attrs.evolve(
                command, deployment=report.deployment
            )  # what was checked, whatever is latest by then
        return await self.execute(command, idempotency_key)

    async def _has_obeyed(self, command: c.ResumeInvocation, idempotency_key: str | None) -> bool:
        request = self.in_realm(checked_request_key(idempotency_key))
        return request is not None and request in (await self.info(command.invocation_id)).requests

    async def _load_code_of(self, command: c.RestartInvocation) -> None:
        """Load what a restart will be replayed on, so that its object need not wait for that."""
        with contextlib.suppress(Refused):  # the restart is refused for it
            applications = self.engine.applications
            row = row_of_id(self.engine.journal, command.invocation_id)
            if command.deployment is None:
                deployment = applications.kept_for_restart(row.deployment)
            else:
                deployment = applications.resolve(command.deployment, row.target.service)
            await applications.load(deployment)

    async def list_deployments(self) -> tuple[DeploymentInfo, ...]:
        await trio.lowlevel.checkpoint()
        return await self._deployments.list()

    async def get_deployment(self, deployment: str) -> DeploymentInfo:
        await trio.lowlevel.checkpoint()
        return await self._deployments.get(deployment)

    async def list_code(self, deployment: str) -> tuple[CodeFile, ...]:
        return await self._deployments.files(deployment)

    async def read_code(self, deployment: str, path: str) -> CodeFile:
        return await self._deployments.read(deployment, path)

    async def make_latest(self, deployment: str, reason: str) -> DeploymentChange:
        return await self._deployments.make_latest(deployment, reason)

    async def prune_deployment(self, deployment: str, reason: str) -> DeploymentChange:
        return await self._deployments.prune(deployment, reason)

    async def services(self, *, system: bool = False) -> tuple[ServiceInfo, ...]:
        async with self.engine.journal.view() as rows:
            kept = KeptObjects(rows, self.engine.journal.partitions)
            lacking = [name for name in kept.services() if name not in self.engine.app]
            unserved = [
                ServiceInfo(name=name, kind=kept.kind_of(name), handlers=(), is_served=False) for name in lacking
            ]
        return (*self._served(system=system), *unserved)

    def _served(self, *, system: bool) -> tuple[ServiceInfo, ...]:
        app = self.engine.app
        return tuple(service_info(definition) for definition in (*app, *(app.built_in() if system else ())))

    async def unserved(self) -> tuple[UnservedClass, ...]:
        """The classes that have stored objects and are not served."""
        async with self.engine.journal.view() as rows:
            return unserved_classes(KeptObjects(rows, self.engine.journal.partitions), self.engine.app)

    async def audit(self, query: AuditQuery) -> AuditPage:
        await trio.lowlevel.checkpoint()
        return list_audit(self.engine.journal, query)

    async def changes(self, after: int | None, wait: float) -> ChangeSet:
        await trio.lowlevel.checkpoint()
        if after is not None and wait:
            with trio.move_on_after(wait):
                await self.engine.journal.changes.wait(after)
        return changes_since(self.engine.journal, after)

    async def verify_audit(self) -> AuditCheck:
        chains = [ChainCheck(partition) for partition in range(self.engine.journal.partitions)]
        for chain in chains:
            while not chain.is_done:
                chain.go_on(self.engine.journal)
                await trio.lowlevel.checkpoint()
        return check_of(chains)

    async def attach(self, of: InvocationId, returns: Codec[Any] | None) -> Any:
        data = value_of(await self.outcome(of), of)
        codec = returns if returns is not None else self._codec_of(await self.info(of))
        return decode_kept(codec, data, f"the result of {of}")

    async def execute(self, command: c.Command, idempotency_key: str | None = None) -> Answer:
        request = self.in_realm(checked_request_key(idempotency_key))
        command = with_successor(command, self.world.unique, request)
        if isinstance(command, c.RestartInvocation) and not command.dry_run:
            self._check_room()
        if isinstance(command, c.RestartInvocation) and c.is_rehearsed(command):
            await self._load_code_of(command)
        if isinstance(command, c.StartWaiting):
            raise BrokenInvariant("no verb")
        of = command.invocation_ids[0] if isinstance(command, c.PurgeInvocations) else command.invocation_id
        check_value(command, self.limits)
        return await self.engine.obey(command, of, self.who, request=request)

    async def info(self, of: InvocationId) -> InvocationInfo:
        try:
            return await self.engine.look(of, self.who)
        except UnavailableError:
            # Nothing can be decided, and what was decided can be read.
            return info_of(row_of_id(self.engine.journal, of), None, self.engine.registry.gates)

    def events(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[JournalEntry]:
        return Events(self, of, after, follow=follow)

    def marks(self, of: InvocationId, after: int, *, follow: bool) -> AsyncIterator[OutputChunk]:
        return Marks(Events(self, of, after, follow=follow))

    async def call_by_name(
        self, target: Target, argument: bytes, idempotency_key: str | None
    ) -> tuple[InvocationId, Outcome]:
        command = self.invoke_by_name(target, argument, idempotency_key, None)
        return command.invocation_id, await self.outcome_of_call(command)

    async def outcome_of_call(self, command: c.Invoke, *, leaves_at_pause: bool = False) -> Outcome:
        """How a call ends. Raises :class:`actors.InvocationPausedError` if it is paused and nobody is to wait on."""
        is_fresh = command.request is None
        return await self.engine.call(command, self.who, is_fresh=is_fresh, leaves_at_pause=leaves_at_pause)

    async def send_by_name(
        self, target: Target, argument: bytes, idempotency_key: str | None, delay: float | None
    ) -> Sent:
        return await self.send_command(self.invoke_by_name(target, argument, idempotency_key, delay))

    async def send_command(self, command: c.Invoke) -> Sent:
        """Send a message; returns once it is durable."""
        accepted = await self.engine.invoke(command, self.who, is_fresh=command.request is None)
        return Sent(invocation_id=accepted.invocation_id, is_new=accepted.is_new)

    def definition_of(self, service: str) -> Definition:
        """A class that may be called by name. Raises :class:`actors.UnknownServiceError`."""
        if is_system(service):
            raise UnknownServiceError(
                f"{service} is built in, and cannot be called by name: use the client's own words"
            )
        return self.engine.app.find(service)

    def id_of_request(self, target: Target, idempotency_key: str | None) -> InvocationId:
        """The invocation that a call under this key is, or would be."""
        definition, target = self._named(target)
        request_key = self._request_key(definition, target, idempotency_key)
        if request_key is None:
            raise InvalidKeyError(f"{target}: without an idempotency key every call is another invocation")
        return definition.request_id(target, request_key, self._secret_of(definition, target), self.engine.stored)

    def _named(self, target: Target) -> tuple[Definition, Target]:
        """Something that is called by name, with the names that it is kept under."""
        definition = self.definition_of(target.service)
        definition.handler(target.handler)
        checked_key(definition, target.key, self.limits.key_bytes)
        return definition, definition.resolved(target, self.engine.stored)

    def invoke_by_name(
        self,
        target: Target,
        argument: bytes,
        idempotency_key: str | None,
        delay: float | None,
        parameter: str | None = None,
    ) -> c.Invoke:
        """A call or a message as a command, with its id. Raises a :class:`actors.Refused`."""
        definition, target = self._named(target)
        handler = definition.handler(target.handler)
        within_limit(argument, self.limits.payload_bytes, f"the argument of {target}")
        request_key = self._request_key(definition, target, idempotency_key)
        try:
            read = handler.signature.read
            arguments, parameter = self.engine.run_watched(f"the argument of {target}", read, argument, parameter)
            if request_key is not None:
                # The same request may come again in another spelling: with spaces, in another order, 1e3 for 1000.
                argument, parameter = handler.signature.encode((), arguments), handler.signature.parameter
        except ValueProblem as error:
            raise InvalidArgumentError(f"{target}: {error.path}: {error.problem}", path=error.path) from error
        return self.command(target, request_key, argument, parameter, delay, self._secret_of(definition, target))

    def _request_key(self, definition: Definition, target: Target, idempotency_key: str | None) -> str | None:
        if _is_once(definition, target):
            return f"workflow {target.key}"
        return self.in_realm(idempotency_key)

    def _secret_of(self, definition: Definition, target: Target) -> str:
        return "" if _is_once(definition, target) else self.engine.journal.secret

    def in_realm(self, idempotency_key: str | None) -> str | None:
        """The key as it is told from the same key of another client."""
        if idempotency_key is None or not self.who.realm:
            return idempotency_key
        return f"{self.who.realm}:{idempotency_key}"

    def _invoke(self, request: Request) -> c.Invoke:
        # Refuse here what would be refused there, so that a typo does not travel.
        definition, handler = self.engine.app.handler_of(request.target)
        target = request.target
        if definition.aliases or handler.name != target.handler:
            target = definition.resolved(target, self.engine.stored)
        argument = request.encode_arguments(self.limits)
        key, parameter = request.request_key, request.handler.signature.parameter
        secret = "" if key is None or request.is_once else self.engine.journal.secret
        return self.command(target, key, argument, parameter, request.options.delay, secret)

    def command(
        self,
        target: Target,
        request_key: str | None,
        argument: bytes,
        parameter: str,
        delay: float | None,
        secret: str,
    ) -> c.Invoke:
        self._check_room()
        if request_key is None:
            of = new_id(target, None, self.world.unique())
        else:
            of = self.engine.app.find(target.service).request_id(target, request_key, secret, self.engine.stored)
        return c.Invoke(
            invocation_id=of,
            target=target,
            argument=argument,
            parameter=parameter,
            scheduled_for=None if not delay else self.world.clock.now() + delay,
            request=request_key,
        )

    # Objects.

    async def object_names(self, service: str | None, after: str, limit: int, begin: str) -> list[ObjectName]:
        return await self._objects.names(service, after, limit, begin)

    async def object_info(self, service: str, key: str, at: int | None) -> ObjectInfo:
        return await self._objects.info(service, key, at)

    async def object_items(
        self, service: str, key: str, field: str, *, at: int | None, start: str, limit: int
    ) -> list[ItemInfo]:
        return await self._objects.items(service, key, field, at=at, start=start, limit=limit)

    async def field_history(
        self, service: str, key: str, field: str, *, after: int, before: int | None, newest_first: bool, limit: int
    ) -> list[FieldChange]:
        return await self._objects.history(
            service, key, field, after=after, before=before, newest_first=newest_first, limit=limit
        )

    async def edit_object(
        self, service: str, key: str, edit: Edit, *, queue: bool, reason: str, idempotency_key: str | None
    ) -> Edited:
        return await self._objects.edit(service, key, edit, queue=queue, reason=reason, idempotency_key=idempotency_key)

    def _check_room(self) -> None:
        if not self.engine.journal.has_room():
            raise UnavailableError("the disk is nearly full: new calls are refused, open invocations continue")

    async def _outcome_within(self, command: c.Invoke, request: Request, seconds: float) -> Outcome:
        with trio.move_on_after(seconds):
            return await self.engine.call(command, self.who, is_fresh=command.request is None)
        error = TooSlowError(
            f"{request.target} did not answer within {seconds} seconds; it continues as {command.invocation_id}"
        )
        error.invocation_id = command.invocation_id
        raise error

    def _codec_of(self, info: InvocationInfo) -> Codec[Any]:
        app = self.engine.applications.find(info.deployment, info.target.service) or self.engine.app
        try:
            _, handler = app.handler_of(info.target)
        except (UnknownServiceError, UnknownHandlerError):
            return codec_for(Any)
        return handler.signature.returns


def _is_once(definition: Definition, target: Target) -> bool:
    return definition.kind is Kind.WORKFLOW and target.handler == "run"
