"""The applications that an engine can run: the classes that it was given, and older code, loaded when it is needed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from actors.core.deployments import Deployment, Deployments
from actors.core.errors import UnknownDeploymentError
from actors.core.names import is_system
from actors.deployments.loading import load, unload
from actors.engine.app import App
from actors.system import SYSTEM_CLASSES
from actors.system.code import read_code

if TYPE_CHECKING:
    from types import TracebackType

    from actors.deployments.snapshot import Snapshot
    from actors.engine.world import Offload
    from actors.listing import RowSource

LATEST = "latest"
"""What may be said instead of a deployment's id: the one that new work takes."""


class Applications:
    """An :class:`App` for each deployment that is loaded.

    ``served`` are the classes that the runtime was given, ``served_as`` the deployment that they are; empty: none, and then
    what is accepted is pinned to nothing. ``latest`` is what new invocations take: as the registry says, as soon as it is
    loaded. Code is laid out below ``cache``, or in a folder that goes with the runtime.
    """

    def __init__(self, served: App, *, served_as: Snapshot | None, offload: Offload, cache: Path | None) -> None:
        self.served = served
        self.served_as = self.latest = "" if served_as is None else served_as.deployment
        self.registered = Deployments()
        self._apps: dict[str, App] = {"": served, self.served_as: served}
        self._loaded: set[str] = set()
        self._known: set[str] = set()
        self._starts_as = served_as
        self._source: RowSource
        self._offload = offload
        self._cache = cache
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._one_at_a_time = trio.Lock()

    def __enter__(self) -> Applications:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for deployment in self._loaded:
            unload(deployment)
        if self._temporary is not None:
            self._temporary.cleanup()

    def read_from(self, source: RowSource) -> None:
        """Where the code of deployments is kept."""
        self._source = source

    @property
    def newest(self) -> App:
        """What new invocations run on."""
        return self._apps[self.latest]

    def pinned_to(self, service: str) -> str:
        """The deployment that a new invocation of the service takes. What is built in runs on the code that runs."""
        return "" if is_system(service) else self.latest

    def find(self, deployment: str, service: str) -> App | None:
        """The application that an invocation runs on, if it is loaded."""
        return self.served if is_system(service) else self._apps.get(deployment)

    def resolve(self, wanted: str, service: str) -> str:
        """The deployment that somebody means. Raises :class:`UnknownDeploymentError`."""
        if is_system(service):
            raise UnknownDeploymentError(f"{service} is built in and always runs on the code that runs")
        if wanted == LATEST:
            return self.latest
        if wanted != self.served_as:
            self.registered.find(wanted)
        return wanted

    @property
    def is_settled(self) -> bool:
        """Whether the registry says already what it will say once what is served is registered."""
        return self.registered.latest == self.latest

    def is_loaded(self, deployment: str) -> bool:
        """Whether its code is in memory."""
        return deployment in self._apps

    async def try_out(self, snapshot: Snapshot) -> None:
        """Load code that is not registered yet. Raises :class:`BrokenDeploymentError`."""
        async with self._one_at_a_time:
            if snapshot.deployment not in self._apps:
                await self._load(snapshot)

    async def load(self, deployment: str) -> App:
        """The application, executed if it is not there yet. Raises :class:`BrokenDeploymentError`."""
        async with self._one_at_a_time:
            app = self._apps.get(deployment)
            if app is None:
                app = await self._load(read_code(self._source, deployment))
            return app

    async def _load(self, snapshot: Snapshot) -> App:
        loaded = await self._offload(lambda: load(snapshot, self._folder()))
        self._loaded.add(snapshot.deployment)
        app = self._apps[snapshot.deployment] = App(loaded.classes, system=SYSTEM_CLASSES)
        return app

    async def trust(self) -> None:
        """What is served is registered by now."""
        self._starts_as = None
        await self.obey(self.registered)

    async def obey(self, registered: Deployments) -> None:
        """Go by what the registry says from now on. Raises :class:`BrokenDeploymentError`, and ``latest`` stays.

        What is served is taken for registered from the start, so that nothing new begins on older code meanwhile.
        """
        self.registered = registered
        if self._starts_as is not None:
            registered = registered.served(_record_of(self._starts_as))
        self._drop_pruned()
        if self.served_as and registered.latest:
            await self.load(registered.latest)
            self.latest = registered.latest

    def _drop_pruned(self) -> None:
        gone = self._known - {one.id for one in self.registered.known} - {"", self.served_as, self.latest}
        self._known = {one.id for one in self.registered.known}
        for deployment in gone & self._apps.keys():
            del self._apps[deployment]
            self._loaded.discard(deployment)
            unload(deployment)

    def _folder(self) -> Path:
        if self._cache is not None:
            return self._cache
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="playhead-code-")
        return Path(self._temporary.name)


def _record_of(snapshot: Snapshot) -> Deployment:
    return Deployment(
        id=snapshot.deployment,
        entries=snapshot.entries,
        files=len(snapshot.files),
        size=snapshot.size,
        registered_at=0.0,
        registered_by="",
    )
