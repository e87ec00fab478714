"""The Unix socket of a data directory, through which programs of its owner control the process that holds it.

The process that holds the lock of the directory owns the file ``SOCKET`` in it. A file that a killed process has left is
replaced. No other user can connect: the file has the mode 0600 from its first moment, the directory must belong to the user of the
process, and the kernel reports the user at the other end (``SO_PEERCRED``), so no token is needed.

The kernel accepts only 107 bytes of a path. Both ends reach the directory through a descriptor, so the path that they use is short
even if the path of the directory is long.
"""

from __future__ import annotations

import os
import pwd
import socket
import stat
import struct
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING

import attrs

from actors.errors import UnavailableError
from actors.errors.names import plain_text
from actors.values.arguments import MAX_NAME
from journal.kv.data_directory import DataDirectory
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import trio

    from journal.kv.data_directory import HeldDirectory

log = SafeLogger(__name__)

SOCKET = "SOCKET"
"""The name of the file."""

_BACKLOG = 128
_PATH_BYTES = 107
_LOOK_SECONDS = 5.0
_CREDENTIALS = struct.Struct("3i")


@attrs.frozen
class LocalPeer:
    """The process at the other end of a Unix socket, as reported by the kernel. ``pid`` is 0 for a process that this one cannot see."""

    pid: int
    uid: int

    @property
    def user(self) -> str:
        """The name of the user, or the number of one without a name."""
        return _name_of(self.uid)

    @property
    def is_trusted(self) -> bool:
        """Whether the peer may control this process: its own user, and root."""
        return self.uid in (0, os.geteuid())


def peer_of(connected: socket.socket | trio.socket.SocketType) -> LocalPeer:
    """Return the process at the other end of a Unix socket. Raises ``OSError`` if the peer has disconnected."""
    pid, uid, _ = _CREDENTIALS.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return LocalPeer(pid, uid)


@lru_cache(maxsize=256)
def _name_of(uid: int) -> str:
    try:
        return plain_text(pwd.getpwuid(uid).pw_name, MAX_NAME)
    except KeyError:  # an account without a name, as in a container
        return str(uid)


class _UnusableError(Exception):
    """The directory cannot have a socket, for this reason."""


@attrs.frozen(eq=False)
class BoundSocket:
    """A listening socket in a directory that this process holds."""

    listening: socket.socket
    _path: Path
    _place: tuple[int, int]

    def remove(self) -> None:
        """Close the socket and remove its file, unless another process has put its own there."""
        self.listening.close()
        with suppress(OSError):
            if _place_of(self._path) == self._place:
                self._path.unlink()


def bind_socket(directory: HeldDirectory) -> BoundSocket | None:
    """Bind the socket of a held directory. Returns None, with a warning in the log, if that is not possible: the process then
    works without it."""
    try:
        return _bound(directory)
    except _UnusableError as error:
        why = str(error)
    except OSError as error:  # such as a file system without sockets
        why = error.strerror or str(error)
    log.warning(
        "%s: no Unix socket could be made in the data directory (%s), so commands on this directory do not reach this process. "
        "Serve it on a port instead",
        directory.path,
        why,
    )
    return None


def _bound(directory: HeldDirectory) -> BoundSocket:
    owner = os.stat(directory.root).st_uid
    if owner != os.geteuid():
        raise _UnusableError(f"the directory belongs to user {_name_of(owner)}, not to {_name_of(os.geteuid())}")
    if not hasattr(socket, "SO_PEERCRED"):
        raise _UnusableError("this system does not say which user has connected to a socket")
    path = directory.root / SOCKET
    _remove_left(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listening.fileno(), 0o600)  # before the file exists, so it is never open to others
        listening.bind(_checked(path))
        bound = BoundSocket(listening, path, _place_of(path))
        is_private = not stat.S_IMODE(path.lstat().st_mode) & 0o077
        if is_private:
            listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    if not is_private:
        bound.remove()
        raise _UnusableError("its file system lets other users connect")
    return bound


def _remove_left(path: Path) -> None:
    """Remove the socket of an earlier process: the lock of the directory says that it has ended."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise _UnusableError(f"there is a file {SOCKET} that is not a socket; remove it")
        path.unlink()


def _place_of(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino


def _checked(path: Path) -> str:
    text = os.fspath(path)
    if len(os.fsencode(text)) > _PATH_BYTES:  # without /proc there is no short path
        raise _UnusableError(f"its path is longer than {_PATH_BYTES} bytes")
    return text


@contextmanager
def socket_path(directory: str | os.PathLike[str]) -> Iterator[str]:
    """Yield a path to the socket of a data directory that can be connected to, for the block.

    It stays valid when another process takes the directory over. Raises :class:`actors.errors.StoreMissing` if there is no
    directory.
    """
    opened = DataDirectory(directory).open()
    try:
        try:
            path = _checked(opened.root / SOCKET)
        except _UnusableError as error:
            raise UnavailableError(f"{opened.path}: its socket cannot be reached: {error}") from error
        yield path
    finally:
        opened.release()


def answers(directory: str | os.PathLike[str]) -> bool:
    """Report whether a process accepts connections to the socket of a data directory."""
    with socket_path(directory) as path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(_LOOK_SECONDS)
        try:
            trial.connect(path)
        except OSError:
            return False
    return True
