"""An immutable snapshot of an application's own code, and its id."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING

import attrs
import msgspec

from actors.errors import BrokenDeploymentError, DefinitionError, DefinitionReason, ErrorCode, LimitExceededError
from actors.values.texts import is_utf8, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FILES = 2_000
"""The most files in a snapshot."""

MAX_BYTES = 32 << 20
"""The most bytes in all files of a snapshot together."""

_DIGITS = 16


@attrs.frozen
class Snapshot:
    """A copy of code. ``files`` are contents by path as imports see it (``shop/orders.py``); ``entries`` are the
    modules whose classes are served (``shop.orders``), or single classes (``shop.orders:Cart``)."""

    entries: tuple[str, ...]
    files: Mapping[str, bytes]
    deployment: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        for name in (*self.entries, *self.files):
            if not is_utf8(name):
                raise DefinitionError(
                    f"{shown(name)}: the name of a file of code is not UTF-8, so the code cannot be kept; rename it, or run "
                    "without a deployment: open_runtime(…, code=None)",
                    reason=DefinitionReason.SOURCE,
                    name=name,
                )
        object.__setattr__(self, "deployment", _name_of(self.entries, self.files))

    @property
    def size(self) -> int:
        """The size of all files in bytes."""
        return sum(map(len, self.files.values()))

    @property
    def own_names(self) -> frozenset[str]:
        """The top-level names of the snapshot's modules. Importing one of these names imports the snapshot's module."""
        return frozenset(path.partition("/")[0].removesuffix(".py") for path in self.files)

    def check_limits(self) -> Snapshot:
        """Return the snapshot unchanged. Raises :class:`LimitExceededError` if it has too many files or bytes."""
        is_many = len(self.files) > MAX_FILES
        if is_many or self.size > MAX_BYTES:
            largest = max(self.files, key=lambda path: len(self.files[path]))
            raise LimitExceededError(
                f"the code of {', '.join(self.entries)} has {len(self.files)} files of {self.size} bytes together, the "
                f"limits are {MAX_FILES} and {MAX_BYTES}; the largest is {largest}. Keep other files outside the "
                "packages, or run without a deployment: open_runtime(…, code=None)",
                limit="deployment_files" if is_many else "deployment_bytes",
                maximum=MAX_FILES if is_many else MAX_BYTES,
                found=len(self.files) if is_many else self.size,
                code=ErrorCode.TOO_LARGE,
            )
        return self


def _name_of(entries: tuple[str, ...], files: Mapping[str, bytes]) -> str:
    """Return the deployment's id: ``dep_`` and the beginning of a SHA-256 over the number of entries, the entries and
    the files, each preceded by its length."""
    digest = hashlib.sha256()
    pieces = [entry.encode() for entry in sorted(entries)]
    for path in sorted(files):
        pieces += [path.encode(), files[path]]
    for piece in [b"%d" % len(entries), *pieces]:
        digest.update(b"%d:" % len(piece))
        digest.update(piece)
    return f"dep_{digest.hexdigest()[:_DIGITS]}"


@attrs.frozen
class _Packed:
    entries: list[str]
    files: dict[str, bytes]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Packed).decode


def pack(snapshot: Snapshot) -> bytes:
    """Return the snapshot in compressed form."""
    return zlib.compress(_encode(_Packed(sorted(snapshot.entries), dict(sorted(snapshot.files.items())))), 6)


def unpack(deployment: str, data: bytes) -> Snapshot:
    """Read a compressed snapshot and verify its id. Raises :class:`BrokenDeploymentError`."""
    limit = 2 * MAX_BYTES
    inflating = zlib.decompressobj()
    try:
        packed = _decode(inflating.decompress(data, limit))
    except (zlib.error, ValueError) as error:
        raise BrokenDeploymentError(
            f"the code of {deployment} cannot be read: {error}", deployment=deployment
        ) from error
    outside = [path for path in packed.files if path.startswith("/") or ".." in path.split("/")]
    if outside:
        raise BrokenDeploymentError(
            f"{deployment} contains a path outside its root: {outside[0]!r}", deployment=deployment
        )
    snapshot = Snapshot(tuple(packed.entries), packed.files)
    if snapshot.deployment != deployment:
        raise BrokenDeploymentError(
            f"the code stored for {deployment} is that of {snapshot.deployment}", deployment=deployment
        )
    return snapshot
