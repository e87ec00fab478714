"""The named API tokens of a data directory, and their scopes.

Besides its own token (``own_token``), a data directory has tokens with names and scopes. Only their hashes are stored, each together
with its outstanding audit entry. So a token without an audit entry gets one at the next start at the latest.

The file is read again whenever it has changed. It is sealed with a checksum, and while it is damaged or cannot be read, none of its tokens is
accepted. What was read is remembered; that it could not be read is not.

A change takes the lock of the file and waits for the disk, so a server makes it in a thread. The threads share nothing but one reference to
what was read last.

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
from actors.http.own_token import (
    OWN_GRANT,
    OWN_NAME,
    TOKEN_BYTES,
    Grant,
    OwnToken,
    digest_of,
    directory_of,
    is_no_plain_file,
    reason_of,
)
from actors.http.routes import TokenScope
from journal.kv.data_directory import DataDirectory
from journal.kv.file_descriptors import lock
from journal.kv.small_files import read_file, replace_file, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_SECONDS = 5.0
"""How long a change of tokens waits for one by another process."""

_LOOK_SECONDS = 0.02

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


@attrs.frozen
class _Contents:
    """What was found in the file TOKENS: the tokens, with revoked ones, or why there are none."""

    tokens: tuple[NamedToken, ...] = ()
    damage: str = ""
    """What the file has instead of tokens."""
    trouble: str = ""
    """Why the file could not be read."""
    grants: dict[str, Grant] = attrs.field(factory=dict)
    """The permissions of the tokens in force, by their hashes."""

    def known(self) -> tuple[NamedToken, ...]:
        """Return the tokens. Raises :class:`UnavailableError`."""
        if self.damage:
            raise UnavailableError(
                f"the tokens of the data directory cannot be read ({self.damage}), so the scope of this token is unknown. "
                "The server's own token, in the file 'token', still works. Move the file TOKENS away and create new tokens "
                "with 'playhead tokens create'; the old ones are then invalid",
                code=ErrorCode.DAMAGED,
            )
        if self.trouble:
            raise UnavailableError(
                f"the tokens of the data directory cannot be read now ({self.trouble}), so the scope of this token is unknown. "
                "The server's own token, in the file 'token', still works. Try again later"
            )
        return self.tokens

    @property
    def in_force(self) -> list[NamedToken]:
        return [token for token in self.known() if not token.is_revoked]


class TokenBook:
    """The tokens of a data directory. Other processes see each change at once."""

    def __init__(self, directory: Path | DataDirectory) -> None:
        """``directory`` is the one that a server holds, or a path."""
        self.directory = directory_of(directory)
        self._path = self.directory.root / "TOKENS"
        self._read_last: tuple[tuple[int, int, int], _Contents] | None = None
        """The identity of the file that was read last, with its contents."""
        self._own = OwnToken(self.directory)
        self.changing = trio.Lock()
        """Held while a change is made and audited."""

    def grant_of(self, secret: str) -> Grant | None:
        """Return the permissions of the token, or None if it is unknown, in the same time for any number of tokens.

        Raises :class:`UnavailableError` if the token file cannot be read, or if the token may be one of those in a damaged file.
        """
        contents = self._contents()
        # A lookup by digest leaks nothing about the secret through its timing, because a client cannot choose a prefix of the digest.
        given = digest_of(secret)
        found = OWN_GRANT if self._own.is_that_of(given) else contents.grants.get(given)
        if found is None and secret:
            contents.known()
        return found

    def named(self) -> list[NamedToken]:
        """Return the named tokens, oldest first. Raises :class:`UnavailableError`."""
        return self._contents().in_force

    def owed(self) -> list[OwedNote]:
        """Return the outstanding audit entries, oldest first for each token. Raises :class:`UnavailableError`."""
        return [note for token in self._contents().known() for note in token.owed]

    def settle(self, told: OwedNote) -> None:
        """Remove an outstanding audit entry after it has been written. Raises :class:`UnavailableError`."""
        with self._held() as contents:
            left = [
                attrs.evolve(token, owed=tuple(note for note in token.owed if note.request != told.request))
                for token in contents.tokens
            ]
            self._write([token for token in left if token.owed or not token.is_revoked])

    def create(self, name: str, scope: TokenScope, *, owed: OwedNote | None = None) -> str:
        """Create a token; it takes effect at once and is returned only here. ``owed`` is stored with it until it is settled.

        Raises :class:`actors.InvalidArgumentError`, :class:`actors.ConflictError`, :class:`actors.LimitExceededError` and
        :class:`UnavailableError`.
        """
        check_name(name)
        with self._held() as contents:
            if any(token.name == name for token in contents.in_force):
                raise ConflictError(
                    f"there is a token {name!r} already; revoke it first, or take another name",
                    code=ErrorCode.ALREADY_EXISTS,
                )
            if len(contents.in_force) >= MAX_TOKENS:
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
            self._write([*contents.tokens, added])
        return secret

    def revoke(self, name: str, *, owed: OwedNote | None = None) -> None:
        """Revoke a token; it takes effect at once. ``owed`` is as above. Raises :class:`NotFoundError` and
        :class:`UnavailableError`."""
        with self._held() as contents:
            found = next((token for token in contents.in_force if token.name == name), None)
            if found is None:
                raise NotFoundError(
                    f"there is no token {name!r}; 'playhead tokens list' lists the existing ones",
                    kind=ResourceKind.TOKEN,
                )
            kept = [token for token in contents.tokens if token is not found]
            left = found.owed if owed is None else (*found.owed, owed)
            self._write([*kept, attrs.evolve(found, is_revoked=True, owed=left)] if left else kept)

    @property
    def is_damaged(self) -> bool:
        """Whether the file has something else than tokens."""
        return bool(self._contents().damage)

    @contextmanager
    def _held(self) -> Iterator[_Contents]:
        """Keep other changes out for the block, and return what they have left. Raises :class:`UnavailableError`."""
        self.directory.check()
        path = self.directory.root / "TOKENS.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise UnavailableError(
                f"the file TOKENS.lock of the data directory cannot be opened ({reason_of(error)}); nothing was changed"
            ) from error
        try:
            _lock(descriptor)
            contents = self._contents()
            contents.known()
            yield contents
        finally:
            os.close(descriptor)

    def _contents(self) -> _Contents:
        """Return what the file has now."""
        try:
            status = os.lstat(self._path)
        except FileNotFoundError:
            return _NOTHING
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if self._read_last is not None and self._read_last[0] == seen:
            return self._read_last[1]
        self.directory.check()
        try:
            data = read_file(self._path)
        except OSError as error:
            # Not remembered: the same file may be readable in a moment.
            why = reason_of(error)
            return _Contents(damage=why) if is_no_plain_file(error) else _Contents(trouble=why)
        contents = _contents_of(data)
        self._read_last = seen, contents
        return contents

    def _write(self, tokens: list[NamedToken]) -> None:
        replace_file(self._path, seal(msgspec.json.format(msgspec.json.encode(_TokenFile(tokens)))))


def _lock(descriptor: int) -> None:
    until = time.monotonic() + LOCK_SECONDS
    while not lock(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > until:
            raise UnavailableError(
                f"another process has held the file TOKENS.lock of the data directory for {LOCK_SECONDS:g} seconds: a command that changes "
                "tokens and was stopped, for example. End it, or try again"
            )
        time.sleep(_LOOK_SECONDS)


def _contents_of(data: bytes) -> _Contents:
    try:
        tokens = msgspec.json.decode(unseal(data), type=_TokenFile).tokens
    except ValueError as error:
        return _Contents(damage=str(error))
    grants = {token.digest: Grant(token.name, token.scope) for token in tokens if not token.is_revoked}
    return _Contents(tuple(tokens), grants=grants)


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


_NOTHING = _Contents()
