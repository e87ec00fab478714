"""The named API tokens of a data directory, and their scopes.

Besides its own token (``own_token``), a data directory has tokens with names and scopes. Only their hashes are stored, each together
with its outstanding audit entry. So a token without an audit entry gets one at the next start at the latest.

The file is read again whenever it has changed. It is sealed with a checksum, and while it is damaged, none of its tokens is accepted.
The nodes of a cluster have their named tokens in common instead (``server.shared_tokens``).
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

from actors.core.tokens import MAX_TOKENS
from actors.errors import (
    ConflictError,
    ErrorCode,
    InvalidArgumentError,
    LimitExceededError,
    NotFoundError,
    ResourceKind,
    UnavailableError,
)
from actors.http.own_token import OWN_GRANT, OWN_NAME, TOKEN_BYTES, Grant, OwnToken, digest_of, directory_of, reason_of
from actors.http.routes import TokenScope
from journal.kv.data_directory import DataDirectory
from journal.kv.small_files import read_file, replace_file, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME_PATTERN = "^[a-z0-9][a-z0-9._-]{0,63}$"


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


class TokenBook:
    """The tokens of a data directory. Other processes see each change at once."""

    def __init__(self, directory: Path | DataDirectory) -> None:
        """``directory`` is the one that a server holds, or a path."""
        self.directory = directory_of(directory)
        self._path = self.directory.root / "TOKENS"
        self._seen: tuple[int, int, int] | None = None
        self._named: list[NamedToken] = []
        self._damage = ""
        self._own = OwnToken(self.directory)
        self._grants: dict[str, Grant] = {}
        self.changing = trio.Lock()
        """Held while a change is made and audited."""

    def grant_of(self, secret: str) -> Grant | None:
        """Return the permissions of the token, or None if it is unknown, in the same time for any number of tokens.

        Raises :class:`UnavailableError` if the token file cannot be read, or if the token may be one of those in a damaged file.
        """
        self._look_again()
        # A lookup by digest leaks nothing about the secret through its timing, because a client cannot choose a prefix of the digest.
        given = digest_of(secret)
        found = OWN_GRANT if self._own.is_that_of(given) else self._grants.get(given)
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
        check_name(name)
        with self._held():
            if any(token.name == name for token in self._in_force()):
                raise ConflictError(
                    f"there is a token {name!r} already; revoke it first, or take another name",
                    code=ErrorCode.ALREADY_EXISTS,
                )
            if len(self._in_force()) >= MAX_TOKENS:
                raise LimitExceededError(
                    f"there are {MAX_TOKENS} tokens; revoke some first",
                    limit="tokens",
                    maximum=MAX_TOKENS,
                    found=MAX_TOKENS,
                    code=ErrorCode.TOO_MANY,
                )
            secret = secrets.token_urlsafe(TOKEN_BYTES)
            added = NamedToken(
                name=name,
                scope=scope,
                digest=digest_of(secret),
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
            self._damage = reason_of(error) if isinstance(error, OSError) else str(error)
        self._grants = {token.digest: Grant(token.name, token.scope) for token in self._in_force()}
        self._seen = seen

    def _write(self, tokens: list[NamedToken]) -> None:
        replace_file(self._path, seal(msgspec.json.format(msgspec.json.encode(_TokenFile(tokens)))))


def check_name(name: str) -> None:
    """Check the name of a token. Raises :class:`actors.InvalidArgumentError` and :class:`actors.ConflictError`."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidArgumentError(
            f"a token's name has 1 to 64 characters from a-z, 0-9, '.', '_' and '-'; found {name!r}"
        )
    if name == OWN_NAME:
        raise ConflictError(
            f"{OWN_NAME!r} is the directory's own token; take another name", code=ErrorCode.ALREADY_EXISTS
        )


@attrs.frozen
class _TokenFile:
    """The file TOKENS."""

    tokens: list[NamedToken]
