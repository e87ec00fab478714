"""The applications that an engine can run: its own classes, and older code that is loaded on demand."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from actors.code.loading import OnLoad, load, unload
from actors.code.served_globals import ServedGlobals
from actors.core.deployments import Deployment, Deployments
from actors.core.limits import Names
from actors.errors import BrokenDeploymentError, NotFoundError, ResourceKind
from actors.model.app import App
from actors.model.definitions import Definition, HandlerDefinition
from actors.system import SYSTEM_CLASSES
from actors.system.code import read_code
from actors.values.names import is_system
from actors.values.retries import RetryPolicy, delay_seconds
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from actors.environment import Offload
    from actors.values.snapshot import Snapshot
    from journal.log.protocol import Journal

log = SafeLogger(__name__)

LATEST = "latest"
"""The word for the deployment that new work runs on, in place of an id."""

LOAD_TRIES = 5
"""How many times code is loaded, within about eight seconds, before the invocations on it are paused."""

_LOAD_POLICY = RetryPolicy(initial_delay=0.5, max_delay=60.0)


@attrs.frozen
class LoadFailure:
    """A failed load: the error, the number of tries, and the time by trio's clock at which the next try may begin."""

    error: BrokenDeploymentError
    tries: int
    again_at: float


class CodeRegistry:
    """An :class:`App` for each loaded deployment.

    ``served`` are the runtime's classes and ``served_as`` their deployment; if that is empty, new work belongs to no deployment.
    ``latest`` is what new invocations run on: as the registry says, once it is loaded. Code is written to the data directory, or
    to a temporary folder. ``on_load`` gets each module that is loaded.
    """

    def __init__(
        self, served: App, *, served_as: Snapshot | None, offload: Offload, on_load: OnLoad | None = None
    ) -> None:
        self.served = served
        self.on_load = on_load
        self._globals = ServedGlobals(served_as, served)
        self.served_as = self.latest = "" if served_as is None else served_as.deployment
        self.registered = Deployments()
        self._apps: dict[str, App] = {"": served, self.served_as: served}
        self.newest = served
        """The application that new invocations run on."""
        self.new_work = NewWork(self.for_new_work)
        self._loaded: set[str] = set()
        self._known: set[str] = set()
        self._superseded: set[str] = set()
        self._starts_as = served_as
        self._source: Journal
        self._offload = offload
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._turns: defaultdict[str, trio.Lock] = defaultdict(trio.Lock)
        self._failures: dict[str, LoadFailure] = {}
        self._latest_failed = trio.Event()

    def __enter__(self) -> CodeRegistry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for deployment in self._loaded:
            unload(deployment)
        if self._temporary is not None:
            self._temporary.cleanup()

    def read_from(self, source: Journal) -> None:
        """Set the source of the rows that contain the code of deployments."""
        self._source = source

    def pinned_to(self, service: str) -> str:
        """Return the deployment of a new invocation of the service. Built-in services run on the runtime's own code."""
        return "" if is_system(service) else self.latest

    def names_of(self, service: str, handler: str) -> Names:
        """Return all names of a class and of its handler in the newest code; the given ones if it has none of this name."""
        try:
            definition, found = self.newest.handlers[service, handler]
        except NotFoundError:
            return Names((service,), (handler,))
        return Names(definition.names, found.names)

    def for_new_work(self, service: str) -> tuple[str, App]:
        """Return the deployment of a new invocation of the service, as :meth:`pinned_to` does, and its application."""
        return ("", self.served) if is_system(service) else (self.latest, self.newest)

    def find(self, deployment: str, service: str) -> App | None:
        """Return the application that runs invocations of the service on this deployment, or None if it is not loaded."""
        return self.served if is_system(service) else self._apps.get(deployment)

    def resolve(self, wanted: str, service: str) -> str:
        """Return the id of a deployment; ``latest`` stands for the id of the latest one. Raises :class:`NotFoundError`."""
        if is_system(service):
            raise NotFoundError(
                f"{service} is built in and always runs on the server's own code", kind=ResourceKind.DEPLOYMENT
            )
        if wanted == LATEST:
            return self.latest
        if wanted != self.served_as:
            self.registered.find(wanted)
        return wanted

    def kept_for_restart(self, deployment: str) -> str:
        """Return the deployment for a restart that keeps this one: the same, or the latest if it has been pruned or, in
        development, replaced by a later save."""
        is_there = not deployment or deployment == self.served_as or self.registered.has(deployment)
        return deployment if is_there and deployment not in self._superseded else self.latest

    def supersede(self, deployment: str) -> None:
        """Let restarts of invocations on this deployment use the latest one. Invocations on it stay there."""
        self._superseded.add(deployment)

    @property
    def is_settled(self) -> bool:
        """Whether registering the served code would change nothing."""
        return self.registered.latest == self.latest

    def is_loaded(self, deployment: str) -> bool:
        """Report whether the deployment's code is in memory."""
        return deployment in self._apps

    async def try_out(self, snapshot: Snapshot) -> None:
        """Load code that is not registered yet. Raises :class:`BrokenDeploymentError`."""
        async with self._turns[snapshot.deployment]:
            if snapshot.deployment not in self._apps:
                await self._load(snapshot)

    async def load(self, deployment: str) -> App:
        """Return the application of the deployment, loading it if necessary. Raises :class:`BrokenDeploymentError`.

        Code that has just failed is not executed again during its delay; the same error is raised.
        """
        async with self._turns[deployment]:
            app = self._apps.get(deployment)
            if app is not None:
                return app
            failure = self._failures.get(deployment)
            if failure is not None and trio.current_time() < failure.again_at:
                raise failure.error
            try:
                app = await self._load(read_code(self._source, self._source.partitions, deployment))
            except BrokenDeploymentError as error:
                self._note_failure(deployment, error)
                raise
            self._failures.pop(deployment, None)
            return app

    async def load_patiently(self, deployment: str) -> App:
        """Return the application of the deployment, retrying failed loads. Raises :class:`BrokenDeploymentError` when
        all tries have failed."""
        while True:
            try:
                return await self.load(deployment)
            except BrokenDeploymentError:
                failure = self._failures[deployment]
                if failure.tries >= LOAD_TRIES:
                    raise
            await trio.sleep_until(failure.again_at)

    def look_at_globals(self, deployment: str) -> None:
        """Log what the program has set in served modules since the deployment was loaded, and not in its copies of them."""
        self._globals.look_again(deployment, trio.current_time())

    def note_on(self, error: BaseException) -> str:
        """Return what a record of the error should say about the code that raised it, if that was loaded: the globals that it read and
        that are not set as in the served code. Empty if there are none."""
        return self._globals.note_on(error)

    def failure_of(self, deployment: str) -> LoadFailure | None:
        """Return the failure of the deployment's last load, or None."""
        return self._failures.get(deployment)

    async def _load(self, snapshot: Snapshot) -> App:
        loaded = await self._offload(lambda: load(snapshot, *self._folders(), on_load=self.on_load))
        self._loaded.add(snapshot.deployment)
        await self._offload(lambda: self._globals.watch(loaded))
        app = self._apps[snapshot.deployment] = App(loaded.classes, system=SYSTEM_CLASSES)
        return app

    def _note_failure(self, deployment: str, error: BrokenDeploymentError) -> None:
        before = self._failures.get(deployment)
        tries = 1 if before is None else before.tries + 1
        seconds = delay_seconds(_LOAD_POLICY, tries, jitter=1.0)
        self._failures[deployment] = LoadFailure(error, tries, trio.current_time() + seconds)
        # The traceback once: it would be the same for each of thousands of invocations, and at each try.
        traceback = f"\n{error.traceback.rstrip()}" if before is None and error.traceback else ""
        log.error("%s (try %d; the next one in %.1f seconds)%s", error, tries, seconds, traceback)

    async def trust(self) -> None:
        """Apply the registry's state, now that it contains the served code."""
        self._starts_as = None
        await self.obey(self.registered)

    async def obey(self, registered: Deployments) -> None:
        """Apply the registry's state. While the latest code cannot be loaded, ``latest`` stays the same, and the load
        is retried.

        Until the served code is registered, it counts as registered, so that no new work begins on older code.
        """
        self.registered = registered
        if self._starts_as is not None:
            registered = registered.served(_record_of(self._starts_as))
        self._drop_pruned()
        if self.served_as and registered.latest:
            await self._take_latest(registered.latest)

    async def _take_latest(self, latest: str) -> None:
        try:
            await self.load(latest)
        except BrokenDeploymentError:
            log.warning("%s cannot be loaded; new work runs on %s", latest, self.latest)
            self._latest_failed.set()
        else:
            self.latest, self.newest = latest, self._apps[latest]
            self.new_work.clear()

    async def retry_latest(self) -> None:
        """Retry loading the latest code while that fails, with growing delays. Runs forever."""
        while True:
            await self._latest_failed.wait()
            self._latest_failed = trio.Event()
            failure = self._failures.get(self.registered.latest)
            if failure is not None:
                await trio.sleep_until(failure.again_at)
                await self.obey(self.registered)

    def _drop_pruned(self) -> None:
        gone = self._known - {one.id for one in self.registered.known} - {"", self.served_as, self.latest}
        self._known = {one.id for one in self.registered.known}
        for deployment in gone & self._apps.keys():
            del self._apps[deployment]
            self._loaded.discard(deployment)
            self._globals.forget(deployment)
            unload(deployment)

    def _folders(self) -> tuple[Path, Path]:
        """Return the folder where code is written, first as the path for access, then as the path for users."""
        directory = self._source.directory
        if directory is not None:
            directory.check()
            return directory.root / "code", directory.path / "code"
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="playhead-code-")
        return Path(self._temporary.name), Path(self._temporary.name)


class NewWork(dict[tuple[str, str], tuple[str, App, Definition, HandlerDefinition]]):
    """The code for new invocations, by service and handler: the deployment, its application, the class and the handler. Each is found
    when it is first asked for, and again after the latest deployment has changed; raises ``NotFoundError``."""

    def __init__(self, for_service: Callable[[str], tuple[str, App]]) -> None:
        super().__init__()
        self._for_service = for_service

    def __missing__(self, names: tuple[str, str]) -> tuple[str, App, Definition, HandlerDefinition]:
        deployment, app = self._for_service(names[0])
        found = self[names] = deployment, app, *app.handlers[names]
        return found


def _record_of(snapshot: Snapshot) -> Deployment:
    return Deployment(
        id=snapshot.deployment,
        entries=snapshot.entries,
        files=len(snapshot.files),
        size=snapshot.size,
        registered_at=0.0,
        registered_by="",
    )
