"""ARCHITECTURE, CONTRIBUTING and SECURITY are true: what they name exists, and the folders import what the picture says.

``python -m pytest tests/test_documents.py --rewrite`` writes the list of arrows.
"""

from __future__ import annotations

import ast
import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.terminal import ROOT
from tests.test_house import ARROWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCUMENTS = ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "changelog.d/README.md")
FOLDERS = (
    "actors",
    "cli",
    "journal",
    "playhead",
    "tests",
    "docs",
    "examples",
    "benchmarks",
    ".ci",
    ".github",
    "changelog.d",
)
NAME = re.compile(r"`([\w./-]+\.py)::([\w.]+)`")
PATH = re.compile(rf"`((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./+-]*)`")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_name_in_a_document_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    missing = [f"{file}::{name}" for file, name in NAME.findall(text) if name not in names_in(ROOT / file)]
    missing += [path for path in PATH.findall(text) if not (ROOT / path).exists()]
    assert missing == []


def test_the_architecture_names_where_a_cancel_happens() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    cancel = text.partition("## A cancel")[2].partition("\n## ")[0]
    assert len(NAME.findall(cancel)) >= 15
    assert all(f"**{word}:**" in cancel for word in ("Decided", "Recorded", "Carried out"))


def names_in(file: Path) -> set[str]:
    """What is defined in a module, also in its classes: ``decide``, ``Machine.decide``."""
    return set(_defined(ast.parse(file.read_text()).body, "")) if file.exists() else set()


def _defined(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name
            case ast.ClassDef(name=name, body=below):
                yield prefix + name
                yield from _defined(below, f"{prefix}{name}.")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name


BLOCK = re.compile(r"(<!-- arrows: .*? -->\n).*?(<!-- end of arrows -->)", re.DOTALL)


def test_the_architecture_has_the_arrows_of_the_house(request: pytest.FixtureRequest) -> None:
    file = ROOT / "ARCHITECTURE.md"
    text = file.read_text()
    rows = "".join(
        f"| `{room}` | {', '.join(f'`{name}`' for name in below.split())} |\n" for room, below in ARROWS.items()
    )
    table = f"| folder or module | imports |\n| --- | --- |\n{rows}"
    expected = BLOCK.sub(lambda found: f"{found[1]}\n{table}\n{found[2]}", text)
    if request.config.getoption("--rewrite"):
        file.write_text(expected)
        text = expected
    assert text == expected, "run: python -m pytest tests/test_documents.py --rewrite"


KINDS = [one["directory"] for one in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]["type"]]
FRAGMENT = re.compile(rf"(?:\d+|\+[a-z0-9-]+)\.(?:{'|'.join(KINDS)})\.md")


def test_changelog_fragments_have_a_kind_and_a_sentence() -> None:
    fragments = [file for file in (ROOT / "changelog.d").iterdir() if file.name != "README.md"]
    assert [file.name for file in fragments if not FRAGMENT.fullmatch(file.name)] == []
    texts = {file.name: file.read_text().strip() for file in fragments}
    assert [name for name, text in texts.items() if not (20 <= len(text) <= 600 and text.endswith("."))] == []


def test_the_workflow_runs_what_everybody_runs() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "run: .ci/run" in workflow
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = {text.rpartition(" ")[2] for text in project["classifiers"] if re.search(r":: 3\.\d+$", text)}
    assert {*re.findall(r'"(3\.\d+)"', workflow.partition("matrix:")[2].partition("steps:")[0])} == versions
    assert {*re.findall(r'"(3\.\d+)"', (ROOT / "noxfile.py").read_text())} == versions
