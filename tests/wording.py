"""Every text of ours that a user or an operator reads, taken from the sources and from the surfaces that show it.

Messages are found in the syntax trees: each literal or f-string with at least two words that is no docstring, and each first argument
of an error. They are grouped by the error, the function of the log or of the terminal that they are given to, or else by the
function or constant that they stand in, so that moving a module changes nothing here. Where an f-string shows a name that its
function binds to texts, the texts stand in its place, with a bar between alternatives.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
from click.testing import CliRunner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).parents[1]
NOT_OURS = {"tests", "benchmarks", "examples"}

WIDTH = 80
"""The width of a terminal for which help is written."""

HOLE = re.compile(r"\{[^{}]*\}")
"""A place in a template that a value fills."""


def packages() -> list[Path]:
    """The folder of every package that is installed."""
    return sorted(path.parent for path in ROOT.glob("*/__init__.py") if path.parent.name not in NOT_OURS)


@cache
def sources() -> dict[Path, ast.Module]:
    """Their Python."""
    return {file: ast.parse(file.read_text()) for package in packages() for file in sorted(package.rglob("*.py"))}


@cache
def error_classes() -> frozenset[str]:
    """The names of every error class of ours, by inheritance within the sources."""
    bases: dict[str, set[str]] = {}
    for tree in sources().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases.setdefault(node.name, set()).update(_last_name(base) for base in node.bases)
    found: set[str] = set()
    while new := {name for name, above in bases.items() if name not in found and _are_errors(above, found)}:
        found |= new
    return frozenset(found)


def _are_errors(above: set[str], found: set[str]) -> bool:
    return any(name in found or name == "Exception" or name.endswith(("Error", "Exception")) for name in above)


# Messages.


LOG_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
TERMINAL = {"out", "err", "echo", "print"}
TRANSPARENT = {"join", "tuple", "list", "safe", "str", "removesuffix", "removeprefix", "strip", "replace"}
"""Calls that pass a text on: whom the text is for, the call around them tells."""

OF_HELP = {"argument", "option", "command", "group", "version_option", "Column", "ResultColumn"}
"""What is given to these is shown by ``--help`` or ``--tables``."""

NO_PROSE = {
    "cast",
    "TypeVar",
    "NewType",
    "compile",
    "execute",
    "search",
    "match",
    "fullmatch",
    "sub",
    "split",
    "namedtuple",
}

_TWO_WORDS = re.compile(r"[A-Za-z}][a-z')}]*[,;:]? [{(]?[A-Za-z]")
_CODE = re.compile(
    r"\s*(SELECT|CREATE|PRAGMA|WITH|INSERT|DELETE|UPDATE|DROP|ATTACH)\b|^\s*(def|class|import|from|if|return) \S+.*[:(]"
)


@attrs.frozen(order=True)
class Entry:
    """A text and what it belongs to: the section of the file, and within it an error class, a verb or a function."""

    section: str
    group: str
    text: str


def messages() -> list[Entry]:
    """Every message in the sources, sorted, each once."""
    return sorted({entry for tree in sources().values() for entry in _messages_in(tree)})


def _messages_in(tree: ast.Module) -> Iterator[Entry]:
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        place = _place_of(node, parents) if _is_text(node) and not _is_shown_within(node, parents) else None
        if place is None:
            continue
        text = template_of(node, _texts_bound(node, parents)).strip()
        section, group, is_message = place
        if text and not _CODE.match(text) and (is_message or _TWO_WORDS.search(text)):
            yield Entry(section, group, text.replace("\n", "\\n"))


def _is_shown_within(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Whether the text is a part of another one, which shows it."""
    above = parents.get(node)
    if isinstance(above, ast.IfExp) and _is_choice_of_texts(above):
        return _is_shown_within(above, parents)
    match above:
        case ast.Assign(targets=[ast.Name(id=name)]):
            function = _function_around(node, parents)
            return name in _texts_bound(node, parents) and any(_shows(each, name) for each in ast.walk(function))
        case _:
            return _is_text(above) or isinstance(above, ast.FormattedValue)


def _shows(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name) and node.value.id == name


def _is_text(node: ast.AST | None) -> bool:
    match node:
        case ast.JoinedStr() | ast.Constant(value=str()):
            return True
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _is_text(left) or _is_text(right)
        case _:
            return False


def _place_of(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> tuple[str, str, bool] | None:
    """The section and the group of a text, and whether it is a message even if it is one word; None if it is none of the texts."""
    child, above = node, parents.get(node)
    group = ""
    while above is not None:
        match above:
            case ast.Expr() | ast.Assert() | ast.Compare() | ast.Subscript() | ast.MatchValue() if child is node:
                return None
            case ast.AnnAssign(annotation=annotation) if annotation is child:
                return None
            case ast.arg() | ast.keyword(arg="help" | "short_help" | "metavar" | "epilog"):
                return None
            case ast.FunctionDef() | ast.AsyncFunctionDef() if above.returns is child or child in above.decorator_list:
                return None
            case ast.Call(func=func, args=args) if child is not func and not group:
                name = _last_name(func)
                if name in OF_HELP or name in NO_PROSE:
                    return None
                if name in error_classes() or (name.endswith(("Error", "Exception")) and name[0].isupper()):
                    return "errors", name, bool(args) and args[0] is child and child is node
                if name in LOG_LEVELS and isinstance(func, ast.Attribute):
                    return "log", name, False
                if name in TERMINAL:
                    return "terminal", name, False
                if name not in TRANSPARENT:
                    group = f"{name}()"
            case ast.ClassDef(name=name) if name in error_classes():
                return "errors", name, False
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                group = group or name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)) if isinstance(
                parents.get(above), ast.Module
            ):
                group = group or name
        child, above = above, parents.get(above)
    return "other texts", group or "module", False


def _last_name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value) | ast.Call(func=value):
            return _last_name(value)
        case _:
            return ""


def _texts_bound(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> dict[str, ast.expr]:
    """The names that the function around a text binds once, to a text or to a choice of texts."""
    bound: dict[str, list[ast.expr]] = {}
    for each in ast.walk(_function_around(node, parents)):
        match each:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                bound.setdefault(name, []).append(value)
    return {name: values[0] for name, values in bound.items() if len(values) == 1 and _is_choice_of_texts(values[0])}


def _function_around(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> ast.AST:
    """The function that a text stands in; the text itself if it stands in none."""
    above = parents.get(node)
    while above is not None and not isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef):
        above = parents.get(above)
    return node if above is None else above


def _is_choice_of_texts(node: ast.AST) -> bool:
    match node:
        case ast.IfExp(body=body, orelse=orelse):
            return _is_choice_of_texts(body) and _is_choice_of_texts(orelse)
        case _:
            return _is_text(node)


def template_of(node: ast.AST, bound: Mapping[str, ast.expr]) -> str:
    """A text with each value that it shows in braces, by its last name."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(template_of(value, bound) for value in values)
        case ast.FormattedValue(value=value):
            return template_of(value, bound)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return template_of(left, bound) + template_of(right, bound)
        case ast.IfExp(body=body, orelse=orelse) if _is_choice_of_texts(node):
            return f"{{{_flat(body, bound)}|{_flat(orelse, bound)}}}"
        case ast.Name(id=name) if name in bound:
            rest = {key: value for key, value in bound.items() if key != name}
            return template_of(bound[name], rest)
        case _:
            return f"{{{_last_name(node).lstrip('_') or '…'}}}"


def _flat(node: ast.AST, bound: Mapping[str, ast.expr]) -> str:
    """A text within a choice: braces do not nest."""
    return template_of(node, bound).replace("{", "<").replace("}", ">")


def pattern_of(template: str) -> re.Pattern[str] | None:
    """What finds a message that was made from a template; None if the template has less than two words of its own."""
    pieces = HOLE.split(template.replace("\\n", "\n"))
    if len(re.findall(r"[A-Za-z]{2,}", " ".join(pieces))) < 2:
        return None
    return re.compile(".*".join(map(re.escape, pieces)), re.DOTALL)


# What commands and tables say of themselves.


@cache
def root_command() -> click.Group:
    """The command under which all others are: the one group that is called ``root``."""
    (file,) = (file for file, tree in sources().items() if any(map(_is_root, tree.body)))
    root: click.Group = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts)).root
    return root


def _is_root(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.FunctionDef)
        and node.name == "root"
        and any(_last_name(decorator) == "group" for decorator in node.decorator_list)
    )


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command and group with the words that call it, as deep as there are any."""
    yield from _commands_under(root_command(), ("playhead",))


def _commands_under(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=words[-1])
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _commands_under(below, (*words, name))


def shown_by(*arguments: str) -> str:
    """What a command prints in a terminal of :data:`WIDTH` columns."""
    result = CliRunner().invoke(
        root_command(), arguments, prog_name="playhead", terminal_width=WIDTH, max_content_width=WIDTH
    )
    assert result.exit_code == 0, result.output
    return result.output.rstrip()


def helps() -> dict[str, str]:
    """The help of every command, by the words that call it, and the description of every SQL table."""
    shown = {" ".join(words): shown_by(*words[1:], "--help") for words, _ in commands()}
    return shown | {"playhead sql --tables": shown_by("sql", "--tables")}


def described(document: Any) -> Iterator[tuple[str, str]]:
    """What an OpenAPI document says of operations and models, in words."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"{method.upper()} {path}", operation["summary"]
    yield "the document", document["info"]["description"]
    for name, schema in document["components"]["schemas"].items():
        for where, text in _descriptions(schema):
            yield f"{name}{where}", text


def _descriptions(schema: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(schema.get("description"), str):
        yield where, " ".join(schema["description"].split())
    for name, field in schema.get("properties", {}).items():
        yield from _descriptions(field, f"{where}.{name}")


# The console.


_MARKUP = re.compile(r"<!--.*?-->|</?(?:[a-zA-Z]|\{)[^<>]*>|<//>", re.DOTALL)
_SHOWN_ATTRIBUTES = re.compile(r"""\b(?:title|placeholder|aria-label|alt|label)="([^"]+)\"""")
_LETTERS = re.compile(r"[A-Za-z]{2}")


def console_texts() -> list[Entry]:
    """Every text in the console's own modules, by module."""
    files = [file for file in ROOT.glob("*/**/static/**/*.js") if _is_own_module(file)]
    return sorted({Entry("console", file.name, text) for file in files for text in texts_of_module(file.read_text())})


def _is_own_module(file: Path) -> bool:
    folders = file.relative_to(ROOT).parts
    return folders[0] not in NOT_OURS and not folders[0].startswith(".") and "vendor" not in folders


def texts_of_module(source: str) -> Iterator[str]:
    """The prose in a module of JavaScript: strings of two words and more, and what markup shows."""
    for kind, text in _literals(source):
        plain = " ".join(text.split())
        if kind != "html":
            if _TWO_WORDS.search(plain) and not _CODE.match(plain):
                yield plain
            continue
        for shown in _SHOWN_ATTRIBUTES.findall(text):
            yield " ".join(shown.split())
        for shown in _MARKUP.split(text):
            words = " ".join(shown.split())
            if _LETTERS.search(HOLE.sub("", words)):
                yield words


_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<regex>(?:(?<=[=(,:!&|?\[;{}>])\s*|(?<=return)\s+)/(?![/*])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*)
      | (?P<tick>`)
      | (?P<open>\{)
      | (?P<close>\})""",
    re.DOTALL | re.VERBOSE,
)


def _literals(source: str) -> Iterator[tuple[str, str]]:
    """Strings and templates with their tags; what stands in a template's holes is found by itself."""
    pieces: list[tuple[str, str]] = []
    _scan_code(source, 0, pieces)
    yield from pieces


def _scan_code(source: str, at: int, pieces: list[tuple[str, str]]) -> int:
    """Read code up to the brace that closes it; answers where it ends."""
    depth = 0
    while (found := _TOKEN.search(source, at)) is not None:
        at = found.end()
        match found.lastgroup:
            case "string":
                pieces.append(("string", found.group().strip()[1:-1]))
            case "tick":
                tag = "html" if source[: found.start()].endswith("html") else "template"
                at = _scan_template(source, at, tag, pieces)
            case "open":
                depth += 1
            case "close" if depth == 0:
                return at
            case "close":
                depth -= 1
    return len(source)


def _scan_template(source: str, at: int, tag: str, pieces: list[tuple[str, str]]) -> int:
    text = ""
    while source[at] != "`":
        if source.startswith("${", at):
            start = at + 2
            at = _scan_code(source, start, pieces)
            text += f"{{{_hole_name(source[start : at - 1])}}}"
        else:
            length = 2 if source[at] == "\\" else 1
            text += source[at : at + length]
            at += length
    pieces.append((tag, text))
    return at + 1


def _hole_name(code: str) -> str:
    names = re.findall(r"[A-Za-z_]\w*", code)
    return names[-1] if re.fullmatch(r"[\w.]+", code.strip()) and names else "…"


# The files.


def render(entries: Iterable[Entry]) -> str:
    """Entries as a file: a heading a section, a group flush left, its texts below."""
    lines: list[str] = []
    section = group = ""
    for entry in entries:
        if entry.section != section:
            lines += ["", f"== {entry.section} =="]
            section, group = entry.section, ""
        if entry.group != group:
            lines += ["", entry.group]
            group = entry.group
        lines.append(f"  {entry.text}")
    return "\n".join(lines).strip() + "\n"


def render_helps(shown: Mapping[str, str], operations: Iterable[tuple[str, str]]) -> str:
    """Helps and descriptions as a file, each under the words that ask for it."""
    blocks = [f"== {words} ==\n\n{text}\n" for words, text in shown.items()]
    listed = "\n".join(f"{where}\n  {text}" for where, text in sorted(operations))
    return "\n".join([*blocks, f"== GET /openapi.json ==\n\n{listed}\n"])
