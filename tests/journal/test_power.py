"""What was acknowledged survives the death of the process and of the machine.

Real processes die at moments that a seed picks, several times over one directory, and what they leave is opened with our
own code. A power cut is a kill after which every file loses what was never synced (``shim``); its limits are told there.
``POWER_DEATHS`` raises the number of deaths of each kind, ``POWER_SEED`` picks other moments.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from random import Random

import attrs
import pytest
import trio

from journal.errors import JournalError, StoreError
from journal.events import Recorded
from journal.ids import StreamId
from journal.kv.backup import restore_backup
from journal.kv.data_directory import DataDirectory
from journal.kv.store import Durability
from journal.log.kv_journal import KvJournal
from journal.log.open import open_journal
from tests.journal import writer
from tests.journal.shim import cut_power, note_as_synced, preloaded, shared_control

DEATHS = int(os.environ.get("POWER_DEATHS", "12"))
SEED = int(os.environ.get("POWER_SEED", "1"))
DEATHS_OF_A_DIRECTORY = 5
LONGEST_LIFE_COMMITS = 200
PATIENCE_SECONDS = 60.0
BOUNDARIES = DEATHS
IDENTITY_BOUNDARIES = 6
"""Before so many writes, syncs and renames a new directory does not say yet that it is a store."""

Acknowledged = dict[int, int]
"""By worker, the last commit that was acknowledged."""


@attrs.frozen
class Life:
    """A process that writes to a directory until it dies."""

    directory: Path
    environment: dict[str, str] = attrs.field(factory=lambda: dict(os.environ))

    def until(self, acknowledgements: int) -> Acknowledged:
        """Kill it when it has acknowledged so many commits; what it had acknowledged when it died."""
        with subprocess.Popen(
            writer.command("append", self.directory),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            cwd=writer.ROOT,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            patience = threading.Timer(PATIENCE_SECONDS, process.kill)
            patience.start()
            heard = list(islice(process.stdout, acknowledgements))
            process.kill()
            rest = list(process.stdout)
            patience.cancel()
            said = process.stderr.read().decode()
        assert len(heard) == acknowledgements, f"the writer went silent, or died by itself: {said}"
        return _acknowledged(heard + rest)

    def whole(self, commits: int) -> Acknowledged:
        """Let every worker make so many commits, if it comes that far."""
        done = subprocess.run(
            writer.command("append", self.directory, str(commits)),
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            env=self.environment,
            cwd=writer.ROOT,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
        return _acknowledged(done.stdout.splitlines())


def _acknowledged(heard: list[bytes]) -> Acknowledged:
    return {int(worker): int(commit) for worker, commit in (line.split() for line in heard)}


def wrongs_in(directory: Path, acknowledged: Acknowledged) -> list[str]:
    """Everything that is not as it was promised, after opening the directory as a new process does."""
    try:
        return trio.run(_wrongs_in, directory, acknowledged)
    except JournalError as error:
        return [f"refused: {error!r}"]


async def _wrongs_in(directory: Path, acknowledged: Acknowledged) -> list[str]:
    async with open_journal(directory) as journal:
        return [
            wrong
            for worker in range(writer.WORKERS)
            for wrong in _wrongs_of_worker(
                worker,
                acknowledged.get(worker, 0),
                await _read(journal, writer.own_stream(worker)),
                await _read(journal, writer.mirror_stream(worker)),
            )
        ]


async def _read(journal: KvJournal, stream: StreamId) -> list[Recorded]:
    return [recorded async for recorded in journal.read(stream)]


def _wrongs_of_worker(worker: int, acknowledged: int, own: list[Recorded], mirror: list[Recorded]) -> Iterator[str]:
    reached = writer.commit_of(own[-1]) if own else 0
    if reached < acknowledged:
        yield f"lost: worker {worker} was told of commit {acknowledged}, and {reached} is the last"
    expected = [event for commit in range(1, reached + 1) for event in writer.events_of(commit)]
    if [(r.stamp, r.event) for r in own] != expected:
        yield f"a hole or a stranger: worker {worker} has {len(own)} events up to commit {reached}, not {len(expected)}"
    expected = [event for commit in range(1, reached + 1) for event in writer.mirrored_events_of(commit)]
    if [(r.stamp, r.event) for r in mirror] != expected:
        yield f"torn: worker {worker} reached commit {reached}, its mirror has {[writer.commit_of(r) for r in mirror][-3:]}"
    for recorded in (own, mirror):
        if [r.number for r in recorded] != list(range(1, len(recorded) + 1)):
            yield f"worker {worker}: numbers are not dense"


def deaths_of_one_directory(
    folder: Path,
    seed: int,
    *,
    power: bool,
    durability: Durability = Durability.FSYNC,
    survives: bool = True,
    plant: str = "",
) -> list[str]:
    """Die a few times over one directory; what was wrong, with the moments that lead there. Stops at the first wrong.

    ``survives``: whether what was acknowledged must be there; without it nothing but holes and torn commits is wrong.
    """
    folder.mkdir()
    random, directory, trace = Random(seed), folder / "data", folder / "trace"
    environment = preloaded(directory, trace=trace) if power else dict(os.environ)
    life = Life(directory, environment | {"WRITER_PLANT": plant, "WRITER_DURABILITY": durability.value})
    acknowledged: Acknowledged = {}
    moments: list[int] = []
    for _ in range(DEATHS_OF_A_DIRECTORY):
        moments.append(random.randint(1, LONGEST_LIFE_COMMITS))
        acknowledged |= life.until(moments[-1])
        if power:
            cut_power(directory, trace)
        examined = folder / "examined"  # a copy: opening it would write what the trace does not know of
        shutil.rmtree(examined, ignore_errors=True)
        shutil.copytree(directory, examined)
        wrongs = wrongs_in(examined, acknowledged if survives else {})
        if wrongs:
            return [f"seed {seed}, killed after {moments} acknowledgements: {wrong}" for wrong in wrongs]
    print(f"seed {seed}: died after {moments} acknowledgements, which reached {acknowledged}")
    return []


def deaths(folder: Path, *, power: bool) -> list[str]:
    """As many as are asked for, two directories at a time."""
    seeds = range(SEED * 1000, SEED * 1000 + -(-DEATHS // DEATHS_OF_A_DIRECTORY))
    with ThreadPoolExecutor(2) as pool:

        def one(seed: int) -> list[str]:
            return deaths_of_one_directory(folder / str(seed), seed, power=power)

        return [wrong for wrongs in pool.map(one, seeds) for wrong in wrongs]


def test_what_was_acknowledged_survives_the_death_of_the_process(tmp_path: Path) -> None:
    assert deaths(tmp_path, power=False) == []


def test_what_was_acknowledged_survives_a_power_cut(tmp_path: Path) -> None:
    assert deaths(tmp_path, power=True) == []


def test_a_store_that_forgets_to_flush_is_caught_by_a_power_cut_and_by_nothing_else(tmp_path: Path) -> None:
    assert deaths_of_one_directory(tmp_path / "kill", SEED, power=False, plant=writer.NO_FLUSH) == []
    wrongs = deaths_of_one_directory(tmp_path / "power", SEED, power=True, plant=writer.NO_FLUSH)
    assert any("lost: " in wrong for wrong in wrongs), wrongs


def test_without_fsync_a_kill_loses_nothing_and_a_power_cut_only_the_end(tmp_path: Path) -> None:
    unsynced = Durability.OS
    assert deaths_of_one_directory(tmp_path / "kill", SEED, power=False, durability=unsynced) == []
    assert deaths_of_one_directory(tmp_path / "power", SEED, power=True, durability=unsynced, survives=False) == []


@attrs.frozen
class Boundary:
    """A life that ends just before one write, sync, rename or unlink."""

    number: int
    acknowledged: Acknowledged
    killed: Path
    unpowered: Path


def die_at(folder: Path, number: int, *, start: Path | None, commits: int = 6) -> tuple[Boundary, int]:
    """Live until the boundary; 0 lives to the end. Also says how many boundaries were crossed.

    ``start``: a store that was closed, to begin with a copy of; else with nothing.
    """
    folder.mkdir()
    control, trace, directory = folder / "control", folder / "trace", folder / "killed"
    shared = shared_control(control)
    shared.kill_before = number
    if start is not None:
        shutil.copytree(start, directory)
        note_as_synced(directory, trace)
    life = Life(directory, preloaded(directory, control=control, trace=trace))
    acknowledged = life.whole(commits)
    shutil.copytree(directory, folder / "unpowered")
    cut_power(folder / "unpowered", trace, traced_as=directory)
    return Boundary(number, acknowledged, directory, folder / "unpowered"), shared.boundaries


def wrongs_at(boundary: Boundary) -> list[str]:
    return [
        f"boundary {boundary.number}, {directory.name}: {wrong}"
        for directory in (boundary.killed, boundary.unpowered)
        for wrong in wrongs_in(directory, boundary.acknowledged)
    ]


def wrongs_at_all(folder: Path, numbers: Iterable[int], *, start: Path | None) -> list[str]:
    """Die before each of these boundaries, in two processes at a time."""
    with ThreadPoolExecutor(2) as pool:

        def one(number: int) -> list[str]:
            return wrongs_at(die_at(folder / str(number), number, start=start)[0])

        return [wrong for wrongs in pool.map(one, numbers) for wrong in wrongs]


def test_a_death_at_any_write_sync_rename_or_unlink_loses_nothing(tmp_path: Path) -> None:
    Life(tmp_path / "start").whole(3)
    _, crossed = die_at(tmp_path / "0", 0, start=tmp_path / "start")
    numbers = sorted(Random(SEED).sample(range(1, crossed + 1), min(BOUNDARIES, crossed)))
    print(f"seed {SEED}: dies before {numbers} of {crossed} boundaries")
    assert wrongs_at_all(tmp_path, numbers, start=tmp_path / "start") == []


def test_a_death_in_the_first_life_of_a_store_loses_nothing(tmp_path: Path) -> None:
    _, crossed = die_at(tmp_path / "0", 0, start=None)
    later = range(IDENTITY_BOUNDARIES + 1, crossed + 1)
    numbers = sorted(Random(SEED).sample(later, min(BOUNDARIES // 2, len(later))))
    print(f"seed {SEED}: dies before {numbers} of {crossed} boundaries")
    assert wrongs_at_all(tmp_path, numbers, start=None) == []


def test_a_death_while_a_store_is_created_leaves_a_directory_that_can_be_used(tmp_path: Path) -> None:
    assert wrongs_at_all(tmp_path, range(1, IDENTITY_BOUNDARIES + 1), start=None) == []


def die_copying(mode: str, source: Path, folder: Path, number: int) -> tuple[Path, Path, int]:
    """Make a backup, or restore one, until the boundary; 0 goes to the end. The target as the death left it, and as a power cut
    did; and how many boundaries were crossed."""
    folder.mkdir()
    control, trace, below = folder / "control", folder / "trace", folder / "killed"
    below.mkdir()
    shared = shared_control(control)
    shared.kill_before = number
    done = subprocess.run(
        writer.command(mode, source, str(below / "target")),
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        env=preloaded(below, control=control, trace=trace),
        cwd=writer.ROOT,
    )
    assert done.returncode == (-signal.SIGKILL if number else 0), done.stderr.decode()
    shutil.copytree(below, folder / "unpowered")
    cut_power(folder / "unpowered", trace, traced_as=below)
    return below / "target", folder / "unpowered" / "target", shared.boundaries


def wrongs_of_restored(target: Path, original: str, acknowledged: Acknowledged) -> list[str]:
    directory = DataDirectory(target)
    if not directory.exists():
        return []
    same = ["it has the id of its original"] if directory.identity().store_id == original else []
    return same + wrongs_in(target, acknowledged)


def wrongs_of_backup(target: Path, original: str, acknowledged: Acknowledged) -> list[str]:
    directory = DataDirectory(target)
    if directory.exists() and not directory.is_backup():
        return ["it could be served in the place of its original"]
    copy = target.with_name("copy")
    try:
        restore_backup(target, copy, check=lambda *_: None, is_held=True, now=0.0)
    except StoreError:
        return []
    return wrongs_of_restored(copy, original, acknowledged)


COPIES = {"backup": wrongs_of_backup, "restore": wrongs_of_restored}


@pytest.mark.parametrize("mode", COPIES)
def test_a_death_while_a_store_is_copied_leaves_a_whole_copy_or_none(tmp_path: Path, mode: str) -> None:
    source = tmp_path / "source"
    acknowledged = Life(source).whole(3)
    original = DataDirectory(source).identity().store_id
    if mode == "restore":
        source, _, _ = die_copying("backup", source, tmp_path / "made", 0)
    whole, unpowered, crossed = die_copying(mode, source, tmp_path / "0", 0)
    assert (whole / "STORE").exists()
    assert (unpowered / "STORE").exists()
    numbers = sorted(Random(SEED).sample(range(1, crossed + 1), min(BOUNDARIES // 2, crossed)))
    print(f"seed {SEED}: dies before {numbers} of {crossed} boundaries")
    for number in (0, *numbers):
        left = die_copying(mode, source, tmp_path / f"at-{number}", number)[:2]
        wrongs = [wrong for target in left for wrong in COPIES[mode](target, original, acknowledged)]
        assert wrongs == [], f"boundary {number}"
