"""A store whose logs were cut, damaged or removed opens as a prefix of what was written, or is refused: never with a hole.

The stores are real, with all that was committed in two or three of RocksDB's logs, which a small memtable and flushes that are put off
bring about.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import attrs
import pytest
import trio
from rocksdict import Options, Rdict, WriteBatch

from journal.errors import ChangesMissing, StoreDamaged
from journal.ids import StreamId
from journal.kv import rocks, rocks_options, rocks_watch
from journal.kv.data_directory import DataDirectory
from journal.kv.mark import HighWaterMark
from journal.kv.rocks_reader import RocksReader
from journal.kv.store import Durability
from journal.kv.wal import LogContent, Run, find_gap, read_log
from journal.log.open import open_for_reading, open_journal
from tests.journal.test_rocks import append, contents, cut, read

STREAMS = tuple(StreamId(number) for number in range(1, 4))
LOG_BYTES = 64 << 10
BLOCK_BYTES = 32 << 10


@attrs.frozen
class Written:
    """A store with logs, and how far it reached after each commit: in which log, of which size, and to which change."""

    path: Path
    ends: list[tuple[int, int, int]]

    def logs(self) -> list[Path]:
        return [self.path / "db" / f"{number:06}.log" for number in sorted({number for number, _, _ in self.ends})]

    def commits_in(self, log: Path) -> int:
        return sum(number == int(log.stem) for number, _, _ in self.ends)

    def commits_up_to(self, log: Path, size: int) -> int:
        """How many commits are whole if this log is cut to this size, and none after it is there."""
        return sum(number < int(log.stem) or (number == int(log.stem) and end <= size) for number, end, _ in self.ends)

    def copy_to(self, path: Path) -> Written:
        return Written(Path(shutil.copytree(self.path, path)), self.ends)


@pytest.fixture
def keeps_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log is short, and is kept until the store is opened again."""
    make = rocks_options.writing_options

    def options() -> Options:
        made = make()
        made.set_min_write_buffer_number_to_merge(20)
        made.set_max_write_buffer_number(30)
        return made

    monkeypatch.setattr(rocks, "writing_options", options)
    monkeypatch.setattr(rocks_watch, "MEMTABLES", 30)
    monkeypatch.setattr(rocks_options, "_MEMTABLE_BYTES", LOG_BYTES)


async def write_logs(folder: Path, *, count: int, durability: Durability, is_closed: bool) -> Written:
    """Commit until there are so many logs; what a crash leaves, or a close that could write no table."""
    random, alive, left, ends = Random(count), folder / "alive", folder / "left", list[tuple[int, int, int]]()
    async with open_journal(alive, durability=durability) as journal, journal.claim(0, "me") as partition:
        directory, commit = DataDirectory(alive), 0
        while len({number for number, _, _ in ends}) < count or ends[-1][1] < LOG_BYTES // 2:
            stream, expected = STREAMS[commit % len(STREAMS)], commit // len(STREAMS)
            commit += 1
            await partition.commit(
                [append(stream, expected, b"%d:" % commit + random.randbytes(random.randint(5, 20_000)))]
            )
            number = max(directory.logs())
            with_change = read_log(directory.rocks / f"{number:06}.log").runs[-1].last
            ends.append((number, (directory.rocks / f"{number:06}.log").stat().st_size, with_change))
        if not is_closed:
            shutil.copytree(alive, left)
    if is_closed:
        shutil.copytree(alive, left)
    return Written(left, ends)


def written(
    folder: Path, *, count: int = 2, durability: Durability = Durability.FSYNC, is_closed: bool = False
) -> Written:
    folder.mkdir()
    return trio.run(lambda: write_logs(folder, count=count, durability=durability, is_closed=is_closed))


async def commits_in(directory: Path) -> int:
    """How many commits there are. Fails if they are not the first ones."""
    async with open_journal(directory) as journal:
        found = [int(value.partition(b":")[0]) for stream in STREAMS for value in await read(journal, stream)]
    assert sorted(found) == list(range(1, len(found) + 1)), "there is a hole"
    return len(found)


def part_ends(log: Path) -> Iterator[int]:
    """Where each record, or part of one, ends."""
    data, position = log.read_bytes(), 0
    while position + 7 <= len(data):
        left_of_block = BLOCK_BYTES - position % BLOCK_BYTES
        position += (
            7 + int.from_bytes(data[position + 4 : position + 6], "little") if left_of_block >= 7 else left_of_block
        )
        yield position


def cuts_of(log: Path) -> list[int]:
    """Every length that a log may be cut to: between two records, and in the midst of one."""
    ends = [0, *part_ends(log)]
    return sorted({length for end in ends for length in (end, end + 5) if length < log.stat().st_size})


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("is_closed", [False, True], ids=["crashed", "closed"])
@pytest.mark.parametrize("durability", [Durability.FSYNC, Durability.OS])
def test_a_log_that_is_cut_leaves_no_hole(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keeps_logs: None,
    durability: Durability,
    is_closed: bool,
    count: int,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(rocks, "write_tables", lambda db: False)
        store = written(tmp_path / "store", count=count, durability=durability, is_closed=is_closed)
    is_on_disk = is_closed or durability is Durability.FSYNC
    for index, log in enumerate(store.logs()[:-1]):
        for length in cuts_of(log):
            copy = store.copy_to(tmp_path / f"{index}-{length}")
            cut(copy.logs()[index], length)
            if is_on_disk:
                before = contents(copy.path)
                with pytest.raises(StoreDamaged):
                    trio.run(commits_in, copy.path)
                assert contents(copy.path) == before
            else:
                assert trio.run(commits_in, copy.path) == store.commits_up_to(log, length), f"{log} cut to {length}"


@pytest.mark.usefixtures("keeps_logs")
def test_what_is_missing_is_named(tmp_path: Path) -> None:
    store = written(tmp_path / "store")
    first, second = store.logs()
    (_, size, last), (_, _, lost) = store.ends[1], store.ends[store.commits_in(first) - 1]
    cut(first, size)
    with pytest.raises(ChangesMissing) as refusal:
        trio.run(commits_in, store.path)
    assert (refusal.value.log, refusal.value.expected, refusal.value.found) == (second.name, last + 1, lost + 1)
    with pytest.raises(ChangesMissing):
        open_for_reading(store.path)


def lose_power(store: Written, acknowledged: int) -> None:
    """Have MARK say what it says if the power went when no later commit was acknowledged."""
    number, _, reached = store.ends[acknowledged - 1]
    reader = RocksReader(opened := DataDirectory(store.path).open())
    oldest_log = reader.oldest_log()
    reader.close_rocks()
    logs = {number for number, _, _ in store.ends[:acknowledged]}
    (opened.path / "MARK").write_bytes(HighWaterMark(reached, oldest_log, tuple(sorted(logs))).encode())
    opened.release()
    assert number in logs


@pytest.mark.usefixtures("keeps_logs")
@pytest.mark.parametrize("count", [2, 3])
def test_a_power_cut_in_a_commit_over_two_logs_loses_that_commit_only(tmp_path: Path, count: int) -> None:
    store = written(tmp_path / "store", count=count)
    log, after = store.logs()[-2:]
    acknowledged = (
        store.commits_up_to(log, log.stat().st_size) - 2
    )  # the group of the last two, and of those after, was on its way
    synced = store.ends[acknowledged - 1][1]
    for length in (length for length in cuts_of(log) if length >= synced):
        copy = store.copy_to(tmp_path / f"{length}")
        lose_power(copy, acknowledged)
        cut(copy.logs()[-2], length)
        whole = store.commits_up_to(log, length)
        for _ in range(2):
            assert trio.run(commits_in, copy.path) == whole
        aside = copy.path / "db" / f"{after.name}.set-aside"
        assert aside.read_bytes() == after.read_bytes()


@pytest.mark.usefixtures("keeps_logs")
def test_a_log_that_is_set_aside_overwrites_none_that_was_before(tmp_path: Path) -> None:
    store = written(tmp_path / "store")
    log, after = store.logs()
    lose_power(store, 1)
    cut(log, store.ends[1][1])
    earlier = after.with_name(f"{after.name}.set-aside")
    earlier.write_bytes(b"of an earlier power cut")
    lost = after.read_bytes()
    trio.run(commits_in, store.path)
    assert earlier.read_bytes() == b"of an earlier power cut"
    assert earlier.with_name(f"{earlier.name}-2").read_bytes() == lost


@pytest.mark.usefixtures("keeps_logs")
def test_less_than_what_was_acknowledged_is_no_power_cut(tmp_path: Path) -> None:
    store = written(tmp_path / "store")
    log = store.logs()[0]
    acknowledged = store.commits_in(log) - 1
    lose_power(store, acknowledged)
    cut(log, store.ends[acknowledged - 1][1] - 1)
    with pytest.raises(ChangesMissing):
        trio.run(commits_in, store.path)


@pytest.mark.usefixtures("keeps_logs")
def test_who_only_reads_sees_the_prefix_and_sets_nothing_aside(tmp_path: Path) -> None:
    store = written(tmp_path / "store")
    log = store.logs()[0]
    lose_power(store, 1)
    (_, size, reached) = store.ends[1]
    cut(log, size)
    before = contents(store.path)
    reader, _ = open_for_reading(store.path)
    try:
        assert reader.reached() == reached
        assert reader.cut_off == (int(store.logs()[1].stem),)
    finally:
        reader.close()
    assert contents(store.path) == before


GAPS_AT_THE_START: dict[str, Callable[[Path], object]] = {
    "the first log is empty": lambda log: os.truncate(log, 0),
    "the first log has half a record": lambda log: os.truncate(log, 1000),
    "the first log is gone": lambda log: log.unlink(),
    "the first block is zeros": lambda log: zero(log, 0, BLOCK_BYTES),
    "the first log is zeros": lambda log: zero(log, 0, log.stat().st_size),
}


def zero(path: Path, start: int, stop: int) -> None:
    data = bytearray(path.read_bytes())
    data[start:stop] = bytes(stop - start)
    path.write_bytes(data)


@pytest.mark.usefixtures("keeps_logs")
@pytest.mark.parametrize("lives", [1, 2], ids=["first-life", "later-life"])
@pytest.mark.parametrize("durability", [Durability.FSYNC, Durability.OS])
@pytest.mark.parametrize("damage", GAPS_AT_THE_START.values(), ids=GAPS_AT_THE_START)
def test_the_beginning_of_the_logs_is_missed_as_well(
    tmp_path: Path, durability: Durability, damage: Callable[[Path], object], lives: int
) -> None:
    store = written(tmp_path / "store", durability=durability)
    before = 0
    if lives == 2:
        before = trio.run(commits_in, store.path)

        async def write_more() -> None:
            async with open_journal(store.path, durability=durability) as journal, journal.claim(0, "me") as partition:
                for number in range(20):
                    await partition.commit([append(StreamId(9), number, bytes(9_000))])
                shutil.copytree(store.path, tmp_path / "later")

        trio.run(write_more)
        store = Written(tmp_path / "later", store.ends)
    oldest = min(
        (path for path in (store.path / "db").glob("*.log") if path.stat().st_size), key=lambda path: path.name
    )
    damage(oldest)
    try:
        assert trio.run(commits_in, store.path) == before
    except StoreDamaged:
        return

    async def no_more() -> None:
        async with open_journal(store.path) as journal:
            assert await read(journal, StreamId(9)) == []

    trio.run(no_more)


WRITTEN_TO = LogContent(number=9, size=100, runs=(Run(50, 60),))


@pytest.mark.parametrize(
    ("mark", "oldest_log", "has_gap"),
    [
        pytest.param(HighWaterMark(49, 8), 8, False, id="it is the first of a life, and tables have all before"),
        pytest.param(HighWaterMark(48, 8), 8, True, id="it is the first of a life, and tables have less"),
        pytest.param(HighWaterMark(20, 5), 9, False, id="the manifest asks for it"),
        pytest.param(HighWaterMark(20, 5), 8, True, id="the manifest asks for a log before it"),
        pytest.param(HighWaterMark(20, 0), 8, False, id="the mark is that of a backup"),
    ],
)
def test_a_log_that_is_missed_before_all_others_leaves_a_gap(
    mark: HighWaterMark, oldest_log: int, has_gap: bool
) -> None:
    assert (find_gap([WRITTEN_TO], mark, oldest_log) is not None) == has_gap


@pytest.mark.parametrize("left_of_block", range(32))
def test_a_record_is_read_wherever_a_block_cuts_it(tmp_path: Path, left_of_block: int) -> None:
    options = rocks_options.writing_options()
    options.create_if_missing(True)
    db = Rdict(str(tmp_path / "db"), options)
    for size in (BLOCK_BYTES - left_of_block - record_bytes(tmp_path), 10, BLOCK_BYTES * 2, 10):
        batch = WriteBatch(raw_mode=True)
        batch.put(b"key", bytes(size))
        batch.put(b"other", b"")
        db.write(batch)
    db.flush_wal(False)
    (log,) = (tmp_path / "db").glob("*.log")
    assert BLOCK_BYTES - left_of_block in {BLOCK_BYTES, *part_ends(log)}
    assert read_log(log).runs == (Run(1, 8),)
    db.close()


def record_bytes(folder: Path) -> int:
    """What a record of the test takes beside a value that fills a block."""
    return 7 + 12 + (1 + 1 + 3 + 3) + (1 + 1 + 5 + 1)
