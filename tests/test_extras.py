"""What an installation needs: seven packages to run an actor, and an extra, by its name, for everything else."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from actors.extras import EXTRAS
from playhead.packages import COMMAND_LINE
from tests.terminal import ROOT
from tests.test_house import ALL, imports_of, libraries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

OF_TRIO = {"outcome", "sniffio"}
"""Packages that trio depends on."""
BASE = {"attrs", "cattrs", "cronsim", "msgspec", "rocksdict", "trio", "tzdata"} | OF_TRIO
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED_BY = {
    "client": "actors.http.client",
    "server": "actors.http.server",
    "sql": "actors.query.sql",
    "cli": "cli",
    "mcp": "actors.integrations.mcp",
    "openai": "actors.integrations.openai",
    "anthropic": "actors.integrations.anthropic",
    "postgres": "journal.replicated.postgres",
    "objects": "journal.replicated.objects",
    "otel": "actors.telemetry",
    "pydantic-ai": "actors.integrations.pydantic_ai",
    "openai-agents": "actors.integrations.openai_agents",
    "langgraph": "actors.integrations.langgraph",
}
"""The folder that may import the packages of an extra. Above it, all may."""
ALSO = {
    "client": {"actors.control.local.webhooks"},  # actors.control.local.notifications requires the extra first
    "server": {
        "actors.cluster.connections",  # actors.journals requires the extra first
        "actors.http.problems",  # for type checkers only
    },
    "otel": {"actors.runtime"},  # likewise
}
NEVER_REQUIRED = {"anyio", "pydantic", "pydantic_core", "sqlalchemy", "structlog", "typing_extensions"}
"""Looked up in what an application has imported, or imported for type checkers only."""


INSTALLED_AS = {"pydantic_ai": "pydantic-ai-slim", "agents": "openai-agents", "langchain_core": "langchain-core"}


def tops(packages: Iterable[str]) -> set[str]:
    return {package.partition(".")[0] for package in packages}


def names_in(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[><=~ ]", text)[0] for text in requirements}


def test_extras_in_the_code_are_those_of_the_project() -> None:
    declared = PROJECT["optional-dependencies"]
    assert {extra: names_in(declared[extra]) - {"playhead"} for extra in EXTRAS} == {
        extra: {INSTALLED_AS.get(package, package.replace(".", "-")) for package in packages}
        for extra, packages in EXTRAS.items()
    }
    assert {*COMMAND_LINE} == {package for extra in ("client", "server", "sql", "cli") for package in EXTRAS[extra]}
    assert names_in(PROJECT["dependencies"]) == BASE - OF_TRIO


def test_the_readme_lists_every_extra_and_every_required_package() -> None:
    readme = (ROOT / "README.md").read_text()
    assert {*re.findall(r"`playhead\[([\w-]+)\]`", readme)} == {*PROJECT["optional-dependencies"]}
    alone = next(line for line in readme.splitlines() if line.startswith("`pip install .` alone installs"))
    assert {*re.findall(r"\w+", alone.partition(":")[2].partition(".")[0])} - {"and"} == BASE - OF_TRIO


def test_no_dependency_is_pinned_to_one_version() -> None:
    required = [
        *PROJECT["dependencies"],
        *(text for texts in PROJECT["optional-dependencies"].values() for text in texts),
    ]
    assert [text for text in required if "==" in text] == []


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_package_of_an_extra_is_imported_where_it_is_required(extra: str) -> None:
    room = NEEDED_BY[extra]
    importing = {module for module in ALL if libraries(imports_of(module)) & tops(EXTRAS[extra])}
    outside = {module for module in importing if not f"{module}.".startswith(f"{room}.")}
    assert outside <= ALSO.get(extra, set())


def test_nothing_else_is_imported() -> None:
    known = BASE | {top for packages in EXTRAS.values() for top in tops(packages)} | {*sys.stdlib_module_names}
    imported = {library for module in ALL for library in libraries(imports_of(module))}
    assert imported - known - NEVER_REQUIRED - {"playhead"} == set()


def without(folder: Path, *packages: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process in which none of the packages is installed, as far as it can see."""
    hidden = f"import sys; sys.modules.update(dict.fromkeys({packages!r})); sys.path.insert(0, {str(ROOT)!r})\n"
    return subprocess.run([sys.executable, "-c", hidden + code], cwd=folder, capture_output=True, text=True, timeout=60)


RUN_AN_ACTOR = """
import trio, actors

class Counter(actors.Actor):
    value: int = 0

    @actors.handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

async def main():
    async with actors.open_runtime(Counter, path="data", durability="os") as runtime:
        print(await runtime.client.actor(Counter, "a").add(5))
        print(len(await runtime.client.invocations()))
        try:
            await runtime.client.query("select 1")
        except ImportError as missing:
            print(missing.extra, missing.missing)

trio.run(main)
for asked in ("actors.connect('http://127.0.0.1')", "__import__('actors.http.server.app')"):
    try:
        eval(asked)
    except ImportError as missing:
        print(missing.extra, missing.missing)
"""


def test_an_actor_runs_on_the_base_packages_and_the_rest_names_its_extra(tmp_path: Path) -> None:
    ran = without(tmp_path, *COMMAND_LINE, code=RUN_AN_ACTOR)
    assert ran.stdout.splitlines() == [
        "5",
        "1",
        "sql ('apsw',)",
        "client ('httpx2',)",
        "server ('h11',)",
    ], ran.stderr


@pytest.mark.parametrize("package", ["click", "rich", "apsw"])
def test_the_command_says_how_to_install_what_it_needs(package: str, tmp_path: Path) -> None:
    ran = without(
        tmp_path, package, code="sys.argv = ['playhead', '--help']\nfrom playhead.__main__ import main\nmain()"
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert package in ran.stderr
    assert "pip install 'playhead[cli]'" in ran.stderr
