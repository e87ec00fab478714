"""The named tokens that the nodes of a cluster have in common.

They are in the registry, which every node follows. A change is acknowledged once every living node applies it, and a node that is cut
off from the others, or behind them, soon accepts no named token, because it may have been revoked: ::

    revoke ──► registry ──► every node      acknowledged when all living nodes apply it, or the answer names the others
                   x─────── a node that is cut off: refuses named tokens after ``DEAD_SECONDS``
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, TypeAlias

from actors.errors import RefusedError, UnavailableError
from actors.http.own_token import OWN_GRANT, TOKEN_BYTES, Grant, OwnToken, digest_of, directory_of
from actors.http.routes import TokenScope
from actors.http.tokens import NamedToken, TokenBook, check_name
from actors.rows.audit import ControlAction

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from actors.control.local.client import LocalClient
    from actors.core.tokens import TokenRecord
    from journal.kv.data_directory import DataDirectory


class SharedTokens:
    """The own token of a node, and the named tokens of its cluster."""

    def __init__(self, directory: Path | DataDirectory, client: LocalClient) -> None:
        """``directory`` is that of the node's copy, and ``client`` a client in its process."""
        self.directory = directory_of(directory)
        self._client = client
        self._own = OwnToken(self.directory)
        self._seen: tuple[TokenRecord, ...] = ()
        self._grants: dict[str, Grant] = {}

    def grant_of(self, secret: str) -> Grant | None:
        """Return the permissions of the token, or None if it is unknown. Raises :class:`UnavailableError` if this node does not know
        which named tokens are valid now, because it is cut off from the others."""
        given = digest_of(secret)
        if self._own.is_that_of(given):
            return OWN_GRANT
        if not secret:
            return None
        if not self._client.is_current:
            raise UnavailableError(
                f"node {self._client.node} has not heard from its cluster for too long, so it does not know which named tokens are valid: try "
                "again, or ask another node. The token of the cluster, in the file 'token', works on each node"
            )
        tokens = self._client.shared_tokens
        if tokens is not self._seen:
            self._seen = tokens
            self._grants = {token.digest: Grant(token.name, TokenScope(token.scope)) for token in tokens}
        return self._grants.get(given)

    def named(self) -> list[NamedToken]:
        """Return the named tokens, oldest first."""
        return as_named(self._client.shared_tokens)


def as_named(tokens: Iterable[TokenRecord]) -> list[NamedToken]:
    """Return tokens of a cluster in the form of those of a data directory."""
    return [
        NamedToken(name=token.name, scope=TokenScope(token.scope), digest=token.digest, created_at=token.created_at)
        for token in tokens
    ]


Tokens: TypeAlias = TokenBook | SharedTokens
"""The tokens of a server: those of its data directory, or those of its cluster."""


async def create_shared(client: LocalClient, name: str, scope: TokenScope, reason: str) -> str:
    """Create a token that every node accepts, on behalf of the client. It is returned only here.

    Raises :class:`actors.InvalidArgumentError`, :class:`actors.ConflictError` and :class:`actors.LimitExceededError`, and
    :class:`actors.TooSlowError` if some node does not accept it in time.
    """
    try:
        check_name(name)
    except RefusedError as refusal:
        act = ControlAction(
            verb="create-token", target=f"token:{name}"[:_SHOWN], detail=f"scope {scope.value}", reason=reason
        )
        await client.note(act, refusal=f"{refusal.code}: {refusal}")
        raise
    secret = secrets.token_urlsafe(TOKEN_BYTES)
    await client.create_token(name, scope.value, digest_of(secret), reason)
    return secret


_SHOWN = 200
