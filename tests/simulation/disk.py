"""A disk that lies, in memory: commits take their time, fail before or after they take effect, what was not synced may be lost, and
what is read may be damaged (``misreads``).

``Disk`` is what outlives a process. ``Handle`` is the store of one process (the contract of :class:`journal.kv.store.Store`): it dies
with the process, and whatever a dead process still does reaches nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from random import Random
from typing import TYPE_CHECKING, NoReturn

import attrs
import trio

from journal import keys
from journal.errors import CorruptRecord, DiskFull, InDoubt, StoreFailed, Unavailable
from journal.ids import StreamId
from journal.kv.memory import MemoryStore, MemoryView
from journal.kv.store import SCAN_PAGE, Batch, Durability, Trouble, TroubleKind, scan_all
from tests.simulation.misreads import Misreads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_RECORD = keys.record(0, StreamId(0), 0)[:1]
_ADDRESS = re.compile(rb"0x[0-9a-f]+")
"""In the text of an object that has none of its own, other in each process."""


@attrs.frozen(kw_only=True)
class Weather:
    """What the disk does to one process. Times are seconds since the process began.

    ``fates`` are of its commits by number: ``refused`` (nothing is kept), ``lost`` and ``kept`` (both in doubt), ``broken`` (the
    disk fails for good; whether it is kept is drawn). ``full`` and ``stalls`` are spans of time. ``latency`` is the longest time
    that a commit takes without a stall. ``shows_early``: reads see a batch before it is synced. ``misreads``: the accounts whose rows
    are read wrongly, by key, and how (``misreads``).
    """

    fates: dict[int, str] = attrs.field(factory=dict)
    full: list[tuple[float, float]] = attrs.field(factory=list)
    stalls: list[tuple[float, float]] = attrs.field(factory=list)
    latency: float = 0.0
    shows_early: bool = False
    misreads: dict[str, str] = attrs.field(factory=dict)


@attrs.define(eq=False)
class _Pending:
    batch: Batch
    is_shown: bool = False
    undo: list[tuple[bytes, bytes | None]] = attrs.field(factory=list)


class Disk(MemoryStore):
    """All that was written, and when each record was."""

    def __init__(self) -> None:
        super().__init__()
        self.record_times: dict[bytes, float] = {}
        self.streams: set[int] = set()
        """Those that a record was ever kept of."""
        self._kept: list[Batch] = []
        self.damaged: set[bytes] = set()
        self.misreads = Misreads()
        self.alive: Handle | None = None

    def digest(self) -> str:
        """A digest of every batch that was kept, in order."""
        digest = hashlib.sha256()
        for batch in self._kept:
            for key, value in batch.rows.items():
                digest.update(key)
                digest.update(_ADDRESS.sub(b"", value or b""))
        return digest.hexdigest()

    def keep(self, batch: Batch) -> None:
        """A batch is on the platter."""
        now = trio.current_time()
        self._kept.append(batch)
        for start, stop in batch.cleared:
            gone = [key for key in self.record_times if start <= key < stop and key not in batch.rows]
            for key in gone:
                del self.record_times[key]
        for key, value in batch.rows.items():
            if key[:1] == _RECORD:
                if value is None:
                    self.record_times.pop(key, None)
                else:  # one that is written again is as old as before
                    self.record_times.setdefault(key, now)
                    self.streams.add(int.from_bytes(key[3:11], "big"))

    def undo(self, changes: Sequence[tuple[bytes, bytes | None]]) -> None:
        self.apply(Batch(rows=dict(reversed(changes))))

    @property
    def is_well(self) -> bool:
        """Whether all that was written can be read."""
        return not (self.damaged or self.misreads.kinds)

    def heal(self) -> None:
        """All that was written can be read again."""
        self.damaged.clear()
        self.misreads.kinds.clear()

    def read(self, key: bytes, value: bytes | None, random: Random) -> bytes | None:
        """A row as a reader gets it. Raises ``CorruptRecord``."""
        if key in self.damaged:
            raise CorruptRecord("a block of the disk has other bits than were written")
        return self.misreads.value(key, value, random) if self.misreads.kinds else value

    def read_rows(self, found: list[tuple[bytes, bytes]], random: Random) -> list[tuple[bytes, bytes]]:
        """Rows as a reader gets them. Raises ``CorruptRecord``."""
        if self.damaged and any(key in self.damaged for key, _ in found):
            raise CorruptRecord("a block of the disk has other bits than were written")
        return self.misreads.rows(found, random) if self.misreads.kinds else found


class _View(MemoryView):
    """One moment of a disk, with its damage."""

    def __init__(self, disk: Disk, view: MemoryView, random: Random) -> None:
        super().__init__(view._rows, view._order)
        self._disk = disk
        self._random = random

    def get(self, key: bytes) -> bytes | None:
        return self._disk.read(key, super().get(key), self._random)

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        return self._disk.read_rows(super().scan(start, stop, limit=limit, reverse=reverse), self._random)


class Handle:
    """The disk as one process has it open. With ``dies`` the process dies over the next commit, with ``doom`` over that of a number:
    ``before`` it takes effect or ``after``."""

    durability = Durability.FSYNC

    def __init__(self, disk: Disk, weather: Weather, random: Random, *, on_death: Callable[[], None]) -> None:
        self._disk = disk
        self._weather = weather
        self._random = random
        self._began = trio.current_time()
        self._line: deque[_Pending] = deque()
        self._failure: Unavailable | None = None
        self._has_failed = trio.Event()
        self._on_death = on_death
        self.commits = 0
        self.dies = ""
        self.doom: tuple[int, str] = 0, ""
        self.was_in_doubt = False
        disk.alive = self

    # Death.

    @property
    def is_dead(self) -> bool:
        return self._disk.alive is not self

    @property
    def has_failed(self) -> bool:
        """Whether the disk takes no writes of this process any more."""
        return isinstance(self._failure, StoreFailed)

    def die(self) -> None:
        """The process is gone. Of what was not synced some is kept: a prefix, in the order in which it was written."""
        if self.is_dead:
            return
        self._disk.alive = None
        pending = [*self._line]
        self._line.clear()
        self._settle(pending, kept=None)
        self._on_death()

    def _settle(self, pending: list[_Pending], *, kept: int | None) -> None:
        """Of batches that nobody was told of, keep the first so many; any number of them if that is None."""
        if kept is None:
            kept = self._random.randint(0, len(pending))
        for each in reversed(pending[kept:]):
            if each.is_shown:
                self._disk.undo(each.undo)
        for each in pending[:kept]:
            self._sync(each)

    def _sync(self, pending: _Pending) -> None:
        if not pending.is_shown:
            self._disk.apply(pending.batch)
        self._disk.keep(pending.batch)

    def _check(self) -> None:
        if self._disk.alive is not self:
            raise StoreFailed("the process that had the store open is dead")

    async def calm(self) -> None:
        """From now on the disk does nothing to this process. Returns once the commits that are under way are over."""
        self._weather = Weather()
        self.dies = ""
        self.doom = 0, ""
        while self._line:
            await trio.sleep(0.01)

    # Reading.

    def get(self, key: bytes) -> bytes | None:
        self._check()
        disk = self._disk
        return disk.get(key) if disk.is_well else disk.read(key, disk.get(key), self._random)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self._check()
        disk = self._disk
        return disk.get_many(keys) if disk.is_well else [self.get(key) for key in keys]

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        self._check()
        return self._disk.read_rows(self._disk.scan(start, stop, limit=limit, reverse=reverse), self._random)

    async def view(self) -> MemoryView:
        self._check()
        await trio.lowlevel.checkpoint()
        while self._line and self._failure is None:  # it shows nothing that could still be lost
            await trio.sleep(0.001)
        self._check()
        return _View(self._disk, await self._disk.view(), self._random)

    # Writing.

    async def commit(self, batch: Batch) -> None:
        self._check()
        self.commits += 1
        dies, self.dies = self.dies, ""
        if self.commits == self.doom[0]:
            dies = self.doom[1]
        if dies == "before":
            self.die()
            self._check()
        if self._failure is not None:
            raise type(self._failure)(*self._failure.args)
        self._check_known(batch)
        fate = self._weather.fates.get(self.commits, "full" if self._is_within(self._weather.full) else "")
        pending = _Pending(batch)
        self._line.append(pending)
        if self._weather.shows_early:
            self._show(pending)
        seconds = self._delay()
        if seconds:
            with trio.CancelScope(shield=True):
                await trio.sleep(seconds)
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
        self._check()
        if self._failure is not None:  # an earlier one failed meanwhile, and with it all behind it
            self.was_in_doubt = True
            raise InDoubt("an earlier write failed; whether this one was kept is unknown")
        if pending in self._line:  # else one behind it was synced, and with it all before that
            if fate:
                self._fail(pending, fate)
            self._sync_up_to(pending)
        if dies == "after":
            self.die()
            self._check()

    def _sync_up_to(self, last: _Pending) -> None:
        while last in self._line:
            self._sync(self._line.popleft())

    def _fail(self, pending: _Pending, fate: str) -> NoReturn:
        """Take no more writes: of this one and those behind it, a prefix is kept."""
        before = [*self._line][: self._line.index(pending)]
        if before:
            self._sync_up_to(before[-1])
        doubted = [*self._line]
        self._line.clear()
        if fate in ("full", "refused"):
            self._settle(doubted, kept=0)
            self._failure = DiskFull("the disk is full") if fate == "full" else Unavailable("no writes just now")
            raise type(self._failure)(*self._failure.args)
        self.was_in_doubt = True
        self._settle(doubted, kept={"lost": 0, "kept": len(doubted)}.get(fate))
        self._failure = Unavailable("a write has failed")
        if fate == "broken":
            self._failure = StoreFailed("the disk has failed")
            self._has_failed.set()
        raise InDoubt("whether it is on disk is unknown")

    def _check_known(self, batch: Batch) -> None:
        if self._line:
            return  # what those before it change is not to be seen yet
        for key, value in batch.known.items():
            assert self._disk.get(key) == value, f"{key!r} is not what its writer knew it to be"

    def _show(self, pending: _Pending) -> None:
        pending.is_shown = True
        batch, disk = pending.batch, self._disk
        touched = [key for start, stop in batch.cleared for key, _ in scan_all(disk, start, stop)]
        pending.undo = [(key, disk.get(key)) for key in dict.fromkeys([*touched, *batch.rows])]
        disk.apply(batch)

    def _delay(self) -> float:
        for start, stop in self._weather.stalls:
            if start <= self._now() < stop:
                return stop - self._now()
        return self._random.choice((0.0, 0.0, 0.2, 1.0)) * self._weather.latency

    async def recover(self) -> None:
        await trio.lowlevel.checkpoint()
        self._check()
        if isinstance(self._failure, StoreFailed):
            raise type(self._failure)(*self._failure.args)
        if self._is_within(self._weather.full):
            raise DiskFull("the disk is still full")
        self._failure = None

    async def copy_to(self, path: Path, *, made_at: float) -> None:
        await self._disk.copy_to(path, made_at=made_at)

    async def failed(self) -> NoReturn:
        await self._has_failed.wait()
        raise StoreFailed("the disk failed")

    def has_room(self) -> bool:
        return not self._is_within(self._weather.full)

    def troubles(self) -> Sequence[Trouble]:
        return () if self.has_room() else (Trouble(TroubleKind.DISK_FULL, "the disk is full"),)

    def close(self) -> None:
        """Nothing: the process is dead by then, or ends with it."""

    def _now(self) -> float:
        return trio.current_time() - self._began

    def _is_within(self, spans: list[tuple[float, float]]) -> bool:
        return any(start <= self._now() < stop for start, stop in spans)
