"""Runs an app on a journal in this process."""

from __future__ import annotations

import enum
import getpass
import os
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio

from actors.cluster.options import ClusterOptions, with_default_address
from actors.code.discovery import snapshot_of, snapshot_of_classes
from actors.code.registry import CodeRegistry
from actors.control.local.backend import LocalBackend
from actors.control.local.client import LocalClient
from actors.control.local.start_gates import gate_at_start, hold_backlog
from actors.core.gates import Gate
from actors.endpoints import Endpoints, serve_options
from actors.engine.engine import Engine
from actors.engine.engine_context import EngineContext
from actors.engine.stored_names import StoredNames
from actors.engine.watchdog import Watchdog
from actors.environment import Environment, environment_of_run
from actors.errors import UnavailableError, UnknownOutcomeError
from actors.errors.names import plain_text
from actors.event_loop import require_trio
from actors.extras import require
from actors.http.server_options import checked_public_url
from actors.journals import JournalPlace
from actors.model.app import App
from actors.model.control_options import GateOptions
from actors.model.link_signer import LinkSigner
from actors.query.unserved import UnservedClass, without_code
from actors.rows.audit import Principal
from actors.system import SYSTEM_CLASSES
from actors.values.arguments import MAX_NAME, Seconds, checked_count, checked_seconds, one_of
from actors.values.error_groups import alone
from actors.values.limits import DEFAULT_LIMITS, Limits
from actors.values.snapshot import Snapshot
from journal.errors import StoreFailed
from journal.in_flight import InFlight
from journal.kv.store import Durability
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from opentelemetry.sdk.trace.export import SpanExporter

    from actors.engine.observer import Observer
    from actors.http.server_options import ServeOptions
    from actors.journals import OpenedJournal
    from journal.kv.data_directory import HeldDirectory
    from journal.log.protocol import Journal

log = SafeLogger(__name__)

RETENTION_SECONDS = 24 * 3600.0
"""How long the history and result of a completed invocation are kept, unless its handler says otherwise."""


MAX_PARTITIONS = 0xFFFF
"""The largest number of partitions that a journal's keys can represent."""


DRAIN_SECONDS = 10.0
"""How long running requests and steps in threads may take to end when a runtime ends."""

_LEAST_DRAIN_SECONDS = 0.5
"""How much of that time steps have at least, however long requests take."""


_SETTLE_SECONDS = 30.0
_SETTLE_AGAIN_SECONDS = 0.2


class CodeOf(enum.Enum):
    """Finds the code of a runtime if ``code`` is not given."""

    CLASSES = "classes"


@attrs.frozen(kw_only=True)
class Runtime:
    """A running app. ``client`` is its client.

    ::

        async with actors.open_runtime(Counter, path="data") as runtime:
            print(await runtime.client.actor(Counter, "bob").add(5))
    """

    client: LocalClient
    engine: Engine
    endpoints: Endpoints
    unserved: tuple[UnservedClass, ...] = ()
    """Classes that have stored objects and that the app lacked at the start."""

    @property
    def url(self) -> str | None:
        """The address of the server, with the port that it has, such as ``http://127.0.0.1:9070``. None without ``serve=``."""
        return self.endpoints.url

    @property
    def directory(self) -> HeldDirectory | None:
        """The data directory, which stays the same if it is renamed. None if nothing is stored on disk."""
        return self.engine.journal.directory

    async def drain(self) -> None:
        """Accept no more requests and begin no more steps, and let running ones end, as leaving the block does."""
        began, seconds = trio.current_time(), self.endpoints.drain_seconds
        await self.endpoints.close()
        left = seconds - (trio.current_time() - began)
        await self.engine.drain(max(left, min(seconds, _LEAST_DRAIN_SECONDS)))


@asynccontextmanager
async def open_runtime(
    *classes: type,
    path: str | os.PathLike[str] | None = None,
    journal: Journal | None = None,
    cluster: str | ClusterOptions | None = None,
    durability: str | Durability = Durability.FSYNC,
    partitions: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
    retention: Seconds = RETENTION_SECONDS,
    environment: Environment | None = None,
    paused: bool = False,
    fail_fast: bool = False,
    drain: Seconds = DRAIN_SECONDS,
    code: str | os.PathLike[str] | Snapshot | CodeOf | None = CodeOf.CLASSES,
    on_load: Callable[[str, Any], object] | None = None,
    serve: str | ServeOptions | None = None,
    public_url: str | None = None,
    socket: bool = True,
    telemetry: str | SpanExporter | None = None,
) -> AsyncIterator[Runtime]:
    """Run actors, services and workflows on a data directory, created if it is missing. Unfinished invocations resume.

    ``durability`` is ``fsync`` (the default: acknowledged work survives a power cut), ``os`` (it survives the process) or
    ``memory`` (nothing is stored, no ``path``). ``retention`` is in seconds or a timedelta. With ``paused``, the gate
    ``everything`` is closed before anything runs, and stays closed until it is opened: investigate first, then resume
    selectively. ``code`` is the source of the classes, as ``file.py`` or ``package.module``; by default the modules in which they
    are defined. It is stored with the data: unfinished invocations continue on the code on which they began, also after a start
    on other code. With ``code=None``, or without a ``path``, the given classes run everything that has no code of its own.
    ``on_load`` is a plain function that gets each module of earlier code, under its name, right after the module was executed: the module
    is a copy, and what the program has set in the served one, such as ``POOL = None`` at import, is set there by ``on_load`` alone; see
    docs/deployments.md. It is called in a thread; an error in it is that of a failed import.
    ``cluster`` is the address of a PostgreSQL database, such as ``postgresql://app@db.internal/app``, of NATS servers, such as
    ``nats://a.internal,b.internal,c.internal``, or of a bucket, such as ``s3://my-bucket/app``, in which the journal is kept, and ``path``
    is then a directory for this node's copy. Processes with the same address are the nodes of a cluster: they share the objects, each
    can be asked for any, and when one ends or dies, the others run what it had, with everything that was acknowledged.
    :class:`actors.types.ClusterOptions` says where the nodes reach each other. It needs the extra ``server``, ``postgres`` for
    PostgreSQL, and ``objects`` for a bucket; see docs/cluster.md, docs/nats.md and docs/object-store.md. ``partitions`` is the number of
    parts of a new journal, by default 1, and 16 in a cluster.

    ``journal`` and ``environment`` replace the disk, and time, randomness and threads. Under ``trio.testing.MockClock`` wall time
    follows trio's: a sleep of days takes no time with ``autojump_threshold=0``, and the clock does not jump while a thread works
    for the runtime.

    With ``fail_fast``, a mistake in the code fails an invocation at once, unless its policy says otherwise; see
    :class:`actors.RetryPolicy`.

    ``telemetry`` exports each invocation as a trace of OpenTelemetry: the URL of an OTLP receiver over HTTP, such as
    ``http://127.0.0.1:4318``, or a ``SpanExporter`` of opentelemetry-sdk. It needs the extra ``otel``. The exporter has a thread of
    its own: a receiver that is slow or dead delays nothing, and what it does not take is dropped and counted.

    The command line and ``actors.connect(path=…)`` control the runtime through a Unix socket in the data directory, which only the
    user of the process may use; ``socket=False`` leaves it out. With ``serve="127.0.0.1:9070"`` the runtime is also served over
    HTTP, with the tokens, the API and the console of ``playhead serve``; port 0 takes any free one, and ``runtime.url`` is the
    address. :class:`actors.types.ServeOptions` has more. Both need the extra ``server``; without it there is no socket.

    ``public_url`` is where people outside reach the server, such as ``https://objects.example.com``, with the path if it is mounted or
    behind a proxy that adds one. The links of :func:`actors.ask` begin with it, and the server answers to its host. Without it, links
    begin with ``runtime.url``.

    When the block is left, no more requests are accepted and no more steps begin. Steps that are tasks are cancelled, and begin
    again at the next start. Running requests, and steps in threads, which cannot be stopped, have ``drain`` seconds to end, and
    their outcomes are kept. After that they are abandoned, and so are tasks that swallow their cancellation; the log names them.

    Asyncio programs use :func:`actors.aio.open_runtime`, and code that blocks :func:`actors.sync.open_runtime`.

    Raises :class:`actors.InvalidArgumentError`, :class:`actors.UnavailableError` if the port is taken, before anything runs, and a
    :class:`actors.errors.StoreError` if the directory cannot be used: ``StoreInUse`` if another process holds it, ``StoreFormat`` for
    another version's format, ``StoreDamaged`` for missing or truncated files. Raises :class:`actors.errors.StoreFailed` if the disk
    fails, and :class:`actors.errors.DirectoryLost` within a second if the directory is moved, removed or replaced: nothing more is
    written, and the store stays open until the process ends.

    A copy made by ``playhead restore`` begins with the gate ``backlog`` closed: the unfinished work of the original is held until
    the gate is opened, and new work is not.

    ::

        async with actors.open_runtime(Counter, path="data") as runtime:
            print(await runtime.client.actor(Counter, "bob").add(5))
    """
    require_trio("actors.open_runtime()", "actors.aio.open_runtime()", "actors.sync.open_runtime()")
    retention_seconds = checked_seconds(retention, "retention")
    drain_seconds = checked_seconds(drain, "drain")
    kept_for = one_of(Durability, durability, "durability")
    surroundings = environment if environment is not None else environment_of_run()
    served = serve_options(serve)
    endpoints = Endpoints(
        options=served,
        public_url=checked_public_url(public_url),
        has_socket=socket,
        drain_seconds=drain_seconds,
        offload=surroundings.offload_detached,
    )
    place = JournalPlace(
        path=path,
        journal=journal,
        cluster=_cluster_options(cluster, served),
        durability=kept_for,
        partitions=None if partitions is None else checked_count(partitions, "partitions", at_most=MAX_PARTITIONS),
        payload_bytes=limits.payload_bytes,
        url=endpoints.base_of_links,
    )
    snapshot = await surroundings.offload(partial(_snapshot, code, classes, place.is_kept))
    app = App(classes, system=SYSTEM_CLASSES)
    with CodeRegistry(app, served_as=snapshot, offload=surroundings.offload_detached, on_load=on_load) as applications:
        start = _Start(
            applications=applications,
            snapshot=snapshot,
            environment=surroundings,
            limits=limits,
            fail_fast=fail_fast,
            is_paused=paused,
            retention_seconds=retention_seconds,
            endpoints=endpoints,
            telemetry=telemetry,
        )
        opening = place.open(surroundings.clock)
        bound = endpoints.bound(Path(path) if path is not None and place.is_kept else None)
        async with bound, start.run(opening) as runtime:
            yield runtime


@attrs.frozen(kw_only=True)
class _Start:
    """The checked arguments of :func:`open_runtime`."""

    applications: CodeRegistry
    snapshot: Snapshot | None
    environment: Environment
    limits: Limits
    fail_fast: bool
    is_paused: bool
    retention_seconds: float
    endpoints: Endpoints
    telemetry: str | SpanExporter | None

    @asynccontextmanager
    async def run(self, journal: AbstractAsyncContextManager[OpenedJournal]) -> AsyncIterator[Runtime]:
        """Run an engine on the journal, until its steps have ended after the block."""
        error: BaseException | None = None
        try:
            async with (
                journal as (opened, peers),
                _on_record(self.environment, opened) as in_flight,
                _observed(self.telemetry, self.environment) as observer,
                trio.open_nursery() as nursery,
            ):
                who = Principal(f"user:{_user()}", "process")
                environment = attrs.evolve(self.environment, peers=peers) if peers is not None else self.environment
                closed = gate_at_start(environment, who) if self.is_paused else None
                engine = Engine(
                    opened,
                    self.applications,
                    self._context(environment, opened, in_flight, observer),
                    retention_seconds=self.retention_seconds,
                    closed=closed,
                )
                backend = LocalBackend(engine, environment, self.limits, who)
                client = LocalClient(backend)
                if engine.router is not None:  # the other nodes ask this one as soon as it has claimed a partition
                    nursery.start_soon(engine.router.serve)
                await nursery.start(engine.run, client)
                try:
                    await _settle(backend, engine, self.snapshot, closed)
                    unserved = await backend.unserved()
                    for each in unserved:
                        log.warning("%s", without_code(each))
                    await nursery.start(self.endpoints.run, client, opened.directory)
                    runtime = Runtime(client=client, engine=engine, endpoints=self.endpoints, unserved=unserved)
                    engine.open()  # without a wait before the block, so that no handler runs before it
                    yield runtime
                    await runtime.drain()
                except BaseException as raised:  # kept apart from the nursery, which would wrap it
                    error = raised
                self.endpoints.abandon()
                await engine.drain(self.endpoints.drain_seconds)
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise alone(group, StoreFailed) from None  # without the nurseries around the code that broke it
        if error is not None:
            raise error

    def _context(
        self, environment: Environment, journal: Journal, in_flight: InFlight | None, observer: Observer | None
    ) -> EngineContext:
        return EngineContext(
            environment=environment,
            limits=self.limits,
            watchdog=Watchdog(self.limits.blocking_seconds, in_flight),
            in_flight=in_flight,
            stored=StoredNames(journal),
            secret=journal.secret,
            links=LinkSigner(journal.secret, self.endpoints.base_of_links),
            fail_fast=self.fail_fast,
            observer=observer,
            note_on=self.applications.note_on,
        )


async def _settle(backend: LocalBackend, engine: Engine, snapshot: Snapshot | None, closed: Gate | None) -> None:
    """Record the gate of a paused start, and the gate of a restored copy, in the registry. Register the served code.

    Each may be done twice. In a cluster it is repeated while partitions change hands, as they do when several nodes start."""
    until = trio.current_time() + _SETTLE_SECONDS
    while True:
        try:
            if closed is not None:
                await backend.close_gate(closed.scope, GateOptions(mode=closed.mode, reason=closed.reason))
                await engine.registry.trust()
            await hold_backlog(backend, engine.journal)
            if snapshot is not None:
                await backend.serve_as(snapshot)
        except (UnavailableError, UnknownOutcomeError) as error:
            if engine.router is None or trio.current_time() >= until:
                raise
            log.info("the start waits: %s", error)
            await trio.sleep(_SETTLE_AGAIN_SECONDS)
        else:
            return


def _cluster_options(cluster: str | ClusterOptions | None, served: ServeOptions | None) -> ClusterOptions | None:
    if cluster is None:
        return None
    options = cluster if isinstance(cluster, ClusterOptions) else ClusterOptions(cluster)
    host, permitted = (None, False) if served is None else (served.host, served.insecure_network)
    return with_default_address(options, host, insecure_network=permitted)


def _snapshot(
    code: str | os.PathLike[str] | Snapshot | CodeOf | None, classes: tuple[type, ...], is_kept: bool
) -> Snapshot | None:
    match code:
        case CodeOf.CLASSES:
            return snapshot_of_classes(classes) if is_kept else None
        case Snapshot() | None:
            return code
        case _:
            return snapshot_of(os.fspath(code))


@asynccontextmanager
async def _on_record(environment: Environment, journal: Journal) -> AsyncIterator[InFlight | None]:
    """Open the record of running code for the block. The end of the block records that no try was lost."""
    await trio.lowlevel.checkpoint()
    if environment.in_flight is not None or journal.directory is None:
        yield environment.in_flight
        return
    in_flight = InFlight.open(journal.directory.root)
    try:
        yield in_flight
    finally:
        if in_flight is not None:
            in_flight.close()


@asynccontextmanager
async def _observed(telemetry: str | SpanExporter | None, environment: Environment) -> AsyncIterator[Observer | None]:
    await trio.lowlevel.checkpoint()
    if telemetry is None:
        yield None
        return
    require("otel")
    from actors.telemetry.exporters import open_observer

    async with open_observer(telemetry, environment) as observer:
        yield observer


def _user() -> str:
    try:
        return plain_text(getpass.getuser(), MAX_NAME)  # a user's environment may raise anything
    except (KeyError, OSError):
        return "unknown"
