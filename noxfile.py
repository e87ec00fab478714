"""The checks in environments of their own: ``nox`` runs the tests on every Python version that is installed.

``nox -s tests-3.12 -- tests/core`` runs some of them on one version. A version that is not installed is skipped.
"""

from __future__ import annotations

import nox

PYTHONS = ("3.11", "3.12", "3.13")

nox.needs_version = ">=2024.4"
nox.options.sessions = ["tests", "base"]
nox.options.error_on_missing_interpreters = False


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the linters and the tests; words after ``--`` go to pytest."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests", *session.posargs)


@nox.session(python=PYTHONS)
def base(session: nox.Session) -> None:
    """Run an actor on the packages that the project requires, without any extra."""
    session.install(".")
    session.chdir(session.create_tmp())
    session.run("python", "-c", RUN_AN_ACTOR)


@nox.session
def changelog(session: nox.Session) -> None:
    """Show the changelog that a release would have, and check that this branch has a fragment."""
    session.install("towncrier>=24.8")
    session.run("towncrier", "check", "--compare-with", *(session.posargs or ["origin/main"]))
    session.run("towncrier", "build", "--draft", "--version", "next")


RUN_AN_ACTOR = """
import trio, actors

class Counter(actors.Actor):
    value: int = 0

    @actors.handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

async def main():
    async with actors.open_runtime(Counter, path="data") as runtime:
        assert await runtime.client.actor(Counter, "a").add(5) >= 5

trio.run(main)
"""
