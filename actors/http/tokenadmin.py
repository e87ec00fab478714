"""Tokens of a server's data directory: who may ask for what. Making and revoking them is audited, tries that fail as well.

A token counts as soon as the file says so, and the audit is written behind that: whoever dies between the two has made a token
that nobody was told, or has revoked one that was to be revoked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import attrs
import msgspec

from actors.core.errors import NotPossibleError, Refused
from actors.engine.arrivals import Act
from actors.http.exchange import Exchange
from actors.http.models import Reason, ReasonBody
from actors.http.routes import Route, Scope
from actors.http.tokens import NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.http.tokens import TokenBook

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class TokenInfo:
    """A token that has a name: never itself, nor its hash."""

    name: str
    scope: Scope
    created_at: float


@attrs.frozen(kw_only=True)
class TokenList:
    """Tokens, oldest first."""

    tokens: list[TokenInfo]


@attrs.frozen(kw_only=True)
class MadeToken:
    """A token that was made. It is told this once; only its hash is kept."""

    name: str
    scope: Scope
    token: str


@attrs.frozen(kw_only=True)
class RevokedToken:
    """A token that opens nothing any more."""

    name: str


@attrs.frozen(kw_only=True)
class TokenBody:
    """Who is to have a token, and how far it is to reach."""

    name: Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
    scope: Scope
    reason: Reason = ""


async def list_tokens(exchange: Exchange) -> TokenList:
    """The tokens that have names: what they are called, how far they reach, and nothing that opens anything."""
    tokens = _book_of(exchange).named()
    return TokenList(tokens=[TokenInfo(name=t.name, scope=t.scope, created_at=t.created_at) for t in tokens])


async def create_token(exchange: Exchange, body: TokenBody) -> MadeToken:
    """Make a token; it is told this once. It counts at once."""
    token = await create(_book_of(exchange), body.name, body.scope, body.reason, exchange.client.note)
    return MadeToken(name=body.name, scope=body.scope, token=token)


async def revoke_token(exchange: Exchange, body: ReasonBody) -> RevokedToken:
    """Take a token back: it opens nothing any more."""
    await revoke(_book_of(exchange), exchange.path["name"], body.reason, exchange.client.note)
    return RevokedToken(name=exchange.path["name"])


async def create(book: TokenBook, name: str, scope: Scope, reason: str, note: Callable[..., Awaitable[None]]) -> str:
    """Make a token. ``note`` has the audit say so, as :meth:`actors.local.LocalClient.note` does."""
    act = Act(verb="create-token", target=f"token:{name}", detail=f"scope {scope.value}", reason=reason)
    return await _noted(lambda: book.create(name, scope), act, note)


async def revoke(book: TokenBook, name: str, reason: str, note: Callable[..., Awaitable[None]]) -> None:
    """Take a token back, likewise."""
    await _noted(lambda: book.revoke(name), Act(verb="revoke-token", target=f"token:{name}", reason=reason), note)


async def _noted(change: Callable[[], T], act: Act, note: Callable[..., Awaitable[None]]) -> T:
    try:
        made = change()
    except Refused as refusal:
        await note(attrs.evolve(act, target=act.target[:_SHOWN]), refusal=f"{type(refusal).__name__}: {refusal}")
        raise
    await note(act)
    return made


_SHOWN = 200


def _book_of(exchange: Exchange) -> TokenBook:
    if exchange.tokens is None:
        raise NotPossibleError("this server has no data directory, and so no tokens")
    return exchange.tokens


ROUTES = (
    Route("GET", "/tokens", Scope.ADMIN, list_tokens),
    Route("POST", "/tokens", Scope.ADMIN, create_token, status=201),
    Route("PATCH", "/tokens/{name}/revoke", Scope.ADMIN, revoke_token),
)
