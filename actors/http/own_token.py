"""The own token of a data directory, with all permissions: made at the first start, and readable by its owner only.

It is read once, at the start: a change of its file takes effect at the next start.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import hmac
import os
import re
import secrets
import stat
from typing import TYPE_CHECKING

import attrs

from actors.errors import ErrorCode, UnavailableError
from actors.http.routes import TokenScope
from actors.http.token_path import token_path
from journal.kv.data_directory import DataDirectory
from journal.kv.small_files import read_file, sync_directory

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_BYTES = 32
_SHORTEST = 32
_OWN_TOKEN = re.compile(rf"[!-~]{{{_SHORTEST},512}}")

OWN_NAME = "main"
"""The name of the directory's own token."""


@attrs.frozen
class Grant:
    """The permissions of a requester: a scope, and the name of its token. Without a token, it is the name of the requester."""

    name: str
    scope: TokenScope
    is_token: bool = True

    @property
    def by(self) -> str:
        """The name of the requester in histories and in the audit log."""
        return f"token:{self.name}" if self.is_token else self.name


OWN_GRANT = Grant(OWN_NAME, TokenScope.ADMIN)


class OwnToken:
    """The own token of a data directory, as its file had it when it was first needed."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._digest = ""

    def is_that_of(self, digest: str) -> bool:
        """Whether the digest is that of the own token. Raises :class:`UnavailableError` if its file cannot be used."""
        if not self._digest:
            own = _read_own(token_path(self._directory.root))
            self._digest = digest_of(own) if own else ""
        return hmac.compare_digest(self._digest, digest)


def shared_token(secret: str) -> str:
    """Return the own token of every node whose journal has this secret, so that a client can use any of them."""
    digest = hmac.digest(secret.encode(), b"the own token of a node", "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def make_token(directory: Path | DataDirectory, token: str | None = None) -> str:
    """Return the token of a data directory. If there is none, create it, readable by its owner only: ``token``, or one of 256 bits.

    Raises :class:`UnavailableError` for a file that is a link, that others can read, or that is too short to be a secret.
    """
    path = token_path(directory_of(directory).root)
    if not _read_own(path):
        path.unlink(missing_ok=True)  # an empty one would admit a client without a token
        made = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        _write_durably(made, (token or secrets.token_urlsafe(TOKEN_BYTES)).encode() + b"\n")
        try:
            # Whole or missing: a truncated one would be easy to guess.
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.link(made, path)
        finally:
            made.unlink()
        sync_directory(path.parent)
    return _read_own(path)


def check_token(directory: Path | DataDirectory) -> None:
    """Check that the token file, if there is one, can be used. Raises :class:`UnavailableError`."""
    _read_own(token_path(directory_of(directory).root))


def directory_of(directory: Path | DataDirectory) -> DataDirectory:
    """Return a data directory for a path."""
    return directory if isinstance(directory, DataDirectory) else DataDirectory(directory)


def _read_own(path: Path) -> str:
    """Return the token in the file, or an empty string if there is no file. Raises :class:`UnavailableError`."""
    try:
        status = path.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
            raise UnavailableError(
                f"others can read the server's token (the file 'token' has mode {stat.S_IMODE(status.st_mode):o}): run "
                "'chmod 600' on it, or remove it; the next start creates a new one",
                code=ErrorCode.DAMAGED,
            )
        secret = read_file(path).decode("ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and not is_no_plain_file(error):
            raise UnavailableError(
                f"the file 'token' of the data directory cannot be read now ({reason_of(error)}); try again later"
            ) from error
        raise UnavailableError(
            f"the file 'token' of the data directory cannot be used as the server's token ({reason_of(error)}): it must be a "
            "plain file. Remove it; the next start creates a new one",
            code=ErrorCode.DAMAGED,
        ) from error
    if secret and not _OWN_TOKEN.fullmatch(secret):
        raise UnavailableError(
            f"the file 'token' of the data directory has {len(secret)} characters, expected at least {_SHORTEST} letters, "
            "digits and signs without spaces, so that it cannot be guessed. Remove it; the next start creates a new one",
            code=ErrorCode.DAMAGED,
        )
    return secret


def is_no_plain_file(error: OSError) -> bool:
    """Report whether the error says what is in the file's place: a link, a directory, a pipe, or a file that is far too large. All others
    say that it could not be read, and may pass."""
    return error.errno in {errno.ELOOP, errno.EINVAL, errno.EISDIR, errno.ENXIO, errno.EFBIG}


def reason_of(error: Exception) -> str:
    """Return the operating system's message without the path, which is not the path that users know."""
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a link"
    return (error.strerror if isinstance(error, OSError) else None) or "it is not text"


def _write_durably(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def digest_of(secret: str) -> str:
    """Return the digest of a token, which is all that is stored of it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
