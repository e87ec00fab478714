"""The other process: it writes to a journal, says what was acknowledged, and dies. ``python -m tests.journal.writer``.

    append DIRECTORY [COMMITS]   commits until it is killed, or so many per worker; a line "worker commit" per acknowledgement
    open DIRECTORY               opens the journal and says what came of it
    fail-sync DIRECTORY          commits before, during and after an fsync that fails
    fail-write DIRECTORY ERRNO   commits before, during and after a write that fails so
    fail-flush DIRECTORY ERRNO   commits while no table can be written, until it is told so, and afterwards
    fail-read DIRECTORY          reads what no cache has while no read succeeds, and afterwards
    backup DIRECTORY TARGET      makes a backup
    restore DIRECTORY TARGET     makes a data directory of the backup in the directory
    recover DIRECTORY            runs out of disk, fails to recover, then may
    held-sync DIRECTORY MS       commits while every fsync waits for the event loop, for so long at most, and counts those that wait in vain

All but ``append``, ``backup`` and ``restore`` answer with one line of JSON. Commit ``n`` of a worker is the same in every life of the process, so whoever
looks at what is left knows what should be there. ``WRITER_DURABILITY`` sets when a commit of ``append`` counts as kept, and
``WRITER_PLANT`` plants a bug that the tests must find.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import trio
from rocksdict import Rdict, WriteBatch, WriteOptions

from journal import events as e
from journal.errors import JournalError
from journal.events import Recorded, Stamp
from journal.ids import InvocationId, StreamId
from journal.kv import rocks, rocks_options, rocks_watch
from journal.kv.backup import restore_backup
from journal.kv.store import Durability
from journal.log.open import open_journal
from journal.log.protocol import Append, Partition
from tests.journal.samples import STAMP
from tests.journal.shim import control_of_this_process

ROOT = Path(__file__).parents[2]
"""Where the process must be started, so that it finds this module."""

WORKERS = 3
NO_FLUSH = "no-flush"
SYNC_IN_WRITE = "sync-in-write"
_INVOCATION = InvocationId("inv_1" + "0" * 33)
_MANY_COMMITS = 1_000_000
_UNFLUSHED_COMMITS = 2_000
"""Of two kilobytes each: many times what a memtable of the test takes."""

_PATIENCE_SECONDS = 3.0


def command(mode: str, directory: Path, *arguments: str) -> list[str]:
    """How to start the process."""
    return [sys.executable, "-m", "tests.journal.writer", mode, str(directory), *arguments]


def own_stream(worker: int) -> StreamId:
    """Where every commit of the worker leaves one to three events."""
    return StreamId(2 * worker)


def mirror_stream(worker: int) -> StreamId:
    """Where every second commit of the worker leaves one event more."""
    return StreamId(2 * worker + 1)


def events_of(commit: int) -> list[tuple[Stamp, e.Event]]:
    """What the commit leaves in the worker's own stream. Sizes vary, so that records end everywhere in a block."""
    padding = "x" * (commit * 997 % 2000)
    return [_event(commit, f"{part}{padding}") for part in range(1 + commit % 3)]


def mirrored_events_of(commit: int) -> list[tuple[Stamp, e.Event]]:
    """What it leaves in the mirror."""
    return [_event(commit, "mirror")] if commit % 2 == 0 else []


def _event(commit: int, name: str) -> tuple[Stamp, e.Event]:
    return STAMP, e.SignalReceived(invocation_id=_INVOCATION, name=name, value=b"%d" % commit)


def commit_of(recorded: Recorded) -> int:
    """The commit that the event came with."""
    assert isinstance(recorded.event, e.SignalReceived)
    return int(recorded.event.value)


async def append(directory: Path, commits: int) -> None:
    """Commit for several workers at once, so that they share flushes, and acknowledge each commit."""
    # Small tables, so that a short life sees flushes, new logs and compactions; and a mark with every commit, so that one
    # that is ahead of the disk shows. A store that loses data says so only where no mark says it first.
    rocks_options._MEMTABLE_BYTES = 64 << 10
    rocks_watch._MARK_SECONDS = 3600.0 if os.environ.get("WRITER_PLANT") else 0.0
    durability = Durability(os.environ.get("WRITER_DURABILITY", Durability.FSYNC.value))
    async with (
        open_journal(directory, durability=durability) as journal,
        journal.claim(0, "writer") as partition,
        trio.open_nursery() as nursery,
    ):
        for worker in range(WORKERS):
            nursery.start_soon(_append_for, partition, worker, commits)


async def _append_for(partition: Partition, worker: int, commits: int) -> None:
    own, mirror = own_stream(worker), mirror_stream(worker)
    own_last, mirror_last, done = await _end_of(partition, own), await _end_of(partition, mirror), 0
    if own_last:
        (last,) = await partition.history(own, [(own_last, own_last)])
        done = commit_of(last)
    for commit in range(done + 1, done + 1 + commits):
        events, mirrored = events_of(commit), mirrored_events_of(commit)
        appends = [Append.of(stream=own, expected=own_last, events=events)]
        if mirrored:
            appends.append(Append.of(stream=mirror, expected=mirror_last, events=mirrored))
        await partition.commit(appends)
        own_last += len(events)
        mirror_last += len(mirrored)
        os.write(1, b"%d %d\n" % (worker, commit))  # one write, so no line is ever torn


async def _end_of(partition: Partition, stream: StreamId) -> int:
    stored = await partition.load(stream)
    return 0 if stored is None else stored.last


async def back_up(directory: Path, target: Path) -> None:
    """Make a backup."""
    async with open_journal(directory) as journal:
        await journal.copy_to(target)


async def try_to_open(directory: Path) -> None:
    """Say how opening went."""
    try:
        async with open_journal(directory):
            _answer(opened=True)
    except JournalError as error:
        _answer(opened=False, error=type(error).__name__, pid=getattr(error, "pid", None))


async def fail_sync(directory: Path) -> None:
    """Commits 1 to 3, a commit 4 whose fsync fails, one that waits behind it, and everything that could be tried then."""
    control = control_of_this_process()
    async with open_journal(directory) as journal, journal.claim(0, "writer") as partition:
        for commit in range(1, 4):
            await partition.commit([_one_event(commit)])
        elsewhere = Append.of(stream=mirror_stream(0), expected=0, events=[_event(5, "elsewhere")])
        outcomes: dict[str, str | None] = {}

        async def note(name: str, action: Callable[..., object], *arguments: object) -> None:
            outcomes[name] = await _error_of(action, *arguments)

        control.slow_us = 100_000
        control.fail_next_sync(errno.EIO)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(note, "at_failure", partition.commit, [_one_event(4)])
            while control.syncs < control.fail_sync:  # the shim counts, and tells nobody
                await trio.sleep(0.001)
            nursery.start_soon(note, "behind_it", partition.commit, [elsewhere])
        control.slow_us = 0
        await note("afterwards", partition.commit, [elsewhere])

        async def claim_again() -> None:
            async with journal.claim(0, "again"):
                pass

        await note("at_claim", claim_again)
        read = [commit_of(recorded) async for recorded in journal.read(own_stream(0))]
    _answer(**outcomes, read=read)


async def fail_write(directory: Path, error_number: int) -> None:
    """Commits 1 to 3, one whose write to the log fails, and what could be tried then, on a disk that is well again."""
    control = control_of_this_process()
    async with open_journal(directory) as journal, journal.claim(0, "writer") as partition:
        for commit in range(1, 4):
            await partition.commit([_one_event(commit)])
        control.fail_writes = error_number
        at_failure = await _error_of(partition.commit, [_one_event(4)])
        control.fail_writes = 0
        afterwards = await _error_of(partition.commit, [_one_event(4)])
        read = [commit_of(recorded) async for recorded in journal.read(own_stream(0))]
    _answer(at_failure=at_failure, afterwards=afterwards, read=read)


async def fail_flush(directory: Path, error_number: int) -> None:
    """Commits while RocksDB cannot write tables, which it does behind everybody's back; the log takes all of them."""
    rocks_options._MEMTABLE_BYTES = 64 << 10
    control, acknowledged, error = control_of_this_process(), 0, None
    async with open_journal(directory) as journal, journal.claim(0, "writer") as partition:
        control.fail_writes = error_number
        while error is None and acknowledged < _UNFLUSHED_COMMITS:
            event = _event(acknowledged + 1, "x" * 2_000)
            error = await _error_of(
                partition.commit, [Append.of(stream=own_stream(0), expected=acknowledged, events=[event])]
            )
            acknowledged += error is None
        control.fail_writes = 0
        afterwards = await _error_of(partition.commit, [_one_event(acknowledged + 1)])
        read = [commit_of(recorded) async for recorded in journal.read(own_stream(0))]
    _answer(at_failure=error, afterwards=afterwards, acknowledged=acknowledged, read=len(read))


async def fail_read(directory: Path) -> None:
    """Three commits, in a table; what readers are told while it cannot be read, and afterwards."""
    control = control_of_this_process()
    async with open_journal(directory) as journal, journal.claim(0, "writer") as partition:
        for commit in range(1, 4):
            await partition.commit([_one_event(commit)])

    async def read() -> list[int]:
        return [commit_of(recorded) async for recorded in journal.read(own_stream(0))]

    async def list_heads() -> None:
        async for _ in journal.heads(0):
            pass

    async with open_journal(directory) as journal:
        control.fail_reads = errno.EIO
        outcomes = {"read": await _error_of(read), "heads": await _error_of(list_heads)}
        control.fail_reads = 0
        _answer(**outcomes, afterwards=await read())


def _one_event(commit: int) -> Append:
    return Append.of(stream=own_stream(0), expected=commit - 1, events=[_event(commit, "one")])


async def _error_of(action: Callable[..., object], *arguments: object) -> str | None:
    try:
        await action(*arguments)  # type: ignore[misc]
    except JournalError as error:
        return type(error).__name__
    return None


async def recover(directory: Path) -> None:
    """Run out of disk, fail to open the store again because a file is away, then bring the file back and go on."""
    control = control_of_this_process()
    mark, aside = directory / "MARK", directory / "aside"
    async with open_journal(directory) as journal:

        async def commit_once(last: int) -> None:
            async with journal.claim(0, "writer") as partition:
                await partition.commit([_one_event(last + 1)])

        await commit_once(0)
        control.fail_next_sync(errno.ENOSPC)
        at_failure = await _error_of(commit_once, 1)
        mark.rename(aside)
        too_early = await _error_of(commit_once, 1)
        aside.rename(mark)
        async with trio.open_nursery() as nursery:

            async def give_up() -> None:
                await trio.sleep(_PATIENCE_SECONDS)
                _answer(at_failure=at_failure, too_early=too_early, later="still waiting")
                os._exit(0)  # nothing less ends a commit that waits for a thread

            nursery.start_soon(give_up)
            later = await _error_of(commit_once, 1)
            nursery.cancel_scope.cancel()
    _answer(at_failure=at_failure, too_early=too_early, later=later or "committed")


async def held_sync(directory: Path, held_ms: int) -> None:
    """Commit a few times on a disk where every fsync waits until the event loop has seen it, and count those that wait in vain."""
    rocks_watch._MARK_SECONDS = 0.0  # the mark is synced as well, in the same commits
    control = control_of_this_process()

    async def release() -> None:
        while True:
            await trio.sleep(0.001)
            control.released = control.syncs  # the shim counts, and tells nobody

    async with (
        open_journal(directory) as journal,
        journal.claim(0, "writer") as partition,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(release)
        before = control.syncs
        control.held_ms = held_ms
        for commit in range(1, 4):
            await partition.commit([_one_event(commit)])
        held = control.syncs - before
        control.held_ms = 0
        nursery.cancel_scope.cancel()
    _answer(held=held, outwaited=control.outwaited)


def _answer(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


class _Planted:
    """RocksDB with one thing wrong with it. It cannot be subclassed, so this stands in front."""

    def __init__(self, *arguments: object, **options: object) -> None:
        self._db = Rdict(*arguments, **options)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)


class _NeverFlushed(_Planted):
    """Acknowledges what only the operating system has."""

    def flush_wal(self, sync: bool) -> None:
        pass


class _SyncedByWrite(_Planted):
    """Syncs where rocksdict keeps the GIL."""

    def write(self, batch: WriteBatch) -> None:
        options = WriteOptions()
        options.sync = True
        self._db.write(batch, options)


_BUGS = {NO_FLUSH: _NeverFlushed, SYNC_IN_WRITE: _SyncedByWrite}


def main(mode: str, directory: str, argument: str = str(_MANY_COMMITS)) -> None:
    bug = os.environ.get("WRITER_PLANT")
    if bug:
        setattr(rocks, "Rdict", _BUGS[bug])  # noqa: B010  # a type checker is right to refuse the assignment
    match mode:
        case "append":
            trio.run(append, Path(directory), int(argument))
        case "open":
            trio.run(try_to_open, Path(directory))
        case "fail-sync":
            trio.run(fail_sync, Path(directory))
        case "fail-write":
            trio.run(fail_write, Path(directory), int(argument))
        case "fail-flush":
            trio.run(fail_flush, Path(directory), int(argument))
        case "fail-read":
            trio.run(fail_read, Path(directory))
        case "backup":
            trio.run(back_up, Path(directory), Path(argument))
        case "restore":
            restore_backup(Path(directory), Path(argument), check=lambda *_: None, is_held=True, now=0.0)
        case "recover":
            trio.run(recover, Path(directory))
        case "held-sync":
            trio.run(held_sync, Path(directory), int(argument))
        case _:
            raise SystemExit(f"unknown mode {mode!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
