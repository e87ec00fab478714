"""A store that is damaged anywhere answers as before, or says so: by an error with a type, or by what the doctor finds.

``CRASH_DAMAGE`` raises the number of damages, ``CRASH_DAMAGE_SECONDS`` the time for them, ``CRASH_SEED`` picks others.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, deque
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from journal.kv.data_directory import DataDirectory
from journal.log.open import open_for_reading
from tests.crash.box import box
from tests.crash.damage import PATIENCE_SECONDS, Verdict
from tests.crash.lives import SEED, open_lives
from tests.crash.server import ROOT
from tests.data_copies import copied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

JUDGES = 2
UNSEEN = 100
"""Damages that a blind doctor may get away with."""

OPERATIONS = 30
"""Of the store that is damaged; after the first half of them it is kept as the older one."""


async def make_stores(folder: Path) -> None:
    """A store whose server was killed when it had nothing to do, the same one closed, and as it was once."""
    async with open_lives(folder) as lives:
        await lives.serve(range(OPERATIONS // 2))
        await lives.server.kill()
        copied(lives.directory, folder / "older")
        await lives.serve(range(OPERATIONS // 2, OPERATIONS))
        await marked(lives.directory)
        await lives.server.kill()
        copied(lives.directory, folder / "killed")
        await lives.serve(range(0))
        await lives.server.stop()
        copied(lives.directory, folder / "closed")


async def marked(directory: Path) -> None:
    """Wait until the file MARK says how far the store goes: the end of a log that is cut behind that is what a power cut leaves."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            reader, _ = open_for_reading(directory)
            try:
                if DataDirectory(directory).read_mark().sequence >= reader.reached():
                    return
            finally:
                reader.close()
            await trio.sleep(0.05)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all of them."""
    folder = tmp_path_factory.mktemp("stores")
    trio.run(make_stores, folder)
    return folder


@contextmanager
def judges(store: Path, older: Path, *kind: str, **environment: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that damage copies of the store."""
    command = [sys.executable, "-m", "tests.crash.damage", str(store), str(older), *kind]
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=os.environ | environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    bufsize=1,
                )
            )
            for _ in range(JUDGES)
        ]


def verdicts(judges: list[subprocess.Popen[str]], seeds: Iterable[int]) -> Iterator[tuple[int, Verdict]]:
    """What came of each damage; every judge has one at a time."""
    asked: deque[tuple[int, subprocess.Popen[str]]] = deque()

    def oldest() -> tuple[int, Verdict]:
        seed, judge = asked.popleft()
        assert judge.stdout is not None
        return seed, msgspec.json.decode(judge.stdout.readline(), type=Verdict)

    for number, seed in enumerate(seeds):
        if len(asked) == len(judges):
            yield oldest()
        judge = judges[number % len(judges)]
        assert judge.stdin is not None
        print(seed, file=judge.stdin)
        asked.append((seed, judge))
    while asked:
        yield oldest()


@pytest.mark.parametrize("state", ["killed", "closed"])
def test_damage_is_told_or_makes_no_difference(
    stores: Path, state: str, record_property: Callable[[str, object], None]
) -> None:
    damages = box("damage", goal=150, seconds=100, floor=20)
    seeds = (SEED * 1_000_000 + number for number in damages)
    tally: Counter[str] = Counter()
    with judges(stores / state, stores / "older") as both:
        for seed, verdict in verdicts(both, seeds):
            assert not verdict.is_silent, f"seed {seed}: {verdict}"
            assert not verdict.broken, f"seed {seed}: {verdict}"
            tally[verdict.kind] += 1
    record_property("reached", f"damages of a store that was {state}: {damages}; {dict(tally)}")


def test_a_doctor_that_is_blind_is_found_out(stores: Path) -> None:
    with judges(stores / "closed", stores / "older", "lose a row", CRASH_BLIND="yes") as both:
        assert any(verdict.is_silent for _, verdict in verdicts(both, range(UNSEEN)))
