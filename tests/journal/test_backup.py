"""A backup shows whether it is whole, and what is restored from it is a store of its own."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
import trio

from journal.errors import DirectoryNotEmpty, DiskFull, StoreDamaged, StoreError, StoreExists
from journal.ids import StreamId
from journal.kv import rocks, small_files
from journal.kv.backup import Manifest, Restored, read_manifest, restore_backup
from journal.kv.data_directory import DataDirectory
from journal.kv.directory_files import encode_identity
from journal.kv.small_files import seal, unseal
from journal.log.open import open_for_reading, open_journal
from journal.log.protocol import Message
from tests.journal.test_rocks import A, append, contents, disk_of, read
from tests.raising import raises

MADE_AT = 1_000.0
NOW = 2_000.0


async def make_backup(folder: Path) -> Path:
    async with open_journal(folder / "data") as journal:
        for number in range(3):
            async with journal.claim(0, "me") as partition:
                await partition.commit([append(A, number, b"%d" % number)])
        store: Any = journal._store
        await store.copy_to(folder / "backup", made_at=MADE_AT)
    return folder / "backup"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trio.run(make_backup, tmp_path_factory.mktemp("made"))


@pytest.fixture
def backup(made: Path, tmp_path: Path) -> Path:
    """A copy of a good one."""
    return Path(shutil.copytree(made, tmp_path / "backup"))


def restored(backup: Path, path: Path, *, is_held: bool = True) -> Restored:
    return restore_backup(backup, path, check=lambda *_: None, is_held=is_held, now=NOW)


def refused(backup: Path, path: Path, kind: type[StoreError] = StoreDamaged) -> str:
    """What a restore that is refused says; it leaves nothing."""
    before = contents(path.parent, idle=())
    with pytest.raises(kind) as refusal:
        restored(backup, path)
    assert contents(path.parent, idle=()) == before
    assert not path.exists()
    return str(refusal.value)


async def test_what_is_restored_has_what_was_backed_up(backup: Path, tmp_path: Path) -> None:
    restored(backup, tmp_path / "deep" / "copy")
    async with open_journal(tmp_path / "deep" / "copy") as journal:
        assert await read(journal, A) == [b"0", b"1", b"2"]


def test_a_copy_has_an_id_and_an_epoch_of_its_own(backup: Path, tmp_path: Path) -> None:
    original = DataDirectory(backup).identity()
    copies = [restored(backup, tmp_path / name).identity for name in ("one", "two")]
    assert len({original.store_id, *(copy.store_id for copy in copies)}) == 3
    for name, copy in zip(("one", "two"), copies, strict=True):
        assert DataDirectory(tmp_path / name).identity() == copy
        assert (copy.epoch, copy.copy_of, copy.created_at) == (original.epoch + 1, original.store_id, NOW)
        assert (copy.secret, copy.partitions) == (original.secret, original.partitions)


def test_files_are_for_their_owner_only(backup: Path, tmp_path: Path) -> None:
    for path in (backup, *backup.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    restored(backup, tmp_path / "copy")
    modes = {path: path.stat().st_mode & 0o777 for path in ((tmp_path / "copy"), *(tmp_path / "copy").rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}


def test_a_backup_holds_its_files_and_nothing_of_a_server(made: Path) -> None:
    found = {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()}
    manifest = read_manifest(DataDirectory(made))
    assert found == {"BACKUP", *manifest.files}
    assert {path.stat().st_mode & 0o777 for path in made.rglob("*") if path.is_file()} == {0o600}
    assert manifest.made_at == MADE_AT
    assert manifest.store_id == DataDirectory(made).identity().store_id
    assert Path(manifest.origin) == made.parent / "data"


# What somebody has done to a backup. Each gives the name that the refusal must have.


def a_table(backup: Path) -> Path:
    return min((backup / "db").glob("*.sst"))


def flipped(backup: Path) -> str:
    data = bytearray(a_table(backup).read_bytes())
    data[len(data) // 2] ^= 1
    a_table(backup).write_bytes(data)
    return a_table(backup).name


def cut(backup: Path) -> str:
    os.truncate(a_table(backup), a_table(backup).stat().st_size - 1)
    return a_table(backup).name


def longer(backup: Path) -> str:
    with a_table(backup).open("ab") as file:
        file.write(b"x")
    return a_table(backup).name


def missing(backup: Path) -> str:
    name = a_table(backup).name
    a_table(backup).unlink()
    return name


def a_link_in_the_place_of_a_table(backup: Path) -> str:
    table = a_table(backup)
    table.rename(backup.parent / "table")
    table.symlink_to(backup.parent / "table")
    return table.name


def a_pipe_in_the_place_of_a_table(backup: Path) -> str:
    table = a_table(backup)
    table.unlink()
    os.mkfifo(table)
    return table.name


def a_directory_in_the_place_of_a_table(backup: Path) -> str:
    table = a_table(backup)
    table.unlink()
    table.mkdir()
    return table.name


def a_link_to_a_file(backup: Path) -> str:
    (backup / "db" / "000777.log").symlink_to("/etc/passwd")
    return "000777.log"


def a_link_to_a_directory(backup: Path) -> str:
    (backup / "db" / "etc").symlink_to("/etc")
    return "db/etc"


def a_directory(backup: Path) -> str:
    (backup / "db" / "sub").mkdir()
    (backup / "db" / "sub" / "file").write_text("x")
    return "db/sub"


def a_pipe(backup: Path) -> str:
    os.mkfifo(backup / "db" / "000778.sst")
    return "000778.sst"


def a_socket(backup: Path) -> str:
    with socket.socket(socket.AF_UNIX) as one:
        here = os.open(backup, os.O_RDONLY)
        one.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
    return "socket"


def a_log_of_another_store(backup: Path) -> str:
    (backup / "db" / "000999.log").write_bytes(b"anything")
    return "000999.log"


def a_token(backup: Path) -> str:
    (backup / "token").write_text("x" * 43)
    return "token"


def tokens(backup: Path) -> str:
    (backup / "TOKENS").write_text("[]")
    return "TOKENS"


def code(backup: Path) -> str:
    (backup / "code").mkdir()
    return "code"


def more_partitions(backup: Path) -> str:
    identity = DataDirectory(backup).identity()
    (backup / "STORE").write_bytes(encode_identity(attrs.evolve(identity, partitions=9)))
    return "STORE"


def an_older_mark(backup: Path) -> str:
    data = bytearray((backup / "MARK").read_bytes())
    (backup / "MARK").write_bytes(b"0 0 0 " + bytes(data[6:]))
    return "MARK"


def its_tables_are_a_link(backup: Path) -> str:
    (backup / "db").rename(backup.parent / "tables")
    (backup / "db").symlink_to(backup.parent / "tables")
    return "db"


def without_tables(backup: Path) -> str:
    shutil.rmtree(backup / "db")
    return "db"


CHANGES = [
    flipped,
    cut,
    longer,
    missing,
    a_link_in_the_place_of_a_table,
    a_pipe_in_the_place_of_a_table,
    a_directory_in_the_place_of_a_table,
    a_link_to_a_file,
    a_link_to_a_directory,
    a_directory,
    a_pipe,
    a_socket,
    a_log_of_another_store,
    a_token,
    tokens,
    code,
    more_partitions,
    an_older_mark,
    its_tables_are_a_link,
    without_tables,
]


def named(change: Callable[..., str]) -> str:
    return change.__name__.replace("_", " ")


@pytest.mark.parametrize("change", CHANGES, ids=named)
def test_a_backup_that_was_changed_is_refused_by_name(
    backup: Path, tmp_path: Path, change: Callable[[Path], str]
) -> None:
    name = change(backup)
    assert name in refused(backup, tmp_path / "copy")


def test_all_that_is_wrong_is_named(backup: Path, tmp_path: Path) -> None:
    names = [change(backup) for change in (flipped, a_link_to_a_file, a_token, more_partitions)]
    said = refused(backup, tmp_path / "copy")
    assert [name for name in names if name not in said] == []


def rewritten(backup: Path, **changes: Any) -> None:
    manifest = msgspec.json.decode(unseal((backup / "BACKUP").read_bytes()), type=Manifest)
    (backup / "BACKUP").write_bytes(seal(msgspec.json.encode(attrs.evolve(manifest, **changes))))


def manifest_names(backup: Path, *names: str) -> None:
    files = read_manifest(DataDirectory(backup)).files
    rewritten(backup, files=files | dict.fromkeys(names, files["MARK"]))


UNUSABLE: dict[str, Callable[[Path], object]] = {
    "missing": lambda backup: (backup / "BACKUP").unlink(),
    "empty": lambda backup: (backup / "BACKUP").write_bytes(b""),
    "cut": lambda backup: os.truncate(backup / "BACKUP", 50),
    "edited": lambda backup: (backup / "BACKUP").write_bytes(
        (backup / "BACKUP").read_bytes().replace(b'"size":', b'"size":1')
    ),
    "a link": lambda backup: ((backup / "BACKUP").rename(backup.parent / "B"), (backup / "BACKUP").symlink_to("../B")),
    "of another format": lambda backup: rewritten(backup, format=99),
    "naming a file above": lambda backup: manifest_names(backup, "../x"),
    "naming an absolute path": lambda backup: manifest_names(backup, "/etc/x"),
    "naming a file in a folder": lambda backup: manifest_names(backup, "db/sub/x"),
    "naming a hidden file": lambda backup: manifest_names(backup, "db/.x"),
    "naming the parent": lambda backup: manifest_names(backup, "db/.."),
    "naming a token": lambda backup: manifest_names(backup, "token"),
    "naming nothing": lambda backup: rewritten(backup, files={}),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_manifest_that_cannot_be_used_is_refused(backup: Path, tmp_path: Path, what: str) -> None:
    UNUSABLE[what](backup)
    assert "manifest" in refused(backup, tmp_path / "copy", StoreError)


def test_a_backup_that_was_looked_at_is_still_restored(backup: Path, tmp_path: Path) -> None:
    for _ in range(2):
        open_for_reading(backup)[0].close()
    restored(backup, tmp_path / "copy")


async def test_a_backup_is_never_opened_for_writing(backup: Path) -> None:
    before = contents(backup, idle=())
    with raises(StoreError, code="store_unusable", path=backup):
        async with open_journal(backup):
            pass
    assert contents(backup, idle=()) == before


# What a restore leaves when it fails.


def test_a_copy_that_is_refused_by_its_check_leaves_nothing(backup: Path, tmp_path: Path) -> None:
    def check(*_: object) -> None:
        raise StoreDamaged(backup, "no")

    with pytest.raises(StoreDamaged):
        restore_backup(backup, tmp_path / "above" / "copy", check=check, is_held=True, now=NOW)
    assert not (tmp_path / "above").exists()


def test_an_empty_directory_that_was_there_stays(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir(mode=0o700)
    flipped(backup)
    with pytest.raises(StoreDamaged):
        restored(backup, tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


async def test_nothing_is_restored_over_what_is_there(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "thesis.tex").write_text("ten years of work")
    restored(backup, tmp_path / "copy")
    async with open_journal(tmp_path / "held"):
        for place, error in (("home", DirectoryNotEmpty), ("copy", StoreExists), ("held", StoreExists)):
            before = contents(tmp_path / place, idle=())
            with pytest.raises(error):
                restored(backup, tmp_path / place)
            assert contents(tmp_path / place, idle=()) == before


def test_a_full_disk_leaves_nothing_of_a_restore(backup: Path, tmp_path: Path) -> None:
    with disk_of(1, tmp_path / "disk"):
        (tmp_path / "disk" / "filler").write_bytes(bytes((1 << 20) - (12 << 10)))
        with pytest.raises(DiskFull):
            restored(backup, tmp_path / "disk" / "copy")
        assert [path.name for path in (tmp_path / "disk").iterdir()] == ["filler"]


def deaths(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Have the disk fail at one of the files that are made."""
    left, create = [at], small_files.create_file

    def dying(path: Path) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return create(path)

    monkeypatch.setattr("journal.kv.backup.create_file", dying)
    monkeypatch.setattr("journal.kv.small_files.create_file", dying)


@pytest.mark.parametrize("at", range(8))
async def test_a_backup_that_fails_leaves_nothing_and_can_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    async with open_journal(tmp_path / "data") as journal:
        async with journal.claim(0, "me") as partition:
            await partition.commit([append(A, 0, b"kept")])
        with monkeypatch.context() as failing:
            deaths(failing, at)
            try:
                await journal.copy_to(tmp_path / "backup")
            except StoreError:
                raise AssertionError("what the disk says is not damage") from None
            except Exception as error:
                assert "disk" in str(error)
                assert not (tmp_path / "backup").exists()
            else:
                shutil.rmtree(tmp_path / "backup")
        await journal.copy_to(tmp_path / "backup")
    restored(tmp_path / "backup", tmp_path / "copy")


def test_what_a_death_leaves_of_a_backup_is_not_a_store(made: Path, tmp_path: Path) -> None:
    files = ["BACKUP", "STORE", "MARK"]
    for lacking in (files, files[:2], ["STORE"]):
        left = tmp_path / "-".join(lacking)
        shutil.copytree(made, left)
        for name in lacking:
            (left / name).unlink()
        with pytest.raises(StoreError):
            DataDirectory(left).hold()
        assert refused(left, tmp_path / "copy", StoreError)


# What is under way in a copy.


async def test_a_copy_knows_its_backlog(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "data", partitions=2) as journal:
        for number in range(3):
            await journal.send(Message(f"letter {number}", StreamId(1), b""))
        await journal.copy_to(tmp_path / "backup")
    for is_held in (True, False):
        identity = restored(tmp_path / "backup", tmp_path / f"copy-{is_held}", is_held=is_held).identity
        assert identity.is_held is is_held
        assert identity.backlog is not None
        assert (identity.backlog.messages, identity.backlog.epochs) == ((1, 4), (0, 0))


def test_where_nothing_is_under_way_nothing_is_held(backup: Path, tmp_path: Path) -> None:
    identity = restored(backup, tmp_path / "copy").identity
    assert (identity.backlog, identity.is_held) == (None, False)


async def test_commits_go_on_while_a_backup_is_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashing, go_on = threading.Event(), threading.Event()
    complete = rocks.complete_backup

    def slow(*arguments: Any) -> None:
        hashing.set()
        assert go_on.wait(30)
        complete(*arguments)

    monkeypatch.setattr(rocks, "complete_backup", slow)
    async with (
        open_journal(tmp_path / "data") as journal,
        journal.claim(0, "me") as partition,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(journal.copy_to, tmp_path / "backup")
        await trio.to_thread.run_sync(hashing.wait)
        await partition.commit([append(A, 0, b"meanwhile")])
        go_on.set()
    restored(tmp_path / "backup", tmp_path / "copy")
    async with open_journal(tmp_path / "copy") as journal:
        assert await read(journal, A) == []
