"""Small files that are either whole or missing, and that show accidental changes.

A file is *sealed* if its JSON object ends with a checksum of the text before it. The checksum finds a torn write, a flipped bit
and a slip in an editor; it is not a signature.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READ_LIMIT_BYTES = 16 << 20
"""The largest small file that is read, in bytes."""

_SEAL = re.compile(rb',"checksum":(\d{1,10})}\s*\Z')


def seal(plain: bytes) -> bytes:
    """Return the JSON object with a checksum as its last field."""
    if not plain.endswith(b"}"):
        raise BrokenInvariant("the text to seal does not end with a brace")
    return plain[:-1] + b',"checksum":%d}' % zlib.crc32(plain)


def unseal(data: bytes) -> bytes:
    """Return the JSON object without its checksum. Raises ``ValueError`` if the checksum is missing or does not match."""
    found = _SEAL.search(data)
    if found is None:
        raise ValueError("it does not end with a checksum")
    plain = data[: found.start()] + b"}"
    if zlib.crc32(plain) != int(found[1]):
        raise ValueError("its checksum does not match")
    return plain


def open_file(path: Path) -> IO[bytes]:
    """Open a plain file for reading. Raises ``OSError``, also for links, which are not followed, and for pipes and
    devices."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return os.fdopen(descriptor, "rb")


def read_file(path: Path) -> bytes:
    """Return the contents of a small plain file. Raises ``OSError`` as :func:`open_file` does, and if the file is too
    large."""
    with open_file(path) as file:
        data = file.read(READ_LIMIT_BYTES + 1)
    if len(data) > READ_LIMIT_BYTES:
        raise OSError(errno.EFBIG, f"larger than {READ_LIMIT_BYTES} bytes", str(path))
    return data


@contextmanager
def create_file(path: Path) -> Iterator[IO[bytes]]:
    """Create a file that only its owner can read, to be written in the block; the file is durable when the block ends.
    Raises ``FileExistsError``."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Replace the contents of a file that only its owner can read; the new contents are durable on return. An
    interruption leaves the old contents."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)  # left by an interruption, or a link that was planted
    with create_file(temporary) as file:
        file.write(data)
    temporary.rename(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
