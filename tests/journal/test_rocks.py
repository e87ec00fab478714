"""The store on disk when something is wrong: with the directory, with its files, with the disk under it.

Everything here is real: RocksDB, the file system, a second process, a full disk (a small tmpfs, which takes root), a
failing and a slow fsync (``shim``, which takes a C compiler). ``FLIP_SEED`` and ``FLIP_TIMES`` flip other bits, and more.
"""

from __future__ import annotations

import ast
import errno
import functools
import gc
import json
import os
import pickle
import re
import resource
import shutil
import struct
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import attrs
import pytest
import trio
import trio.testing

import actors
import cli
import journal
from journal import events as e
from journal import keys
from journal.errors import (
    CorruptRecord,
    Damaged,
    DirectoryNotEmpty,
    DiskFull,
    InDoubt,
    StoreDamaged,
    StoreError,
    StoreFailed,
    StoreFormat,
    StoreInUse,
    Unavailable,
)
from journal.events import Stamp
from journal.ids import InvocationId, StreamId
from journal.kv import rocks, rocks_options, rocks_watch, room
from journal.kv.store import Batch
from journal.log.kv_journal import KvJournal
from journal.log.open import open_for_reading, open_journal
from journal.log.protocol import Append, Partition
from journal.log.streams import read_head
from journal.rows import FORMAT
from tests.journal import writer
from tests.journal.samples import STAMP
from tests.journal.shim import preloaded, shared_control
from tests.raising import raises

A, B = StreamId(1), StreamId(2)
MEBIBYTE = 1 << 20
FLIP_SEED = int(os.environ.get("FLIP_SEED", "1"))
FLIP_TIMES = int(os.environ.get("FLIP_TIMES", "1"))


def event(value: bytes) -> tuple[Stamp, e.Event]:
    return STAMP, e.SignalReceived(invocation_id=InvocationId("inv_1" + "0" * 33), name="n", value=value)


def append(stream: StreamId, expected: int, *values: bytes) -> Append:
    return Append.of(stream=stream, expected=expected, events=[event(value) for value in values])


async def read(journal: KvJournal, stream: StreamId, after: int = 0) -> list[bytes]:
    recorded = [recorded async for recorded in journal.read(stream, after)]
    assert [r.number for r in recorded] == list(range(after + 1, after + 1 + len(recorded)))
    return [r.event.value for r in recorded if isinstance(r.event, e.SignalReceived)]


@asynccontextmanager
async def opened(path: Path, *, reserve_bytes: int = rocks.RESERVE_BYTES) -> AsyncIterator[tuple[KvJournal, Partition]]:
    async with open_journal(path, reserve_bytes=reserve_bytes) as journal, journal.claim(0, "me") as partition:
        yield journal, partition


IDLE_FILES = ("LOG", "LOCK", "HOLDER", "rocksdict-config.json")
"""Logs, locks, and what rocksdict rewrites whenever it looks."""


def contents(directory: Path, idle: tuple[str, ...] = IDLE_FILES) -> dict[str, bytes]:
    """Every file but the idle ones."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.name.startswith(idle)
    }


def flip(path: Path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def cut(path: Path, size: int) -> None:
    assert 0 <= size < path.stat().st_size
    os.truncate(path, size)


# Whose directory it is.


def ask_another_process(
    mode: str,
    directory: Path,
    *arguments: str,
    environment: dict[str, str] | None = None,
    open_files: int | None = None,
) -> dict[str, Any]:
    """What ``writer`` answers; see there. ``open_files``: how many it may have."""

    def limit() -> None:
        if open_files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))

    done = subprocess.run(
        writer.command(mode, directory, *arguments),
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=60.0,
        env=environment,
        cwd=writer.ROOT,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


async def test_a_second_process_is_refused_and_told_who_has_the_store(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as (journal, partition):
        answer = ask_another_process("open", tmp_path / "data")
        assert answer == {"opened": False, "error": "StoreInUse", "pid": os.getpid()}
        await partition.commit([append(A, 0, b"undisturbed")])
        assert await read(journal, A) == [b"undisturbed"]
    assert ask_another_process("open", tmp_path / "data") == {"opened": True}


async def test_a_second_opening_in_the_same_process_is_refused_likewise(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as (journal, partition):
        with raises(StoreInUse, pid=os.getpid()):
            async with open_journal(tmp_path / "data"):
                pass
        await partition.commit([append(A, 0, b"undisturbed")])
        assert await read(journal, A) == [b"undisturbed"]


async def test_a_reader_beside_the_writer_sees_what_was_committed_before_it_came(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as (journal, partition):
        await partition.commit([append(A, 0, b"before")])
        reader, identity = open_for_reading(tmp_path / "data")
        try:
            await partition.commit([append(A, 1, b"after")])
            assert identity.partitions == 1
            assert reader.get(keys.record(0, A, 1)) == journal.get(keys.record(0, A, 1))
            assert reader.get(keys.record(0, A, 2)) is None
        finally:
            reader.close()


async def test_a_store_of_another_format_is_refused_and_not_a_byte_of_it_changes(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, partition):
        await partition.commit([append(A, 0, b"old")])
    identity = tmp_path / "STORE"
    for found in (FORMAT + 1, FORMAT - 1):
        identity.write_bytes(json.dumps(json.loads(identity.read_bytes()) | {"format": found}).encode())
        before = contents(tmp_path, idle=("HOLDER",))
        with pytest.raises(StoreFormat) as refusal:
            async with open_journal(tmp_path):
                pass
        assert (refusal.value.found, refusal.value.expected) == (found, FORMAT)
        assert contents(tmp_path, idle=("HOLDER",)) == before


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory with something in it that is not ours."""
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "thesis.tex").write_text("ten years of work")
    return tmp_path / "home"


async def refused_as_not_ours(directory: Path) -> None:
    with pytest.raises(DirectoryNotEmpty):
        async with open_journal(directory):
            pass


async def test_a_directory_that_holds_something_else_is_refused_and_keeps_it(home: Path) -> None:
    before = contents(home)
    await refused_as_not_ours(home)
    assert contents(home) == before


async def test_a_directory_that_holds_something_else_is_left_as_it_was(home: Path) -> None:
    await refused_as_not_ours(home)
    assert list(contents(home, idle=())) == ["thesis.tex"]


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
async def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    async with opened(tmp_path / "data"):
        pass
    (tmp_path / "data").chmod(mode)
    with raises(StoreError, code="store_unusable", path=tmp_path / "data"):
        async with open_journal(tmp_path / "data"):
            pass


async def test_nobody_else_can_read_a_new_store(tmp_path: Path) -> None:
    async with opened(tmp_path / "above" / "data") as (_, partition):
        await partition.commit([append(A, 0, b"secret")])
        assert (tmp_path / "above" / "data").stat().st_mode & 0o777 == 0o700


async def test_nobody_else_can_read_a_store_in_a_directory_that_was_there_before(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    directory.chmod(0o755)
    async with opened(directory) as (_, partition):
        await partition.commit([append(A, 0, b"secret")])
    reachable = directory.stat().st_mode & 0o005
    assert not reachable or not [p.name for p in directory.iterdir() if p.stat().st_mode & 0o004]


# Files that are missing, cut or changed.


async def leave_a_store(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, crashed: bool = True
) -> tuple[Path, dict[StreamId, list[bytes]]]:
    """A store with MARK at its end, and what is in it: half in tables and half in the log as SIGKILL leaves it, or closed.

    What a crash leaves is copied while the store is open and idle.
    """
    monkeypatch.setattr(rocks_watch, "_MARK_SECONDS", 0.0)
    random, alive, left = Random(1), folder / "alive", folder / "left"
    expected: dict[StreamId, list[bytes]] = {A: [], B: []}
    for session in range(2):  # few enough that RocksDB does not begin to compact what the caller is about to damage
        async with opened(alive) as (_, partition):
            for _ in range(80):
                values = {stream: random.randbytes(random.randint(1, 800)) for stream in expected}
                await partition.commit([append(s, len(expected[s]), value) for s, value in values.items()])
                for stream, value in values.items():
                    expected[stream].append(value)
            if crashed and session == 1:
                shutil.copytree(alive, left)
    if not crashed:
        shutil.copytree(alive, left)
    shutil.rmtree(alive)
    return left, expected


def the_log(directory: Path) -> Path:
    return max((directory / "db").glob("*.log"), key=lambda path: path.stat().st_size)


def the_manifest(directory: Path) -> Path:
    (found,) = (directory / "db").glob("MANIFEST-*")
    return found


def remove(*paths: Path) -> None:
    for path in paths:
        path.unlink()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "the manifest is missing": lambda d: the_manifest(d).unlink(),
    "CURRENT is missing": lambda d: (d / "db" / "CURRENT").unlink(),
    "CURRENT and the log are missing": lambda d: remove(d / "db" / "CURRENT", the_log(d)),
    "the log is missing": lambda d: the_log(d).unlink(),
    "the log is cut in half": lambda d: cut(the_log(d), the_log(d).stat().st_size // 2),
    "the log lost its last byte, which was on disk": lambda d: cut(the_log(d), the_log(d).stat().st_size - 1),
    "a bit flipped in the middle of the log": lambda d: flip(the_log(d), the_log(d).stat().st_size // 2 * 8),
    "a bit flipped in the first record of the log": lambda d: flip(the_log(d), 20 * 8),
    "a table is missing": lambda d: min((d / "db").glob("*.sst")).unlink(),
    "all of RocksDB's files are missing": lambda d: shutil.rmtree(d / "db"),
    "MARK is missing": lambda d: (d / "MARK").unlink(),
    "MARK is empty": lambda d: cut(d / "MARK", 0),
    "STORE is cut": lambda d: cut(d / "STORE", 30),
}


async def refused_and_left_alone(directory: Path) -> None:
    before = contents(directory)
    for _ in range(2):
        with pytest.raises(StoreDamaged):
            async with open_journal(directory):
                pass
        assert contents(directory) == before


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_a_store_with_files_missing_or_cut_is_refused_and_nothing_of_it_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    directory, _ = await leave_a_store(tmp_path, monkeypatch)
    damage(directory)
    await refused_and_left_alone(directory)


async def test_a_manifest_that_lost_its_last_20_bytes_is_refused_and_no_table_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, _ = await leave_a_store(tmp_path, monkeypatch, crashed=False)
    cut(the_manifest(directory), the_manifest(directory).stat().st_size - 20)
    await refused_and_left_alone(directory)


@pytest.mark.parametrize("crashed", [True, False])
async def test_a_manifest_cut_anywhere_is_harmless_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crashed: bool
) -> None:
    directory, expected = await leave_a_store(tmp_path, monkeypatch, crashed=crashed)
    size = the_manifest(directory).stat().st_size
    for length in sorted(Random(FLIP_SEED).sample(range(size), 20)):
        shutil.copytree(directory, tmp_path / "cut")
        cut(the_manifest(tmp_path / "cut"), length)
        await look_at(tmp_path / "cut", expected, f"cut from {size} to {length}")
        shutil.rmtree(tmp_path / "cut")


async def test_a_manifest_that_forgot_a_table_is_refused_though_the_log_goes_on_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rocks_watch, "_MARK_SECONDS", 0.0)
    monkeypatch.setattr(rocks_options, "_MEMTABLE_BYTES", 64 << 10)
    async with opened(tmp_path / "alive") as (_, partition):
        await partition.commit([append(B, 0, b"acknowledged, and then in a table")])
        first_log, number = the_log(tmp_path / "alive"), 0
        while first_log.exists():  # until a table has its contents
            await partition.commit([append(A, number, bytes(1000))])
            number += 1
            assert number < 10_000, "RocksDB never flushed its memtable"
        shutil.copytree(tmp_path / "alive", tmp_path / "crashed")
    manifest = the_manifest(tmp_path / "crashed")
    cut(manifest, manifest.stat().st_size - 20)
    try:
        async with open_journal(tmp_path / "crashed") as journal:
            assert await read(journal, B) == [b"acknowledged, and then in a table"]
    except StoreDamaged:
        pass


async def test_a_crashed_store_with_nothing_missing_opens_with_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, expected = await leave_a_store(tmp_path, monkeypatch)
    async with opened(directory) as (journal, _):
        assert {stream: await read(journal, stream) for stream in expected} == expected


@pytest.mark.parametrize("lost", [1, 5, 40])
async def test_a_torn_last_record_that_was_never_acknowledged_is_dropped_whole(tmp_path: Path, lost: int) -> None:
    # No MARK stands behind the last commit here, which is how it looks when the process dies before its fsync has returned.
    async with opened(tmp_path / "alive") as (_, partition):
        await partition.commit([append(A, 0, b"acknowledged"), append(B, 0, b"acknowledged")])
        await partition.commit([append(A, 1, b"in doubt"), append(B, 1, b"in doubt")])
        shutil.copytree(tmp_path / "alive", tmp_path / "crashed")
    log = the_log(tmp_path / "crashed")
    cut(log, log.stat().st_size - lost)
    async with opened(tmp_path / "crashed") as (journal, partition):
        assert await read(journal, A) == await read(journal, B) == [b"acknowledged"]
        await partition.commit([append(A, 1, b"next")])
        assert await read(journal, A) == [b"acknowledged", b"next"]


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
async def test_a_flipped_bit_in_the_log_is_refused_also_where_no_mark_was_made(tmp_path: Path, part: float) -> None:
    async with opened(tmp_path / "alive") as (_, partition):
        for number in range(50):
            await partition.commit([append(A, number, bytes(500))])
        shutil.copytree(tmp_path / "alive", tmp_path / "crashed")
    log = the_log(tmp_path / "crashed")
    inside_a_value = log.read_bytes().index(bytes(400), int(log.stat().st_size * part)) + 10
    flip(log, inside_a_value * 8)
    await refused_and_left_alone(tmp_path / "crashed")


async def test_a_flipped_bit_in_the_number_of_partitions_is_noticed(tmp_path: Path) -> None:
    stream = StreamId(7)
    async with open_journal(tmp_path, partitions=4) as journal, journal.claim(stream % 4, "me") as partition:
        await partition.commit([append(stream, 0, b"here")])
    identity = tmp_path / "STORE"
    identity.write_bytes(identity.read_bytes().replace(b'"partitions":4', b'"partitions":5'))
    try:
        async with open_journal(tmp_path) as journal:
            assert await read(journal, stream) == [b"here"]
    except StoreDamaged:
        pass


# Bytes that have changed where they lie.


FIRST, BEFORE, DAMAGED, BEHIND, LAST = (StreamId(number) for number in range(10, 15))


async def leave_a_damaged_event(directory: Path, event_number: int = 2) -> dict[StreamId, list[bytes]]:
    """Five streams, side by side in one table, and what is in them; a bit of an event of the middle one is wrong.

    The events are noise, which cannot be compressed, so each fills a block as it is.
    """
    random = Random(2)
    expected = {s: [random.randbytes(6000) for _ in range(3)] for s in (FIRST, BEFORE, DAMAGED, BEHIND, LAST)}
    async with opened(directory) as (_, partition):
        for number in range(3):
            await partition.commit([append(s, number, values[number]) for s, values in expected.items()])
    (table,) = (directory / "db").glob("*.sst")
    flip(table, (table.read_bytes().index(expected[DAMAGED][event_number - 1]) + 3000) * 8)
    return expected


async def test_a_damaged_event_stops_its_own_stream_and_not_the_others(tmp_path: Path) -> None:
    expected = await leave_a_damaged_event(tmp_path)
    async with opened(tmp_path) as (journal, partition):
        with raises(Damaged, stream=DAMAGED, number=2):
            await read(journal, DAMAGED, after=1)
        with raises(Damaged, stream=DAMAGED, number=2):
            await partition.history(DAMAGED, [(2, 2)])
        with raises(Damaged, stream=DAMAGED):
            await read(journal, DAMAGED)
        with raises(Damaged, stream=DAMAGED):
            await partition.load(DAMAGED)
        for stream in (FIRST, LAST):
            assert await read(journal, stream) == expected[stream]
            await partition.commit([append(stream, 3, b"more")])
            assert await read(journal, stream) == [*expected[stream], b"more"]
        assert [head async for head in journal.heads(0)] == [
            (FIRST, 4), (BEFORE, 3), (DAMAGED, 3), (BEHIND, 3), (LAST, 4)
        ]  # fmt: skip


@pytest.mark.parametrize(("event_number", "neighbour"), [(1, BEFORE), (3, BEHIND)])
async def test_a_damaged_event_does_not_stop_the_streams_that_lie_beside_it(
    tmp_path: Path, event_number: int, neighbour: StreamId
) -> None:
    expected = await leave_a_damaged_event(tmp_path, event_number)
    async with opened(tmp_path) as (journal, _):
        assert await read(journal, neighbour) == expected[neighbour]


async def test_a_damaged_event_does_not_stop_the_store_when_tables_are_compacted(tmp_path: Path) -> None:
    expected = await leave_a_damaged_event(tmp_path)
    number = len(expected[LAST])
    for _ in range(5):  # each leaves a table, and four are enough to be compacted
        async with opened(tmp_path) as (_, partition):
            for _ in range(100):
                await partition.commit([append(LAST, number, b"more")])
                number += 1


async def test_an_append_that_must_rewrite_a_damaged_event_names_the_stream(tmp_path: Path) -> None:
    await leave_a_damaged_event(tmp_path)
    async with opened(tmp_path) as (_, partition):
        with raises(Damaged, stream=DAMAGED):
            await partition.commit([Append.of(stream=DAMAGED, expected=3, events=[], erased=[2])])


async def test_an_error_that_somebody_keeps_does_not_keep_the_store_open(tmp_path: Path) -> None:
    expected = await leave_a_damaged_event(tmp_path)
    async with opened(tmp_path) as (journal, _):
        with pytest.raises(Damaged) as kept:
            await read(journal, DAMAGED)
    try:
        async with opened(tmp_path) as (journal, _):
            assert await read(journal, FIRST) == expected[FIRST]
    finally:
        del kept
        gc.collect()


@attrs.frozen
class Places:
    """Where bits flip: so many places of the files that match."""

    pattern: str
    count: int


def deadly_bits(path: Path) -> set[int]:
    """Where a flip makes RocksDB read the file for ever: what turns a log record's type into one it takes for outdated."""
    if not path.name.startswith("MANIFEST") and path.suffix != ".log":
        return set()
    data, position, found = path.read_bytes(), 0, set()
    while position + 7 <= len(data):
        left_of_block = 32768 - position % 32768
        if left_of_block < 7:
            position += left_of_block
            continue
        _, length, _ = struct.unpack_from("<IHB", data, position)
        found.add((position + 6) * 8 + 2)
        position += 7 + length
    return found


@pytest.mark.parametrize("damaged", [the_log, the_manifest])
async def test_a_flipped_bit_never_keeps_a_start_from_coming_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: Callable[[Path], Path]
) -> None:
    directory, _ = await leave_a_store(tmp_path, monkeypatch)
    flip(damaged(directory), sorted(deadly_bits(damaged(directory)))[2])
    assert ask_another_process("open", directory)["error"] == "StoreDamaged"


@pytest.mark.parametrize(
    "places",
    [
        Places("db/*.sst", 40),
        Places("db/*.log", 20),
        Places("db/MANIFEST*", 10),
        Places("*/CURRENT", 5),
        Places("MARK", 5),
    ],
    ids=str,
)
async def test_a_flipped_bit_anywhere_is_harmless_or_an_error_and_never_a_shorter_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: Places
) -> None:
    directory, expected = await leave_a_store(tmp_path, monkeypatch)
    random, outcomes = Random(FLIP_SEED), dict.fromkeys(("refused", "damaged", "harmless"), 0)
    files = [path.relative_to(directory) for path in sorted(directory.glob(places.pattern)) if path.stat().st_size]
    sizes = [(directory / path).stat().st_size for path in files]
    for turn in range(places.count * FLIP_TIMES):
        flipped = tmp_path / f"flipped-{turn}"
        shutil.copytree(directory, flipped)
        (path,) = random.choices(files, sizes)
        bit, deadly = random.randrange((flipped / path).stat().st_size * 8), deadly_bits(flipped / path)
        while bit in deadly:
            bit = random.randrange((flipped / path).stat().st_size * 8)
        flip(flipped / path, bit)
        outcomes[await look_at(flipped, expected, f"FLIP_SEED={FLIP_SEED}, bit {bit} of {path}")] += 1
        shutil.rmtree(flipped)
    print(places, outcomes)


async def look_at(directory: Path, expected: dict[StreamId, list[bytes]], where: str) -> str:
    """Read all there is, every way there is; how it went. Fails on anything but the whole truth or an error."""
    before, damaged = contents(directory), False
    try:
        async with open_journal(directory) as journal:
            for stream, values in expected.items():
                try:
                    assert await read(journal, stream) == values, where
                except Damaged as damage:
                    assert damage.stream == stream, where
                    damaged = True
            try:
                assert [h async for h in journal.heads(0)] == [(s, len(v)) for s, v in expected.items()], where
                async with journal.claim(0, "me") as partition:
                    for stream, values in expected.items():
                        stored = await partition.load(stream)
                        assert stored is not None, where
                        assert len(stored.events) == len(values), where
            except (Damaged, CorruptRecord):
                damaged = True
    except StoreDamaged:
        assert contents(directory) == before, where
        return "refused"
    return "damaged" if damaged else "harmless"


# A full disk.


@contextmanager
def disk_of(mebibytes: int, path: Path) -> Iterator[Callable[[int], None]]:
    """A disk of its own at the path; gives what makes it larger."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a full disk is a small tmpfs, and to mount one takes root")
    path.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "tmpfs", str(path)],
        capture_output=True,
        text=True,
    )
    if mounting.returncode:
        pytest.skip(f"a full disk is a small tmpfs, and none can be mounted here: {mounting.stderr.strip()}")

    def resize(mebibytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", str(path)], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


async def fill(partition: Partition) -> list[bytes]:
    """Commit to A until there is no room; what was acknowledged."""
    random = Random(3)
    acknowledged: list[bytes] = []
    while len(acknowledged) < 1000:
        value = random.randbytes(MEBIBYTE // 4)
        try:
            await partition.commit([append(A, len(acknowledged), value)])
        except InDoubt as error:
            assert "No space left" in str(error)
            return acknowledged
        acknowledged.append(value)
    raise AssertionError("the disk never filled")


def begins_with(found: Sequence[bytes], acknowledged: Sequence[bytes]) -> bool:
    """Whether all that was acknowledged is there, and at most the one in doubt behind it."""
    return list(found[: len(acknowledged)]) == list(acknowledged) and len(found) <= len(acknowledged) + 1


async def test_a_full_disk_stops_writes_until_there_is_room_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "CHECK_SECONDS", 0.0)
    with disk_of(16, tmp_path / "disk") as resize:
        async with open_journal(tmp_path / "disk" / "data") as journal:
            async with journal.claim(0, "me") as partition:
                acknowledged = await fill(partition)
                for _ in range(2):
                    with raises(DiskFull, code="disk_full"):
                        await partition.commit([append(B, 0, b"refused")])
                assert begins_with(await read(journal, A), acknowledged)
            for mebibytes in (16, 20):
                resize(mebibytes)
                with raises(DiskFull, code="disk_full"):
                    async with journal.claim(0, "me"):
                        pass
                assert begins_with(await read(journal, A), acknowledged)
            resize(200)
            async with journal.claim(0, "me") as partition:
                assert begins_with(await read(journal, A), acknowledged)
                assert await read(journal, B) == []
                await partition.commit([append(B, 0, b"taken")])
                assert await read(journal, B) == [b"taken"]
        async with opened(tmp_path / "disk" / "data") as (journal, _):
            assert begins_with(await read(journal, A), acknowledged)
            assert await read(journal, B) == [b"taken"]


async def test_there_is_no_room_for_new_work_before_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(room, "CHECK_SECONDS", 0.0)
    with disk_of(16, tmp_path / "disk") as resize:
        async with opened(tmp_path / "disk" / "data", reserve_bytes=8 * MEBIBYTE) as (journal, partition):
            assert journal.has_room()
            number = 0
            while journal.has_room():
                await partition.commit([append(A, number, bytes(MEBIBYTE))])
                number += 1
            assert 4 <= number <= 9
            await partition.commit([append(B, 0, b"work under way goes on")])
            assert not journal.has_room()
            resize(64)
            assert journal.has_room()
    refused, accepted = [record.getMessage() for record in caplog.records if "new work" in record.getMessage()]
    assert re.match(rf"{tmp_path}/disk/data: \d+ bytes are free .* more than {8 * MEBIBYTE}: it is refused", refused)
    assert re.match(rf"{tmp_path}/disk/data: \d+ bytes are free .* new work is accepted", accepted)


async def test_a_disk_that_fills_up_while_no_client_asks_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(rocks, "CHECK_SECONDS", 0.001)
    free = threading.Event()
    monkeypatch.setattr(room.log, "warning", lambda *_: free.set())
    async with opened(tmp_path / "data", reserve_bytes=1 << 62):
        with trio.fail_after(60):
            await trio.to_thread.run_sync(free.wait, abandon_on_cancel=True)


def test_writes_that_wait_for_the_tables_of_the_store_are_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stopped = iter([1, 1, 1, 0, 0])
    now = iter(range(0, 100, 3))
    directory: Any = SimpleNamespace(path=Path("data"), read_mark=lambda: None)
    clock = SimpleNamespace(monotonic=lambda: next(now), sleep=lambda _: None)
    monkeypatch.setattr(rocks_watch, "time", clock)
    monkeypatch.setattr(rocks_watch, "_number_of", lambda _, name: next(stopped) if name == "is-write-stopped" else 0)
    monkeypatch.setattr(rocks_watch.StoreWatch, "_look_at_background_work", lambda *_: None)
    rocks_watch.StoreWatch(directory).wait_until_writes_flow(cast("Any", None))
    waited, continued = [record.getMessage() for record in caplog.records]
    assert "writes have waited for 5 s" in waited
    assert "writes continue, after" in continued


async def test_the_owners_of_several_partitions_recover_together(tmp_path: Path) -> None:
    with disk_of(16, tmp_path / "disk") as resize:
        async with open_journal(tmp_path / "disk" / "data", partitions=2) as journal:
            async with journal.claim(A % 2, "me") as partition:
                await fill(partition)
            resize(200)

            async def claim_again(number: int) -> None:
                async with journal.claim(number, "me"):
                    pass

            async with trio.open_nursery() as nursery:
                nursery.start_soon(claim_again, 0)
                nursery.start_soon(claim_again, 1)


async def test_a_start_on_a_full_disk_says_that_the_disk_is_full(tmp_path: Path) -> None:
    with disk_of(16, tmp_path / "disk"):
        async with opened(tmp_path / "disk" / "data") as (_, partition):
            await fill(partition)
        with pytest.raises(DiskFull):
            async with open_journal(tmp_path / "disk" / "data"):
                pass


# A disk that fails, or is slow.


def ask_with_faults(mode: str, folder: Path, *arguments: str, suffix: str = "", plant: str = "") -> dict[str, Any]:
    """What ``writer`` answers on a disk that it may spoil."""
    shared_control(folder / "control")
    environment = preloaded(folder / "data", suffix=suffix, control=folder / "control")
    return ask_another_process(mode, folder / "data", *arguments, environment=environment | {"WRITER_PLANT": plant})


async def test_after_a_failed_fsync_nothing_more_is_acknowledged_or_lost(
    tmp_path: Path,
) -> None:
    answer = ask_with_faults("fail-sync", tmp_path, suffix=".log")
    assert answer["at_failure"] == "InDoubt"
    assert answer["behind_it"] == answer["afterwards"] == answer["at_claim"] == "StoreFailed"
    async with opened(tmp_path / "data") as (journal, partition):
        found = await read(journal, writer.own_stream(0))
        assert found in ([b"1", b"2", b"3"], [b"1", b"2", b"3", b"4"])
        await partition.commit([append(writer.own_stream(0), len(found), b"next")])
        assert await read(journal, writer.own_stream(0)) == [*found, b"next"]


def test_a_reader_never_sees_what_is_in_doubt(tmp_path: Path) -> None:
    assert ask_with_faults("fail-sync", tmp_path, suffix=".log")["read"] == [1, 2, 3]


def test_a_store_that_could_not_be_opened_again_at_once_takes_writes_later(tmp_path: Path) -> None:
    answer = ask_with_faults("recover", tmp_path, suffix=".log")
    assert answer["at_failure"] == "InDoubt"
    assert answer["too_early"] == "DiskFull"
    assert answer["later"] == "committed"


@pytest.mark.parametrize("error", [errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
async def test_after_a_write_that_failed_nothing_is_acknowledged_and_nothing_acknowledged_is_lost(
    tmp_path: Path, error: int
) -> None:
    answer = ask_with_faults("fail-write", tmp_path, str(error), suffix=".log")
    assert answer == {"at_failure": "InDoubt", "afterwards": "StoreFailed", "read": [1, 2, 3]}
    async with opened(tmp_path / "data") as (journal, _):
        assert await read(journal, writer.own_stream(0)) in ([b"1", b"2", b"3"], [b"1", b"2", b"3", b"4"])


@pytest.mark.parametrize("error", [errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
async def test_commits_stop_when_tables_cannot_be_written_and_lose_nothing(tmp_path: Path, error: int) -> None:
    answer = ask_with_faults("fail-flush", tmp_path, str(error), suffix=".sst")
    assert (answer["at_failure"], answer["afterwards"]) == ("InDoubt", "StoreFailed")
    assert answer["read"] == answer["acknowledged"] > 3
    async with opened(tmp_path / "data") as (journal, partition):
        found = await read(journal, writer.own_stream(0))
        assert len(found) in (answer["acknowledged"], answer["acknowledged"] + 1)
        assert found == [b"%d" % commit for commit in range(1, len(found) + 1)]
        await partition.commit([append(writer.own_stream(0), len(found), b"next")])


def test_a_disk_that_cannot_be_read_is_damage_and_never_an_object_that_looks_new(tmp_path: Path) -> None:
    answer = ask_with_faults("fail-read", tmp_path, suffix=".sst")
    assert answer == {"read": "Damaged", "heads": "CorruptRecord", "afterwards": [1, 2, 3]}


async def test_a_file_system_that_is_read_only_is_refused_and_said_to_be(tmp_path: Path) -> None:
    with disk_of(16, tmp_path / "disk"):
        async with opened(tmp_path / "disk" / "data") as (_, partition):
            await partition.commit([append(A, 0, b"kept")])
        make_read_only(tmp_path / "disk")
        with pytest.raises(StoreError, match="Read-only file system"):
            async with open_journal(tmp_path / "disk" / "data"):
                pass
        shutil.copytree(tmp_path / "disk" / "data", tmp_path / "copy")
        async with opened(tmp_path / "copy") as (journal, _):
            assert await read(journal, A) == [b"kept"]


async def test_a_start_with_too_few_open_files_says_so_and_harms_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    async with opened(directory) as (_, partition):
        await partition.commit([append(A, 0, b"kept")])
    before = contents(directory)
    assert ask_another_process("open", directory, open_files=14)["error"] == "Unavailable"
    assert contents(directory) == before
    assert ask_another_process("open", directory, open_files=64) == {"opened": True}


async def test_a_process_that_was_forked_is_refused_at_its_first_use(tmp_path: Path) -> None:
    async with opened(tmp_path) as (journal, partition):
        await partition.commit([append(A, 0, b"ours")])
        store: Any = journal._store
        child = os.fork()
        if not child:
            refusals = 0
            for use in (lambda: journal.get(b"x"), lambda: store.commit(Batch()).send(None)):
                try:
                    use()
                except Unavailable as error:
                    refusals += "forked" in str(error)
            store.close()  # and does not hang
            os._exit(refusals)
        _, status = await trio.to_thread.run_sync(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 2
        await partition.commit([append(A, 1, b"undisturbed")])
        assert await read(journal, A) == [b"ours", b"undisturbed"]


def test_the_event_loop_runs_on_while_the_disk_is_slow(tmp_path: Path) -> None:
    answer = ask_with_faults("held-sync", tmp_path, "60000")
    assert answer["held"] >= 3
    assert answer["outwaited"] == 0


def test_a_write_that_keeps_the_interpreter_to_itself_would_be_noticed(tmp_path: Path) -> None:
    answer = ask_with_faults("held-sync", tmp_path, "100", plant=writer.SYNC_IN_WRITE)
    assert answer["outwaited"] >= 3


def replace_with_an_empty_one(directory: Path) -> None:
    directory.rename(directory.with_name("aside"))
    directory.mkdir()


@pytest.mark.parametrize("take_away", [shutil.rmtree, replace_with_an_empty_one])
async def test_a_store_whose_directory_is_taken_away_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, take_away: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(rocks_watch, "_MARK_SECONDS", 0.0)
    async with opened(tmp_path / "data") as (_, partition):
        await partition.commit([append(A, 0, b"here")])
        take_away(tmp_path / "data")
        with pytest.raises(InDoubt):
            await partition.commit([append(A, 1, b"where?")])
        with pytest.raises(StoreFailed):
            await partition.commit([append(B, 0, b"nowhere")])


async def test_a_commit_on_its_way_arrives_even_if_whoever_waits_is_cancelled(tmp_path: Path) -> None:
    async with opened(tmp_path) as (journal, partition):
        with trio.CancelScope() as scope:
            scope.cancel()
            await partition.commit([append(A, 0, b"arrives")])
            heard_of_it = True
        assert heard_of_it
        assert await read(journal, A) == [b"arrives"]


async def test_commits_of_many_tasks_share_flushes_and_all_arrive(tmp_path: Path) -> None:
    async with opened(tmp_path) as (journal, partition), trio.open_nursery() as nursery:
        for stream in range(200):
            nursery.start_soon(partition.commit, [append(StreamId(stream), 0, b"%d" % stream)])
    async with opened(tmp_path) as (journal, _):
        for stream in range(200):
            assert await read(journal, StreamId(stream)) == [b"%d" % stream]


# rocksdict's default mode pickles.


def calls_without_raw_mode(source: str) -> list[str]:
    """Calls that let rocksdict choose its mode: options and batches not made raw, handles not given options."""
    found = []
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        match call.func:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                pass
            case _:
                continue
        raw = named.get("raw_mode")
        if name in ("Options", "WriteBatch") and not (isinstance(raw, ast.Constant) and raw.value is True):
            found.append(ast.unparse(call))
        if name == "Rdict" and len(call.args) < 2 and "options" not in named:
            found.append(ast.unparse(call))
    return found


def test_the_default_mode_of_rocksdict_is_never_used() -> None:
    for package in (journal, actors, cli):
        for folder in package.__path__:
            for path in Path(folder).rglob("*.py"):
                assert calls_without_raw_mode(path.read_text()) == [], path


def test_the_search_for_the_default_mode_finds_it() -> None:
    source = (
        "Rdict('x'); rocksdict.Options(); Options(raw_mode=False); WriteBatch(); Rdict('x', o); Options(raw_mode=True)"
    )
    assert len(calls_without_raw_mode(source)) == 4


async def test_a_pickle_that_somebody_planted_stays_bytes(tmp_path: Path) -> None:
    planted = pickle.dumps(functools.partial(os.mkdir, tmp_path / "owned"))
    async with opened(tmp_path / "data") as (_, partition):
        key = keys.log_item(0, A, "lines", 0)
        await partition.commit([Append.of(stream=A, expected=0, events=[event(planted)], rows={key: planted})])
    async with opened(tmp_path / "data") as (journal, _):
        assert journal.get(key) == planted
        assert await read(journal, A) == [planted]
    assert not (tmp_path / "owned").exists()


class SlowToFlush:
    """A RocksDB whose flush waits until it is let through."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.flushing = threading.Event()
        self.let_through = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def flush_wal(self, sync: bool) -> None:
        self.flushing.set()
        self.let_through.wait()
        self._db.flush_wal(sync)


async def test_a_view_shows_nothing_that_a_power_cut_could_take_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as (journal, partition):
        store: Any = journal._store
        await partition.commit([append(A, 0, b"durable")])
        db = store._db = SlowToFlush(store._db)
        seen: list[int] = []

        async def look() -> None:
            async with journal.view() as view:
                seen.append(read_head(view, 0, A).last)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(partition.commit, [append(A, 1, b"on its way")])
            await trio.to_thread.run_sync(db.flushing.wait)
            assert store.get(keys.record(0, A, 2)) is not None
            nursery.start_soon(look)
            await trio.testing.wait_all_tasks_blocked()
            assert seen == []
            db.let_through.set()
        assert seen == [2]
        store._db = db._db


async def test_closing_the_store_closes_its_views_and_frees_the_directory(tmp_path: Path) -> None:
    async with open_journal(tmp_path) as journal:
        store: Any = journal._store
        view = await store.view()
    with raises(Unavailable, code="unavailable"):
        view.get(b"x")
    with raises(Unavailable, code="unavailable"):
        await store.view()
    async with opened(tmp_path):
        pass
