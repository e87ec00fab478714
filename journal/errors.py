"""What can go wrong with the journal, one class for each thing that a caller could do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class JournalError(Exception):
    """The base of everything that this package raises."""


class MalformedIdError(JournalError, ValueError):
    """A text that should be an invocation id is none. Check where it came from."""

    def __init__(self, text: str) -> None:
        shown = text if len(text) <= 80 else text[:80] + "…"
        super().__init__(
            f"{shown!r} is not an invocation id: expected 'inv_1' and 33 letters or digits, 38 characters in all"
        )
        self.text = text


class Fenced(JournalError):
    """Another owner has claimed the partition. Drop everything known of its objects."""

    def __init__(self, partition: int, epoch: int, current: int) -> None:
        super().__init__(
            f"partition {partition}: the claim of epoch {epoch} has been superseded by epoch {current}; "
            "drop what is cached and claim again"
        )
        self.partition = partition
        self.epoch = epoch


class Conflict(JournalError):
    """The stream has moved on since the writer last looked. Reload the object and decide again."""

    def __init__(self, stream: int, expected: int, found: int) -> None:
        super().__init__(
            f"stream {stream:016x} ends at event {found}, the append expected {expected}; reload the object"
        )
        self.stream = stream
        self.expected = expected
        self.found = found


class InDoubt(JournalError):
    """Whether the append is on disk is unknown. Never retry it: claim again and reload."""


class Unavailable(JournalError):
    """The journal takes no writes for now; nothing of this append has been kept."""


class DiskFull(Unavailable):
    """No room on the disk. Reads go on; writes are taken again when there is room."""


class StoreFailed(Unavailable):
    """The disk failed. No later write can be trusted: stop the process."""


class DirectoryLost(StoreFailed):
    """The data directory was moved, removed or replaced under the process that held it. Nothing more is written, and the store is
    not closed, since closing would write: stop the process."""


class Damaged(JournalError):
    """What is stored of one stream cannot be trusted. The others go on."""

    def __init__(self, stream: int, number: int, reason: str) -> None:
        super().__init__(
            f"stream {stream:016x}, event {number}: {reason}. Nothing of this object runs until it is repaired "
            "or restored from a backup; other objects are not touched"
        )
        self.stream = stream
        self.number = number
        self.reason = reason


class Unwritable(JournalError, ValueError):
    """An event that cannot be written, or could not be read again: a text that is not UTF-8, a number where a text belongs, a date
    that is no number. Nothing of it was kept."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind} cannot be written: {reason}")
        self.kind = kind
        self.reason = reason


class CorruptRecord(JournalError):
    """Bytes that should be an event (or a row) are none. ``Damaged`` says where they were found."""


class StoreError(JournalError):
    """The data directory as a whole cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class StoreMissing(StoreError):
    """There is no store in the directory."""


class StoreInUse(StoreError):
    """Another process holds the directory."""

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            path, f"the store is in use by {holder}; stop it first, or talk to it instead of opening its files"
        )
        self.pid = pid


class StoreFormat(StoreError):
    """The directory was written in a format that this version does not read."""

    def __init__(self, path: Path, found: int, expected: int) -> None:
        newer = "a newer" if found > expected else "an older"
        super().__init__(
            path,
            f"the store has format {found}, written by {newer} version of playhead; this version reads format "
            f"{expected}. Nothing was changed: open it with the version that wrote it",
        )
        self.found = found
        self.expected = expected


class StoreDamaged(StoreError):
    """Files of the store are missing or cut. Opening it would lose what was acknowledged."""


class ChangesMissing(StoreDamaged):
    """Changes that were on disk are missing in the logs of the store, and later ones are there. ``log`` is the file where they are
    missed: it has the change ``found`` where ``expected`` belongs, which is None if nothing tells it."""

    def __init__(self, path: Path, *, log: str, found: int, expected: int | None) -> None:
        belongs = "changes before it" if expected is None else f"change {expected}"
        super().__init__(
            path,
            f"changes that were on disk are missing in its logs: {log} has change {found} where {belongs} must be, so a log was cut, "
            "damaged or removed. Nothing was changed: restore the directory from a backup",
        )
        self.log = log
        self.found = found
        self.expected = expected


class StoreExists(StoreError):
    """There is a store, or a backup, where a new one is to be made."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "there is a store here already; name an empty or a new directory")


class DirectoryNotEmpty(StoreError):
    """There are files that belong to no store where one is to be made. ``found`` is the name of the first."""

    def __init__(self, path: Path, *, found: str) -> None:
        super().__init__(
            path, f"not a playhead data directory, and not empty (found {found!r}); name an empty or a new one"
        )
        self.found = found


class BrokenInvariant(Exception):
    """The program contradicts itself: what its author held to be impossible is there. It is a fault of playhead; report it.

    Raised instead of ``assert``, which ``python -O`` leaves out. What is wrong with stored bytes is :class:`CorruptRecord` or
    :class:`Damaged`.
    """
