"""Compares the globals of served modules with those of copies, to find what a program sets after the import and not in the copies.

A copy of a module is executed anew, so ``POOL = None`` is None in it even if the program has set ``POOL`` in the served module. No
record exists of a module's globals right after its import. What they were is read from the sources: a name that is bound once, to a
literal, had that value; a name that is bound nowhere had none; and an expression that is the same in both sources made an object of
the same type. A name that none of these decides is passed over: a warning without a cause is worse than none.
"""

from __future__ import annotations

import ast
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from actors.errors import TerminalError
from actors.values.error_groups import leaves_of
from actors.values.failures import frames_of
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from actors.code.loading import Loaded
    from actors.model.app import App
    from actors.values.snapshot import Snapshot

log = SafeLogger(__name__)

LOOK_SECONDS = 1.0
"""The least time between two looks at the globals of one deployment."""

_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_CONTAINERS = frozenset({list, dict, set, tuple, frozenset})
_MADE_BY_IMPORT = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)

_WHAT_TO_DO = "set it there with on_load of open_runtime, see docs/deployments.md"


class ServedGlobals:
    """The served modules, and the copies of them that are watched. ``app`` has the served classes."""

    def __init__(self, served_as: Snapshot | None, app: App) -> None:
        self._files: Mapping[str, bytes] = {} if served_as is None else served_as.files
        self._prefix = ""
        if served_as is not None:
            of_copy = f"{served_as.deployment}."
            is_copy = any(each.cls.__module__.startswith(of_copy) for each in app)
            self._prefix = of_copy if is_copy else ""
        self._copies: dict[str, _Copy] = {}

    def watch(self, loaded: Loaded) -> None:
        """Log what is not set in the copies that were just loaded, and look again later."""
        copy = self._copies[loaded.deployment] = _Copy(loaded)
        self._report(copy, from_outside=False)

    def forget(self, deployment: str) -> None:
        """Watch the deployment no longer."""
        self._copies.pop(deployment, None)

    def look_again(self, deployment: str, now: float) -> None:
        """Log what was set since, if the last look is long enough ago. Globals that the module's own functions set are left out, and so are containers:
        the copy may set them itself, when they are first needed."""
        copy = self._copies.get(deployment)
        if copy is not None and now - copy.looked_at >= LOOK_SECONDS:
            copy.looked_at = now
            self._report(copy, from_outside=True)

    def note_on(self, error: BaseException) -> str:
        """Return a note that names the globals of copies which the error's frames read and which are not set as in the served
        modules."""
        if not self._copies:
            return ""
        for leaf in leaves_of(error):
            if issubclass(type(leaf), TerminalError):
                continue
            for frame, _ in reversed(frames_of(leaf)):
                deployment, _, name = str(frame.f_globals.get("__name__", "")).partition(".")
                copy = self._copies.get(deployment)
                if copy is not None:
                    read = set(frame.f_code.co_names)
                    for module, unset in self._unset(copy).items():
                        names = [each for each in unset if each in read]
                        if names:
                            return (
                                f"it ran on {deployment}, in a copy of {name}; there {_listed(names)} of {module} {_is(names)} as at "
                                f"import, unlike in the served module: {_WHAT_TO_DO}"
                            )
        return ""

    def _report(self, copy: _Copy, *, from_outside: bool) -> None:
        for module, names in self._unset(copy, from_outside=from_outside).items():
            if module not in copy.reported:
                copy.reported.add(module)
                log.warning(
                    "%s: %s %s set after the import of module %s, but not in its copy of %s, on which earlier invocations run: %s",
                    copy.loaded.deployment,
                    _listed(names),
                    "was" if len(names) == 1 else "were",
                    module,
                    copy.loaded.deployment,
                    _WHAT_TO_DO,
                )

    def _unset(self, copy: _Copy, *, from_outside: bool = False) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, module in copy.loaded.modules().items():
            served, source = self._served(name)
            if served is None:
                continue
            now, then = vars(served), vars(module)
            differing = list(_differing(now, then))
            if differing:
                pair = copy.sources(name, source)
                names = [each for each in differing if pair.is_unset(each, now, then, from_outside=from_outside)]
                if names:
                    found[name] = sorted(names)
        return found

    def _served(self, name: str) -> tuple[types.ModuleType | None, bytes]:
        at = name.replace(".", "/")
        source = self._files.get(f"{at}.py", self._files.get(f"{at}/__init__.py"))
        if source is None:
            return None, b""
        main = sys.modules.get("__main__")
        if not self._prefix and Path(getattr(main, "__file__", None) or "").stem == name:
            return main, source
        return sys.modules.get(self._prefix + name), source


class _Copy:
    """A loaded deployment that is watched. ``reported`` are the modules of which the log has told."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.looked_at = 0.0
        self.reported: set[str] = set()
        self._sources: dict[str, _Sources] = {}

    def sources(self, name: str, served: bytes) -> _Sources:
        found = self._sources.get(name)
        if found is None:
            at = name.replace(".", "/")
            files = self.loaded.files
            copied = files.get(f"{at}.py", files.get(f"{at}/__init__.py", b""))
            found = self._sources[name] = _Sources(_Bindings.of(served), _Bindings.of(copied))
        return found


def _differing(now: Mapping[str, Any], then: Mapping[str, Any]) -> Iterator[str]:
    """Yield the globals that differ in type, value or length, or that only the first mapping has. Calls no code of the user."""
    for name, value in list(now.items()):
        if name.startswith("__") or isinstance(value, _MADE_BY_IMPORT):
            continue
        if name not in then or not _like(value, then[name]):
            yield name


def _like(one: Any, other: Any) -> bool:
    kind = type(one)
    if kind is not type(other):
        return kind not in _PLAIN | _CONTAINERS and _name_of(kind) == _name_of(type(other))
    if kind in _PLAIN:
        return bool(one == other)
    return kind not in _CONTAINERS or len(one) == len(other)


def _name_of(kind: type) -> tuple[str, str]:
    """Return the name of a class, the same for all copies of its module."""
    module = str(kind.__module__)
    return module.partition(".")[2] if module.startswith("dep_") else module, kind.__qualname__


@attrs.frozen
class _Sources:
    """What the sources of a served module and of its copy say about their globals."""

    served: _Bindings
    copied: _Bindings

    def is_unset(self, name: str, now: Mapping[str, Any], then: Mapping[str, Any], *, from_outside: bool) -> bool:
        """Report whether the global was set after the import of the served module, and is in the copy as at its import."""
        if from_outside and (name in self.copied.set_by_functions or type(then.get(name)) in _CONTAINERS):
            return False  # a cache fills up
        if name not in then:
            return name in self.copied.mentioned and self.served.has_no(name) and self.copied.has_no(name)
        there, here = self.served.bound.get(name), self.copied.bound.get(name)
        if there is None or here is None:
            return False
        try:
            return not _like(now[name], ast.literal_eval(there)) and _like(then[name], ast.literal_eval(here))
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            is_same_expression = ast.dump(there) == ast.dump(here)
            return is_same_expression and _name_of(type(now[name])) != _name_of(type(then[name]))


@attrs.frozen
class _Bindings:
    """The names that a module binds. ``bound`` are those that one statement at its top level binds, with the expression;
    ``elsewhere`` are all others, ``set_by_functions`` those that a function declares as global, and ``mentioned`` all in the module."""

    bound: Mapping[str, ast.expr]
    elsewhere: frozenset[str]
    set_by_functions: frozenset[str]
    mentioned: frozenset[str]
    imports_any: bool

    @classmethod
    def of(cls, source: bytes) -> _Bindings:
        tree = ast.parse(source)
        bound: dict[str, ast.expr] = {}
        elsewhere: set[str] = set()
        for statement in tree.body:
            names = list(_bound_in(statement))
            value = _value_of(statement)
            for name in names:
                if value is None or len(names) > 1 or name in bound or name in elsewhere:
                    bound.pop(name, None)
                    elsewhere.add(name)
                else:
                    bound[name] = value
        declared: set[str] = set()
        mentioned: set[str] = set()
        imports_any = False
        for node in ast.walk(tree):
            match node:
                case ast.Global(names=names):
                    declared.update(names)
                case ast.Name(id=name):
                    mentioned.add(name)
                case ast.alias(name="*"):
                    imports_any = True
                case _:
                    pass
        return cls(bound, frozenset(elsewhere), frozenset(declared), frozenset(mentioned), imports_any)

    def has_no(self, name: str) -> bool:
        """Report whether the module's own statements do not bind the name."""
        return not self.imports_any and name not in self.bound and name not in self.elsewhere


def _value_of(statement: ast.stmt) -> ast.expr | None:
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        return statement.value if isinstance(target, ast.Name) else None
    return None


def _bound_in(node: ast.AST) -> Iterator[str]:
    """Yield the names that the node binds in its own scope."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
            return
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return
        case ast.AnnAssign(value=None):
            return
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.alias(name=name, asname=asname):
            yield asname or name.partition(".")[0]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        yield from _bound_in(child)


def _listed(names: list[str]) -> str:
    return ", ".join(names)


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
