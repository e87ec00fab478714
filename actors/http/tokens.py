"""API tokens and their scopes.

A data directory has a token of its own with all permissions, made at the first start and readable by its owner. Further tokens
have names and scopes. Only their hashes are stored, each together with its outstanding audit entry. So a token without an audit entry gets one at
the next start at the latest.

The own token is read once, at the start: a change of its file takes effect at the next start. The file of named tokens is read
again whenever it has changed. It is sealed with a checksum, and while it is damaged, none of its tokens is accepted.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import stat
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

from actors.errors import (
    ConflictError,
    ErrorCode,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    ResourceKind,
    UnavailableError,
)
from actors.http.routes import TokenScope
from actors.http.token_path import token_path
from journal.kv.data_directory import DataDirectory
from journal.kv.small_files import read_file, replace_file, seal, sync_directory, unseal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TOKEN_BYTES = 32
_SHORTEST = 32
_OWN_TOKEN = re.compile(rf"[!-~]{{{_SHORTEST},512}}")
_MAX_TOKENS = 1_000
NAME_PATTERN = "^[a-z0-9][a-z0-9._-]{0,63}$"

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


_OWN_GRANT = Grant(OWN_NAME, TokenScope.ADMIN)


@attrs.frozen(kw_only=True)
class OwedNote:
    """An outstanding audit entry for a token: ``request`` identifies it in the audit log, so that it is written once."""

    request: str
    verb: str
    target: str
    detail: str
    reason: str
    by: str
    source: str


@attrs.frozen(kw_only=True)
class NamedToken:
    """A stored token: its hash, never its secret. A revoked one is refused, and stays until its audit entry is written."""

    name: str
    scope: TokenScope
    digest: str
    created_at: float
    is_revoked: bool = False
    owed: tuple[OwedNote, ...] = ()


def shared_token(secret: str) -> str:
    """Return the own token of every node whose journal has this secret, so that a client can use any of them."""
    digest = hmac.digest(secret.encode(), b"the own token of a node", "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def make_token(directory: Path | DataDirectory, token: str | None = None) -> str:
    """Return the token of a data directory. If there is none, create it, readable by its owner only: ``token``, or one of 256 bits.

    Raises :class:`UnavailableError` for a file that is a link, that others can read, or that is too short to be a secret.
    """
    path = token_path(_directory(directory).root)
    if not _read_own(path):
        path.unlink(missing_ok=True)  # an empty one would admit a client without a token
        made = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        _write_durably(made, (token or secrets.token_urlsafe(_TOKEN_BYTES)).encode() + b"\n")
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
    _read_own(token_path(_directory(directory).root))


def _directory(directory: Path | DataDirectory) -> DataDirectory:
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
        raise UnavailableError(
            f"the file 'token' of the data directory cannot be used as the server's token ({_said(error)}): it must be a "
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


def _said(error: Exception) -> str:
    """Return the operating system's message without the path, which is not the path that users know."""
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a link"
    return (error.strerror if isinstance(error, OSError) else None) or "it is not text"


class TokenBook:
    """The tokens of a data directory. Other processes see each change at once."""

    def __init__(self, directory: Path | DataDirectory) -> None:
        """``directory`` is the one that a server holds, or a path."""
        self.directory = _directory(directory)
        self._path = self.directory.root / "TOKENS"
        self._seen: tuple[int, int, int] | None = None
        self._named: list[NamedToken] = []
        self._damage = ""
        self._own_digest = ""
        self._grants: dict[str, Grant] = {}
        self.changing = trio.Lock()
        """Held while a change is made and audited."""

    def grant_of(self, secret: str) -> Grant | None:
        """Return the permissions of the token, or None if it is unknown, in the same time for any number of tokens.

        Raises :class:`UnavailableError` if the token file cannot be read, or if the token may be one of those in a damaged file.
        """
        self._look_again()
        if not self._own_digest:
            own = _read_own(token_path(self.directory.root))
            self._own_digest = _digest(own) if own else ""
        # A lookup by digest leaks nothing about the secret through its timing, because a client cannot choose a prefix of the digest.
        given = _digest(secret)
        found = _OWN_GRANT if hmac.compare_digest(self._own_digest, given) else self._grants.get(given)
        if found is None and secret:
            self._refuse_if_damaged()
        return found

    def named(self) -> list[NamedToken]:
        """Return the named tokens, oldest first. Raises :class:`UnavailableError`."""
        self._look_again()
        self._refuse_if_damaged()
        return self._in_force()

    def owed(self) -> list[OwedNote]:
        """Return the outstanding audit entries, oldest first for each token."""
        self._look_again()
        self._refuse_if_damaged()
        return [note for token in self._named for note in token.owed]

    def settle(self, told: OwedNote) -> None:
        """Remove an outstanding audit entry after it has been written."""
        with self._held():
            left = [
                attrs.evolve(token, owed=tuple(note for note in token.owed if note.request != told.request))
                for token in self._named
            ]
            self._write([token for token in left if token.owed or not token.is_revoked])

    def create(self, name: str, scope: TokenScope, *, owed: OwedNote | None = None) -> str:
        """Create a token; it takes effect at once and is returned only here. ``owed`` is stored with it until it is settled.

        Raises :class:`actors.InvalidArgumentError`, :class:`actors.ConflictError` and :class:`actors.LimitExceededError`.
        """
        if not re.fullmatch(NAME_PATTERN, name):
            raise InvalidArgumentError(
                f"a token's name has 1 to 64 characters from a-z, 0-9, '.', '_' and '-'; found {name!r}"
            )
        if name == OWN_NAME:
            raise ConflictError(
                f"{OWN_NAME!r} is the directory's own token; take another name", code=ErrorCode.ALREADY_EXISTS
            )
        with self._held():
            if any(token.name == name for token in self._in_force()):
                raise ConflictError(
                    f"there is a token {name!r} already; revoke it first, or take another name",
                    code=ErrorCode.ALREADY_EXISTS,
                )
            if len(self._in_force()) >= _MAX_TOKENS:
                raise LimitExceededError(
                    f"there are {_MAX_TOKENS} tokens; revoke some first",
                    limit="tokens",
                    maximum=_MAX_TOKENS,
                    found=_MAX_TOKENS,
                    code=ErrorCode.TOO_MANY,
                )
            secret = secrets.token_urlsafe(_TOKEN_BYTES)
            added = NamedToken(
                name=name,
                scope=scope,
                digest=_digest(secret),
                created_at=time.time(),
                owed=() if owed is None else (owed,),
            )
            self._write([*self._named, added])
        return secret

    def revoke(self, name: str, *, owed: OwedNote | None = None) -> None:
        """Revoke a token; it takes effect at once. ``owed`` is as above. Raises :class:`NotFoundError`."""
        with self._held():
            found = next((token for token in self._in_force() if token.name == name), None)
            if found is None:
                raise NotFoundError(
                    f"there is no token {name!r}; 'playhead tokens list' lists the existing ones",
                    kind=ResourceKind.TOKEN,
                )
            kept = [token for token in self._named if token is not found]
            left = found.owed if owed is None else (*found.owed, owed)
            self._write([*kept, attrs.evolve(found, is_revoked=True, owed=left)] if left else kept)

    @property
    def damage(self) -> str:
        """The reason why the named tokens cannot be read; empty if they can."""
        self._look_again()
        return self._damage

    def _refuse_if_damaged(self) -> None:
        if self._damage:
            raise UnavailableError(
                f"the tokens of the data directory cannot be read ({self._damage}), so the scope of this token is unknown. "
                "The server's own token, in the file 'token', still works. Move the file TOKENS away and create new tokens "
                "with 'playhead tokens create'; the old ones are then invalid",
                code=ErrorCode.DAMAGED,
            )

    def _in_force(self) -> list[NamedToken]:
        return [token for token in self._named if not token.is_revoked]

    @contextmanager
    def _held(self) -> Iterator[None]:
        self.directory.check()
        path = self.directory.root / "TOKENS.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._look_again()
            self._refuse_if_damaged()
            yield
        finally:
            os.close(descriptor)

    def _look_again(self) -> None:
        try:
            status = os.lstat(self._path)
        except FileNotFoundError:
            self._seen, self._named, self._damage, self._grants = None, [], "", {}
            return
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if self._seen == seen:
            return
        self.directory.check()
        self._named, self._damage = [], ""
        try:
            self._named = msgspec.json.decode(unseal(read_file(self._path)), type=_TokenFile).tokens
        except (OSError, ValueError) as error:
            self._damage = _said(error) if isinstance(error, OSError) else str(error)
        self._grants = {token.digest: Grant(token.name, token.scope) for token in self._in_force()}
        self._seen = seen

    def _write(self, tokens: list[NamedToken]) -> None:
        replace_file(self._path, seal(msgspec.json.format(msgspec.json.encode(_TokenFile(tokens)))))


@attrs.frozen
class _TokenFile:
    """The file TOKENS."""

    tokens: list[NamedToken]


def _write_durably(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
