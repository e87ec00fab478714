"""The whole engine dies fifty times, by SIGKILL and by power cuts, under a bit of everything; nothing acknowledged is lost.

Between deaths the store is read as it lies there: a step whose outcome is in it must never begin again. In the end everything
is let go on, and judged. ``CRASH_DEATHS`` raises the number of deaths, ``CRASH_INVOCATIONS`` the work between them,
``CRASH_SEED`` picks other moments.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from itertools import islice
from pathlib import Path
from random import Random

import attrs
import pytest

from tests.crash import judge
from tests.crash.bugs import BUGS
from tests.crash.workload import OPERATIONS_OF_A_LIFE
from tests.journal.shim import cut_power, note_as_synced, preloaded

DEATHS = int(os.environ.get("CRASH_DEATHS", "50"))
INVOCATIONS = int(os.environ.get("CRASH_INVOCATIONS", str(200 * DEATHS)))
SEED = int(os.environ.get("CRASH_SEED", "1"))
PATIENCE_SECONDS = 60.0
REPEATED = 40
"""Operations around the last acknowledged one that the next life asks for again."""

ROOT = Path(__file__).parents[2]


@attrs.define
class Lives:
    """One directory, and the processes that lived and died on it. ``broken`` is what went wrong with them themselves."""

    directory: Path
    ledger: Path
    power: bool
    random: Random
    bug: str = ""
    acknowledged: list[str] = attrs.field(factory=list)
    recorded: dict[str, int] = attrs.field(factory=dict)
    told: list[judge.Account] = attrs.field(factory=list)
    broken: list[str] = attrs.field(factory=list)
    count: int = 0

    @property
    def trace(self) -> Path:
        return self.directory.with_suffix(".trace")

    def live_and_die(self, acknowledgements: int) -> None:
        """Work until so many acknowledgements and a moment longer, then die at once."""
        self.count += 1
        if self.power and self.directory.exists():
            note_as_synced(self.directory, self.trace)
        first, last = self._to_repeat()
        process = self._start("work", str(self.directory), str(self.count), str(first), str(last))
        with process:
            assert process.stdout is not None
            assert process.stderr is not None
            patience = threading.Timer(PATIENCE_SECONDS, process.kill)
            patience.start()
            heard = list(islice(process.stdout, acknowledgements))
            time.sleep(self.random.random() * (0.02 if acknowledgements else 1.0))
            process.send_signal(signal.SIGKILL)
            heard += list(process.stdout)
            patience.cancel()
            said = process.stderr.read()
        if len(heard) < acknowledgements:
            self.broken.append(f"life {self.count} went silent, or died by itself: {said[-2000:]}")
        self.acknowledged += [line.rstrip("\n") for line in heard if line.endswith("\n")]
        if self.power:
            cut_power(self.directory, self.trace)
        self._note_recorded_steps()

    def finish(self) -> None:
        """Let everything end, and hear what the accounts say."""
        with self._start("finish", str(self.directory), bug=self.bug and BUGS[self.bug].to_the_end) as process:
            out, said = process.communicate(timeout=PATIENCE_SECONDS)
        *told, last = out.splitlines() or [""]
        if last != "finished":
            self.broken.append(f"what was left could not be finished: {said[-2000:]}")
        self.told = [judge.Account(*json.loads(line)) for line in told]

    def wrongs(self) -> list[str]:
        """Everything that is not as it was promised."""
        remains = judge.read(self.directory)
        ledger = self.ledger.read_text().splitlines()
        found = [*self.broken, *judge.wrongs(remains, self.acknowledged, self.recorded, ledger)]
        return [*found, *judge.wrongs_of_readers(remains, self.told)]

    def _to_repeat(self) -> tuple[int, int]:
        numbers = [int(line.split(" ")[1]) for line in self.acknowledged]
        if not numbers:
            return 0, 0
        latest = max(numbers)
        return max(latest - REPEATED, latest // OPERATIONS_OF_A_LIFE * OPERATIONS_OF_A_LIFE), latest + REPEATED

    def _start(self, *words: str, bug: bool | str = True) -> subprocess.Popen[str]:
        patience = "3" if self.bug else str(PATIENCE_SECONDS / 2)
        environment = {"CRASH_LEDGER": str(self.ledger), "PYTHONPATH": str(ROOT), "CRASH_PATIENCE": patience}
        if self.bug and bug:
            environment["CRASH_BUG"] = self.bug
        is_traced = self.power and words[0] == "work"
        around = preloaded(self.directory, trace=self.trace) if is_traced else dict(os.environ)
        command = [sys.executable, "-m", "tests.crash.workload", *words]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=around | environment, text=True, cwd=ROOT
        )

    def _note_recorded_steps(self) -> None:
        """Remember how long the ledger was when the outcomes that are on disk now were."""
        length = len(self.ledger.read_text().splitlines())
        for key in judge.recorded_steps(self.directory):
            self.recorded.setdefault(key, length)


def lives_on(path: Path, *, power: bool, bug: str = "") -> Lives:
    lives = Lives(path / "data", path / "ledger", power, Random(f"{SEED} {power} {bug}"), bug)
    lives.ledger.touch()
    return lives


@pytest.mark.parametrize("power", [False, True], ids=["killed", "power-cut"])
def test_everything_acknowledged_happens_once_however_often_the_process_dies(tmp_path: Path, power: bool) -> None:
    lives = lives_on(tmp_path, power=power)
    for death in range(DEATHS):
        # One in six dies while it starts.
        is_early = death % 6 == 5
        lives.live_and_die(0 if is_early else lives.random.randrange(1, 3 * INVOCATIONS // DEATHS))
    lives.finish()
    found = lives.wrongs()
    assert not found, f"seed {SEED}: {len(found)} wrongs, the first: {found[:5]}"
    remains = judge.read(lives.directory)
    events = sum(len(stream.events) for stream in remains.streams)
    print(
        f"{DEATHS} {'power cuts' if power else 'kills'}: {len(remains.rows)} invocations, {events} events, "
        f"{len(lives.acknowledged)} acknowledgements, {len(lives.recorded)} outcomes of steps, none wrong; seed {SEED}"
    )
    assert len(remains.rows) >= INVOCATIONS
    shutil.rmtree(lives.directory)


@pytest.mark.parametrize("name", BUGS)
def test_an_engine_that_breaks_one_of_its_promises_is_found_out(tmp_path: Path, name: str) -> None:
    bug = BUGS[name]
    lives = lives_on(tmp_path, power=bug.power, bug=name)
    for _ in range(3):
        lives.live_and_die(300)
    lives.finish()
    found = lives.wrongs()
    assert any(re.search(bug.shows, wrong) for wrong in found), f"{len(found)} wrongs, none of them this: {found[:5]}"
