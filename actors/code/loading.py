"""Loads several deployments side by side in one process. ::

    sys.modules   dep_ab12….app, dep_ab12….app.orders      one package for each deployment
                  dep_cd34….app, dep_cd34….app.orders
    source        import app.orders ── __import__ of the module ──► its own deployment's app.orders
                  import json       ───────────────────────────────► the installed module

Each deployment is a package named by its id, so ``app`` of one is ``dep_ab12….app`` in ``sys.modules``, and code that looks up a
class's module finds the right one. The sources do not know this: their modules have an ``__import__`` of their own, for which an
absolute name of the application means that deployment's module, also inside a function.

Invariant: no name outside ``dep_….`` is added to ``sys.modules``, and the finder answers for no other name, so code outside the
deployments is not affected, and unloading one only deletes its package.

Prior art: ``importlib``'s finders and specs, and the class loaders of OSGi. Alternatives refused: a process for each deployment,
since an object's exclusive handlers on different code must take turns in one loop; and swapping ``sys.modules`` around each call,
which breaks as soon as a handler waits.

A module is a copy: its globals are as its import leaves them. ``on_load`` of the runtime gets each one right after it was executed,
before another module imports from it, and may set what the program's start sets in the served module.
"""

from __future__ import annotations

import builtins
import importlib
import os
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Coroutine
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from actors.code.loop_starts import EventLoopStarted, no_loop_starts
from actors.errors import ActorError, BrokenDeploymentError, DefinitionError, DefinitionReason
from actors.model.classes import definition_of, definitions_in, forget_definition
from actors.values.loaded_code import LoadedCode, note_loaded, note_unloaded
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actors.values.snapshot import Snapshot

log = SafeLogger(__name__)

OnLoad: TypeAlias = "Callable[[str, Any], object]"
"""Gets the name of a module of the application, as the application imports it, and the copy of the module."""

_lock = threading.Lock()
_turns: dict[str, threading.RLock] = {}
_loaded: dict[str, Loaded] = {}
_users: Counter[str] = Counter()


class Loaded:
    """A deployment in ``sys.modules``: its classes, and the finder that its imports use."""

    def __init__(self, snapshot: Snapshot, folder: Path, shown_as: Path, on_load: OnLoad | None = None) -> None:
        """Prepare the deployment without executing it. ``folder`` is the directory of its files, ``shown_as`` the path
        for tracebacks and ``__file__``."""
        self.deployment = snapshot.deployment
        self.files = snapshot.files
        self.own_names = snapshot.own_names
        self.entries = tuple(entry.partition(":")[0] for entry in snapshot.entries)
        self.classes: tuple[type, ...] = ()
        self._prefix = f"{snapshot.deployment}."
        self._folder = shown_as
        self._reached = folder
        self._on_load = on_load
        self._builtins = {**vars(builtins), "__import__": self._import}

    def install(self) -> None:
        """Make the deployment's modules importable."""
        parent = ModuleType(self.deployment, "One deployment of the application.")
        parent.__path__ = [str(self._folder)]
        sys.modules[self.deployment] = parent
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Remove the deployment's modules."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name in [n for n in sys.modules if n == self.deployment or n.startswith(self._prefix)]:
            del sys.modules[name]
        for cls in self.classes:
            forget_definition(cls)

    def module(self, name: str) -> ModuleType:
        """Return a module as this deployment's code sees it."""
        is_own = name.partition(".")[0] in self.own_names
        return importlib.import_module(self._prefix + name if is_own else name)

    def modules(self) -> dict[str, ModuleType]:
        """Return the modules that have been executed, by the names by which the application imports them."""
        return {
            name.removeprefix(self._prefix): module
            for name, module in list(sys.modules.items())
            if name.startswith(self._prefix) and isinstance(module.__loader__, _Loader)
        }

    def use_hook(self, on_load: OnLoad) -> None:
        """Give all modules to the hook of one more runtime, and those that are executed later. Raises
        :class:`BrokenDeploymentError`."""
        self._on_load = on_load
        for module in self.modules().values():
            self._give(module)

    def execute(self, module: ModuleType, loader: _Loader) -> None:
        """Execute a module of this deployment, and give it to the hook. Raises what the module raises, and
        :class:`BrokenDeploymentError` if it starts an event loop or the hook fails."""
        module.__dict__["__builtins__"] = self._builtins
        try:
            with no_loop_starts(loader.path):
                loader.execute(module)
        except EventLoopStarted as start:
            guard = 'put it under: if __name__ == "__main__":'
            name = module.__name__.removeprefix(self._prefix)
            if name not in self.entries or not start.is_at_the_end_of(loader.source):
                raise BrokenDeploymentError(
                    f"the code of {self.deployment} cannot be loaded beside the served code: {start}; {guard}. Resume what runs on it on the "
                    "latest deployment",
                    deployment=self.deployment,
                    traceback="".join(traceback.format_exception(start)),
                ) from start
            log.warning("%s of %s was loaded without its last statement: %s; %s", name, self.deployment, start, guard)
        self._give(module)

    def _give(self, module: ModuleType) -> None:
        if self._on_load is None:
            return
        name = module.__name__.removeprefix(self._prefix)
        try:
            returned = self._on_load(name, module)
            if isinstance(returned, Coroutine):
                returned.close()
                raise TypeError("it is an async function; it must be a plain one")  # noqa: TRY301 - told as its other errors are
        except Exception as error:
            what = traceback.format_exception_only(error)[-1].strip()
            raise BrokenDeploymentError(
                f"on_load of the runtime failed for module {name!r} of {self.deployment}: {what}",
                deployment=self.deployment,
                traceback="".join(traceback.format_exception(error)),
            ) from error

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Return the spec of a module of this deployment, or None for any other name
        (``importlib.abc.MetaPathFinder``)."""
        if not fullname.startswith(self._prefix):
            return None
        at = fullname.removeprefix(self._prefix).replace(".", "/")
        for candidate, places in ((f"{at}/__init__.py", [str(self._folder / at)]), (f"{at}.py", None)):
            if candidate in self.files:
                file = str(self._folder / candidate)
                loader = _Loader(self, fullname, file, str(self._reached / candidate))
                return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=places)
        if any(known.startswith(f"{at}/") for known in self.files):
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(self._folder / at)]
            return spec
        return None

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        if level == 0 and top == "importlib" and (not fromlist or name == top):
            builtins.__import__(name)
            return _Importlib(self)
        if level > 0 or top not in self.own_names:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        found = builtins.__import__(self._prefix + name, globals, locals, fromlist or (), 0)
        return found if fromlist else sys.modules[self._prefix + top]


class _Importlib(ModuleType):
    """``importlib`` as the modules of a deployment see it: ``import_module`` with the name of an application module
    returns that deployment's module."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__("importlib", importlib.__doc__)
        self._playhead_loaded = loaded

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib, name)

    def import_module(self, name: str, package: str | None = None) -> ModuleType:
        """Import a module as ``importlib.import_module`` does."""
        if name.startswith("."):
            return importlib.import_module(name, package)
        return self._playhead_loaded.module(name)


class _Loader(SourceFileLoader):
    """Compiles from the source at every load and writes no cache, since a cached file could be stale."""

    def __init__(self, loaded: Loaded, fullname: str, path: str, reached: str) -> None:
        super().__init__(fullname, path)
        self._loaded = loaded
        self._reached = reached

    @property
    def source(self) -> bytes:
        """The source of the module."""
        return self.get_data(self._reached)

    def get_code(self, fullname: str) -> Any:
        return self.source_to_code(self.source, self.path)

    def exec_module(self, module: ModuleType) -> None:
        self._loaded.execute(module, self)

    def execute(self, module: ModuleType) -> None:
        """Execute the module, as :meth:`Loaded.execute` needs it."""
        super().exec_module(module)


def load(snapshot: Snapshot, cache: Path, shown_as: Path | None = None, *, on_load: OnLoad | None = None) -> Loaded:
    """Load the deployment, executing it if it is not loaded yet. Its sources are written below ``cache``; ``shown_as``
    is the path of that folder for users, if it differs. ``on_load`` gets each module. Each call needs an :func:`unload`.

    Raises :class:`BrokenDeploymentError` with the traceback if the code or ``on_load`` fails; then none of it stays loaded.
    """
    with _turn_of(snapshot.deployment):
        with _lock:
            known = _loaded.get(snapshot.deployment)
        if known is not None:
            if on_load is not None:
                known.use_hook(on_load)
            with _lock:
                _users[snapshot.deployment] += 1
            return known
        loaded = _execute(snapshot, cache, shown_as or cache, on_load)
        with _lock:
            _loaded[snapshot.deployment] = loaded
            _users[snapshot.deployment] = 1
            note_loaded(snapshot.deployment, LoadedCode(loaded.own_names, loaded.entries))
        return loaded


def _turn_of(deployment: str) -> threading.RLock:
    """Return the lock that is held while the deployment's code is executed, by one thread at a time. Code that never
    ends does not block other deployments."""
    with _lock:
        return _turns.setdefault(deployment, threading.RLock())


def _execute(snapshot: Snapshot, cache: Path, shown_as: Path, on_load: OnLoad | None) -> Loaded:
    try:
        loaded = Loaded(snapshot, _lay_out(snapshot, cache), shown_as / snapshot.deployment, on_load)
    except OSError as error:
        raise BrokenDeploymentError(
            f"the code of {snapshot.deployment} cannot be written below {shown_as}: {error}",
            deployment=snapshot.deployment,
        ) from error
    loaded.install()
    try:
        loaded.classes = _classes_of(loaded, snapshot.entries)
    except BaseException as error:
        loaded.remove()
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise  # Control-C is for the program; in another thread, the code itself has raised it
        if isinstance(error, BrokenDeploymentError) and error.deployment == snapshot.deployment:
            raise
        raise _broken(snapshot, error) from error
    return loaded


def unload(deployment: str) -> None:
    """Release the deployment. Its modules are removed once every caller of :func:`load` has released it."""
    with _lock:
        if deployment not in _loaded:
            return
        _users[deployment] -= 1
        if not _users[deployment]:
            _loaded.pop(deployment).remove()
            note_unloaded(deployment)


def _classes_of(loaded: Loaded, entries: tuple[str, ...]) -> tuple[type, ...]:
    found: dict[type, None] = {}
    for entry in entries:
        name, _, qualname = entry.partition(":")
        module = loaded.module(name)
        for cls in [_named(module, qualname)] if qualname else definitions_in(module):
            definition_of(cls)
            found[cls] = None
    if not found:
        raise DefinitionError(
            f"{', '.join(entries)} defines no Actor, Service or Workflow with handlers",
            reason=DefinitionReason.SOURCE,
            name=", ".join(entries),
        )
    return tuple(found)


def _named(module: ModuleType, qualname: str) -> type:
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part)
    cls: type = found
    return cls


def _lay_out(snapshot: Snapshot, cache: Path) -> Path:
    """Write the files that are missing or differ. Returns their folder."""
    folder = cache / snapshot.deployment
    for relative, content in snapshot.files.items():
        path = folder / relative
        if path.is_file() and path.read_bytes() == content:
            continue
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    return folder


def _broken(snapshot: Snapshot, error: BaseException) -> BrokenDeploymentError:
    text = "".join(traceback.format_exception(error))
    what = traceback.format_exception_only(error)[-1].strip()
    hint = "" if isinstance(error, (ImportError, SyntaxError, ActorError)) else _IS_A_COPY
    return BrokenDeploymentError(
        f"the code of {snapshot.deployment} ({', '.join(snapshot.entries)}) cannot be imported: {what}{hint}",
        deployment=snapshot.deployment,
        traceback=text,
    )


_IS_A_COPY = (
    ". It was imported as a copy, beside the code that is served: if what failed can be done once in a process, such as registering a "
    "metric, look first whether it is done, or move it to a module that is not part of the deployment; see docs/deployments.md"
)
