"""A process writes into the directory that it holds, whatever lies at its path by now, and leaves when that is another one."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from journal.errors import DirectoryLost, DiskFull, InDoubt, StoreError, StoreFailed, StoreInUse
from journal.kv import bound_store, data_directory, directory_files, rocks, rocks_watch
from journal.kv.data_directory import DataDirectory
from journal.log.kv_journal import KvJournal
from journal.log.open import open_for_reading, open_journal
from journal.log.protocol import Partition
from tests.journal import writer
from tests.journal.test_rocks import A, B, append, contents, disk_of, fill, read


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    check_every(0.01, monkeypatch)
    monkeypatch.setattr(rocks_watch, "_MARK_SECONDS", 0.01)


def check_every(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rocks, rocks_watch):
        monkeypatch.setattr(module, "CHECK_SECONDS", seconds)


@pytest.fixture(params=[True, False], ids=["through /proc", "by its path"])
def _reached(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the files are reached: on Linux, and on systems that have no /proc."""
    if not request.param:
        monkeypatch.setattr(data_directory, "reached_through", lambda _, path: path)


@asynccontextmanager
async def opened(path: Path | str) -> AsyncIterator[tuple[KvJournal, Partition]]:
    async with open_journal(path) as journal, journal.claim(0, "me") as partition:
        yield journal, partition


async def make_store(path: Path, *values: bytes) -> None:
    """A store that was closed and opened again, so that it has tables and a log."""
    for number, value in enumerate(values):
        async with opened(path) as (_, partition):
            await partition.commit([append(A, number, value)])


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stores at rest, made once."""
    folder = tmp_path_factory.mktemp("stores")
    for name in ("ours", "theirs"):
        trio.run(make_store, folder / name, name.encode(), f"{name} too".encode())
    return folder


def copies(stores: Path, held: Path, other: Path) -> tuple[Path, Path]:
    """A copy of each."""
    shutil.copytree(stores / "ours", held)
    shutil.copytree(stores / "theirs", other)
    return held, other


# What can become of a directory. Each is given the one that is held, and another one with a store of its own.


def moved(held: Path, _: Path) -> None:
    held.rename(held.with_name("aside"))


def removed(held: Path, _: Path) -> None:
    shutil.rmtree(held)


def replaced(held: Path, other: Path) -> None:
    held.rename(held.with_name("aside"))
    shutil.copytree(other, held)


def made_again(held: Path, other: Path) -> None:
    shutil.rmtree(held)
    shutil.copytree(other, held)


def emptied_and_filled(held: Path, other: Path) -> None:
    for path in held.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(other, held, dirs_exist_ok=True)


def renamed_over(held: Path, other: Path) -> None:
    for path in (path for path in other.rglob("*") if path.is_file()):
        beside = held / path.relative_to(other).with_name("beside")
        shutil.copy2(path, beside)
        beside.rename(held / path.relative_to(other))


def a_backup_copied_into_it(held: Path, _: Path) -> None:
    """Of its own store, file by file and in place, as ``cp -r`` does."""
    backup = held.with_name("backup")
    shutil.copytree(held, backup)
    (backup / "BACKUP").write_text("{}")
    for path in (path for path in backup.rglob("*") if path.is_file() and path.suffix != ".log"):
        (held / path.relative_to(backup)).write_bytes(path.read_bytes())


def its_log_replaced(held: Path, _: Path) -> None:
    """By an equal one, as ``rsync`` does."""
    log = max((held / "db").glob("*.log"))
    shutil.copy2(log, held / "db" / "beside")
    (held / "db" / "beside").rename(log)


def its_log_cut(held: Path, _: Path) -> None:
    os.truncate(max((held / "db").glob("*.log")), 0)


def its_tables_replaced(held: Path, other: Path) -> None:
    (held / "db").rename(held.with_name("aside"))
    shutil.copytree(other / "db", held / "db")


def its_tables_removed(held: Path, _: Path) -> None:
    for table in (held / "db").glob("*.sst"):
        table.unlink()


def its_logs_removed(held: Path, _: Path) -> None:
    """As somebody does who takes them for logs that nobody needs."""
    for log in (held / "db").glob("*.log"):
        log.unlink()


def its_manifest_removed(held: Path, _: Path) -> None:
    for manifest in (held / "db").glob("MANIFEST-*"):
        manifest.unlink()


def another_manifest_made_current(held: Path, other: Path) -> None:
    (held / "db" / "MANIFEST-900000").write_bytes(next((other / "db").glob("MANIFEST-*")).read_bytes())
    (held / "db" / "CURRENT").write_text("MANIFEST-900000\n")


def its_lock_removed(held: Path, _: Path) -> None:
    (held / "HOLDER").unlink()


def its_parent_moved(held: Path, other: Path) -> None:
    held.parent.rename(held.parent.with_name("elsewhere"))
    held.parent.mkdir()
    shutil.copytree(other, held)


FATES = (
    moved,
    removed,
    replaced,
    made_again,
    emptied_and_filled,
    renamed_over,
    a_backup_copied_into_it,
    its_log_replaced,
    its_log_cut,
    its_tables_replaced,
    its_tables_removed,
    its_manifest_removed,
    another_manifest_made_current,
    its_lock_removed,
    its_parent_moved,
)


def named(fate: Callable[..., None]) -> str:
    return fate.__name__.replace("_", " ")


def files_at(path: Path) -> dict[str, bytes]:
    return contents(path) if path.exists() else {}


async def lost(journal: KvJournal) -> None:
    with pytest.raises(DirectoryLost):
        await failed(journal)


async def failed(journal: KvJournal) -> None:
    """Wait until the journal fails, and raise why."""
    with trio.fail_after(30):
        await journal.failed()


@pytest.mark.usefixtures("_reached")
@pytest.mark.parametrize("fate", FATES, ids=named)
async def test_a_lost_directory_is_noticed_while_idle(
    tmp_path: Path, stores: Path, fate: Callable[[Path, Path], None]
) -> None:
    held, other = copies(stores, tmp_path / "above" / "data", tmp_path / "other")
    async with opened(held) as (journal, partition):
        await partition.commit([append(A, 2, b"before")])
        fate(held, other)
        await lost(journal)
        with pytest.raises(StoreFailed):
            await partition.commit([append(A, 3, b"after")])


@pytest.mark.parametrize("is_closed", [True, False])
async def test_a_log_that_is_removed_loses_nothing(tmp_path: Path, stores: Path, is_closed: bool) -> None:
    held, _ = copies(stores, tmp_path / "data", tmp_path / "other")
    with suppress(DirectoryLost):
        async with opened(held) as (journal, partition):
            await partition.commit([append(A, 2, b"before")])
            its_logs_removed(held, held)
            if not is_closed:
                await lost(journal)
    async with opened(held) as (journal, _):
        assert (await read(journal, A))[2] == b"before"


@pytest.mark.usefixtures("_reached")
@pytest.mark.parametrize("fate", FATES, ids=named)
async def test_leaving_writes_nothing_at_the_path(
    tmp_path: Path, stores: Path, fate: Callable[[Path, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    held, other = copies(stores, tmp_path / "above" / "data", tmp_path / "other")
    check_every(3600.0, monkeypatch)  # so that nothing is noticed before the end
    with pytest.raises(DirectoryLost):
        async with opened(held) as (_, partition):
            await partition.commit([append(A, 2, b"before")])
            fate(held, other)
            left = files_at(held)
    assert files_at(held) == left
    assert DataDirectory(held).path == held


@pytest.mark.parametrize("fate", [moved, replaced, its_parent_moved], ids=named)
async def test_what_rocksdb_writes_goes_to_the_directory_that_is_held(
    tmp_path: Path, stores: Path, fate: Callable[[Path, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    held, other = copies(stores, tmp_path / "above" / "data", tmp_path / "other")
    check_every(3600.0, monkeypatch)
    with pytest.raises(DirectoryLost):
        async with opened(held) as (journal, partition):
            assert journal.directory is not None
            await partition.commit([append(A, 2, b"before")])
            fate(held, other)
            left, tables = files_at(held), set(journal.directory.rocks.glob("*.sst"))
            store: Any = journal._store
            await trio.to_thread.run_sync(store._handle().flush)
            await trio.to_thread.run_sync(store._handle().compact_range, None, None)
            assert files_at(held) == left
            assert set(journal.directory.rocks.glob("*.sst")) != tables


async def test_the_new_directory_can_be_opened_by_the_process_that_lost_the_old_one(
    tmp_path: Path, stores: Path
) -> None:
    held, other = copies(stores, tmp_path / "data", tmp_path / "other")
    with pytest.raises(DirectoryLost):
        async with opened(held) as (journal, _):
            replaced(held, other)
            await failed(journal)
    async with opened(held) as (journal, partition):
        assert await read(journal, A) == [b"theirs", b"theirs too"]
        await partition.commit([append(A, 2, b"more")])
    with pytest.raises(StoreInUse):
        DataDirectory(tmp_path / "aside").hold()


async def test_what_was_acknowledged_lies_in_the_directory_that_was_moved(tmp_path: Path) -> None:
    held = tmp_path / "data"
    await make_store(held, b"one", b"two")
    number = 3
    with pytest.raises(DirectoryLost):
        async with opened(held) as (_, partition):
            await partition.commit([append(A, 2, b"three")])
            moved(held, held)
            with suppress(InDoubt):
                while True:
                    await partition.commit([append(A, number, b"more")])
                    number += 1
            await partition.commit([append(A, number, b"more")])
    shutil.copytree(tmp_path / "aside", tmp_path / "copy")  # this process keeps the other one open
    async with opened(tmp_path / "copy") as (journal, _):
        found = await read(journal, A)
        assert found[:3] == [b"one", b"two", b"three"]
        assert len(found) >= number


async def test_a_removed_directory_acknowledges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_every(3600.0, monkeypatch)
    with pytest.raises(DirectoryLost):
        async with opened(tmp_path / "data") as (_, partition):
            shutil.rmtree(tmp_path / "data")
            with pytest.raises(InDoubt):
                await partition.commit([append(A, 0, b"gone")])
            with pytest.raises(DirectoryLost):
                await partition.commit([append(B, 0, b"gone as well")])
            raise DirectoryLost("as the one that waits for it is told")


@pytest.mark.usefixtures("_reached")
async def test_a_relative_path_means_the_same_after_a_chdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        await make_store(tmp_path / name / "data", name.encode())
    before = contents(tmp_path / "b")
    monkeypatch.chdir(tmp_path / "a")
    async with opened("data") as (journal, partition):
        await partition.commit([append(A, 1, b"before")])
        os.chdir(tmp_path / "b")
        await partition.commit([append(A, 2, b"after")])
        store: Any = journal._store
        store._handle().flush()
    assert contents(tmp_path / "b") == before
    async with opened(tmp_path / "a" / "data") as (journal, _):
        assert await read(journal, A) == [b"a", b"before", b"after"]


async def test_a_link_that_is_pointed_elsewhere_loses_the_directory(tmp_path: Path) -> None:
    for name in ("one", "two"):
        await make_store(tmp_path / name, name.encode())
    (tmp_path / "data").symlink_to("one")
    before = contents(tmp_path / "two")
    with pytest.raises(DirectoryLost):
        async with opened(tmp_path / "data") as (journal, _):
            (tmp_path / "data").unlink()
            (tmp_path / "data").symlink_to("two")
            await failed(journal)
    assert contents(tmp_path / "two") == before


async def test_a_directory_that_is_mounted_over_is_lost(tmp_path: Path) -> None:
    await make_store(tmp_path / "above" / "data", b"ours")
    shutil.copytree(tmp_path / "above", tmp_path / "other")
    with pytest.raises(DirectoryLost):
        async with opened(tmp_path / "above" / "data") as (journal, _):
            (tmp_path / "above").rename(tmp_path / "under")  # where the mount point is made
            with disk_of(16, tmp_path / "above"):
                shutil.copytree(tmp_path / "other" / "data", tmp_path / "above" / "data")
                before = contents(tmp_path / "above")
                await lost(journal)
                assert contents(tmp_path / "above") == before
                raise DirectoryLost("as the one that waits for it is told")


@contextmanager
def bound(path: Path, other: Path) -> Iterator[None]:
    """The directory under another path as well."""
    if subprocess.run(["mount", "--bind", path, other], capture_output=True).returncode:
        pytest.skip("to mount one takes root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", other], check=True)


async def test_a_bind_mount_of_a_held_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with opened(tmp_path / "data"):
        with bound(tmp_path / "data", tmp_path / "other"):
            assert DataDirectory(tmp_path / "other").is_held()
            with pytest.raises(StoreInUse):
                DataDirectory(tmp_path / "other").hold()


async def test_a_full_disk_never_recovers_on_another_store(tmp_path: Path) -> None:
    with disk_of(16, tmp_path / "disk"), pytest.raises(DirectoryLost):
        async with open_journal(tmp_path / "disk" / "data") as journal:
            async with journal.claim(0, "me") as partition:
                await fill(partition)
            with pytest.raises(DiskFull):
                async with journal.claim(0, "me"):
                    pass
            (tmp_path / "disk" / "data").rename(tmp_path / "disk" / "aside")
            await make_store(tmp_path / "elsewhere", b"theirs")
            (tmp_path / "disk" / "data").symlink_to(tmp_path / "elsewhere")
            before = contents(tmp_path / "elsewhere")
            for _ in range(2):
                with pytest.raises(DirectoryLost):
                    async with journal.claim(0, "me"):
                        pass
            assert contents(tmp_path / "elsewhere") == before
            raise DirectoryLost("as the one that claims is told")


async def test_a_step_that_closes_every_descriptor_loses_the_directory(tmp_path: Path) -> None:
    with pytest.raises(DirectoryLost):
        async with opened(tmp_path / "data") as (journal, _):
            assert journal.directory is not None
            stranger = os.open(tmp_path, os.O_RDONLY)
            os.dup2(stranger, journal.directory._descriptor)
            await failed(journal)


async def test_a_process_without_a_free_descriptor_keeps_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*arguments: object, **_: object) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(arguments[0]))

    async with opened(tmp_path / "data") as (journal, partition):
        assert journal.directory is not None
        await partition.commit([append(A, 0, b"before")])
        with monkeypatch.context() as full:
            full.setattr(os, "scandir", exhausted)
            for module in (bound_store, directory_files):
                full.setattr(module, "read_file", exhausted)
            (tmp_path / "data" / "STORE").touch()
            journal.directory.check()
        await partition.commit([append(A, 1, b"after")])
        journal.directory.check()


async def test_a_commit_waits_for_a_descriptor_and_does_not_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []

    def look_once_more(
        self: DataDirectory, real: Callable[[DataDirectory], tuple[int, ...]] = DataDirectory.logs
    ) -> Any:
        looks.append(len(looks))
        if len(looks) < 4:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(self.rocks))
        return real(self)

    async with open_journal(tmp_path / "data") as journal:
        monkeypatch.setattr(DataDirectory, "logs", look_once_more)
        async with journal.claim(0, "me") as partition:  # the first commit in its log, which MARK has to name
            await partition.commit([append(A, 0, b"kept")])
        assert len(looks) >= 4
    async with opened(tmp_path / "data") as (journal, _):
        assert await read(journal, A)


LOSING = """
import os, sys, shutil, pathlib, trio
from journal.errors import DirectoryLost
from journal.log.open import open_journal
from tests.journal.test_rocks import A, append

async def main():
    path = pathlib.Path(sys.argv[1])
    try:
        async with open_journal(path) as journal, journal.claim(0, "me") as partition:
            await partition.commit([append(A, 0, bytes(1000))])
            path.rename(path.with_name("aside"))
            await journal.failed()
    except DirectoryLost:
        print(*sorted(f"{p.name} {p.stat().st_size}" for p in (path.with_name("aside") / "db").iterdir()), sep=",")
trio.run(main)
sys.exit(9)
"""


def test_a_process_that_lost_its_directory_ends_as_it_wants_to(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOSING, tmp_path / "data"], capture_output=True, text=True, timeout=60, cwd=writer.ROOT
    )
    assert ended.returncode == 9, ended.stderr
    left = ",".join(sorted(f"{p.name} {p.stat().st_size}" for p in (tmp_path / "aside" / "db").iterdir()))
    assert left == ended.stdout.strip(), "the end of Python does not close the store"


async def test_a_reader_keeps_to_the_directory_that_it_opened(tmp_path: Path, stores: Path) -> None:
    held, other = copies(stores, tmp_path / "data", tmp_path / "other")
    reader, _ = open_for_reading(held)
    try:
        replaced(held, other)
        rows = reader.scan(b"", b"\xff" * 20)
        assert any(b"ours too" in value for _, value in rows)
        assert not any(b"theirs" in value for _, value in rows)
    finally:
        reader.close()


@pytest.mark.parametrize("name", ["STORE", "MARK", "HOLDER", "db"])
async def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path, stores: Path, name: str) -> None:
    copies(stores, tmp_path / "data", tmp_path / "other")
    outside = tmp_path / name
    (tmp_path / "data" / name).rename(outside)
    before = contents(tmp_path, idle=())
    (tmp_path / "data" / name).symlink_to(outside)
    with pytest.raises(StoreError):
        async with open_journal(tmp_path / "data"):
            pass
    (tmp_path / "data" / name).unlink()
    assert contents(tmp_path, idle=()).keys() == before.keys() | ({"data/HOLDER"} if name != "HOLDER" else set())


@pytest.mark.parametrize("name", ["STORE", "MARK"])
async def test_a_file_that_others_may_write_to_is_refused(tmp_path: Path, stores: Path, name: str) -> None:
    copies(stores, tmp_path / "data", tmp_path / "other")
    (tmp_path / "data" / name).chmod(0o666)
    with pytest.raises(StoreError, match=f"{name}.*chmod go-w"):
        async with open_journal(tmp_path / "data"):
            pass
