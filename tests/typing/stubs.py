"""The stubs of :mod:`actors.sync`, written from the source of the async classes.

``python -m tests.typing.stubs`` writes them; a test says when that is due.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HANDLES = ROOT / "actors" / "model" / "blocking_handles.pyi"
SYNC = ROOT / "actors" / "sync.pyi"
WRITTEN = "# Written by `python -m tests.typing.stubs` from the async classes; do not edit.\n"

CLIENTS = {
    "Client": "control/client.py",
    "ClusterClient": "control/cluster.py",
    "DeploymentClient": "control/deployments.py",
    "GateClient": "control/gates.py",
    "JobClient": "control/jobs.py",
    "JobHandle": "control/jobs.py",
    "JobSelection": "control/jobs.py",
    "LimitClient": "control/limits.py",
    "ObjectHandle": "control/objects.py",
    "NotificationClient": "control/notifications.py",
    "NotificationHandle": "control/notifications.py",
    "ScheduleClient": "control/schedules.py",
    "ScheduleHandle": "control/schedules.py",
}
_SAID_OTHERWISE = (
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bChunks\b", "Iterator[OutputChunk]"),
    (r"^(A|S|W)$", r"type[\1]"),  # what a class shows of a handler is what blocks
)

_OWN = """
    def within(self, timeout: Seconds | None) -> Client: ...
    def close(self) -> None: ...
    def __enter__(self) -> Client: ...
    def __exit__(self, *_: Any) -> None: ...
"""

_REST = """
def connect(
    url: str | None = None,
    *,
    path: str | os.PathLike[str] | None = None,
    token: str | None = None,
    user: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    answer_timeout: Seconds = 30.0,
    timeout: Seconds | None = None,
) -> Client: ...

class Runtime:
    @property
    def client(self) -> Client: ...
    @property
    def url(self) -> str | None: ...
    @property
    def unserved(self) -> tuple[UnservedClass, ...]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Runtime: ...
    def __exit__(self, *_: Any) -> None: ...
"""


def source_of(path: str) -> ast.Module:
    return ast.parse((ROOT / "actors" / path).read_text())


def class_in(path: str, name: str) -> ast.ClassDef:
    return next(node for node in source_of(path).body if isinstance(node, ast.ClassDef) and node.name == name)


def said(annotation: ast.expr | None) -> str:
    """What the stub says for an annotation of what is returned."""
    text = "None" if annotation is None else ast.unparse(annotation)
    for pattern, other in _SAID_OTHERWISE:
        text = re.sub(pattern, other, text)
    return text


def signature(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str = "") -> str:
    """The function, which waits now, without its body."""
    arguments = function.args
    for defaults in (arguments.defaults, arguments.kw_defaults):
        for at, default in enumerate(defaults):
            if default is not None and not isinstance(default, ast.Constant):
                defaults[at] = ast.Constant(...)
    return f"def {name or function.name}({ast.unparse(arguments)}) -> {said(function.returns)}: ..."


def members(cls: ast.ClassDef) -> Iterator[str]:
    """Attributes, then methods; of an overloaded one the overloads."""
    made = next((node for node in cls.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"), None)
    yield from _attributes(made)
    overloaded: set[str] = set()
    for node in cls.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or node.name.startswith("_"):
            continue
        marks = [ast.unparse(mark) for mark in node.decorator_list]
        if "overload" in marks:
            overloaded.add(node.name)
        elif node.name in overloaded:
            continue
        yield from (f"@{mark}" for mark in marks)
        yield signature(node)


def _attributes(made: ast.FunctionDef | None) -> Iterator[str]:
    if made is None:
        return
    given = {argument.arg: said(argument.annotation) for argument in (*made.args.args, *made.args.kwonlyargs)}
    for node in made.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Attribute)
            and isinstance(node.value, ast.Name)
        ):
            name = node.targets[0].attr
            if not name.startswith("_"):
                yield f"{name}: {given[node.value.id]}"


_READS = ("control/reads.py", "ReadClient")
"""The base of the client, whose members the stub has among its own."""


def stub_of(cls: ast.ClassDef) -> str:
    bases = "(Generic[R_co])" if any("Generic" in ast.unparse(base) for base in cls.bases) else ""
    return f"class {cls.name}{bases}:\n" + "".join(f"    {line}\n" for line in members(cls))


def imports(paths: Iterable[str], text: str) -> str:
    """What the sources import of what the text names."""
    own = set(re.findall(r"^class (\w+)", text, re.MULTILINE))
    lines: set[str] = set()
    for path in paths:
        here = "actors." + path.removesuffix(".py").replace("/", ".")
        for node in ast.walk(source_of(path)):
            if isinstance(node, ast.ClassDef) and node.name not in own and _names(text, node.name):
                lines.add(f"from {here} import {node.name}")
            if isinstance(node, ast.ImportFrom) and node.module != "__future__":
                names = [alias.name for alias in node.names if alias.name not in own and _names(text, alias.name)]
                lines |= {f"from {node.module} import {name}" for name in names}
            elif isinstance(node, ast.Import):
                lines |= {f"import {alias.name}" for alias in node.names if _names(text, alias.name)}
    return "\n".join(sorted(lines)) + "\n"


def _names(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def variables(path: str, text: str) -> str:
    found = [ast.unparse(node) for node in source_of(path).body if isinstance(node, ast.Assign)]
    return "\n".join(line for line in found if "TypeVar(" in line and _names(text, line.partition(" ")[0])) + "\n"


def handles_stub() -> str:
    path = "model/handles.py"
    text = stub_of(class_in(path, "InvocationHandle"))
    extra = "from collections.abc import Iterator\nfrom actors.model.output import OutputChunk\n"
    known = variables(path, text)
    return written(f"{imports([path], known + text)}{extra}\n{known}\n{text}")


def sync_stub() -> str:
    paths = {*CLIENTS.values(), _READS[0]}
    text = "\n".join(
        stub_of(class_in(path, name)) + (_reads() + _OWN if name == "Client" else "") for name, path in CLIENTS.items()
    )
    opened = next(
        node
        for node in source_of("runtime.py").body
        if isinstance(node, ast.AsyncFunctionDef) and node.name == "open_runtime"
    )
    text += _REST + signature(opened).replace("Iterator[Runtime]", "Runtime")
    extra = (
        "from collections.abc import Iterator\n"
        "from actors.model.blocking_handles import InvocationHandle as InvocationHandle\n"
        "from actors.model.blocking_references import BlockingHandler as BlockingHandler\n"
        "from actors.model.output import OutputChunk\n"
    )
    known = variables("control/client.py", text)
    found = imports([*paths, "runtime.py"], known + text).replace(
        "from actors.model.handles import InvocationHandle\n", ""
    )
    return written(f"{found}{extra}\n{known}\n{text}")


def _reads() -> str:
    """The members of the client's base, for the body of the client."""
    return "".join(f"    {line}\n" for line in members(class_in(*_READS)))


def written(text: str) -> str:
    """As the formatter has it."""
    for command in (["check", "-q", "--fix-only", "--select", "I,F401"], ["format", "-q"]):
        run = [sys.executable, "-m", "ruff", *command, "--stdin-filename", "actors/stub.pyi", "-"]
        text = subprocess.run(run, cwd=ROOT, input=text, capture_output=True, text=True, check=True).stdout
    return WRITTEN + text


STUBS = {HANDLES: handles_stub, SYNC: sync_stub}

if __name__ == "__main__":
    for stub, make in STUBS.items():
        Path(stub).write_text(make())
