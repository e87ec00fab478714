"""Tokens: who may ask for what.

A data directory has one token of its own, made at the first start and found by whoever may read the directory; it reaches
everywhere. Further ones have names and scopes; of them only hashes are kept.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import msgspec

from actors.core.errors import InvalidArgumentError, Refused
from actors.http.finding import token_path
from actors.http.routes import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TOKEN_BYTES = 32
_MAX_TOKENS = 1_000
NAME_PATTERN = "^[a-z0-9][a-z0-9._-]{0,63}$"

OWN_NAME = "main"
"""What the directory's own token is called."""


class UnknownTokenError(Refused):
    """No token has this name."""

    http_status = 404


class TokenExistsError(Refused):
    """A token has this name already."""

    http_status = 409


class TooManyTokensError(Refused):
    """There are as many tokens as there can be."""

    http_status = 409


@attrs.frozen
class Grant:
    """What a token is worth."""

    name: str
    scope: Scope


@attrs.frozen(kw_only=True)
class NamedToken:
    """A token as it is kept: its hash, never itself."""

    name: str
    scope: Scope
    digest: str
    created_at: float


def make_token(directory: Path) -> str:
    """The token of a data directory, made if there is none: 256 bits, readable by its owner only."""
    path = token_path(directory)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    return token


class TokenBook:
    """The tokens of a data directory. What one process writes the others see at once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._path = directory / "TOKENS"
        self._seen: tuple[int, int] | None = None
        self._named: list[NamedToken] = []
        self._own_digest = ""

    def grant_of(self, secret: str) -> Grant | None:
        """What the token is worth; None if it is none of ours. Takes the same time whichever it is."""
        self._look_again()
        given = _digest(secret)
        found: Grant | None = None
        for token in self._named:
            if hmac.compare_digest(token.digest, given):
                found = Grant(token.name, token.scope)
        if hmac.compare_digest(self._own_digest, given):
            found = Grant(OWN_NAME, Scope.ADMIN)
        return found

    def named(self) -> list[NamedToken]:
        """All that have names, oldest first."""
        self._look_again()
        return list(self._named)

    def create(self, name: str, scope: Scope) -> str:
        """A new token, told this once.

        Raises :class:`actors.InvalidArgumentError`, :class:`TokenExistsError`, :class:`TooManyTokensError`.
        """
        if not re.fullmatch(NAME_PATTERN, name):
            raise InvalidArgumentError(
                f"a token's name has 1 to 64 characters from a-z, 0-9, '.', '_' and '-'; found {name!r}"
            )
        if name == OWN_NAME:
            raise TokenExistsError(f"{OWN_NAME!r} is the directory's own token; take another name")
        with self._held():
            if any(token.name == name for token in self._named):
                raise TokenExistsError(f"there is a token {name!r} already; revoke it first, or take another name")
            if len(self._named) >= _MAX_TOKENS:
                raise TooManyTokensError(f"there are {_MAX_TOKENS} tokens; revoke some first")
            secret = secrets.token_urlsafe(_TOKEN_BYTES)
            added = NamedToken(name=name, scope=scope, digest=_digest(secret), created_at=time.time())
            self._write([*self._named, added])
        return secret

    def revoke(self, name: str) -> None:
        """Take a token back: it opens nothing any more. Raises :class:`UnknownTokenError`."""
        with self._held():
            kept = [token for token in self._named if token.name != name]
            if len(kept) == len(self._named):
                raise UnknownTokenError(f"there is no token {name!r}; 'playhead tokens list' shows those that are")
            self._write(kept)

    @contextmanager
    def _held(self) -> Iterator[None]:
        descriptor = os.open(self.directory / "TOKENS.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._look_again()
            yield
        finally:
            os.close(descriptor)

    def _look_again(self) -> None:
        if not self._own_digest:
            path = token_path(self.directory)
            self._own_digest = _digest(path.read_text().strip()) if path.exists() else ""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._seen, self._named = None, []
            return
        if self._seen != (status.st_ino, status.st_mtime_ns):
            self._named = msgspec.json.decode(self._path.read_bytes(), type=list[NamedToken])
            self._seen = (status.st_ino, status.st_mtime_ns)

    def _write(self, tokens: list[NamedToken]) -> None:
        temporary = self._path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(tokens)))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._path)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
