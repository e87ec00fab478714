"""The glossary and the sources use the same words: every class of the inner folders has its word there, and no word is unused."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.wording import ROOT

GLOSSARY = ROOT / "docs" / "glossary.md"
FOLDERS = ("actors/core", "actors/replay", "actors/engine", "actors/query", "actors/control", "actors/rows", "journal")
UNIONS = ("actors/core/commands.py", "actors/core/effects.py", "journal/events.py")
"""Each class here is a command, an effect or an event, or a part of one, and is named for what it says."""

PLAIN = frozenset(
    {
        "action",
        "calls",
        "check",
        "checker",
        "class",
        "client",
        "clock",
        "code",
        "column",
        "constant",
        "content",
        "context",
        "damaged",
        "deployment",
        "deployments",
        "directory",
        "entry",
        "error",
        "event",
        "events",
        "file",
        "handle",
        "info",
        "invocations",
        "items",
        "job",
        "jobs",
        "kind",
        "location",
        "logger",
        "missing",
        "mode",
        "names",
        "object",
        "objects",
        "page",
        "partition",
        "query",
        "queries",
        "reason",
        "request",
        "result",
        "row",
        "rows",
        "second",
        "service",
        "services",
        "set",
        "signal",
        "signals",
        "source",
        "status",
        "step",
        "steps",
        "table",
        "task",
        "thread",
        "threads",
        "type",
        "ulids",
        "verb",
        "verbs",
        "value",
    }
)
"""Words that mean here what they mean everywhere, or that the first table has."""


@cache
def words() -> list[str]:
    """The words of the glossary, in order, without what separates them."""
    rows = re.findall(r"^\| (\*\*.+?) \|", GLOSSARY.read_text(), re.MULTILINE)
    return [word for row in rows for word in re.findall(r"\*\*(.+?)\*\*", row)]


def classes() -> list[str]:
    found = []
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            if str(file.relative_to(ROOT)) in UNIONS:
                continue
            tree = ast.parse(file.read_text())
            found += [node.name for node in tree.body if isinstance(node, ast.ClassDef) and not _is_error(node)]
    return [name for name in found if not name.startswith("_")]


def _is_error(node: ast.ClassDef) -> bool:
    return any(re.search(r"Error|Exception|Failed|Unavailable", base) for base in map(ast.unparse, node.bases))


def _spoken(name: str) -> list[str]:
    """``WaitCycle`` as ``wait cycle``, and every end of it."""
    parts = [part.lower() for part in re.findall(r"[A-Z][a-z]+|[A-Z]+(?![a-z])", name)]
    return [" ".join(parts[at:]) for at in range(len(parts))]


def test_every_inner_class_has_its_word_in_the_glossary() -> None:
    known = {word.lower() for word in words()} | PLAIN
    known |= {f"{word}s" for word in known}
    missing = [name for name in classes() if not known & set(_spoken(name))]
    assert missing == [], "name them by a word of docs/glossary.md, or add the word there"


def test_no_word_has_two_entries() -> None:
    assert sorted(words()) == sorted(set(words()))


def test_no_word_is_without_a_use() -> None:
    text = " ".join(
        re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", file.read_text()).lower()
        for package in ("actors", "journal", "cli")
        for file in (ROOT / package).rglob("*.py")
    )
    assert [word for word in words() if not re.search(rf"\b{re.escape(word.lower())}", text)] == []
