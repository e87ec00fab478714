"""Records the user code that a process is running, in a file beside the store, so that the next process knows what ran when this
one died. ::

    0      the *turn* that has the event loop: an invocation, or an invocation and its step; begins with a zero if there is none
    64     strikes: turns that had the loop when a process died, each with the number of such processes in a row
    1024   slots: one for each running step, with the number of its try. ``lost`` are those of dead processes

The file ``INFLIGHT`` is mapped into memory. A write to it needs no system call and survives the process however that ends,
because the page belongs to the kernel. A power cut may lose it, which does no harm: the file decides nothing by itself. Its
entries are compared with the store (a step that still waits, at the same try).

Each byte is written to the file before it is mapped: a store to a page without a block on the disk could end the process.
Truncating the file under a process ends that process too (SIGBUS), as it would with a file of RocksDB.

Alternatives refused: an event before each try costs a commit, and a line in a file costs a system call and the GIL.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from typing import TYPE_CHECKING

import attrs

from journal.ids import ROOT_STEP, InvocationId, StepId
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from pathlib import Path

log = SafeLogger(__name__)

FILE = "INFLIGHT"

_ID_BYTES = 38
TURN_BYTES = 64
_STRIKES_AT = 64
_STRIKE_BYTES = 72
_STRIKES = 13
_SLOTS_AT = 1024
_SLOT_BYTES = 128
_SLOTS_TOGETHER = 1_024
_MAX_SLOTS = 1 << 16
_MAX_STARTS = 20
"""The number of starts after which an unclaimed lost try is forgotten: its invocation has ended or stays paused."""

_NO_STEP = bytes(TURN_BYTES - _ID_BYTES)
_NO_TURN = bytes(TURN_BYTES)


def turn_mark(of: InvocationId, step: StepId = ROOT_STEP) -> bytes:
    """Return the bytes that identify a turn; the path of a very deep step is cut. Code that runs before its invocation
    exists, such as the classes of a request's argument, has an empty mark: the next start has nothing to pause."""
    if len(of) != _ID_BYTES:
        return _NO_TURN
    if not step:
        return of.encode() + _NO_STEP
    return f"{of} {step}".encode()[:TURN_BYTES].ljust(TURN_BYTES, b"\0")


@attrs.frozen
class LostTry:
    """A try of a step that was running when a process died, and the slot that names it."""

    invocation_id: InvocationId
    step: StepId
    attempt: int
    slot: int

    @property
    def key(self) -> tuple[InvocationId, StepId, int]:
        return (self.invocation_id, self.step, self.attempt)


class InFlight:
    """The record of this process.

    ``lost`` are the tries of dead processes, by invocation, step and number. ``strikes`` counts, by the mark of a turn,
    the consecutive processes that died during the turn. ``memory`` is for the watchdog, which writes the turn; it stays
    valid when the file grows.
    """

    def __init__(self, file: int, size: int) -> None:
        self._file = file
        self.memory = self._slot_memory = mmap.mmap(file, size)
        self.lost: dict[tuple[InvocationId, StepId, int], LostTry] = {}
        self.strikes: dict[bytes, int] = {}
        self._free: list[int] = []
        self._is_closed = False
        self._read()

    @staticmethod
    def open(directory: Path) -> InFlight | None:
        """Open or create the record in a data directory that this process holds. If that fails, for example because the
        disk is full, log a warning and return None: the next process will not know what ran in this one."""
        try:
            file = os.open(directory / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            log.warning(
                "%s: steps in progress are not tracked, so a try interrupted by a crash will not count as a failed try; step results stay durable: %s",
                FILE,
                error,
            )
            return None
        try:
            slots = max(0, os.fstat(file).st_size - _SLOTS_AT) // _SLOT_BYTES
            size = _SLOTS_AT + min(max(slots, _SLOTS_TOGETHER), _MAX_SLOTS) * _SLOT_BYTES
            _write(file, os.pread(file, size, 0).ljust(size, b"\0"), 0)
            os.ftruncate(file, size)
            return InFlight(file, size)
        except (OSError, ValueError) as error:
            os.close(file)
            log.warning(
                "%s: steps in progress are not tracked, so a try interrupted by a crash will not count as a failed try; step results stay durable: %s",
                FILE,
                error,
            )
            return None

    def close(self) -> None:
        """Clear the record for an orderly end of the process: no try counts as lost, not even one in an abandoned
        thread."""
        self.memory[0] = 0
        for slot in set(range(self._slots)) - self._kept_slots():
            self._clear(slot)
        self._is_closed = True
        self.memory.close()
        self._slot_memory.close()
        os.close(self._file)

    # The event loop.

    def forgive(self, mark: bytes) -> None:
        """Reset the strikes of a turn, or of a step's try, that ended without killing the process."""
        if self.strikes.pop(mark, None) is not None:
            self._write_strikes()

    def strikes_of(self, of: InvocationId, step: StepId = ROOT_STEP) -> int:
        """Return the number of consecutive processes that died in a turn of the handler, or of this step."""
        return self.strikes.get(turn_mark(of, step), 0)

    def forget_strikes(self, of: InvocationId) -> None:
        """Reset the strikes of an invocation that was paused because of them."""
        prefix = of.encode()
        self.strikes = {mark: count for mark, count in self.strikes.items() if not mark.startswith(prefix)}
        self._write_strikes()

    # Steps.

    def begin(self, of: InvocationId, step: StepId, attempt: int) -> int | None:
        """Record that a try begins. Returns the slot for :meth:`end`, or None if the file is full."""
        if self._is_closed or (not self._free and not self._grow()):
            return None
        words = b"0 %d %s %s" % (attempt, of.encode(), step.encode())
        if len(words) > _SLOT_BYTES:
            return None
        slot = self._free.pop()
        at = _SLOTS_AT + slot * _SLOT_BYTES
        self._slot_memory[at : at + _SLOT_BYTES] = words.ljust(_SLOT_BYTES, b"\0")
        return slot

    def end(self, slot: int) -> None:
        """Free the slot of a try that has ended."""
        if not self._is_closed:
            self._slot_memory[_SLOTS_AT + slot * _SLOT_BYTES] = 0
            self._free.append(slot)

    def forget(self, lost: LostTry) -> None:
        """Free the slot of a lost try that the store has recorded."""
        if self.lost.pop(lost.key, None) is not None and not self._is_closed:
            self._clear(lost.slot)
            self._free.append(lost.slot)

    # Bytes.

    @property
    def _slots(self) -> int:
        return (len(self._slot_memory) - _SLOTS_AT) // _SLOT_BYTES

    def _kept_slots(self) -> set[int]:
        return {lost.slot for lost in self.lost.values()}

    def _clear(self, slot: int) -> None:
        self._slot_memory[_SLOTS_AT + slot * _SLOT_BYTES] = 0

    def _grow(self) -> bool:
        first, size = self._slots, len(self._slot_memory)
        if first + _SLOTS_TOGETHER > _MAX_SLOTS:
            return False
        added = bytes(_SLOTS_TOGETHER * _SLOT_BYTES)
        try:
            _write(self._file, added, size)
            self._slot_memory = mmap.mmap(self._file, size + len(added))
        except OSError as error:
            log.warning("%s: cannot record more steps: %s", FILE, error)
            return False
        self._free.extend(reversed(range(first, first + _SLOTS_TOGETHER)))
        return True

    def _read(self) -> None:
        self._read_strikes()
        for slot in range(self._slots):
            found = self._read_slot(slot)
            if found is None:
                self._clear(slot)
            else:
                self.lost[found.key] = found
        kept = self._kept_slots()
        self._free = [slot for slot in reversed(range(self._slots)) if slot not in kept]

    def _read_slot(self, slot: int) -> LostTry | None:
        at = _SLOTS_AT + slot * _SLOT_BYTES
        words = bytes(self._slot_memory[at : at + _SLOT_BYTES]).rstrip(b"\0")
        with contextlib.suppress(ValueError):  # after a power cut, pages may be of different ages
            starts, attempt, of, *step = words.decode().split(" ")
            if len(of) == _ID_BYTES and len(step) == 1 and int(starts) < _MAX_STARTS:
                older = b"%d %d %s %s" % (int(starts) + 1, int(attempt), of.encode(), step[0].encode())
                self._slot_memory[at : at + _SLOT_BYTES] = older.ljust(_SLOT_BYTES, b"\0")[:_SLOT_BYTES]
                return LostTry(InvocationId(of), StepId(step[0]), int(attempt), slot)
        return None

    def _read_strikes(self) -> None:
        for number in range(_STRIKES):
            at = _STRIKES_AT + number * _STRIKE_BYTES
            with contextlib.suppress(ValueError):
                count, mark = bytes(self.memory[at : at + _STRIKE_BYTES]).split(b"|", 1)
                self.strikes[mark[:TURN_BYTES]] = int(count)
        if self.memory[0]:
            mark = bytes(self.memory[:TURN_BYTES])
            self.strikes[mark] = self.strikes.pop(mark, 0) + 1
            self.memory[0] = 0
            self._write_strikes()

    def _write_strikes(self) -> None:
        if self._is_closed:
            return
        latest = list(self.strikes.items())[-_STRIKES:]
        self.strikes = dict(latest)
        written = b"".join((b"%d|%s" % (min(n, 99), mark)).ljust(_STRIKE_BYTES, b"\0") for mark, n in latest)
        room = _STRIKES * _STRIKE_BYTES
        self.memory[_STRIKES_AT : _STRIKES_AT + room] = written.ljust(room, b"\0")


def _write(file: int, data: bytes, at: int) -> None:
    """Write all of the bytes. Raises ``OSError``, for example if the disk is full."""
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, at)
        view, at = view[written:], at + written
