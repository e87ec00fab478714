"""Finds an application's own modules by reading their sources, without importing anything."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from actors.errors import DefinitionError, DefinitionReason
from actors.model.classes import definitions_in
from actors.values.snapshot import MAX_BYTES, MAX_FILES, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SITES = ("site-packages", "dist-packages")
_OWN_NAMES = ("actors", "journal", "cli", "playhead")
_PLAYHEAD = [Path(__file__).resolve().parents[2] / name for name in _OWN_NAMES]
_NO_DATA = (".py", ".pyc", ".pyi")


def snapshot_of(app: str | Path) -> Snapshot:
    """Return the code of ``file.py`` or ``package.module``. Raises :class:`DefinitionError` and ``LimitExceededError``."""
    name, root = entry_of(str(app))
    return _Finder([(name, root)]).snapshot((name,))


def snapshot_of_classes(classes: Iterable[type]) -> Snapshot | None:
    """Return the code of these classes; None if it could not be loaded again, because a class has no file (a prompt, a
    program's text) or was made inside a function."""
    wanted = list(classes)
    places: dict[str, tuple[str, Path]] = {}
    for cls in wanted:
        place = _place_of(cls)
        if place is None:
            return None
        places[cls.__module__] = place
    entries = _entries(wanted, places)
    return _Finder(list(places.values())).snapshot(tuple(sorted(entries)))


def entry_of(app: str) -> tuple[str, Path]:
    """Return the name of the application's module, and the folder that contains its first part. Raises
    :class:`DefinitionError`."""
    if app.endswith(".py"):
        path = Path(app).absolute()
        if not path.is_file():
            raise DefinitionError(f"there is no file {app}", reason=DefinitionReason.SOURCE, name=app)
        _refuse_own_name(path.stem, path)
        return path.stem, path.parent
    for folder in [Path.cwd(), *map(Path, sys.path)]:
        if _is_there(folder, app):
            return app, folder.absolute()
    raise DefinitionError(
        f"there is no module {app!r}; name a file as path/to/app.py", reason=DefinitionReason.SOURCE, name=app
    )


def _refuse_own_name(top: str, path: Path) -> None:
    if top in _OWN_NAMES and not _is_playheads(path):
        raise DefinitionError(
            f"{path} has the name of playhead's own package {top!r}, so 'import {top}' could mean either: rename it",
            reason=DefinitionReason.SOURCE,
            name=str(path),
        )


def _is_there(root: Path, module: str) -> bool:
    at = root.joinpath(*module.split("."))
    return at.with_suffix(".py").is_file() or (at / "__init__.py").is_file()


def _place_of(cls: type) -> tuple[str, Path] | None:
    """Return the module's name, and the folder that contains its first part; None if the class could not be loaded
    again."""
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if "<locals>" in cls.__qualname__:
        return None
    if module is None or file is None or not str(file).endswith(".py") or not Path(file).is_file():
        return None
    path = Path(file).absolute()
    if cls.__module__ == "__main__":
        return path.stem, path.parent
    levels = cls.__module__.count(".") + (path.name == "__init__.py")
    return cls.__module__, path.parents[levels]


def _entries(classes: list[type], places: dict[str, tuple[str, Path]]) -> list[str]:
    """Return module names if every class of the modules is served, else the names of the classes."""
    shown: list[Any] = [cls for name in places for cls in definitions_in(sys.modules[name])]
    if set(shown) == set(classes):
        return [name for name, _ in places.values()]
    return [f"{places[cls.__module__][0]}:{cls.__qualname__}" for cls in classes]


@attrs.frozen
class _SourceModule:
    name: str
    path: Path
    relative: str

    @property
    def package(self) -> str:
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


class _Finder:
    """Follows imports from the entries. ``places`` are modules, each with the folder that contains its first part."""

    def __init__(self, places: list[tuple[str, Path]]) -> None:
        self._roots: dict[str, Path] = {}
        self._folders: list[Path] = []
        self._waiting: list[str] = []
        self._found: dict[str, _SourceModule] = {}
        self._files: dict[str, bytes] = {}
        self._bytes = 0
        for name, root in places:
            top = name.partition(".")[0]
            self._roots[top] = root
            if not (root / top).is_dir() and root.name not in _SITES:
                self._folders.append(root)  # a plain module: its neighbours belong to the application too
            self._waiting.append(name)

    def snapshot(self, entries: tuple[str, ...]) -> Snapshot:
        """Return the snapshot of everything found."""
        while self._waiting and not self._is_too_much:
            self._visit(self._waiting.pop())
        for package in [m for m in self._found.values() if m.path.name == "__init__.py"]:
            self._add_data_of(package)
        return Snapshot(entries, dict(sorted(self._files.items()))).check_limits()

    def _visit(self, name: str) -> None:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            prefix = ".".join(parts[:length])
            if prefix in self._found:
                continue
            module = self._locate(prefix)
            if module is not None:
                self._found[prefix] = module
                self._keep(module.relative, module.path)
                self._waiting += _imports_of(module, self._files[module.relative])

    def _locate(self, name: str) -> _SourceModule | None:
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names:
            return None
        for root in [self._roots[top]] if top in self._roots else self._folders:
            relative = name.replace(".", "/")
            for candidate in (f"{relative}/__init__.py", f"{relative}.py"):
                path = root / candidate
                if path.is_file() and not _is_playheads(path):
                    _refuse_own_name(top, path)
                    return _SourceModule(name, path, candidate)
        return None

    def _add_data_of(self, package: _SourceModule) -> None:
        for path in sorted(_data_files(package.path.parent)):
            if self._is_too_much:
                return
            inside = path.relative_to(package.path.parent).as_posix()
            self._keep(f"{package.name.replace('.', '/')}/{inside}", path)

    def _keep(self, relative: str, path: Path) -> None:
        content = path.read_bytes()
        self._bytes += len(content)
        self._files[relative] = content

    @property
    def _is_too_much(self) -> bool:
        return len(self._files) > MAX_FILES or self._bytes > MAX_BYTES


def _is_playheads(path: Path) -> bool:
    resolved = path.resolve()
    return any(folder in resolved.parents for folder in _PLAYHEAD)


def _data_files(folder: Path) -> Iterator[Path]:
    """Yield the files other than Python in a package's folder, and in subfolders that are not packages."""
    for path in folder.iterdir():
        if path.name.startswith((".", "__pycache__")) or path.is_symlink():
            continue
        if path.is_file() and path.suffix not in _NO_DATA:
            yield path
        elif path.is_dir() and not (path / "__init__.py").exists() and not (path / "HOLDER").exists():
            yield from _data_files(path)


def _imports_of(module: _SourceModule, source: bytes) -> list[str]:
    """Return every module name that the source's imports may mean; a file that is not valid Python has none."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base_of(module, node)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")]
        elif isinstance(node, ast.Call):
            names += _imported_by_name(node)
    return [name.strip(".") for name in names if name.strip(".")]


def _base_of(module: _SourceModule, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    parents = module.package.split(".")
    base = ".".join(parents[: len(parents) - (node.level - 1)])
    return f"{base}.{node.module}" if node.module else base


def _imported_by_name(call: ast.Call) -> list[str]:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    first = call.args[0] if call.args else None
    if name not in ("import_module", "__import__") or not isinstance(first, ast.Constant):
        return []
    value: object = first.value
    return [value] if isinstance(value, str) and not value.startswith(".") else []
