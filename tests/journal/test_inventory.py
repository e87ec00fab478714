"""Files of a store that nothing names are found, and those of a store that is well are not taken for such."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from journal.errors import StoreDamaged
from journal.kv import rocks_options
from journal.kv.inventory import FileDisposition, Stranger, strangers
from journal.kv.store import Durability, scan_all
from journal.log.open import open_for_reading, open_journal
from tests.journal.test_power import Life
from tests.journal.test_rocks import A, append, cut, the_log, the_manifest

_TELLING_BYTES = 16 << 10


def _is_telling(directory: Path) -> bool:
    """Whether it has all that no table has in one log, of which half is more than the last commits, which no mark may know."""
    logs = [path.stat().st_size for path in (directory / "db").glob("*.log")]
    return len(logs) == 1 and logs[0] >= _TELLING_BYTES


async def write(path: Path, commits: int, durability: Durability = Durability.FSYNC) -> None:
    async with open_journal(path, durability=durability) as journal, journal.claim(0, "me") as partition:
        stored = await partition.load(A)
        last = 0 if stored is None else stored.last
        for number in range(last, last + commits):
            await partition.commit([append(A, number, os.urandom(1000))])


def rows_of(path: Path) -> list[tuple[bytes, bytes]]:
    """All that it shows to a reader."""
    reader, _ = open_for_reading(path)
    try:
        return list(scan_all(reader, b"", b"\xff" * 8))
    finally:
        reader.close()


def found_in(path: Path) -> list[Stranger]:
    reader, _ = open_for_reading(path)
    try:
        return strangers(reader)
    finally:
        reader.close()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that is at rest, and another one, of which files can be taken; and one that a crash has left."""
    folder = tmp_path_factory.mktemp("stores")
    for name, lives in (("ours", 3), ("theirs", 8)):
        for _ in range(lives):
            trio.run(write, folder / name, 50)
    Life(folder / "crashed").until(100)
    while not _is_telling(folder / "crashed"):
        Life(folder / "crashed").until(5)
    return folder


@pytest.fixture
def ours(stores: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stores / "ours", tmp_path / "ours"))


@pytest.mark.parametrize("durability", [Durability.FSYNC, Durability.OS])
def test_a_store_at_rest_has_no_strangers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Durability
) -> None:
    monkeypatch.setattr(rocks_options, "_MEMTABLE_BYTES", 64 << 10)
    for commits in (0, 1, 150, 150):
        trio.run(write, tmp_path / "data", commits, durability)
        assert found_in(tmp_path / "data") == []


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_no_log_that_a_crash_leaves_is_a_stranger(tmp_path: Path, durability: str) -> None:
    life = Life(tmp_path / "data", dict(os.environ) | {"WRITER_DURABILITY": durability})
    for acknowledgements in (5, 200, 60):
        life.until(acknowledgements)
        assert [one for one in found_in(tmp_path / "data") if one.fate is not FileDisposition.REMOVED] == []


def theirs(stores: Path, pattern: str, ours: Path) -> Path:
    """A file of the other store whose name is free here."""
    return next(path for path in (stores / "theirs" / "db").glob(pattern) if not (ours / "db" / path.name).exists())


@pytest.mark.parametrize(
    ("pattern", "fate"),
    [("*.sst", FileDisposition.REMOVED), ("*.log", FileDisposition.TAKEN_IN), ("MANIFEST-*", FileDisposition.REMOVED)],
)
def test_a_file_of_another_store_is_found(stores: Path, ours: Path, pattern: str, fate: FileDisposition) -> None:
    path = theirs(stores, pattern, ours)
    shutil.copy(path, ours / "db")
    assert found_in(ours) == [Stranger(path.name, fate)]


@pytest.mark.parametrize("content", [b"", b"anything", bytes(100)])
def test_a_log_that_nothing_names_is_found(ours: Path, content: bytes) -> None:
    (ours / "db" / "000999.log").write_bytes(content)
    (ours / "db" / "000001.log").write_bytes(content)
    assert found_in(ours) == [
        Stranger("000001.log", FileDisposition.REMOVED),
        Stranger("000999.log", FileDisposition.TAKEN_IN),
    ]


def test_a_log_of_another_store_is_found_after_a_crash(stores: Path, tmp_path: Path) -> None:
    crashed = Path(shutil.copytree(stores / "crashed", tmp_path / "crashed"))
    Life(tmp_path / "other").until(300)
    shutil.copy(the_log(tmp_path / "other"), crashed / "db" / "000999.log")
    assert Stranger("000999.log", FileDisposition.SET_ASIDE) in found_in(crashed)


def a_table_of(path: Path) -> str:
    """One that the manifest names: a crash can leave others."""
    reader, _ = open_for_reading(path)
    try:
        return min(reader.tables())
    finally:
        reader.close()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "the manifest is cut": lambda d: cut(the_manifest(d), the_manifest(d).stat().st_size - 20),
    "the log is missing": lambda d: the_log(d).unlink(),
    "the log is cut": lambda d: cut(the_log(d), the_log(d).stat().st_size // 2),
    "a table is missing": lambda d: (d / "db" / a_table_of(d)).unlink(),
    "CURRENT is missing": lambda d: (d / "db" / "CURRENT").unlink(),
    "MARK is missing": lambda d: (d / "MARK").unlink(),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_store_that_has_forgotten_something_is_not_shown_as_a_smaller_one(
    stores: Path, tmp_path: Path, what: str
) -> None:
    crashed = Path(shutil.copytree(stores / "crashed", tmp_path / "crashed"))
    whole = rows_of(crashed)
    DAMAGES[what](crashed)
    try:
        shown = rows_of(crashed)
    except StoreDamaged:
        return
    # The process was killed before RocksDB deleted the log whose rows the cut part of the manifest says are in a table.
    assert what == "the manifest is cut"
    assert shown == whole


def test_an_empty_log_that_a_crash_leaves_is_no_stranger(stores: Path, tmp_path: Path) -> None:
    crashed = Path(shutil.copytree(stores / "crashed", tmp_path / "crashed"))
    begun = crashed / "db" / "000999.log"
    begun.write_bytes(b"")
    assert [one for one in found_in(crashed) if one.fate is not FileDisposition.REMOVED] == []
    begun.write_bytes(bytes(100))
    assert Stranger(begun.name, FileDisposition.TAKEN_IN) in found_in(crashed)
