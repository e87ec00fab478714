"""Backups: copies of a store that can be verified, and data directories restored from them. ::

    BACKUP   the manifest (JSON, sealed): which store, when, and the size and SHA-256 of every file
    STORE    as in a data directory (``data_directory``)
    MARK     likewise
    db/      RocksDB's files: a checkpoint that RocksDB made

A copy must not be mistaken for its original. A directory with a manifest is read and never opened for writing, so a backup cannot
be served by accident. A store that is restored from it has an id and an epoch of its own, and its unfinished work is held
(``StoreIdentity.is_held``) until an operator releases it.

The contents of a backup are not trusted: it may have been stored anywhere. Links are not followed, only plain files are read,
only names that RocksDB uses are written, and a file that is missing, changed, or not in the manifest ends the restore. A backup
contains no tokens, because they belong to a server and not to a store. The hashes show accidents and not intent: a person
who can write to a backup can also write its manifest.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import uuid
from contextlib import nullcontext
from typing import IO, TYPE_CHECKING

import attrs
import msgspec

from journal import invocation_keys, keys
from journal.errors import StoreDamaged, StoreError
from journal.events import Status
from journal.kv.data_directory import DataDirectory, HeldDirectory, OpenDirectory
from journal.kv.directory_files import BACKUP, encode_identity
from journal.kv.mark import HighWaterMark
from journal.kv.rocks_reader import RocksReader
from journal.kv.small_files import create_file, open_file, read_file, replace_file, seal, unseal
from journal.rows import Backlog, PartitionState, StoreIdentity, decode_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MANIFEST_FORMAT = 1
_FILE = re.compile(r"STORE|MARK|db/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
"""The names that a manifest may contain: no file outside the backup, and no file that the copy must not have."""

_NEEDED = frozenset({"STORE", "MARK", "db/CURRENT"})
_OF_LOOKING = re.compile(r"db/(LOG(\.old\.\d+)?|LOCK)")
"""The files that RocksDB leaves in a directory that it only reads."""

_ROCKS = "db/"
_PIECE_BYTES = 1 << 20
_NAMED_AT_MOST = 20


@attrs.frozen
class KeptFile:
    """The size and hash of a file of a backup when the backup was made."""

    size: int
    sha256: str


@attrs.frozen(kw_only=True)
class Manifest:
    """The manifest of a backup. ``origin`` is the path of the store on the machine where it was made."""

    format: int
    store_id: str
    made_at: float
    origin: str
    files: dict[str, KeptFile]


def complete_backup(target: HeldDirectory, source: DataDirectory, mark: HighWaterMark, made_at: float) -> None:
    """Complete a backup that already has RocksDB's files; the backup is durable on return. STORE is written last:
    without it, an interrupted backup is not a backup."""
    identity = source.identity()
    for path in target.rocks.iterdir():
        path.chmod(0o600)
    target.settle_files(mark)
    kept = {f"db/{path.name}": _hashed(path) for path in sorted(target.rocks.iterdir())}
    kept["MARK"] = _hashed(target.root / "MARK")
    data = encode_identity(identity)
    kept["STORE"] = KeptFile(len(data), hashlib.sha256(data).hexdigest())
    manifest = Manifest(
        format=MANIFEST_FORMAT,
        store_id=identity.store_id,
        made_at=made_at,
        origin=str(source.path),
        files=kept,
    )
    with target.translated("writing the manifest"):
        replace_file(target.root / BACKUP, seal(msgspec.json.encode(manifest)))
        (target.root / "HOLDER").unlink()  # from here on no process holds it
    target.write_identity(identity)


def read_manifest(backup: DataDirectory) -> Manifest:
    """Read the manifest of a backup. Raises :class:`StoreError` or :class:`StoreDamaged`."""
    try:
        data = read_file(backup.root / BACKUP)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            backup.path,
            "this is not a backup, or not a complete one: its manifest, the file BACKUP, is missing. Make one with 'playhead backup'",
        ) from None
    except OSError as error:
        raise StoreDamaged(backup.path, f"its manifest, the file BACKUP, cannot be read: {error.strerror}") from error
    try:
        manifest = msgspec.json.decode(unseal(data), type=Manifest)
    except ValueError as error:
        raise StoreDamaged(
            backup.path, f"its manifest, the file BACKUP, is damaged ({error}); take another backup"
        ) from error
    if manifest.format != MANIFEST_FORMAT:
        raise StoreError(
            backup.path,
            f"its manifest has format {manifest.format}, but this version reads format {MANIFEST_FORMAT}; restore it with the version "
            "that made it",
        )
    strange = [name for name in manifest.files if not _FILE.fullmatch(name)]
    if strange:
        raise StoreDamaged(backup.path, f"its manifest names a file that does not belong in a backup: {strange[0]!r}")
    if lacking := _NEEDED - manifest.files.keys():
        raise StoreDamaged(backup.path, f"its manifest does not name {', '.join(sorted(lacking))}")
    return manifest


@attrs.frozen
class Restored:
    """A data directory made from a backup: the manifest of the backup, and the identity of the copy."""

    manifest: Manifest
    identity: StoreIdentity


def restore_backup(
    backup: Path, path: Path, *, check: Callable[[RocksReader, StoreIdentity], None], is_held: bool, now: float
) -> Restored:
    """Make a data directory at ``path``, which is empty or missing, from a backup. ``check`` inspects the copy, and
    raises to refuse it. If anything fails, only the files that were made are removed.

    The copy has an id of its own. With ``is_held``, the unfinished work of the original does not continue by itself.
    """
    source = DataDirectory(backup).open()
    try:
        manifest = read_manifest(source)
        with DataDirectory(path).beginning() as target:
            source.reach_rocks()
            _copy_files(source, target, manifest)
            original = source.identity()
            target.settle_files(source.read_mark())
            backlog = _look_at(target, original, check)
            identity = attrs.evolve(
                original,
                store_id=uuid.uuid4().hex,
                epoch=original.epoch + 1,
                copy_of=original.store_id,
                backlog=backlog,
                is_held=is_held and backlog is not None,
                created_at=now,
            )
            target.write_identity(identity)
        return Restored(manifest, identity)
    finally:
        source.release()


def _look_at(
    target: HeldDirectory, identity: StoreIdentity, check: Callable[[RocksReader, StoreIdentity], None]
) -> Backlog | None:
    reader = RocksReader(target.open())
    try:
        check(reader, identity)
        return _backlog_of(reader, identity.partitions)
    finally:
        reader.close()


def _backlog_of(rows: RocksReader, partitions: int) -> Backlog | None:
    """Return the unfinished work in the copy; None if there is none."""
    if not any(_has_work(rows, partition) for partition in range(partitions)):
        return None
    newest, states = 0, [PartitionState()] * partitions
    for partition in range(partitions):
        prefix = invocation_keys.created_prefix(partition)
        for key, _ in rows.scan(prefix, keys.after_prefix(prefix), limit=1, reverse=True):
            newest = max(newest, invocation_keys.microsecond_of_created(key))
        state = rows.get(keys.partition_state(partition))
        if state is not None:
            states[partition] = decode_row(PartitionState, state)
    return Backlog(
        before=(newest + 1) / 1e6,
        messages=tuple(state.next_arrival for state in states),
        epochs=tuple(state.epoch for state in states),
    )


def _has_work(rows: RocksReader, partition: int) -> bool:
    places = [invocation_keys.open_prefix(partition, status) for status in Status if status is not Status.COMPLETED]
    places += [keys.messages(partition), keys.dated_messages(partition)]
    return any(rows.scan(place, keys.after_prefix(place), limit=1) for place in places)


def _copy_files(source: OpenDirectory, target: HeldDirectory, manifest: Manifest) -> None:
    """Copy RocksDB's files and verify all files against the manifest. Raises :class:`StoreDamaged` with a list of the
    problems."""
    wrongs = [*_strangers(source, manifest)]
    with target.translated("copying the backup"):
        target.rocks.mkdir(mode=0o700)
        for name, kept in manifest.files.items():
            file = name.removeprefix(_ROCKS)
            if file == name:  # STORE and MARK are not copied: the copy has its own
                wrong = _wrong_of(name, source.root / name, kept, None)
            else:
                wrong = _wrong_of(name, source.rocks / file, kept, target.rocks / file)
            if wrong:
                wrongs.append(wrong)
    if wrongs:
        left = f"; and {len(wrongs) - _NAMED_AT_MOST} more" if len(wrongs) > _NAMED_AT_MOST else ""
        raise StoreDamaged(
            source.path,
            f"the backup is damaged: {'; '.join(wrongs[:_NAMED_AT_MOST])}{left}. Nothing was restored; use another backup",
        )


def _wrong_of(name: str, path: Path, kept: KeptFile, copy: Path | None) -> str:
    """Verify a file of a backup and, unless ``copy`` is None, write it there. Returns the problem, or an empty text."""
    try:
        file = open_file(path)
    except FileNotFoundError:
        return f"{name} is missing"
    except OSError as error:
        return f"{name} cannot be read: it is {_kind(path)} ({error.strerror})"
    with file:
        found = _read(file, copy, at_most=kept.size)
    if found.size > kept.size:
        return f"{name} has more than its {kept.size} bytes"
    if found.size < kept.size:
        return f"{name} has {found.size} of its {kept.size} bytes"
    return "" if found == kept else f"{name} has changed since the backup was made"


def _read(file: IO[bytes], copy: Path | None, *, at_most: int) -> KeptFile:
    """Read a file, at most one piece beyond ``at_most`` bytes, and write it durably to ``copy`` unless that is None.
    Returns the size and hash of the bytes that were read."""
    size, digest = 0, hashlib.sha256()
    with create_file(copy) if copy is not None else nullcontext() as sink:
        while size <= at_most and (piece := file.read(_PIECE_BYTES)):
            size += len(piece)
            digest.update(piece)
            if sink is not None:
                sink.write(piece)
    return KeptFile(size, digest.hexdigest())


def _hashed(path: Path) -> KeptFile:
    with open_file(path) as file:
        return _read(file, None, at_most=path.stat().st_size)


def _strangers(source: OpenDirectory, manifest: Manifest) -> Iterator[str]:
    """Yield a problem for each file in the backup that the manifest does not name."""
    top = {name.partition("/")[0] for name in manifest.files} | {BACKUP}
    for folder, prefix, known in ((source.root, "", top), (source.rocks, _ROCKS, manifest.files.keys())):
        with source.translated("reading the backup"):
            entries = sorted(os.listdir(folder))
        for entry in entries:
            name = f"{prefix}{entry}"
            if name not in known and not _OF_LOOKING.fullmatch(name):
                yield f"{name} ({_kind(folder / entry)}) is not in its manifest"


def _kind(path: Path) -> str:
    mode = path.lstat().st_mode
    for is_one, kind in _KINDS:
        if is_one(mode):
            return kind
    return "a device or a socket"


_KINDS = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISLNK, "a link"),
    (stat.S_ISFIFO, "a pipe"),
)
