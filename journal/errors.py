"""The errors of the journal, one class for each reaction of a caller. Those that users meet are exported by ``actors.errors``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.error_codes import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class JournalError(Exception):
    """The base of the errors of the store. ``code`` identifies the error for programs."""

    code: ErrorCode = ErrorCode.INTERNAL


class MalformedIdError(JournalError, ValueError):
    """A text is not an invocation id."""

    code = ErrorCode.INVALID_ARGUMENT

    def __init__(self, text: str) -> None:
        shown = text if len(text) <= 80 else text[:80] + "…"
        super().__init__(
            f"{shown!r} is not an invocation id: expected 'inv_1' and 33 letters or digits, 38 characters in all"
        )
        self.text = text


class MalformedAddress(JournalError):
    """The address of a database cannot be read. Nothing was tried."""

    code = ErrorCode.INVALID_ARGUMENT

    def __init__(
        self, reason: str, *, of: str = "PostgreSQL", such_as: str = "postgresql://USER@HOST/DATABASE"
    ) -> None:
        super().__init__(
            f"the address of {of} cannot be read: {reason}; expected one such as {such_as} (--cluster, or cluster=)"
        )


class Fenced(JournalError):
    """Another owner has claimed the partition. Drop all state of its objects."""

    def __init__(self, partition: int, epoch: int, current: int | None) -> None:
        """``current`` is the epoch of the new claim; None if it is of another node and not known yet."""
        by = "another node" if current is None else f"epoch {current}"
        super().__init__(
            f"partition {partition}: the claim of epoch {epoch} has been superseded by {by}; "
            "drop the cached state and claim again"
        )
        self.partition = partition
        self.epoch = epoch
        self.current = current


class Conflict(JournalError):
    """The stream has grown since the writer read it. Load the object and decide again."""

    def __init__(self, stream: int, expected: int, found: int) -> None:
        super().__init__(
            f"stream {stream:016x} ends at event {found}, the append expected {expected}; reload the object"
        )
        self.stream = stream
        self.expected = expected
        self.found = found


class InDoubt(JournalError):
    """It is unknown whether the append is on disk. Never repeat the append: claim the partition again and load the
    object."""

    code = ErrorCode.OUTCOME_UNKNOWN


class Unavailable(JournalError):
    """The journal accepts no writes for now; nothing of this append was kept."""

    code = ErrorCode.UNAVAILABLE


class DiskFull(Unavailable):
    """The disk is full. Reads continue; writes are accepted again when there is space."""

    code = ErrorCode.DISK_FULL


class StoreFailed(Unavailable):
    """The disk failed. No later write can be trusted: stop the process."""

    code = ErrorCode.STORE_FAILED


class DirectoryLost(StoreFailed):
    """The data directory was moved, removed or replaced while this process held it. Nothing more is written, and the store is not
    closed, since closing would write: stop the process."""

    code = ErrorCode.DIRECTORY_LOST


class LogDiverged(StoreFailed):
    """The log does not continue what this node has applied: it has lost its end, or another history was written. The node must not
    join the two: restore the log, or remove the node's copy so that it is made again from the log."""

    code = ErrorCode.LOG_DIVERGED

    def __init__(self, partition: int, number: int, reason: str) -> None:
        super().__init__(
            f"the log of partition {partition} does not continue what this node has applied up to entry {number}: {reason}. "
            "Restore the log, or remove this node's data directory so that it is made again from the log"
        )
        self.partition = partition
        self.number = number
        self.reason = reason


class LogTrimmed(StoreFailed):
    """The log no longer has the entries behind what this node has applied, because snapshots have their contents. The node's copy
    cannot be continued: it must be made again from a snapshot, as the next start does."""

    code = ErrorCode.LOG_TRIMMED

    def __init__(self, partition: int, number: int, first: int) -> None:
        """``number`` is the last entry that the node has applied, and ``first`` the first that the log still has."""
        super().__init__(
            f"the log of partition {partition} begins with entry {first}, and this node has applied it up to entry {number}: start the "
            "node again, and it makes its copy from the newest snapshot"
        )
        self.partition = partition
        self.number = number
        self.first = first


class Damaged(JournalError):
    """The stored bytes of one stream cannot be trusted. Other streams are not affected."""

    code = ErrorCode.DAMAGED

    def __init__(self, stream: int, number: int, reason: str) -> None:
        super().__init__(
            f"stream {stream:016x}, event {number}: {reason}. This object does not run until it is repaired "
            "or restored from a backup; other objects are not affected"
        )
        self.stream = stream
        self.number = number
        self.reason = reason


class DamagedOutput(Damaged):
    """The stored output of one invocation cannot be trusted. Its pieces before the damage can still be read."""

    def __init__(self, stream: int, invocation_id: str, reason: str) -> None:
        JournalError.__init__(
            self,
            f"the output of {invocation_id}: {reason}. Its pieces cannot be read from there on: restore a backup, or purge the "
            "invocation; other invocations are not affected",
        )
        self.stream = stream
        self.number = 0
        self.reason = reason


class Unwritable(JournalError, ValueError):
    """An event cannot be written, or could not be read back: a text that is not UTF-8, a number in place of a text, a
    date that is not a number. Nothing of the event was kept."""

    code = ErrorCode.UNSERIALIZABLE

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind} cannot be written: {reason}")
        self.kind = kind
        self.reason = reason


class CorruptRecord(JournalError):
    """Bytes that should be an event or a row cannot be decoded. ``Damaged`` adds the stream and the event."""

    code = ErrorCode.DAMAGED


class StoreError(JournalError):
    """The data directory as a whole cannot be used."""

    code = ErrorCode.STORE_UNUSABLE

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class StoreMissing(StoreError):
    """There is no store in the directory."""

    code = ErrorCode.STORE_MISSING


class StoreInUse(StoreError):
    """Another process holds the directory, or this one (``is_own``)."""

    code = ErrorCode.STORE_IN_USE

    def __init__(self, path: Path, pid: int | None, *, is_own: bool = False) -> None:
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            path,
            "the store is in use by this process: a runtime or a reader here has it open; use that one's client, or end it first"
            if is_own
            else f"the store is in use by {holder}; stop it first, or connect to it instead of opening its files",
        )
        self.pid = pid
        self.is_own = is_own


class StoreFormat(StoreError):
    """The directory has a format that this version does not read."""

    code = ErrorCode.STORE_FORMAT

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
    """Files of the store are missing or cut short. Opening it would lose acknowledged work."""

    code = ErrorCode.STORE_DAMAGED


class ChangesMissing(StoreDamaged):
    """Changes that were on disk are missing in the logs of the store, although later ones are there. ``log`` is the file with the
    gap: it has the change ``found`` in place of ``expected``, which is None if it is unknown."""

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
    """A store or a backup exists at the path of a new one."""

    code = ErrorCode.STORE_EXISTS

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the directory already contains a store; name an empty or new directory")


class DirectoryNotEmpty(StoreError):
    """The directory for a new store contains other files; ``found`` is the name of the first."""

    code = ErrorCode.DIRECTORY_NOT_EMPTY

    def __init__(self, path: Path, *, found: str) -> None:
        super().__init__(
            path,
            f"this is neither an empty directory nor a playhead data directory (found {found!r}); name an empty or new one",
        )
        self.found = found


class WrongStore(StoreError):
    """The directory for a node's copy of a replicated journal has another store: ``found`` is its id, and ``expected`` that of the
    journal."""

    code = ErrorCode.WRONG_STORE

    def __init__(self, path: Path, *, found: str, expected: str) -> None:
        super().__init__(
            path,
            f"it has the store {found}, and the replicated log has {expected}: name another directory for this node, or the log of "
            "its own cluster. Nothing was changed",
        )
        self.found = found
        self.expected = expected


class CopyOfNode(StoreError):
    """The directory has a node's copy of a replicated journal, and it was opened as a journal of its own."""

    code = ErrorCode.WRONG_STORE

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            "this is a node's copy of a journal that is kept in a database: give the address of the database (--cluster, or "
            "cluster=), or name another directory. Nothing was changed",
        )


class ClusterExists(JournalError):
    """The database in which a cluster was to be made has one, or entries of one. Nothing was changed."""

    code = ErrorCode.STORE_EXISTS

    def __init__(self) -> None:
        super().__init__(
            "there is a cluster at this address already: name another place, or remove what is there if it is not needed (in PostgreSQL, "
            "the schema 'playhead')"
        )


class ClusterInUse(JournalError):
    """Nodes of the cluster run; ``nodes`` are their names. Nothing was changed."""

    code = ErrorCode.STORE_IN_USE

    def __init__(self, nodes: Sequence[str]) -> None:
        super().__init__(
            f"nodes of this cluster run: {', '.join(nodes)}. Stop them first, so that nothing is added after the copy"
        )
        self.nodes = tuple(nodes)


class BrokenInvariant(Exception):
    """The program contradicts itself. This is a bug in playhead; report it.

    Raised instead of ``assert``, which ``python -O`` leaves out. Wrong stored bytes raise :class:`CorruptRecord` or
    :class:`Damaged`.
    """
