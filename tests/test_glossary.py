"""The glossary and the sources use the same words.

Every class of the inner folders that another folder imports has its word there, and no word is unused. A class that only its own
folder uses is explained by its docstring, so the glossary need not define everyday words.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from typing import TYPE_CHECKING

from tests.wording import ROOT

if TYPE_CHECKING:
    from pathlib import Path

GLOSSARY = ROOT / "docs" / "glossary.md"
PACKAGES = ("actors", "journal", "cli")
FOLDERS = ("actors/core", "actors/replay", "actors/engine", "actors/query", "actors/control", "actors/rows", "journal")
UNIONS = ("actors/core/commands/", "actors/core/effects.py", "journal/events.py")
"""Each class here is a command, an effect or an event, or a part of one, and is named for what it says."""

PLAIN = """action check checker class client clock code column constant content context damaged directory entry error
file handle info items kind location logger missing mode names object page queries query reason result row
second set source status table task thread type ulids value"""
"""Words that mean here what they mean everywhere."""


@cache
def words() -> list[str]:
    """The words of the glossary, in order, without what separates them."""
    rows = re.findall(r"^\| (\*\*.+?) \|", GLOSSARY.read_text(), re.MULTILINE)
    return [word for row in rows for word in re.findall(r"\*\*(.+?)\*\*", row)]


def classes() -> list[str]:
    """The classes of the inner folders that another folder imports."""
    found = []
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            if str(file.relative_to(ROOT)).startswith(UNIONS):
                continue
            tree = ast.parse(file.read_text())
            defined = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and not _is_error(node)]
            found += [name for name in defined if _folders_that_import(_module(file), name) - {file.parent}]
    return [name for name in found if not name.startswith("_")]


def _folders_that_import(module: str, name: str) -> set[Path]:
    """Those that import the name from its module, or from a package above, which may pass it on."""
    parts = module.split(".")
    above = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return set().union(*(_importers().get((package, name), ()) for package in above))


@cache
def _importers() -> dict[tuple[str, str], set[Path]]:
    """The folders that import a name from a module, for types as well."""
    found: dict[tuple[str, str], set[Path]] = {}
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module is not None:
                    for alias in node.names:
                        found.setdefault((node.module, alias.name), set()).add(file.parent)
    return found


def _module(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _is_error(node: ast.ClassDef) -> bool:
    return any(re.search(r"Error|Exception|Failed|Unavailable", base) for base in map(ast.unparse, node.bases))


def _spoken(name: str) -> list[str]:
    """``WaitCycle`` as ``wait cycle``, and every end of it."""
    parts = [part.lower() for part in re.findall(r"[A-Z][a-z]+|[A-Z]+(?![a-z])", name)]
    return [" ".join(parts[at:]) for at in range(len(parts))]


def test_every_class_that_another_folder_imports_has_its_word() -> None:
    assert len(classes()) > 50
    known = {word.lower() for word in words()} | {*PLAIN.split()}
    known |= {f"{word}s" for word in known}
    missing = [name for name in classes() if not known & set(_spoken(name))]
    assert missing == [], "name them by a word of docs/glossary.md, or add the word there"


def test_each_part_of_the_glossary_is_in_alphabetical_order() -> None:
    for part in GLOSSARY.read_text().split("\n## ")[1:]:
        rows = [row.casefold() for row in re.findall(r"^\| \*\*(.+?)\*\*", part, re.MULTILINE)]
        assert rows == sorted(rows)


def test_no_word_has_two_entries() -> None:
    assert sorted(words()) == sorted(set(words()))


def test_no_word_is_without_a_use() -> None:
    text = " ".join(
        re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", file.read_text()).lower()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
    )
    assert [word for word in words() if not re.search(rf"\b{re.escape(word.lower())}", text)] == []
